"""Turns at work: a model is asked, and its reply is journaled as it comes."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress

from chat_rpc import errors, methods
from chat_rpc.methods import Ending, Failure, Timings, Usage
from chatd.backends import demo
from chatd.backends.pieces import Finish, Piece, Thought
from chatd.backends.pool import Choice, Pool, plain_name
from chatd.boundary import boundary
from chatd.chats import context
from chatd.chats.session import Session
from chatd.chats.turns import Turn, digest_of, interrupted
from chatd.config import Limits
from chatd.scheduler import Scheduler
from chatd.verifier import basic

log = logging.getLogger(__name__)

UNFINISHED_TURNS = 4096  # of one user: each is a task, and costs 5 KB of the heap
MAX_ATTEMPTS = 10  # of one turn, by daemons that died meanwhile
END_S = 1.0  # that an end may take to be kept, where there is room
NO_ROOM = "turn %s of uid %d: there is no room for its end yet"
ROOM_S = 1.0  # between two looks whether the store has room for the end of a turn


class Inference:
    """Runs turns, each in a task of its own."""

    def __init__(self, pool: Pool, scheduler: Scheduler, limits: Limits, tasks: asyncio.TaskGroup):
        self._pool = pool
        self._scheduler = scheduler
        self._limits = limits
        self._tasks = tasks
        self._running: dict[str, asyncio.Task[None]] = {}
        self._ending: set[str] = set()  # of those that run: what is said is said
        self._unfinished: Counter[int] = Counter()
        self._stopping = False
        self._abandoning = False

    def start(self, session: Session, params: methods.TurnStart) -> tuple[Turn, bool]:
        """Return the turn for this key, and whether it was there already."""
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
        """Ask again what the last daemon did not finish; to stop what it had to stop."""
        self._go(session, turn)
        if session.chats[turn.chat].is_deleted:
            self.cancel(turn)

    async def wait(self, turn: Turn, timeout_s: float | None = None) -> None:
        """Return when the turn has ended, or the time is over."""
        if task := self._running.get(turn.id):
            await asyncio.wait([task], timeout=timeout_s)

    def cancel(self, turn: Turn) -> bool:
        """Stop the turn; False if it had ended."""
        if turn.id not in self._running or turn.id in self._ending:
            return False
        # soon, not now: a task that is cancelled before its first step never runs, nor its end
        asyncio.get_running_loop().call_soon(self._cancel, turn.id)
        return True

    @property
    def unfinished(self) -> int:
        """How many turns run or wait, of all users."""
        return len(self._running)

    async def stop(self) -> None:
        """Let running turns go on for a little; what is not done then, the next daemon asks."""
        self._stopping = True
        if self._running:
            await asyncio.wait(self._running.values(), timeout=self._limits.stop_s)
        self._abandoning = True
        while self._running:
            tasks = list(self._running.values())
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _go(self, session: Session, turn: Turn) -> None:
        self._unfinished[session.uid] += 1
        self._running[turn.id] = self._tasks.create_task(self._run(session, turn))

    def _cancel(self, turn: str) -> None:
        if turn in self._running and turn not in self._ending:
            self._running[turn].cancel()

    async def _run(self, session: Session, turn: Turn) -> None:
        try:
            work = Attempt(session, turn, self._limits)
            if (ending := await self._ask(work)) is not None:
                self._ending.add(turn.id)
                await _end(work, ending)
        finally:
            self._ending.discard(turn.id)
            del self._running[turn.id]
            self._unfinished[session.uid] -= 1

    async def _ask(self, work: "Attempt") -> Ending | None:
        """Return how the turn ended; None: it is left to the next daemon."""
        try:
            with boundary(log, f"turn {work.turn.id}", **work.names):
                return await self._attempt(work)
        except errors.RpcError as exc:
            failure = Failure(exc.code, exc.kind, exc.message, exc.retry_after_ms)
            return work.ending("failed", failure)
        except asyncio.CancelledError:
            if self._abandoning:
                return None  # without an end in the journal: the next daemon asks again
            kind = errors.Cancelled
            return work.ending("cancelled", Failure(kind.code, kind.kind, "cancelled"))

    async def _attempt(self, work: "Attempt") -> Ending:
        turn, session = work.turn, work.session
        if turn.attempts >= MAX_ATTEMPTS:  # it may be what ends daemons
            return interrupted("chatd ended during the reply, again and again")
        choice = await self._pool.choose(session.uid, turn.asked)
        if choice.is_demo:
            view = session.view(turn)
            demo.refuse_unfit(
                view.prompt, view.data, view.system, len(context.messages(session, turn)) - 1
            )
        url, slots = choice.server.url, choice.server.slots
        async with self._scheduler.slot(url, slots, work.tell_place):
            messages, dropped = context.fit(context.messages(session, turn), choice.context_tokens)
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

    @property
    def names(self) -> dict[str, object]:
        """What the journal's lines about it can be found by."""
        return {"turn": self.turn.id, "uid": self.session.uid}

    def tell_place(self, place: int) -> None:
        with suppress(errors.StoreFull):  # another turn's leaving tells it, and must not fail by it
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
        wound = 0.0

        def take(piece: Piece) -> None:
            # comments of the server's are no piece: they do not stop the clock
            nonlocal wound
            if (now := self._loop.time()) > wound + slack_s and not clock.expired():
                wound = now  # not for every token: a timer costs as much as one
                clock.reschedule(now + self._limits.token_s + slack_s)
            self._take(piece)

        server = self._choice.server
        try:
            async with asyncio.timeout(self._limits.first_token_s) as clock:
                self._finish = await server.reply(self._choice.model, self._messages, options, take)
        except TimeoutError:
            limits = self._limits
            what, wait_s = (
                ("sent no more tokens", limits.token_s)
                if self._timings.first_ms
                else ("sent no first token", limits.first_token_s)
            )
            raise errors.Stalled(f"{server.name} {what} in {wait_s:g} s") from None

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

    def end(self, ending: Ending) -> bool:
        """Journal the end; False: there is no room for it."""
        try:
            self.session.end(self.turn, ending)
        except errors.StoreFull:
            return False
        return True

    @property
    def _is_demo(self) -> bool:
        return self._choice is not None and self._choice.is_demo

    def _take(self, piece: Piece) -> None:
        if not self._timings.first_ms:
            self._timings.first_ms = self._elapsed_ms()
        if isinstance(piece, Thought):
            self.session.add_event(self.turn, "think", text=piece.text)
            return
        self._is_blank = self._is_blank and not piece.text.strip()
        if self._is_demo:
            self._held.append(piece.text)
        else:
            self.session.add_text(self.turn, piece.text)

    def _elapsed_ms(self) -> int:
        return round((self._loop.time() - self._began) * 1000)


async def _end(work: Attempt, ending: Ending) -> None:
    """Journal a turn's end; where it does not fit, as soon as it does.

    Until then its readers wait: what they would be told is not kept, and may come otherwise.
    """
    turn, uid = work.turn, work.session.uid
    try:
        with boundary(log, f"the end of turn {turn.id}", **work.names):
            if not work.end(ending):
                log.warning(NO_ROOM, turn.id, uid, extra=work.names)
                while not work.end(ending):  # noqa: ASYNC110  # nobody tells when there is room
                    await asyncio.sleep(ROOM_S)
    except errors.RpcError as exc:
        log.error("turn %s of uid %d has no end: %s", turn.id, uid, exc.kind, extra=work.names)
    else:
        log.info("turn %s of uid %d: %s", turn.id, uid, ending.state, extra=work.names)


def _differ(asked: str | None, served: str | None) -> bool:
    return asked is not None and served is not None and plain_name(asked) != plain_name(served)
