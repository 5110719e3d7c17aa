"""What a model is shown: the whole chat, or as many of its last turns as fit."""

from collections.abc import Callable

from chat_rpc import wire

Messages = list[dict[str, str]]

FILLED = 0.75  # of the context; the rest is for the reply
BYTES_PER_TOKEN = 3.0  # English has about four, and an estimate that is too high costs less


def fit(messages: Messages, context_tokens: int | None) -> tuple[Messages, int]:
    """Return the messages that fit, and how many turns were left out, the oldest ones.

    The system prompt and the last prompt always stay.
    """
    if context_tokens is None:
        return messages, 0
    room = context_tokens * FILLED * BYTES_PER_TOKEN
    return _drop(messages, lambda kept: _size(kept) <= room)


def halve(messages: Messages) -> tuple[Messages, int]:
    """Return half the turns, when a server says that the whole is too long."""
    limit = (len(messages) + 1) // 2
    return _drop(messages, lambda kept: len(kept) <= limit)


def snapshot(model: str, messages: Messages, dropped: int) -> bytes:
    """Return what is kept as context/{chat}.json."""
    return wire.encode({"model": model, "dropped_turns": dropped, "messages": messages})


def _drop(messages: Messages, fits: Callable[[Messages], bool]) -> tuple[Messages, int]:
    system = messages[:1] if messages[0]["role"] == "system" else []
    rest = messages[len(system) :]
    dropped = 0
    while len(rest) > 1 and not fits(system + rest):
        rest = rest[2:]  # a prompt and its reply
        dropped += 1
    return system + rest, dropped


def _size(messages: Messages) -> int:
    return sum(len(message["content"].encode()) for message in messages)
