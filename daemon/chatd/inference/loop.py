"""The attempts at one turn, until a reply is good, or no other attempt is worth its while."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from msgspec import structs

from chat_rpc import errors, methods
from chat_rpc.checks import Verdict
from chat_rpc.methods import Ending, Failure, Timings, Tried, Usage
from chatd.backends import demo
from chatd.backends.pool import Choice, Pool
from chatd.chats import context
from chatd.chats.memory import running
from chatd.chats.session import Session
from chatd.chats.turns import Turn, boot_s, interrupted
from chatd.config import Limits
from chatd.inference import asking, tries
from chatd.inference.attempt import Attempt
from chatd.inference.checking import checks_of, verdict_on
from chatd.inference.desk import Desk
from chatd.inference.judge import Judges
from chatd.inference.outside import Outside
from chatd.inference.policy import Ask, Keep, next_step
from chatd.inference.tries import Try
from chatd.scheduler import Scheduler
from chatd.verifier import repair
from chatd.verifier.apart import Verifier
from chatd.verifier.rule import Reply, Request
from chatd.verifier.verify import Checks, failure_of
from chatd.verifier.watch import Watch

MAX_ATTEMPTS = 10  # at one turn, that the ends of daemons cut short
PAUSE_S = 0.5  # before a server that failed is asked again, where it does not say when
LONGEST_PAUSE_S = 30.0
DECLINED = errors.DemoDeclined.code


@dataclass(frozen=True, slots=True)
class Parts:
    """What loops work with."""

    pool: Pool
    scheduler: Scheduler
    limits: Limits
    desk: Desk
    judges: Judges
    verifier: Verifier


class Loop:
    """One turn at work."""

    def __init__(self, session: Session, turn: Turn, parts: Parts):
        self.session = session
        self.turn = turn
        self.demands = running(turn).demands
        self._pool, self._scheduler, self._limits = parts.pool, parts.scheduler, parts.limits
        self._verifier = parts.verifier
        self._outside = Outside(session, turn, parts.desk, parts.judges)
        self._checks = Checks(())
        self._request = Request()
        self._clock: Callable[[], float] = asyncio.get_running_loop().time
        self._began_s = self._clock()
        self._timings = Timings()
        self._tries: list[Try] = []
        self._attempts: dict[int, Attempt] = {}  # of this daemon, by their numbers
        self._last: Attempt | None = None
        self._shown: Try | None = None  # whose text is the reply, as of now

    async def run(self) -> Ending:
        """Return how the turn ended; an RpcError that comes out is how it failed."""
        self._checks, self._request = checks_of(self.demands), self._asked()
        if self.turn.attempts and not self._recall():
            return interrupted("chatd ended during the reply, again and again")
        try:
            async with asyncio.timeout_at(self._deadline_s()) as clock:
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
        attempt = self._attempts.get(said.n) if said else self._last
        self._timings.total_ms = self._elapsed_ms(self._clock())
        if self._attempts and (first_s := min(self._attempts.items())[1].first_s):
            self._timings.first_ms = self._elapsed_ms(first_s)
        ending = Ending(state=state, error=error, usage=self._usage(), timings=self._timings)
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
        while isinstance(step := next_step(self.turn.asked, self.demands, self._tries), Ask):
            if self._tries and not self.turn.is_checked:
                self._tell_verdict(self._tries[-1])
            await self._pause(step)
            self._tries += await self._try(step)
        return step

    def _asked(self) -> Request:
        said = self.session.said(self.turn)
        sources = context.plain(self.session, said._replace(prompt=""))
        return Request(said.prompt, sources, said.system or "")

    def _recall(self) -> bool:
        """Take what earlier daemons have tried; False: too many of them ended over this turn."""
        tried = [each for each in self.session.tried(self.turn) if each.verdict or each.error]
        self._tries = [tries.restored(each) for each in tried]
        whole = sum(each.is_model for each in self._tries)
        return self.turn.attempts - whole < MAX_ATTEMPTS

    def _deadline_s(self) -> float | None:
        if (max_time_s := self.demands.max_time_s) is None:
            return None
        return self._clock() + max_time_s - (boot_s() - self.turn.boot_s)

    async def _pause(self, step: Ask) -> None:
        """Wait before a model is asked again whose server has failed."""
        failure = step.last.said.error if step.last else None
        if failure is not None:
            wait_s = (failure.retry_after_ms or 1000 * PAUSE_S) / 1000
            await asyncio.sleep(min(wait_s, LONGEST_PAUSE_S))

    # -- one attempt ----------------------------------------------------------------------------

    async def _try(self, step: Ask) -> list[Try]:
        """Return what a model said, and what was cut out of it."""
        attempt = None
        try:
            choice = await self._pool.choose(self.session.uid, step.model)
            self._refuse_unfit(choice)
            url, slots = choice.server.url, choice.server.slots
            async with self._scheduler.slot(url, slots, self.session.uid, self._tell_place):
                attempt = self._begin(choice)
                await self._ask(attempt, step)
        except errors.RpcError as exc:
            if not _may_go_on(exc):
                raise
            return [self._failed(attempt, exc)]
        return await self._judged(attempt)

    def _begin(self, choice: Choice) -> Attempt:
        if not self._attempts:
            self._timings.queued_ms = self._elapsed_ms(self._clock())
        attempt = Attempt(self.session, self.turn, choice, self._limits, Watch(self._checks))
        self._attempts[attempt.n] = self._last = attempt
        self._shown = None
        return attempt

    async def _ask(self, attempt: Attempt, step: Ask) -> None:
        choice = attempt.choice
        if choice.is_demo:
            async with self._pool.engine.running():
                attempt.begin()
                await attempt.ask(context.messages(self.session, self.turn), demo.OPTIONS)
            return
        view = self._view(step).fitted(choice.context_tokens)
        attempt.begin()
        try:
            await self._show(attempt, step, view)
        except errors.ContextTooLong:
            if (less := view.shorter()) is None:
                raise
            await self._show(attempt, step, less)

    def _view(self, step: Ask) -> asking.View:
        """Return what the model is shown, before it is made to fit."""
        messages = context.messages(self.session, self.turn)
        again = context.refined(self.session, self.turn)
        rules = again[-1]["content"] if again else ""
        if step.way != "repair" or step.last is None or step.last.said.verdict is None:
            return asking.View(messages, again, rules)
        advice = repair.advise(step.last.said.verdict)
        number, reasons = self.turn.attempts + 1, list(advice.reasons)
        self.session.add_event(self.turn, "refine", n=number, reasons=reasons)
        again += [
            {"role": "assistant", "content": step.last.said.text},
            {"role": "user", "content": advice.feedback},
        ]
        rules = "\n\n".join(part for part in (rules, repair.rules(self._checks)) if part)
        return asking.View(messages, again, rules)

    async def _show(self, attempt: Attempt, step: Ask, view: asking.View) -> None:
        attempt.show(view.messages, view.dropped_turns)
        thinks = attempt.choice.server.thinks_first(attempt.choice.model)
        await attempt.ask(
            view.messages,
            asking.options_of(step, self.demands, attempt.n),
            schema=None if thinks and step.way != "repair" else self._checks.schema,
            tokens_left=step.tokens_left,
        )

    def _refuse_unfit(self, choice: Choice) -> None:
        if choice.is_demo:
            said = self.session.said(self.turn)
            earlier = len(context.messages(self.session, self.turn)) - 1
            demo.refuse_unfit(said.prompt, said.data, said.system, earlier, files=len(said.files))
            if self.turn.is_checked:
                raise demo.declined("the built-in demo is not for replies that are checked")

    # -- what came of it ------------------------------------------------------------------------

    def _failed(self, attempt: Attempt | None, exc: errors.RpcError) -> Try:
        """Return an attempt that has no whole reply; one that never began has no number."""
        if attempt is None:
            return Try(Tried(n=0, error=fault(exc)))
        said = structs.replace(attempt.said(), error=fault(exc))
        return self._noted(Try(said, attempt.tokens, attempt.has_begun))

    async def _judged(self, attempt: Attempt) -> list[Try]:
        """Return what the checks say of a whole reply, and of what can be cut out of it."""
        verdict = await self._verdict(attempt, attempt.reply)
        if attempt.choice.is_demo:
            attempt.pass_on(verdict)
        said = structs.replace(attempt.said(), verdict=verdict)
        made = self._noted(Try(said, attempt.tokens, attempt.has_begun))
        part = None if made.passes else await self._part(attempt)
        return [made] if part is None else [made, await self._cut_out(attempt, said, part)]

    async def _part(self, attempt: Attempt) -> str | None:
        """Return what of an attempt passes where the whole did not, if that may be handed on.

        JSON that a server took for a thought is a reply that went astray.
        """
        reply, thought = attempt.reply, "".join(attempt.thought)
        verify = partial(self._verifier.verify, self._checks.inside(), self._request)
        if not reply.text.strip() and thought and self._wants_json:
            attempt.choice.server.mistakes_json(attempt.choice.model)
            return await repair.extracted(reply.of(f" {thought}"), verify)
        if self.demands.extract:
            return await repair.extracted(reply, verify)
        return None

    @property
    def _wants_json(self) -> bool:
        return any(ready.check.type in ("json", "schema") for ready in self._checks.all)

    async def _cut_out(self, attempt: Attempt, whole: Tried, text: str) -> Try:
        """Show a part of a reply, and return what the checks say of that."""
        said = structs.replace(whole, by="repair", text=text)
        self._show_again(said)
        said.verdict = await self._verdict(attempt, attempt.reply.of(text))
        return self._noted(Try(said, 0, has_begun=True))

    async def _verdict(self, attempt: Attempt, reply: Reply) -> Verdict:
        verifier, checks = self._verifier, self._checks
        return await verdict_on(verifier, checks, self._request, reply, attempt, self._outside)

    def _noted(self, made: Try) -> Try:
        self._shown = made
        if self.turn.is_checked:
            self._tell_verdict(made)
        return made

    def _hand_on(self, keep: Keep) -> Ending:
        """Make the best reply the turn's, and return the end."""
        said = keep.best.said
        if keep.best.has_begun and self._shown is not keep.best:
            self._show_again(structs.replace(said, by="kept"))
        error = failure_of(said.verdict) if said.verdict else None
        if error is None and said.error is None:
            return self.ending("done", None, keep)
        return self.ending("failed", fault(error) if error else said.error, keep)

    def _out_of_time(self) -> Ending:
        late = fault(errors.TimedOut(f"no reply within {self.demands.max_time_s:g} s"))
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

    # -- telling --------------------------------------------------------------------------------

    def _tell_place(self, place: int) -> None:
        try:
            self.session.add_event(self.turn, "queued", place=place)
        except errors.StoreFull:
            pass  # another turn's leaving tells it, and must not fail by it

    def _tell_verdict(self, made: Try) -> None:
        said = made.said
        if said.n:
            self.session.add_event(
                self.turn,
                "verify",
                n=said.n,
                verdict=said.verdict,
                usage=said.usage,
                total_ms=said.total_ms,
                error=said.error,
            )

    def _show_again(self, said: Tried) -> None:
        self.session.add_event(
            self.turn,
            "attempt",
            n=said.n,
            by=said.by,
            model=said.model,
            backend=said.backend,
        )
        self.session.add_text(self.turn, said.text)

    def _elapsed_ms(self, at_s: float) -> int:
        return round((at_s - self._began_s) * 1000)


def _may_go_on(exc: errors.RpcError) -> bool:
    """Say whether another attempt may be spared this: it is a model server's."""
    of_server = exc.code in range(3000, 4000) or isinstance(exc, errors.Overloaded)
    return (of_server or isinstance(exc, errors.ChecksFailed)) and exc.code != DECLINED


def fault(exc: errors.RpcError) -> Failure:
    return Failure(exc.code, exc.kind, exc.message, exc.retry_after_ms)
