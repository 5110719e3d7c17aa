"""Faults of the reply itself: the stream is in order, and what it says is not an answer."""

from tests.fakes.answers import FIRST, Call, answer, chunk, event
from tests.fakes.faults.table import ANSWER, cut, fault, good
from tests.fakes.http import EVENT_STREAM

JSON_TEXT = '{"name": "canary"}'
AND_SO_ON = "and so on, "
EMPTY = "the reply is empty"
LIMIT = "the token limit ended the reply"
THOUGHT = "all that came was what the model thought"


@good("wrong-model-answers", "names another model than was asked", "answered by another-model, ")
async def _wrong_model(call: Call) -> None:
    await answer(call, ANSWER, model="another-model")


@good("hostile-model", "names a model with control sequences in it", "answered by .*, which is not")
async def _hostile_model(call: Call) -> None:
    await answer(call, ANSWER, model="\x1b]0;title\x07\nchat: all is well\r")


@good("nameless", "names no model")
async def _nameless(call: Call) -> None:
    await call.exchange.start(EVENT_STREAM)
    choice = {"index": 0, "delta": {"content": ANSWER}, "finish_reason": "stop"}
    await call.exchange.write(event({"choices": [choice]}))
    call.exchange.finish()


@cut("nofinish", "ends the stream without a finish reason", 4, "without a finish reason")
async def _no_finish(call: Call) -> None:
    await answer(call, FIRST, reason=None)


@cut("length", "ends at the token limit", 4, LIMIT)
async def _length(call: Call) -> None:
    await answer(call, FIRST, reason="length")


@cut("content-filter", "ends by its content filter", 4, "content filter ended the reply")
async def _content_filter(call: Call) -> None:
    await answer(call, FIRST, reason="content_filter")


@cut("abort", "ends with the finish reason `abort`", 4, "not for a reason that makes it whole")
async def _abort(call: Call) -> None:
    await answer(call, FIRST, reason="abort")


@cut("unheard-of", "ends with a finish reason nobody knows", 4, "not for a reason that makes it")
async def _unheard_of(call: Call) -> None:
    await answer(call, FIRST, reason="\x1b[31m of its own")


@fault("empty", "says nothing", 3, EMPTY)
async def _empty(call: Call) -> None:
    await answer(call, "")


@fault("blanks", "says nothing but blanks", 3, EMPTY, out=" \n\t\n ")
async def _blanks(call: Call) -> None:
    await answer(call, " \n\t\n ")


@fault("answer-in-reasoning", "puts its answer where thinking goes", 3, THOUGHT)
async def _answer_in_reasoning(call: Call) -> None:
    await answer(call, "", reasoning=JSON_TEXT)


@good("think", "thinks aloud in the text: `<think>…</think>`, then the answer")
async def _think(call: Call) -> None:
    await answer(call, f"<think>\nlet me see\n</think>\n\n{ANSWER}")


@good("think-in-pieces", "thinks aloud, each character an event")
async def _think_in_pieces(call: Call) -> None:
    await call.exchange.start(EVENT_STREAM)
    for character in f"<think>a</thin b</think>\n{ANSWER}":
        await call.exchange.write(event(chunk(call, {"content": character})))
    await call.exchange.write(event(chunk(call, {}, reason="stop")))
    call.exchange.finish()


@fault("think-only", "thinks aloud and never answers", 3, THOUGHT)
async def _think_only(call: Call) -> None:
    await answer(call, "<think>let me see, it is")


@fault("tool-call", "calls a tool", 3, "the model asked for a tool instead")
async def _tool_call(call: Call) -> None:
    function = {"name": "get_time", "arguments": '{"zone": "UTC"}'}
    tool = {"index": 0, "id": "call_1", "type": "function", "function": function}
    await call.exchange.start(EVENT_STREAM)
    await call.exchange.write(event(chunk(call, {"content": None, "tool_calls": [tool]})))
    await call.exchange.write(event(chunk(call, {}, reason="tool_calls")))
    call.exchange.finish()


@fault("refusal", "refuses, by the field for it", 3, "the model refused", out="I cannot do that.")
async def _refusal(call: Call) -> None:
    await call.exchange.start(EVENT_STREAM)
    await call.exchange.write(event(chunk(call, {"refusal": "I cannot do that."})))
    await call.exchange.write(event(chunk(call, {}, reason="stop")))
    call.exchange.finish()


SCHEMA = ("--schema", "name, age int", "--tries", "1")


@fault("schema-echo", "answers with the schema that was asked for", 3, "schema: ", flags=SCHEMA)
async def _schema_echo(call: Call) -> None:
    await answer(call, '{"type": "object", "properties": {"name": {"type": "string"}}}')


@fault("no-json", "answers in words where JSON was asked for", 3, "schema: ", flags=SCHEMA)
async def _no_json(call: Call) -> None:
    await answer(call, "Sure! The name is Ann, and the age is 7.")


@fault("half-json", "ends in the middle of the JSON, at the token limit", 4, LIMIT, flags=SCHEMA)
async def _half_json(call: Call) -> None:
    await answer(call, '{"name": "Ann", "a', reason="length")


@fault(
    "polite-refusal",
    "refuses in words",
    0,
    "no-refusal: .* the model declines",
    out="I'm sorry, but I can't help with that.",
    flags=("--check", "no-refusal"),
)
async def _polite_refusal(call: Call) -> None:
    await answer(call, "I'm sorry, but I can't help with that.")


@fault("loop", "says the same for ever", 3, "it says the same", out=AND_SO_ON)
async def _loop(call: Call) -> None:
    await answer(call, AND_SO_ON * 400)
