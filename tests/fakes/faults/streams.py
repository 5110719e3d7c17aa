"""Faults of the stream: what is sent where events should be."""

import gzip

from tests.fakes.answers import DONE, Call, answer, chunk, event
from tests.fakes.faults.table import ANSWER, cut, fault, good
from tests.fakes.http import EVENT_STREAM, JSON

HUGE_EVENT_BYTES = 20 << 20
MANY = 1_000_000
NOT_THE_PROTOCOL = "sent what is not the protocol"
NO_STREAM = "sent what is no event stream"
ERROR = {"error": {"message": "out of memory", "type": "server_error", "code": 500}}


async def _send(call: Call, *parts: bytes, headers: dict[str, str] = EVENT_STREAM) -> None:
    await call.exchange.start(headers)
    for part in parts:
        await call.exchange.write(part)
    call.exchange.finish()


@fault("html", "answers with a web page, HTTP 200", 69, r"sent no event stream \(text-html\)")
async def _html(call: Call) -> None:
    await call.exchange.reply(200, b"<html><h1>Hi</h1></html>", {"Content-Type": "text/html"})


@fault("no-content", "answers HTTP 204, without a body", 69, "sent no event stream")
async def _no_content(call: Call) -> None:
    await call.exchange.raw(b"HTTP/1.1 204 No Content\r\n\r\n")


@fault("in-one-piece", "answers in one piece of JSON", 69, "does not stream")
async def _in_one_piece(call: Call) -> None:
    choice = {"index": 0, "message": {"content": ANSWER}, "finish_reason": "stop"}
    await call.exchange.reply_json(200, {"choices": [choice]})


@fault("error-in-200", "reports an error with HTTP 200", 69, r"reported an error \(server_error\)")
async def _error_in_200(call: Call) -> None:
    await call.exchange.reply_json(200, ERROR)


@fault("packed", "packs its answer, unasked (gzip)", 69, r"packs its reply, unasked \(gzip\)")
async def _packed(call: Call) -> None:
    body = gzip.compress(event(chunk(call, {"content": ANSWER}, reason="stop")) + DONE)
    await _send(call, body, headers=EVENT_STREAM | {"Content-Encoding": "gzip"})


@fault("garbage", "sends half a JSON object as an event", 69, NOT_THE_PROTOCOL)
async def _garbage(call: Call) -> None:
    await _send(call, b'data: {"choices": [{"del\n\n')


@fault("not-an-object", "sends a number as an event", 69, NOT_THE_PROTOCOL)
async def _not_an_object(call: Call) -> None:
    await _send(call, b"data: 42\n\n")


@fault("deep", "sends 100 000 brackets as an event", 69, NOT_THE_PROTOCOL)
async def _deep(call: Call) -> None:
    await _send(call, b'data: {"error": ' + b"[" * 100_000 + b"\n\n")


@fault("text-in-parts", "sends a list where the text should be", 69, NOT_THE_PROTOCOL)
async def _text_in_parts(call: Call) -> None:
    await _send(call, event(chunk(call, {"content": [{"type": "text", "text": ANSWER}]})))


@fault("binary", "sends noise as a stream of events", 69, NO_STREAM)
async def _binary(call: Call) -> None:
    await _send(call, b"\x00\xff\xfe\x80" * 64)


@fault("bare-lines", "sends JSON, a line each, without `data:`", 69, NO_STREAM)
async def _bare_lines(call: Call) -> None:
    await _send(call, event(chunk(call, {"content": ANSWER})).removeprefix(b"data: "))


@fault("invalid-utf-8", "sends text that is not UTF-8", 69, "sent text that is not UTF-8")
async def _invalid_utf_8(call: Call) -> None:
    await _send(call, event(chunk(call, {"content": "?"})).replace(b"?", b"\xff\xfe"))


@cut("error-mid-stream", "reports an error after the first words", 69, "reported an error")
async def _error_mid_stream(call: Call) -> None:
    await call.begin()
    await call.exchange.write(event(ERROR))
    call.exchange.finish()


@fault("long-in-stream", "finds the chat too long, and says so in the stream", 65, "too long")
async def _long_in_stream(call: Call) -> None:
    message = "Trying to keep the first 9000 tokens, but the context length is only 4096 tokens"
    await _send(call, b"event: error\n" + event({"error": {"message": message}}))


