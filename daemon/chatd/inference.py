"""Turns at work: a model is asked, and its reply is journaled as it comes."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import aclosing, suppress

from chat_rpc import errors, methods
from chat_rpc.methods import Ending, Failure, Timings, Usage
from chatd.backends import demo
from chatd.backends.pieces import Finish, Piece, Text, Thought
from chatd.backends.pool import Choice, Pool, plain_name
from chatd.boundary import boundary
from chatd.chats import context
from chatd.chats.session import Session
from chatd.chats.turns import Turn, digest_of, interrupted
from chatd.config import Limits
from chatd.scheduler import Scheduler
from chatd.verifier import basic

log = logging.getLogger(__name__)

UNFINISHED_TURNS = 1000  # of one user: each is a task, and costs 5 KB of the heap
MAX_ATTEMPTS = 10  # of one turn, by daemons that died meanwhile


class Inference:
    """Runs turns, each in a task of its own."""

    def __init__(self, pool: Pool, scheduler: Scheduler, limits: Limits, tasks: asyncio.TaskGroup):
        self._pool = pool
        self._scheduler = scheduler
        self._limits = limits
        self._tasks = tasks
        self._running: dict[str, asyncio.Task[None]] = {}
        self._unfinished: Counter[int] = Counter()
        self._stopping = False

    def start(self, session: Session, params: methods.TurnStart) -> tuple[Turn, bool]:
        """Return the turn for this key, and whether it was there already."""
        if not params.prompt.strip() and not params.data.strip():
            raise errors.InvalidParams("the prompt is empty")
        digest = digest_of(params)
        if turn := session.by_key(params.key, digest):
            return turn, True
        if self._stopping:
            raise errors.Draining("chatd is stopping")
        if self._unfinished[session.uid] >= UNFINISHED_TURNS:
            why = f"{UNFINISHED_TURNS} of your turns are not done yet"
            raise errors.Overloaded(why, retry_after_ms=1000)
        turn = session.begin(params, digest)
        self._go(session, turn)
        return turn, False

    def resume(self, session: Session, turn: Turn) -> None:
        """Ask again what the last daemon did not finish, unless that is what ends daemons."""
        if turn.attempts >= MAX_ATTEMPTS:
            with suppress(errors.StoreFull):  # then it is asked again, after all
                session.end(turn, interrupted("chatd ended during the reply, again and again"))
        else:
            self._go(session, turn)

    async def wait(self, turn: Turn) -> None:
        """Return when the turn has ended."""
        if task := self._running.get(turn.id):
            await asyncio.wait([task])

    def cancel(self, turn: Turn) -> bool:
        """Stop the turn; False if it had ended."""
        task = self._running.get(turn.id)
        if task is None:
            return False
        # soon, not now: a task that is cancelled before its first step never runs, nor its end
        asyncio.get_running_loop().call_soon(task.cancel)
        return True

    async def stop(self) -> None:
        """Let running turns go on for a little; what is not done then, the next daemon asks."""
        self._stopping = True
        if self._running:
            await asyncio.wait(self._running.values(), timeout=self._limits.stop_s)
        while self._running:
            tasks = list(self._running.values())
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _go(self, session: Session, turn: Turn) -> None:
        self._unfinished[session.uid] += 1
        self._running[turn.id] = self._tasks.create_task(self._run(session, turn))

    async def _run(self, session: Session, turn: Turn) -> None:
        work = Attempt(session, turn, self._limits)
        try:
            with boundary(log, f"turn {turn.id}"):
                ending = await self._attempt(work)
        except errors.RpcError as exc:
            ending = work.ending("failed", Failure(exc.code, exc.kind, exc.message))
        except asyncio.CancelledError:
            if self._stopping:
                return  # without an end in the journal: the next daemon asks again
            kind = errors.Cancelled
            ending = work.ending("cancelled", Failure(kind.code, kind.kind, "cancelled"))
        finally:
            del self._running[turn.id]
            self._unfinished[session.uid] -= 1
        try:
            with boundary(log, f"the end of turn {turn.id}"):
                with suppress(errors.StoreFull):  # the end, below, says what the state is
                    work.flush()
                session.end(turn, ending)
        except errors.RpcError as exc:
            log.error("turn %s of uid %d has no end: %s", turn.id, session.uid, exc.kind)
        else:
            log.info("turn %s of uid %d: %s", turn.id, session.uid, ending.state)

    async def _attempt(self, work: "Attempt") -> Ending:
        turn, session = work.turn, work.session
        choice = await self._pool.choose(session.uid, turn.asked)
        if choice.is_demo:
            view = session.view(turn)
            demo.refuse_unfit(view.prompt, view.data, view.system, len(session.messages(turn)) - 1)
        url, slots = choice.server.url, choice.server.slots
        async with self._scheduler.slot(url, slots, work.tell_place):
            messages, dropped = context.fit(session.messages(turn), choice.context_tokens)
            if choice.is_demo:
                async with self._pool.engine.running():
                    work.begin(choice, messages, dropped)
                    await work.ask(demo.OPTIONS)
            else:
                work.begin(choice, messages, dropped)
                try:
                    await work.ask({})
                except errors.ContextTooLong:
                    shorter, more = context.halve(messages)
                    if not more:
                        raise
                    work.begin(choice, shorter, dropped + more)
                    await work.ask({})
        work.check()
        return work.ending("done", None)


class Attempt:
    """One try of a model at a turn."""

    def __init__(self, session: Session, turn: Turn, limits: Limits):
        self.session = session
        self.turn = turn
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._timings = Timings()
        self._choice: Choice | None = None
        self._messages: context.Messages = []
        self._dropped_turns = 0
        self._finish: Finish | None = None
        self._is_blank = True
        self._held: list[str] = []  # the demo's reply, until it is checked
        self._unsent: list[str] = []
        self._failure: errors.RpcError | None = None

    def tell_place(self, place: int) -> None:
        self.session.add_event(self.turn, "queued", place=place)

    def begin(self, choice: Choice, messages: context.Messages, dropped_turns: int) -> None:
        """Note who will be asked, and what; a chat that goes on gets its snapshot."""
        self._choice = choice
        self._messages = messages
        self._dropped_turns = dropped_turns
        self._timings.queued_ms = self._elapsed_ms()
        self.session.add_event(
            self.turn,
            "attempt",
            n=self.turn.attempts + 1,
            model=choice.model,
            backend=choice.server.name,
        )
        if len(messages) > 1 or dropped_turns:
            snapshot = context.snapshot(choice.model, messages, dropped_turns)
            self.session.files.write_context(self.turn.chat, snapshot)

    async def ask(self, options: Mapping[str, object]) -> None:
        """Take the whole reply; the demo's is held, any other is passed on as it comes."""
        assert self._choice is not None  # noqa: S101  # begin() came first
        slack_s = min(0.5, self._limits.token_s / 4)
        reply = self._choice.server.reply(self._choice.model, self._messages, options)
        try:
            async with aclosing(reply), asyncio.timeout(self._limits.first_token_s) as clock:
                wound = 0.0
                async for piece in reply:
                    # comments of the server's are no piece: they do not stop the clock
                    if (now := self._loop.time()) > wound + slack_s:
                        wound = now  # not for every token: a timer costs as much as one
                        clock.reschedule(now + self._limits.token_s + slack_s)
                    self._take(piece)
        except TimeoutError:
            raise errors.Stalled(f"{self._choice.server.name} sent no more tokens") from None

    def check(self) -> None:
        """Raise unless the reply is a good one; then a held one is passed on."""
        assert self._finish is not None  # noqa: S101  # ask() raises otherwise
        text = "".join(self._held)
        if demo.DECLINE in text:
            raise demo.declined("the built-in demo does not know that")
        basic.check(self._finish.reason, is_blank=self._is_blank)
        if self._is_demo:
            self.session.add_text(self.turn, text)

    def ending(self, state: methods.State, error: Failure | None) -> Ending:
        self._timings.total_ms = self._elapsed_ms()
        finish, choice = self._finish, self._choice
        asked = choice.model if choice else None
        served = finish.model if finish and finish.model else asked
        return Ending(
            state=state,
            finish=finish.reason if finish else None,
            model=asked if self._is_demo else served,
            backend=choice.server.name if choice else None,
            demo=self._is_demo,
            mismatch=not self._is_demo and _differ(asked, served),
            usage=finish.usage or Usage() if finish else None,
            timings=self._timings,
            dropped_turns=self._dropped_turns,
            error=error,
        )

    def flush(self) -> None:
        """Pass on what has come: all that was in the buffer together is one event."""
        if self._unsent:
            text, self._unsent = "".join(self._unsent), []
            self.session.add_text(self.turn, text)

    @property
    def _is_demo(self) -> bool:
        return self._choice is not None and self._choice.is_demo

    def _take(self, piece: Piece) -> None:
        if self._failure is not None:
            raise self._failure
        if not self._timings.first_ms:
            self._timings.first_ms = self._elapsed_ms()
        match piece:
            case Text():
                self._is_blank = self._is_blank and not piece.text.strip()
                if self._is_demo:
                    self._held.append(piece.text)
                    return
                if not self._unsent:
                    self._loop.call_soon(self._flush_soon)
                self._unsent.append(piece.text)
            case Thought():
                self.flush()
                self.session.add_event(self.turn, "think", text=piece.text)
            case Finish():
                self._finish = piece
                self.flush()

    def _flush_soon(self) -> None:
        try:
            self.flush()
        except errors.RpcError as exc:  # the store is full: the next piece raises it in its task
            self._failure = exc

    def _elapsed_ms(self) -> int:
        return round((self._loop.time() - self._began) * 1000)


def _differ(asked: str | None, served: str | None) -> bool:
    return asked is not None and served is not None and plain_name(asked) != plain_name(served)
