"""The scripts of the model server: each is one way to answer a chat completion."""

import hashlib
import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from tests.fakes.http import EVENT_STREAM, JSON, Exchange

HUGE_EVENT_BYTES: Final = 20 << 20
REASONING: Final = "let me think"
SPLIT_TEXT: Final = "é日本🙂 done"

_FIRST_TOKEN: Final = "first "


@dataclass(frozen=True)
class Knobs:
    """What the command line says about the scripts."""

    tokens: int = 20
    delay_s: float = 0.0


@dataclass(frozen=True)
class Call:
    """A chat completion that waits for its answer."""

    exchange: Exchange
    knobs: Knobs
    number: int
    model: str
    prompt: str
    is_stream: bool
    wants_usage: bool
    redirect_to: str
    first: str = ""  # the first user message
    body: dict[str, object] = field(default_factory=dict)
    turn: int = 1  # of the requests with this first message

    async def begin(self, *, is_chunked: bool = True) -> None:
        """Open the answer and send its first token, or the first half of an answer in one piece."""
        await self.exchange.start(EVENT_STREAM if self.is_stream else JSON, is_chunked=is_chunked)
        if self.is_stream:
            await self.exchange.write(_event(_chunk(self, {"content": _FIRST_TOKEN})))
        else:
            await self.exchange.write(b'{"choices": [')


Script = Callable[[Call], Awaitable[None]]


def hash_reply(prompt: str) -> str:
    """What the script `hash` answers to `prompt`: eight words that no other prompt gets."""
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    return " ".join(digest[start : start + 8] for start in range(0, 64, 8))


async def _hash(call: Call) -> None:
    await _answer(call, hash_reply(call.prompt))


async def _play(call: Call) -> None:
    """Play what the first message says as JSON: a list of replies, the last for all that follow.

    A reply is a text, or an object of text, reason, reasoning, model, delay_s; or of status and
    retry_after.  Of a longer text than `max_tokens` allows that much is sent.
    """
    replies = json.loads(call.first.partition("\n")[0])
    said = replies[min(call.turn, len(replies)) - 1]
    said = {"text": said} if isinstance(said, str) else dict(said)
    if status := said.pop("status", None):
        wait = {"Retry-After": str(said["retry_after"])} if "retry_after" in said else None
        await _refuse(call, status, "server_error", wait)
        return
    if said.pop("no_schema", None) and "response_format" in call.body:
        await _refuse(call, 400, "invalid_request_error")
        return
    limit, tokens = call.body.get("max_tokens"), _tokens(said["text"])
    if isinstance(limit, int) and not said.pop("is_deaf", None) and len(tokens) > limit:
        said |= {"text": "".join(tokens[:limit]), "reason": "length"}
    await _answer(call, **said)


async def _echo(call: Call) -> None:
    await _answer(call, call.prompt)


async def _slow(call: Call) -> None:
    text = "".join(f"{number} " for number in range(call.knobs.tokens))
    await _answer(call, text, delay_s=call.knobs.delay_s or 0.05)


async def _length(call: Call) -> None:
    await _answer(call, "this answer ends in the middle of a", reason="length")


async def _empty(call: Call) -> None:
    await _answer(call, "")


async def _reasoning(call: Call) -> None:
    await _answer(call, hash_reply(call.prompt), reasoning=REASONING)


async def _wrong_model(call: Call) -> None:
    await _answer(call, hash_reply(call.prompt), model="another-model")


async def _no_finish(call: Call) -> None:
    await _answer(call, hash_reply(call.prompt), reason=None)


async def _cut(call: Call) -> None:
    await call.begin()
    call.exchange.reset()


async def _eof(call: Call) -> None:
    await call.begin(is_chunked=False)


async def _stall(call: Call) -> None:
    await call.begin()
    await call.exchange.hang()


async def _comments(call: Call) -> None:
    await call.begin()
    while True:
        await call.exchange.pause(call.knobs.delay_s or 0.05)
        # white space is what passes for a comment in an answer in one piece
        await call.exchange.write(b": ping\n\n" if call.is_stream else b" ")


async def _error_mid_stream(call: Call) -> None:
    error: dict[str, object] = {
        "error": {"message": "out of memory", "type": "server_error", "code": 500}
    }
    if not call.is_stream:
        await call.exchange.reply_json(200, error)
        return
    await call.begin()
    await call.exchange.write(_event(error))
    call.exchange.finish()


async def _garbage(call: Call) -> None:
    broken = b'{"choices": [{"del'
    if not call.is_stream:
        await call.exchange.reply(200, broken, JSON)
        return
    await call.exchange.start(EVENT_STREAM)
    await call.exchange.write(b"data: " + broken + b"\n\n")
    call.exchange.finish()


async def _binary(call: Call) -> None:
    noise = b"\x00\xff\xfe\x80" * 64
    await call.exchange.start(EVENT_STREAM if call.is_stream else JSON)
    await call.exchange.write(noise)
    call.exchange.finish()


