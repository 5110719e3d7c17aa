"""The scripts of the model server: each is one way to answer a chat completion well."""

import hashlib
import json
from typing import Any, Final

from tests.fakes.answers import DONE, Call, Script, answer, chunk, event, refuse, tokens
from tests.fakes.http import EVENT_STREAM

REASONING: Final = "let me think"
SPLIT_TEXT: Final = "é日本🙂 done"


def hash_reply(prompt: str) -> str:
    """What the script `hash` answers to `prompt`: eight words that no other prompt gets."""
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    return " ".join(digest[start : start + 8] for start in range(0, 64, 8))


async def _hash(call: Call) -> None:
    await answer(call, hash_reply(call.prompt))


async def _play(call: Call) -> None:
    """Play what the first message says as JSON: a list of replies, the last for all that follow.

    A reply is a text, or an object of text, reason, reasoning, model, delay_s; or of status and
    retry_after.  Of a longer text than `max_tokens` allows that much is sent.
    """
    replies = _told(call.first.partition("\n")[0], call)
    reply = replies[min(call.turn, len(replies)) - 1]
    said: dict[str, Any] = {"text": reply} if isinstance(reply, str) else dict(reply)  # Any: JSON
    if status := said.pop("status", None):
        wait = {"Retry-After": str(said["retry_after"])} if "retry_after" in said else None
        await refuse(call, status, "server_error", wait)
        return
    if said.pop("no_schema", None) and "response_format" in call.body:
        await refuse(call, 400, "invalid_request_error")
        return
    limit, words = call.body.get("max_tokens"), tokens(said["text"])
    is_deaf = said.pop("is_deaf", False)
    if isinstance(limit, int) and not is_deaf and len(words) > limit:
        said |= {"text": "".join(words[:limit]), "reason": "length"}
    await answer(call, **said)


async def _judge(call: Call) -> None:
    """Say what the rubric says as JSON: a list of one text."""
    rubric = call.prompt.partition("The rubric: ")[2].partition("\n")[0]
    await answer(call, _told(rubric, call)[0])


def _told(text: str, call: Call) -> Any:  # Any: JSON
    """Return what `text` tells to say; who tells nothing is answered as by `hash`."""
    try:
        return json.loads(text)
    except ValueError:
        return [hash_reply(call.prompt)]


async def _echo(call: Call) -> None:
    await answer(call, call.prompt)


async def _letters(call: Call) -> None:
    """Echo, each character by itself."""
    await call.exchange.start(EVENT_STREAM)
    for letter in call.prompt:
        await call.exchange.write(event(chunk(call, {"content": letter})))
    await call.exchange.write(event(chunk(call, {}, reason="stop")) + DONE)
    call.exchange.finish()


async def _slow(call: Call) -> None:
    text = "".join(f"{number} " for number in range(call.knobs.tokens))
    await answer(call, text, delay_s=call.knobs.delay_s or 0.05)


async def _reasoning(call: Call) -> None:
    await answer(call, hash_reply(call.prompt), reasoning=REASONING)


async def _wrong_model(call: Call) -> None:
    await answer(call, hash_reply(call.prompt), model="another-model")


async def _split_utf8(call: Call) -> None:
    if not call.is_stream:
        await answer(call, SPLIT_TEXT)
        return
    events = [
        b": a comment",
        event(chunk(call, {"role": "assistant", "content": SPLIT_TEXT})).strip(),
        b": another",
        event(chunk(call, {}, reason="stop")).strip(),
        DONE.strip(),
    ]
    await call.exchange.start({"Content-Type": "text/event-stream; charset=utf-8"})
    for byte in b"".join(each + b"\r\n\r\n" for each in events):
        await call.exchange.write(bytes([byte]))
    call.exchange.finish()


SCRIPTS: Final[dict[str, Script]] = {
    "hash": _hash,
    "play": _play,
    "judge": _judge,
    "typed": _echo,
    "echo": _echo,
    "letters": _letters,
    "slow": _slow,
    "reasoning": _reasoning,
    "wrong-model": _wrong_model,
    "split-utf8": _split_utf8,
}
