"""What to do about a reply that failed, as data: what to tell the model, or to ask it again.

Nothing is asked here; the loop that does is the inference's.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from chat_rpc.checks import CheckResult, Verdict
from chat_rpc.turns import Said
from chatd.verifier import fences
from chatd.verifier.rule import Reply, shorten
from chatd.verifier.verify import Checks

REASONS = 5
REASON_CHARS = 200
EXEC_CHARS = 800  # of the end of what a program said, for there its error stands
HEAD = "Your last reply failed these checks:"
FOOT = "Send the whole corrected reply and nothing else."
RULES = "The reply must meet these rules:"
UNTOLD = ("nonempty", "no-loop", "no-refusal")  # shown again, they would only be said again

Step = Literal["keep", "reask", "resample", "more-room", "stop"]


@dataclass(frozen=True, slots=True)
class Advice:
    """`reask` shows the model its reply and `feedback`; `resample` asks the same, with other luck.

    `more-room` asks the same with twice the tokens, once.  `stop`: a check could not run, and
    another reply would not change that.  `reasons` are what `feedback` lists.
    """

    step: Step
    feedback: str = ""
    reasons: tuple[str, ...] = ()


def advise(verdict: Verdict) -> Advice:
    """Return what to do about a reply with this verdict."""
    if verdict.verdict == "pass":
        return Advice("keep")
    failed = [result for result in verdict.checks if result.verdict == "fail"]
    hard = {result.type for result in failed if result.severity == "hard"}
    if not hard:
        return Advice("stop")
    if "whole" in hard:
        return Advice("more-room")
    if hard & set(UNTOLD) or "model" in hard:
        return Advice("resample")
    reasons = tuple(_reason(result) for result in sorted(failed, key=_softness)[:REASONS])
    return Advice("reask", _feedback(reasons), reasons)


def reasked(messages: Sequence[Said], reply: str, feedback: str) -> list[Said]:
    """Return the conversation with the last failed reply and what is wrong with it."""
    return [*messages, Said("assistant", reply), Said("user", feedback)]


def with_rules(messages: Sequence[Said], checks: Checks) -> list[Said]:
    """Return the conversation with the rules in the request: where the reply has no room in it."""
    *before, last = messages
    said = rules(checks)
    return [*before, Said(last.role, f"{last.content}\n\n{said}")] if said else [*messages]


def rules(checks: Checks) -> str:
    """Return what is demanded, as a part of a request."""
    demands = [f"- {ready.demand}" for ready in checks.all if not ready.kind.is_always]
    return "\n".join([RULES, *demands]) if demands else ""


async def extracted(reply: Reply, verify: Callable[[Reply], Awaitable[Verdict]]) -> str | None:
    """Return a part of the reply that passes: the JSON in it, or its one code block."""
    blocks = fences.fences(reply.text)
    parts = [fences.json_text(reply.text), blocks[0].body.strip() if len(blocks) == 1 else None]
    for part in filter(None, parts):
        if part != reply.text and (await verify(reply.of(part))).verdict == "pass":
            return part
    return None


def _softness(result: CheckResult) -> bool:
    return result.severity == "soft"


def _reason(result: CheckResult) -> str:
    if result.type == "exec":
        return f"{result.id}: {result.reason.strip()[-EXEC_CHARS:]}"
    return f"{result.id}: {shorten(result.reason, REASON_CHARS)}"


def _feedback(reasons: Sequence[str]) -> str:
    return "\n".join([HEAD, *(f"- {reason}" for reason in reasons), FOOT])
