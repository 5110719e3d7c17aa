"""What a model is shown: the whole chat, or as many of its last turns as fit."""

from collections.abc import Callable

from chat_rpc import wire
from chatd.chats import tree
from chatd.chats.memory import Memory
from chatd.chats.turns import Turn, joined

Messages = list[dict[str, str]]

FILLED = 0.75  # of the context; the rest is for the reply
BYTES_PER_TOKEN = 3.0  # English has about four, and an estimate that is too high costs less


def messages(memory: Memory, turn: Turn) -> Messages:
    """Return the turns up to this one, as the OpenAI message list."""
    said: Messages = []
    system: str | None = None
    for other in tree.path(memory, memory.chats[turn.chat], turn.id):
        if other is not turn and other.state != "done":
            continue
        texts = memory.said(other)
        system = texts.system or system
        said.append({"role": "user", "content": joined(texts.prompt, texts.data)})
        if other is not turn:
            said.append({"role": "assistant", "content": texts.text})
    return ([{"role": "system", "content": system}] if system else []) + said


def fit(
    said: Messages, context_tokens: int | None, after: Messages | None = None
) -> tuple[Messages, int]:
    """Return the messages that fit, with room for those `after` them.

    Also returns how many turns were left out, the oldest ones.  The system prompt and the last
    prompt always stay.
    """
    return _drop(said, lambda kept: fits([*kept, *(after or [])], context_tokens))


def fits(said: Messages, context_tokens: int | None) -> bool:
    """Say whether so much leaves room for a reply."""
    return context_tokens is None or _size(said) <= context_tokens * FILLED * BYTES_PER_TOKEN


def halve(said: Messages) -> tuple[Messages, int]:
    """Return half the turns, when a server says that the whole is too long."""
    limit = (len(said) + 1) // 2
    return _drop(said, lambda kept: len(kept) <= limit)


def snapshot(model: str, said: Messages, dropped: int) -> bytes:
    """Return what is kept as context/{chat}.json."""
    return wire.encode({"model": model, "dropped_turns": dropped, "messages": said})


def _drop(said: Messages, fits: Callable[[Messages], bool]) -> tuple[Messages, int]:
    system = said[:1] if said[0]["role"] == "system" else []
    rest = said[len(system) :]
    dropped = 0
    while len(rest) > 1 and not fits(system + rest):
        rest = rest[2:]  # a prompt and its reply
        dropped += 1
    return system + rest, dropped


def _size(said: Messages) -> int:
    return sum(len(message["content"].encode()) for message in said)
