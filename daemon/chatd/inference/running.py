"""Turns at work: a model is asked, and its reply is journaled as it comes."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from chat_rpc import errors, methods
from chat_rpc.methods import Ending
from chatd.backends.pool import Pool
from chatd.boundary import boundary
from chatd.chats import conversations, request
from chatd.chats.demands import Demands
from chatd.chats.session import Session
from chatd.chats.turns import Chat, Turn, digest_of
from chatd.config import Limits
from chatd.inference.checking import checks_of
from chatd.inference.desk import Desk
from chatd.inference.judge import Judges
from chatd.inference.loop import Loop
from chatd.inference.trying import Parts, fault
from chatd.scheduler import Scheduler
from chatd.verifier.apart import Verifier

log = logging.getLogger(__package__)

Names = dict[str, object]  # by which the lines of the log about a turn are found

UNFINISHED_TURNS = 4096  # of one user: each is a task, and costs 5 KB of the heap
END_S = 1.0  # that an end may take to be kept, where there is room
NO_ROOM = "turn %s of uid %d: there is no room for its end yet"
ROOM_S = 1.0  # between two looks whether the store has room for the end of a turn


class Inference:
    """Runs turns, each in a task of its own."""

    def __init__(
        self,
        pool: Pool,
        scheduler: Scheduler,
        verifier: Verifier,
        limits: Limits,
        tasks: asyncio.TaskGroup,
    ):
        judges = Judges(pool, scheduler, limits)
        self._parts = Parts(pool, scheduler, limits, Desk(), judges, verifier)
        self._tasks = tasks
        self._running: dict[str, asyncio.Task[None]] = {}
        self._ending: set[str] = set()  # of those that run: what is said is said
        self._unfinished: Counter[int] = Counter()
        self._stopping = False
        self._abandoning = False

    def start(self, session: Session, params: methods.TurnStart) -> tuple[Turn, bool]:
        """Return the turn for this key, and whether it was there already."""
        return self._start(session, params, digest_of(params))

    def refine(self, session: Session, params: methods.Refine) -> tuple[Turn, bool]:
        """Return the turn that makes a reply anew, and whether it was there already."""
        if not session.turn(params.turn).has_ended:
            raise errors.InvalidParams("the turn has not ended: there is no reply yet")
        asked = methods.TurnStart(
            prompt="", key=params.key, instead_of=params.turn, model=params.model,
            priority=params.priority, checks=params.checks, without=params.without,
            tries=params.tries, wait=params.wait,
        )  # fmt: skip
        return self._start(session, asked, digest_of(params), params.feedback)

    def demand(self, session: Session, chat: Chat, params: methods.ChatChecks) -> None:
        """Demand something of all replies to come in a chat; raises InvalidParams."""
        demands = Demands(checks=params.checks, without=params.without, tries=params.tries)
        checks_of(demands)
        conversations.demand(session, chat, demands)

    def take_verdict(self, params: methods.TurnVerdict) -> bool:
        """Take what a client's program said; False: nobody waits for it."""
        return self._parts.desk.take(params)

    def resume(self, session: Session, turn: Turn) -> None:
        """Ask again what the last daemon did not finish; to stop what it had to stop."""
        self._go(session, turn)
        if session.chats[turn.chat].is_deleted:
            self.cancel(turn)

    async def wait(self, turn: Turn, timeout_s: float | None = None) -> None:
        """Return when the turn has ended, or the time is over."""
        if task := self._running.get(turn.id):
            await asyncio.wait([task], timeout=timeout_s)

    def when_done(self, turn: Turn, do: Callable[[], None]) -> None:
        """Call `do` when nobody works at the turn any more."""
        if task := self._running.get(turn.id):
            task.add_done_callback(lambda _: do())
        else:
            do()

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
            await asyncio.wait(self._running.values(), timeout=self._parts.limits.stop_s)
        self._abandoning = True
        while self._running:
            tasks = list(self._running.values())
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _start(
        self, session: Session, params: methods.TurnStart, digest: str, feedback: str | None = None
    ) -> tuple[Turn, bool]:
        if turn := session.by_key(params.key, digest):
            return turn, True
        if self._stopping:
            raise errors.Draining("chatd is stopping")
        if self._unfinished[session.uid] >= UNFINISHED_TURNS:
            why = f"{UNFINISHED_TURNS} of your turns are not done yet"
            raise errors.Overloaded(why, retry_after_ms=1000)
        want = request.wanted(session, params)
        if feedback is not None:
            want = replace(want, refines=params.instead_of, feedback=feedback)
        _refuse_unfit(want.demands, params)
        turn = session.begin(params, digest, want)
        self._go(session, turn)
        return turn, False

    def _go(self, session: Session, turn: Turn) -> None:
        self._unfinished[session.uid] += 1
        self._running[turn.id] = self._tasks.create_task(self._run(session, turn))

    def _cancel(self, turn: str) -> None:
        if turn in self._running and turn not in self._ending:
            self._running[turn].cancel()

    async def _run(self, session: Session, turn: Turn) -> None:
        try:
            names: Names = {"turn": turn.id, "uid": session.uid}
            if (ending := await self._ask(session, turn, names)) is not None:
                self._ending.add(turn.id)
                await _end(session, turn, ending, names)
        finally:
            self._ending.discard(turn.id)
            del self._running[turn.id]
            self._unfinished[session.uid] -= 1

    async def _ask(self, session: Session, turn: Turn, names: Names) -> Ending | None:
        """Return how the turn ended; None: it is left to the next daemon."""
        work = Loop(session, turn, self._parts)
        try:
            with boundary(log, f"turn {turn.id}", **names):
                return await work.run()
        except errors.RpcError as exc:
            return work.ending("failed", fault(exc))
        except asyncio.CancelledError:
            if self._abandoning and session.is_ephemeral:
                return work.ending("interrupted", fault(errors.Draining("chatd is stopping")))
            if self._abandoning:
                return None  # without an end in the journal: the next daemon asks again
            return work.ending("cancelled", fault(errors.Cancelled("cancelled")))


def _refuse_unfit(demands: Demands, params: methods.TurnStart) -> None:
    """Raise InvalidParams for what cannot be checked, or not in this way."""
    checks = checks_of(demands)
    if any(ready.check.type == "exec" for ready in checks.all):
        if params.wait:
            raise errors.InvalidParams("checks: with wait nobody is told to run exec")
        if params.priority == "batch":
            raise errors.InvalidParams("checks: there is nobody to run exec for a batch")


async def _end(session: Session, turn: Turn, ending: Ending, names: Names) -> None:
    """Journal a turn's end; where it does not fit, as soon as it does.

    Until then its readers wait: what they would be told is not kept, and may come otherwise.
    """
    try:
        with boundary(log, f"the end of turn {turn.id}", **names):
            if not _is_kept(session, turn, ending):
                log.warning(NO_ROOM, turn.id, session.uid, extra=names)
                while not _is_kept(session, turn, ending):  # noqa: ASYNC110  # nobody tells
                    await asyncio.sleep(ROOM_S)
    except errors.RpcError as exc:
        log.error("turn %s of uid %d has no end: %s", turn.id, session.uid, exc.kind, extra=names)
    else:
        log.info("turn %s of uid %d: %s", turn.id, session.uid, ending.state, extra=names)


def _is_kept(session: Session, turn: Turn, ending: Ending) -> bool:
    """Journal the end; False: there is no room for it."""
    try:
        session.end(turn, ending)
    except errors.StoreFull:
        return False
    return True
