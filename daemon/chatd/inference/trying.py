"""One attempt as a step of the loop: who is asked, what is told, and what the checks say of it."""

from dataclasses import dataclass
from functools import cached_property, partial

from msgspec import structs

from chat_rpc import errors
from chat_rpc.checks import Verdict
from chat_rpc.methods import Failure, Tried
from chatd.backends import demo
from chatd.backends.pool import Choice, Pool
from chatd.chats import context
from chatd.chats.memory import running
from chatd.chats.session import Session
from chatd.chats.turns import Turn
from chatd.config import Limits
from chatd.inference import asking
from chatd.inference.attempt import Attempt
from chatd.inference.checking import checks_of, verdict_on
from chatd.inference.desk import Desk
from chatd.inference.judge import Judges
from chatd.inference.outside import Outside
from chatd.inference.policy import Ask
from chatd.inference.tries import Try
from chatd.scheduler import Scheduler
from chatd.verifier import repair
from chatd.verifier.apart import Verifier
from chatd.verifier.rule import Reply, Request
from chatd.verifier.verify import Checks
from chatd.verifier.watch import Watch

PART_CHARS = 65536  # of a text that is told again: a line has its limit
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


class Trying:
    """The attempts at one turn that this daemon makes."""

    def __init__(self, session: Session, turn: Turn, parts: Parts):
        self.attempts: list[Attempt] = []
        self.shown: Try | None = None  # whose text is the reply, as of now
        self._session = session
        self._turn = turn
        self._pool, self._scheduler, self._limits = parts.pool, parts.scheduler, parts.limits
        self._demands = running(turn).demands
        self._verifier = parts.verifier
        self._outside = Outside(session, turn, parts.desk, parts.judges)
        self._checks = Checks(())

    def prepare(self) -> None:
        """Make ready what is demanded; raises InvalidParams."""
        self._checks = checks_of(self._demands)

    async def make(self, step: Ask) -> list[Try]:
        """Do a step, and return what a model said, and what was cut out of it."""
        attempt = None
        try:
            choice = await self._pool.choose(self._session.uid, step.model)
            self._refuse_unfit(choice)
            url, slots = choice.server.url, choice.server.slots
            async with self._scheduler.slot(url, slots, self._session.uid, self._tell_place):
                attempt = self._begin(choice)
                await self._ask(attempt, step)
        except errors.RpcError as exc:
            if not _may_go_on(exc):
                raise
            return [self._failed(attempt, exc)]
        return await self._judged(attempt)

    def _begin(self, choice: Choice) -> Attempt:
        attempt = Attempt(self._session, self._turn, choice, self._limits, Watch(self._checks))
        self.attempts.append(attempt)
        self.shown = None
        return attempt

    async def _ask(self, attempt: Attempt, step: Ask) -> None:
        choice = attempt.choice
        if choice.is_demo:
            async with self._pool.engine.running():
                attempt.begin()
                await attempt.ask(context.messages(self._session, self._turn), demo.OPTIONS)
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
        messages = context.messages(self._session, self._turn)
        again = context.refined(self._session, self._turn)
        rules = again[-1]["content"] if again else ""
        if step.way != "repair" or step.last is None or step.last.said.verdict is None:
            return asking.View(messages, again, rules)
        advice = repair.advise(step.last.said.verdict)
        number, reasons = self._turn.attempts + 1, list(advice.reasons)
        self._session.add_event(self._turn, "refine", n=number, reasons=reasons)
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
            asking.options_of(step, self._demands, attempt.n),
            schema=None if thinks and step.way != "repair" else self._checks.schema,
            tokens_left=step.tokens_left,
        )

    def _refuse_unfit(self, choice: Choice) -> None:
        if choice.is_demo:
            said = self._session.said(self._turn)
            shown = context.messages(self._session, self._turn)
            earlier = len(shown) - 1 + len(context.refined(self._session, self._turn))
            demo.refuse_unfit(said.prompt, said.data, said.system, earlier, files=len(said.files))
            if self._turn.is_checked:
                raise demo.declined("the built-in demo is not for replies that are checked")

    # -- what came of it ------------------------------------------------------------------------

    def _failed(self, attempt: Attempt | None, exc: errors.RpcError) -> Try:
        """Return an attempt that has no whole reply; one that never began has no number."""
        if attempt is None:
            return Try(Tried(n=0, error=fault(exc)))
        said = structs.replace(attempt.said(), error=fault(exc))
        return self._noted(Try(said, attempt.tokens, attempt.has_begun))

    @cached_property
    def _request(self) -> Request:
        """What was asked, as checks look at it; read when there is a reply."""
        said = self._session.said(self._turn)
        sources = context.plain(self._session, said._replace(prompt=""))
        return Request(said.prompt, sources, said.system or "")

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
        if attempt.is_stopped:
            return None
        reply, thought = attempt.reply, "".join(attempt.thought)
        verify = partial(self._verifier.verify, self._checks.inside(), self._request)
        if not reply.text.strip() and thought and self._wants_json:
            attempt.choice.server.mistakes_json(attempt.choice.model)
            return await repair.extracted(reply.of(f" {thought}"), verify)
        if self._demands.extract:
            return await repair.extracted(reply, verify)
        return None

    @property
    def _wants_json(self) -> bool:
        return any(ready.check.type in ("json", "schema") for ready in self._checks.all)

    async def _cut_out(self, attempt: Attempt, whole: Tried, text: str) -> Try:
        """Show a part of a reply, and return what the checks say of that."""
        said = structs.replace(whole, by="repair", text=text)
        self.show_again(said)
        said.verdict = await self._verdict(attempt, attempt.reply.of(text))
        return self._noted(Try(said, 0, has_begun=True))

    async def _verdict(self, attempt: Attempt, reply: Reply) -> Verdict:
        verifier, checks = self._verifier, self._checks
        return await verdict_on(verifier, checks, self._request, reply, attempt, self._outside)

    def _noted(self, made: Try) -> Try:
        self.shown = made
        if self._turn.is_checked:
            self.tell_verdict(made)
        return made

    # -- telling --------------------------------------------------------------------------------

    def _tell_place(self, place: int) -> None:
        try:
            self._session.add_event(self._turn, "queued", place=place)
        except errors.StoreFull:
            pass  # another turn's leaving tells it, and must not fail by it

    def tell_verdict(self, made: Try) -> None:
        said = made.said
        if said.n:
            self._session.add_event(
                self._turn,
                "verify",
                n=said.n,
                verdict=said.verdict,
                usage=said.usage,
                total_ms=said.total_ms,
                error=said.error,
            )

    def show_again(self, said: Tried) -> None:
        self._session.add_event(
            self._turn,
            "attempt",
            n=said.n,
            by=said.by,
            model=said.model,
            backend=said.backend,
        )
        for begin in range(0, len(said.text), PART_CHARS):
            self._session.add_text(self._turn, said.text[begin : begin + PART_CHARS])


def fault(exc: errors.RpcError) -> Failure:
    return Failure(exc.code, exc.kind, exc.message, exc.retry_after_ms)


def _may_go_on(exc: errors.RpcError) -> bool:
    """Say whether another attempt may be spared this: it is a model server's."""
    of_server = exc.code in range(3000, 4000) or isinstance(exc, errors.Overloaded)
    return (of_server or isinstance(exc, errors.ChecksFailed)) and exc.code != DECLINED
