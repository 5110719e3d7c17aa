"""Faults of the connection: where it ends, what of HTTP is broken, what never comes."""

from tests.fakes.answers import DONE, Call, answer, chunk, event
from tests.fakes.faults.table import ANSWER, cut, fault, good
from tests.fakes.http import EVENT_STREAM

NO_ANSWER = "closed the connection without an answer"
IN_MID_REPLY = "closed the connection in mid-reply"
NO_FINISH = "ended the reply without a finish reason"
NOT_HTTP = "does not speak HTTP"
SILENT = "sent no first token in 3 s"
STALLED = "sent no more tokens in 1 s"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


@fault("reset", "resets the connection before it answers", 69, NO_ANSWER)
async def _reset(call: Call) -> None:
    call.exchange.reset()


@fault("eof-at-once", "closes the connection before it answers", 69, NO_ANSWER)
async def _eof_at_once(call: Call) -> None:
    await call.exchange.raw(b"")


@fault("eof-in-head", "closes in the middle of the HTTP head", 69, NO_ANSWER)
async def _eof_in_head(call: Call) -> None:
    await call.exchange.raw(STREAM_HEAD[:30])


@fault("eof-after-head", "closes after the HTTP head", 4, NO_FINISH)
async def _eof_after_head(call: Call) -> None:
    await call.exchange.raw(STREAM_HEAD + b"\r\n")


@cut("eof", "closes after the first words", 4, NO_FINISH)
async def _eof(call: Call) -> None:
    await call.begin(is_chunked=False)


@cut("eof-in-event", "closes in the middle of an event", 4, NO_FINISH)
async def _eof_in_event(call: Call) -> None:
    await call.begin(is_chunked=False)
    await call.exchange.write(event(chunk(call, {"content": "canary-second"}))[:40])


@cut("eof-in-character", "closes in the middle of a character", 4, NO_FINISH)
async def _eof_in_character(call: Call) -> None:
    await call.begin(is_chunked=False)
    whole = event(chunk(call, {"content": "日本"}))
    await call.exchange.write(whole[: whole.index("日".encode()) + 1])


@cut("eof-in-chunk", "closes in the middle of an HTTP chunk", 4, IN_MID_REPLY)
async def _eof_in_chunk(call: Call) -> None:
    await call.begin()
    await call.exchange.raw(b"400\r\ndata: {")


@good("eof-after-finish", "closes after the finish reason, without `[DONE]`")
async def _eof_after_finish(call: Call) -> None:
    await _say_and_finish(call, is_chunked=False)


@good("no-last-chunk", "closes after `[DONE]`, without HTTP's last chunk")
async def _no_last_chunk(call: Call) -> None:
    await _say_and_finish(call)
    await call.exchange.write(DONE)
    await call.exchange.raw(b"")


@cut("cut", "resets the connection after the first words", 4, IN_MID_REPLY)
async def _cut(call: Call) -> None:
    await call.begin()
    call.exchange.reset()


@cut("broken-chunk", "sends an HTTP chunk whose length is no number", 69, "sent what is not HTTP")
async def _broken_chunk(call: Call) -> None:
    await call.begin()
    await call.exchange.raw(b"zz\r\ndata: {}\r\n")


@fault("not-http", "answers in another protocol", 69, NOT_HTTP)
async def _not_http(call: Call) -> None:
    await call.exchange.raw(b"220 mail.example ESMTP\r\n")


@good("http-1.0", "answers in HTTP/1.0")
async def _http_1_0(call: Call) -> None:
    deltas = event(chunk(call, {"content": ANSWER})) + event(chunk(call, {}, reason="stop"))
    await call.exchange.raw(
        b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + deltas + DONE
    )


@good("continue", "sends `100 Continue` before its answer")
async def _continue(call: Call) -> None:
    await call.exchange.raw(b"HTTP/1.1 100 Continue\r\n\r\n")
    await answer(call, ANSWER)


@fault("slow-head", "takes the request and sends nothing at all", 4, SILENT)
async def _slow_head(call: Call) -> None:
    await call.exchange.hang()


@fault("stall-first", "sends the HTTP head and no token", 4, SILENT)
async def _stall_first(call: Call) -> None:
    await call.exchange.start(EVENT_STREAM)
    await call.exchange.hang()


@fault("comments-first", "sends comments and no token", 4, SILENT)
async def _comments_first(call: Call) -> None:
    await call.exchange.start(EVENT_STREAM)
    await _ping(call)


@fault("roles-only", "sends deltas without text, for ever", 4, SILENT)
async def _roles_only(call: Call) -> None:
    await call.exchange.start(EVENT_STREAM)
    while True:
        await call.exchange.pause(0.05)
        await call.exchange.write(event(chunk(call, {"role": "assistant"})))


@cut("stall", "stops sending after the first words", 4, STALLED)
async def _stall(call: Call) -> None:
    await call.begin()
    await call.exchange.hang()


@cut("comments", "sends nothing but comments after the first words", 4, STALLED)
async def _comments(call: Call) -> None:
    await call.begin()
    await _ping(call)


@good("stall-after-finish", "hangs after the finish reason, without `[DONE]`")
async def _stall_after_finish(call: Call) -> None:
    await _say_and_finish(call)
    await call.exchange.hang()


@good("stall-after-done", "hangs after `[DONE]`")
async def _stall_after_done(call: Call) -> None:
    await _say_and_finish(call)
    await call.exchange.write(DONE)
    await call.exchange.hang()


async def _say_and_finish(call: Call, *, is_chunked: bool = True) -> None:
    await call.exchange.start(EVENT_STREAM, is_chunked=is_chunked)
    await call.exchange.write(event(chunk(call, {"content": ANSWER})))
    await call.exchange.write(event(chunk(call, {}, reason="stop")))


async def _ping(call: Call) -> None:
    while True:
        await call.exchange.pause(call.knobs.delay_s or 0.05)
        await call.exchange.write(b": ping\n\n")
