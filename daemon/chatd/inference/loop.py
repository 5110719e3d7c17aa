"""The attempts at one turn, until a reply is good, or no other attempt is worth its while."""

import asyncio
from collections.abc import Callable

from msgspec import structs

from chat_rpc import errors, methods
from chat_rpc.methods import Ending, Failure, Timings, Usage
from chatd.chats.memory import running
from chatd.chats.session import Session
from chatd.chats.turns import Turn, boot_s, interrupted
from chatd.inference import tries
from chatd.inference.policy import Ask, Keep, next_step
from chatd.inference.tries import Try
from chatd.inference.trying import Parts, Trying, fault
from chatd.verifier.verify import failure_of

MAX_ATTEMPTS = 10  # at one turn, that the ends of daemons cut short
PAUSE_S = 0.5  # before a server that failed is asked again, where it does not say when


class Loop:
    """One turn at work."""

    def __init__(self, session: Session, turn: Turn, parts: Parts):
        self._turn = turn
        self._session = session
        self._demands = running(turn).demands
        self._clock: Callable[[], float] = asyncio.get_running_loop().time
        self._began_s = self._clock()
        self._tries: list[Try] = []
        self._trying = Trying(session, turn, parts)

    async def run(self) -> Ending:
        """Return how the turn ended; an RpcError that comes out is how it failed."""
        self._trying.prepare()
        if self._turn.attempts and not self._recall():
            return interrupted("chatd ended during the reply, again and again")
        clock = asyncio.timeout_at(self._deadline_s())
        try:
            async with clock:
                keep = await self._find()
        except TimeoutError:
            if not clock.expired():
                raise
            return self._out_of_time()
        return self._hand_on(keep)

    def ending(
        self, state: methods.State, error: Failure | None = None, keep: Keep | None = None
    ) -> Ending:
        """Return the end, as it is told; without a reply to keep, it is the last attempt's."""
        said = keep.best.said if keep else None
        made = self._trying.attempts
        attempt = next((each for each in made[::-1] if said is None or each.n == said.n), None)
        ending = Ending(state=state, error=error, usage=self._usage(), timings=self._timings())
        if said is not None:  # of an earlier daemon's attempt no more is known
            ending.model, ending.backend, ending.verdict = said.model, said.backend, said.verdict
            ending.repaired = said.by == "repair"
        if keep is not None:
            ending.agreement = keep.agreement
        if attempt is not None:
            attempt.describe(ending)
        return ending

    # -- deciding -------------------------------------------------------------------------------

    async def _find(self) -> Keep:
        """Try until there is something to keep."""
        while isinstance(step := next_step(self._turn.asked, self._demands, self._tries), Ask):
            if self._tries and not self._turn.is_checked:
                self._trying.tell_verdict(self._tries[-1])
            await self._pause(step)
            self._tries += await self._trying.make(step)
        return step

    def _recall(self) -> bool:
        """Take what earlier daemons have tried; False: too many of them ended over this turn."""
        tried = [each for each in self._session.tried(self._turn) if each.verdict or each.error]
        self._tries = [tries.restored(each) for each in tried]
        whole = sum(each.is_model for each in self._tries)
        return self._turn.attempts - whole < MAX_ATTEMPTS

    def _deadline_s(self) -> float | None:
        if (max_time_s := self._demands.max_time_s) is None:
            return None
        return self._clock() + max_time_s - (boot_s() - self._turn.boot_s)

    async def _pause(self, step: Ask) -> None:
        """Wait before a model is asked again whose server has failed."""
        failure = step.last.said.error if step.last else None
        if failure is not None:
            await asyncio.sleep((failure.retry_after_ms or 1000 * PAUSE_S) / 1000)

    def _hand_on(self, keep: Keep) -> Ending:
        """Make the best reply the turn's, and return the end."""
        said = keep.best.said
        if keep.best.has_begun and self._trying.shown is not keep.best:
            self._trying.show_again(structs.replace(said, by="kept"))
        error = failure_of(said.verdict) if said.verdict else None
        if error is None and said.error is None:
            return self.ending("done", None, keep)
        return self.ending("failed", fault(error) if error else said.error, keep)

    def _out_of_time(self) -> Ending:
        late = fault(errors.TimedOut(f"no reply within {self._demands.max_time_s:g} s"))
        if not self._tries:
            return self.ending("failed", late)
        keep = Keep(tries.best(self._tries))
        ending = self._hand_on(keep)
        return ending if keep.best.passes else structs.replace(ending, error=late)

    def _usage(self) -> Usage | None:
        """Return what all attempts took together; None: no server has said."""
        used = [each.said.usage for each in self._tries if each.is_model and each.said.usage]
        if not used:
            return None
        return Usage(
            sum(usage.prompt_tokens for usage in used),
            sum(usage.completion_tokens for usage in used),
        )

    def _timings(self) -> Timings:
        made = self._trying.attempts
        firsts = [each.first_s for each in made if each.first_s is not None]
        return Timings(
            queued_ms=self._elapsed_ms(made[0].began_s) if made else 0,
            first_ms=self._elapsed_ms(firsts[0]) if firsts else 0,
            total_ms=self._elapsed_ms(self._clock()),
        )

    def _elapsed_ms(self, at_s: float) -> int:
        return round((at_s - self._began_s) * 1000)
