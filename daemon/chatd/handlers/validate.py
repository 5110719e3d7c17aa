"""turn.validate: a reply is checked, and no model is asked."""

from chat_rpc import methods
from chat_rpc.turns import Said
from chatd.handlers.context import Context, Peer
from chatd.verifier import repair
from chatd.verifier.rule import Reply, Request
from chatd.verifier.verify import prepare


async def validate(context: Context, peer: Peer, params: methods.Validate) -> methods.Validated:
    checks = prepare(params.checks, params.without)
    request = Request(params.prompt, params.data, params.system or "")
    reply = Reply(params.reply, params.finish, params.tokens, params.total_ms)
    answers = {answer.check: answer for answer in params.answers}
    verdict = await context.verifier.verify(checks, request, reply, answers)
    advice = repair.advise(verdict)
    if advice.step != "reask":
        return methods.Validated(verdict=verdict)
    asked = "\n\n".join(part for part in (params.prompt, params.data) if part)
    messages = [Said("system", params.system)] if params.system else []
    retry = repair.reasked([*messages, Said("user", asked)], params.reply, advice.feedback)
    return methods.Validated(verdict=verdict, feedback=advice.feedback, retry=retry)
