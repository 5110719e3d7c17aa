"""What the scripts of the model server write with: a call, its chunks, whole answers, refusals."""

import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.fakes.http import EVENT_STREAM, JSON, Exchange

FIRST: Final = "canary-first "  # what `begin` says
DONE: Final = b"data: [DONE]\n\n"


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
            await self.exchange.write(event(chunk(self, {"content": FIRST})))
        else:
            await self.exchange.write(b'{"choices": [')


Script = Callable[[Call], Awaitable[None]]


async def answer(
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
    deltas: list[dict[str, object]] = [{"reasoning_content": token} for token in tokens(reasoning)]
    deltas.extend({"content": token} for token in tokens(text))
    usage = _usage(call.prompt, len(deltas))
    if not call.is_stream:
        await call.exchange.pause(delay_s * len(deltas))
        await call.exchange.reply_json(200, _whole(call, text, reason, reasoning, model) | usage)
        return
    await call.exchange.start(EVENT_STREAM)
    await call.exchange.write(event(chunk(call, {"role": "assistant"}, model=model)))
    for delta in deltas:
        await call.exchange.pause(delay_s)
        await call.exchange.write(event(chunk(call, delta, model=model)))
    if reason is not None:
        await call.exchange.write(event(chunk(call, {}, reason=reason, model=model)))
        if call.wants_usage:
            last = chunk(call, {}, model=model) | {"choices": []} | usage
            await call.exchange.write(event(last))
        await call.exchange.write(DONE)
    call.exchange.finish()


async def refuse(call: Call, status: int, kind: str, headers: dict[str, str] | None = None) -> None:
    error = {"message": f"this is always a {status}", "type": kind, "code": status}
    await call.exchange.reply_json(status, {"error": error}, JSON | (headers or {}))


def tokens(text: str) -> list[str]:
    """The words of `text`, each with the white space after it: joined, they are `text` again."""
    return re.findall(r"\s+|\S+\s*", text)


def event(value: Mapping[str, object]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def chunk(
    call: Call, delta: dict[str, object], *, reason: str | None = None, model: str = ""
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
    prompt_tokens = len(tokens(prompt))
    return {
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        }
    }
