"""The forms in which a conversation is written down and read again; no file is opened here.

Markdown has a heading for the title and one for each message.  A line of a message that looks like
such a heading gets a backslash, which Markdown does not show, and loses it when it is read.
"""

import re
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from chat_rpc.methods import Export, Said


class Form(StrEnum):
    """`json` has the title, `openai` is the list of messages alone."""

    MARKDOWN = "markdown"
    JSON = "json"
    OPENAI = "openai"


class Unreadable(Exception):
    """This is no conversation in any of the forms; the message says why, without its text."""


_ROLES = {"System": "system", "User": "user", "Assistant": "assistant"}
_LIKE_HEADING = re.compile(r"^(\\*)(?=## (?:System|User|Assistant)$)", re.MULTILINE)
_HEADING = re.compile(r"^## (System|User|Assistant)$", re.MULTILINE)
_ESCAPED = re.compile(r"^\\(?=\\*## (?:System|User|Assistant)$)", re.MULTILINE)


def of_file(path: Path | None) -> Form:
    """Return the form that a file's name asks for."""
    return Form.JSON if path is not None and path.suffix == ".json" else Form.MARKDOWN


def write(chat: Export, form: Form) -> str:
    """Return the conversation as text that ends with a newline."""
    match form:
        case Form.MARKDOWN:
            return "\n".join([f"# {chat.title}\n", *map(_section, chat.messages)])
        case Form.JSON:
            return _json(chat)
        case Form.OPENAI:
            return _json(chat.messages)


def read(text: str) -> Export:
    """Return the conversation that `text` is, in whichever form; raises Unreadable."""
    if text.lstrip()[:1] in ("{", "["):
        return _read_json(text)
    return _read_markdown(text.replace("\r\n", "\n"))


def _section(said: Said) -> str:
    text = _LIKE_HEADING.sub(r"\\\1", said.content.replace("\r\n", "\n")).strip("\n")
    return f"## {said.role.capitalize()}\n\n{text}\n"


def _read_markdown(text: str) -> Export:
    head, *parts = _HEADING.split(text)
    if not parts:
        raise Unreadable("no conversation: a line `## User` begins a message in Markdown")
    title = re.match(r"\s*# (.+)", head)
    messages = [
        Said(_ROLES[role], _ESCAPED.sub("", content).strip("\n"))  # type: ignore[arg-type]  # one of the three
        for role, content in zip(parts[::2], parts[1::2], strict=True)
    ]
    return Export(title[1].strip() if title else "", messages)


def _read_json(text: str) -> Export:
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError as exc:
        raise Unreadable(f"not JSON ({exc})") from None
    messages = found.get("messages") if isinstance(found, dict) else found
    title = found.get("title") if isinstance(found, dict) else ""
    if not isinstance(messages, list):
        raise Unreadable('no conversation: an object needs "messages", a list')
    read = [_message(said, number) for number, said in enumerate(messages, 1)]
    return Export(title if isinstance(title, str) else "", read)


def _message(said: Any, number: int) -> Said:  # Any: JSON
    if not isinstance(said, dict) or said.get("role") not in _ROLES.values():
        raise Unreadable(f"message {number} has no role of system, user or assistant")
    return Said(said["role"], _content(said.get("content"), number))


def _content(content: Any, number: int) -> str:  # Any: JSON
    """Return a message's text; OpenAI allows a list of parts too."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    if len(texts) < len(parts) or not all(isinstance(text, str) for text in texts):
        raise Unreadable(f"message {number} is more than text, which cannot be imported")
    return "".join(map(str, texts))


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
