"""What is demanded of a turn's replies, made ready, and what it says of one of them."""

from functools import cache

from chat_rpc.checks import Check, Verdict
from chatd.chats.demands import PLAIN, Demands
from chatd.inference.attempt import Attempt
from chatd.inference.outside import Outside
from chatd.verifier import verify
from chatd.verifier.apart import Verifier
from chatd.verifier.rule import Reply, Request
from chatd.verifier.verify import Checks

MODEL = Check(type="model")
STOPPED = "stopped"  # a finish that makes no reply whole


def checks_of(demands: Demands) -> Checks:
    """Make ready what is demanded; raises InvalidParams."""
    if demands == PLAIN:
        return _usual()
    own = [MODEL] if demands.require_model else []
    return verify.prepare([*demands.checks, *own], demands.without)


@cache
def _usual() -> Checks:
    """Return those of most turns, which are made ready once."""
    return verify.prepare([])


async def verdict_on(
    verifier: Verifier,
    checks: Checks,
    request: Request,
    reply: Reply,
    attempt: Attempt,
    outside: Outside,
) -> Verdict:
    """Return what the checks say; who must be asked is spared what fails without them.

    A reply that was stopped is not whole, whatever else is found in what came of it.
    """
    inside = checks.inside()
    verdict = await verifier.verify(inside, request, reply)
    if attempt.is_stopped and verdict.verdict == "pass":
        return await verifier.verify(inside, request, Reply(reply.text, STOPPED))
    if verdict.verdict == "fail" or not checks.outside:
        return verdict
    answers = await outside.answers(checks.outside, attempt, request, reply)
    return await verifier.verify(checks, request, reply, answers, verdict)