async def _html(call: Call) -> None:
    page = b"<html><body><h1>Bad gateway</h1></body></html>"
    await call.exchange.reply(200, page, {"Content-Type": "text/html"})


async def _e500(call: Call) -> None:
    await _refuse(call, 500, "server_error")


async def _e429(call: Call) -> None:
    await _refuse(call, 429, "rate_limit_error", {"Retry-After": "1"})


async def _e401(call: Call) -> None:
    await _refuse(call, 401, "authentication_error")


async def _redirect(call: Call) -> None:
    await call.exchange.reply(307, b"", {"Location": call.redirect_to})


async def _split_utf8(call: Call) -> None:
    if not call.is_stream:
        await _answer(call, SPLIT_TEXT)
        return
    events = [
        b": a comment",
        _event(_chunk(call, {"role": "assistant", "content": SPLIT_TEXT})).strip(),
        b": another",
        _event(_chunk(call, {}, reason="stop")).strip(),
        b"data: [DONE]",
    ]
    await call.exchange.start({"Content-Type": "text/event-stream; charset=utf-8"})
    for byte in b"".join(event + b"\r\n\r\n" for event in events):
        await call.exchange.write(bytes([byte]))
    call.exchange.finish()


async def _huge_event(call: Call) -> None:
    await _answer(call, "x" * HUGE_EVENT_BYTES)


SCRIPTS: Final[dict[str, Script]] = {
    "hash": _hash,
    "play": _play,
    "echo": _echo,
    "slow": _slow,
    "length": _length,
    "empty": _empty,
    "reasoning": _reasoning,
    "wrong-model": _wrong_model,
    "nofinish": _no_finish,
    "cut": _cut,
    "eof": _eof,
    "stall": _stall,
    "comments": _comments,
    "error-mid-stream": _error_mid_stream,
    "garbage": _garbage,
    "binary": _binary,
    "html": _html,
    "e500": _e500,
    "e429": _e429,
    "e401": _e401,
    "redirect": _redirect,
    "split-utf8": _split_utf8,
    "huge-event": _huge_event,
}


async def _answer(
    call: Call,
    text: str,
    *,
    reason: str | None = "stop",
    reasoning: str = "",
    model: str = "",
    delay_s: float | None = None,
) -> None:
    """Answer in full; without a `reason` a stream ends as if the server had forgotten to end it."""
    delay_s = call.knobs.delay_s if delay_s is None else delay_s
    deltas = [{"reasoning_content": token} for token in _tokens(reasoning)]
    deltas += [{"content": token} for token in _tokens(text)]
    usage = _usage(call.prompt, len(deltas))
    if not call.is_stream:
        await call.exchange.pause(delay_s * len(deltas))
        await call.exchange.reply_json(200, _whole(call, text, reason, reasoning, model) | usage)
        return
    await call.exchange.start(EVENT_STREAM)
    await call.exchange.write(_event(_chunk(call, {"role": "assistant"}, model=model)))
    for delta in deltas:
        await call.exchange.pause(delay_s)
        await call.exchange.write(_event(_chunk(call, delta, model=model)))
    if reason is not None:
        await call.exchange.write(_event(_chunk(call, {}, reason=reason, model=model)))
        if call.wants_usage:
            last = _chunk(call, {}, model=model) | {"choices": []} | usage
            await call.exchange.write(_event(last))
        await call.exchange.write(b"data: [DONE]\n\n")
    call.exchange.finish()


async def _refuse(
    call: Call, status: int, kind: str, headers: dict[str, str] | None = None
) -> None:
    error = {"message": f"this is always a {status}", "type": kind, "code": status}
    await call.exchange.reply_json(status, {"error": error}, JSON | (headers or {}))


def _tokens(text: str) -> list[str]:
    """The words of `text`, each with the white space after it: joined, they are `text` again."""
    return re.findall(r"\s+|\S+\s*", text)


def _event(value: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def _chunk(
    call: Call, delta: dict[str, str], *, reason: str | None = None, model: str = ""
) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return _envelope(call, "chat.completion.chunk", model) | {"choices": [choice]}


def _whole(
    call: Call, text: str, reason: str | None, reasoning: str, model: str
) -> dict[str, object]:
    message = {"role": "assistant", "content": text}
    if reasoning:
        message["reasoning_content"] = reasoning
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return _envelope(call, "chat.completion", model) | {"choices": [choice]}


def _envelope(call: Call, kind: str, model: str) -> dict[str, object]:
    return {
        "id": f"chatcmpl-{call.number}",
        "object": kind,
        "created": int(time.time()),
        "model": model or call.model,
    }


def _usage(prompt: str, completion_tokens: int) -> dict[str, object]:
    prompt_tokens = len(_tokens(prompt))
    return {
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        }
    }