@fault("huge-event", "sends an event of 20 MB", 69, "sent an event of over 8 MiB")
async def _huge_event(call: Call) -> None:
    await answer(call, "x" * HUGE_EVENT_BYTES)


@fault("empty-events", "sends a million events without text", 3, "the reply is empty")
async def _empty_events(call: Call) -> None:
    many = b'data: {"choices":[{"delta":{}}]}\n\n' * 1000
    await _send(call, *[many] * (MANY // 1000), event(chunk(call, {}, reason="stop")))


@fault(
    "many-events", "sends a million tiny events", 0, "", out=" ".join(map(str, range(MANY))) + " "
)
async def _many_events(call: Call) -> None:
    await call.exchange.start(EVENT_STREAM)
    for first in range(0, MANY, 1000):
        words = (b'data: {"choices":[{"delta":{"content":"%d "}}]}\n\n' % (first + n)
                 for n in range(1000))  # fmt: skip
        await call.exchange.write(b"".join(words))
    await call.exchange.write(event(chunk(call, {}, reason="stop")) + DONE)
    call.exchange.finish()


@good("split-everywhere", "sends each byte by itself, in CRLF lines, with comments between")
async def _split_everywhere(call: Call) -> None:
    events = [b": one\n\n", event(chunk(call, {"content": ANSWER})), b":\n\n",
              event(chunk(call, {}, reason="stop")), DONE]  # fmt: skip
    stream = b"".join(events).replace(b"\n", b"\r\n")
    await _send(call, *(bytes([byte]) for byte in stream))


@good("done-twice", "sends `[DONE]` twice")
async def _done_twice(call: Call) -> None:
    await _whole(call, DONE, DONE)


@good("after-done", "sends more text, and an error, after `[DONE]`")
async def _after_done(call: Call) -> None:
    await _whole(call, DONE, event(chunk(call, {"content": "more"})), event(ERROR), b"data: {\n\n")


@fault("done-only", "sends `[DONE]` and nothing before it", 4, "without a finish reason")
async def _done_only(call: Call) -> None:
    await _send(call, DONE)


@good("choices", "sends two answers at once")
async def _choices(call: Call) -> None:
    def second(text: str, reason: str | None = None) -> bytes:
        choice = {"index": 1, "delta": {"content": text}, "finish_reason": reason}
        return event({"choices": [choice]})

    middle = ANSWER.index(" ")
    halves = (event(chunk(call, {"content": t})) for t in (ANSWER[:middle], ANSWER[middle:]))
    await _send(call, second("other "), next(halves), second("words", "length"), next(halves),
                event(chunk(call, {}, reason="stop")), DONE)  # fmt: skip


@good("no-usage", "counts no tokens")
async def _no_usage(call: Call) -> None:
    await _whole(call, DONE)


@good("odd-usage", "counts tokens in words")
async def _odd_usage(call: Call) -> None:
    await _whole(call, event({"choices": [], "usage": {"prompt_tokens": "many"}}), DONE)


@good("nulls", "sends null where it has nothing to say")
async def _nulls(call: Call) -> None:
    nothing = {"choices": None, "model": None, "usage": None, "error": None}
    empty = {"choices": [{"index": 0, "delta": None, "finish_reason": None}]}
    await _whole(call, event(nothing), event(empty), DONE)


@good("mixed-case", "writes its content type as `Text/Event-Stream; Charset=UTF-8`")
async def _mixed_case(call: Call) -> None:
    kind = {"Content-Type": "Text/Event-Stream; Charset=UTF-8"}
    await _send(call, event(chunk(call, {"content": ANSWER}, reason="stop")), headers=kind)


@fault("json-stream", "streams events, and calls them JSON", 69, NOT_THE_PROTOCOL)
async def _json_stream(call: Call) -> None:
    await _send(call, event(chunk(call, {"content": ANSWER}, reason="stop")), headers=JSON)


async def _whole(call: Call, *after: bytes) -> None:
    finish = event(chunk(call, {}, reason="stop"))
    await _send(call, event(chunk(call, {"content": ANSWER})), finish, *after)
