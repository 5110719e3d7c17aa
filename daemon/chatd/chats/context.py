"""What a model is shown: the whole chat, or as many of its last turns as fit."""

import base64
import re
from collections.abc import Callable
from typing import Any

from chat_rpc import wire
from chat_rpc.methods import File
from chatd.chats import tree
from chatd.chats.memory import Memory, Said
from chatd.chats.turns import FILES_BYTES, Turn, joined

Message = dict[str, Any]  # Any: JSON; its content is a text, or a list of parts with images in it
Messages = list[Message]

SENT = "chatd-file:"  # an image by its id, until a server is asked
NAMED = ""  # the media type of a file that is not shown again
TICKS = re.compile("`+")
IMAGE_TOKENS = 1500  # what servers make of a large one
ANEW = "Send the whole reply anew, and nothing else."
FILLED = 0.75  # of the context; the rest is for the reply
BYTES_PER_TOKEN = 3.0  # English has about four, and an estimate that is too high costs less


def messages(memory: Memory, turn: Turn) -> Messages:
    """Return the turns up to this one, as the OpenAI message list."""
    path = tree.path(memory, memory.chats[turn.chat], turn.id)
    turns = [other for other in path if other is turn or other.state == "done"]
    said: Messages = []
    system: str | None = None
    for other, texts in zip(turns, _bounded([memory.said(each) for each in turns]), strict=True):
        system = texts.system or system
        said.append({"role": "user", "content": _content(memory, texts)})
        if other is not turn:
            said.append({"role": "assistant", "content": texts.text})
    return ([{"role": "system", "content": system}] if system else []) + said


def plain(memory: Memory, said: Said) -> str:
    """Return what was asked as one text: prompt, data, and the files that are text."""
    texts = [joined(said.prompt, said.data), *(_fenced(memory, file) for file in said.files)]
    return "\n\n".join(text for text in texts if text)


def with_images(memory: Memory, said: Messages) -> Messages:
    """Return the messages as a server takes them: each image in place of its id."""
    return [
        message
        if isinstance(message["content"], str)
        else {**message, "content": [_with_image(memory, part) for part in message["content"]]}
        for message in said
    ]


def with_more(message: Message, text: str) -> Message:
    """Return a message that says something more at its end."""
    content = message["content"]
    if isinstance(content, str):
        return {**message, "content": f"{content}\n\n{text}"}
    return {**message, "content": [*content, {"type": "text", "text": text}]}


def refined(memory: Memory, turn: Turn) -> Messages:
    """Return the reply that this turn makes anew, and what a person said of it; or nothing."""
    if turn.refines is None:
        return []
    feedback = memory.said(turn).feedback
    return [
        {"role": "assistant", "content": memory.said(memory.turns[turn.refines]).text},
        {"role": "user", "content": f"{feedback}\n\n{ANEW}"},
    ]


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


def _size(said: Messages) -> float:
    return sum(_size_of(message["content"]) for message in said)


def _size_of(content: str | list[Message]) -> float:
    if isinstance(content, str):
        return len(content.encode())
    images = [part for part in content if part["type"] == "image_url"]
    texts = [part for part in content if part["type"] == "text"]
    return len(images) * IMAGE_TOKENS * BYTES_PER_TOKEN + sum(
        len(part["text"].encode()) for part in texts
    )


def _content(memory: Memory, said: Said) -> str | list[Message]:
    text = plain(memory, said)
    images = [file for file in said.files if _is_image(file)]
    if not images:
        return text
    return [
        {"type": "text", "text": text},
        *({"type": "image_url", "image_url": {"url": SENT + file.file}} for file in images),
    ]


def _bounded(said: list[Said]) -> list[Said]:
    """Return what was said with no more files than the heap should hold, the last ones.

    Of the others the model is told the names.
    """
    room = FILES_BYTES
    bounded = []
    for texts in reversed(said):
        room -= sum(file.size_bytes for file in texts.files)
        if room < 0:
            names = [File(file="", name=f.name, media=NAMED, size_bytes=0) for f in texts.files]
            bounded.append(texts._replace(files=names))
        else:
            bounded.append(texts)
    return bounded[::-1]


def _fenced(memory: Memory, file: File) -> str:
    """Return a file in a fence that nothing in it can close; of an image its name."""
    name = " ".join(file.name.split())
    if _is_image(file):
        return f"[image: {name}]"
    if file.media == NAMED:
        return f"[file, shown before: {name}]"
    text = memory.content(file.file).decode("utf-8", "replace")
    fence = "`" * max([3, *(len(ticks) + 1 for ticks in TICKS.findall(text))])
    return f"{name}:\n{fence}\n{text.rstrip()}\n{fence}"


def _with_image(memory: Memory, part: Message) -> Message:
    if part["type"] != "image_url":
        return part
    id_ = part["image_url"]["url"].removeprefix(SENT)
    data = base64.b64encode(memory.content(id_)).decode("ascii")
    url = f"data:{memory.sent[id_].file.media};base64,{data}"
    return {**part, "image_url": {"url": url}}


def _is_image(file: File) -> bool:
    return file.media.startswith("image/")
