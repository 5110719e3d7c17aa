"""The parts of a reply: its code blocks, and the JSON in it."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

FENCE = re.compile(
    r"^(?P<indent> {0,3})(?P<fence>`{3,}|~{3,})(?P<info>[^\n]*)\n"
    r"(?P<body>.*?)(?:^ {0,3}(?P=fence)[`~]*[^\S\n]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
JSON_BEGIN = re.compile(r"[{\[]")
TRIES = 64  # places where JSON may begin, so that a hostile reply costs no more


class Fence(NamedTuple):
    """A code block: the word behind its fence, and what is in it."""

    language: str
    body: str


def fences(text: str) -> list[Fence]:
    return [
        Fence((match["info"].strip().split() or [""])[0].lower(), match["body"])
        for match in FENCE.finditer(text)
    ]


def code(text: str) -> str | None:
    """Return what is in the first code block, or None if there is none."""
    found = fences(text)
    return found[0].body if found else None


def json_text(text: str) -> str | None:
    """Return the JSON in a text: all of it, or a code block, or the first object or array."""
    for candidate in _candidates(text):
        if is_json(candidate):
            return candidate.strip()
    return _first(text)


def is_json(text: str) -> bool:
    try:
        loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def loads(text: str) -> Any:  # Any: JSON
    """Return what a JSON text says; NaN and its like are no JSON.  Raises ValueError."""
    return json.loads(text, parse_constant=_refuse)


def unfenced(text: str) -> str:
    """Return what is in the one code block that is the whole text, or the text."""
    bare = text.strip()
    match = FENCE.fullmatch(bare)
    return match["body"] if match else bare


def _candidates(text: str) -> Iterator[str]:
    yield text
    for fence in fences(text):
        yield fence.body


def _first(text: str) -> str | None:
    decoder = json.JSONDecoder(parse_constant=_refuse)
    for tried, match in enumerate(JSON_BEGIN.finditer(text)):
        if tried == TRIES:
            return None
        try:
            _, end = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        return text[match.start() : end]
    return None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
