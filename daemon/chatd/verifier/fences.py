"""The parts of a reply: its code blocks, and the JSON in it.

All in time linear in the text: a reply may be made to be slow to read.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

OPENING = re.compile(r" {0,3}(?P<fence>`{3,}+|~{3,}+)(?P<info>[^\n]*)")
TIGHT = re.compile(r"```(?:\w+(?=\s))?(?P<body>[^`]*)```")  # its fences share a line with the body
JSON_BEGIN = re.compile(r"[{\[]")
TRIES = 64  # places where JSON may begin


class Fence(NamedTuple):
    """A code block: the word behind its fence, what is in it, where it is, and has it an end."""

    language: str
    body: str
    begin: int
    end: int
    is_closed: bool


def fences(text: str) -> list[Fence]:
    """Return the code blocks, as CommonMark has them; the last may be open."""
    return list(_blocks(text))


def code(text: str) -> str | None:
    """Return what is in the first code block, or None if there is none."""
    first = next(_blocks(text), None)
    return first.body if first else None


def without(text: str) -> str:
    """Return the text between the code blocks."""
    parts, begin = [], 0
    for fence in _blocks(text):
        parts.append(text[begin : fence.begin])
        begin = fence.end
    return "\n".join([*parts, text[begin:]])


def unfenced(text: str) -> str:
    """Return what is in the one code block that is the whole text, or the text."""
    bare = text.strip()
    found = fences(bare)
    is_block = len(found) == 1 and (found[0].begin, found[0].end) == (0, len(bare))
    if is_block and found[0].is_closed:
        return found[0].body
    if tight := TIGHT.fullmatch(bare):
        return tight["body"]
    return found[0].body if is_block else bare


def json_text(text: str) -> str | None:
    """Return the JSON in a text: all of it, or a code block, or the first object or array."""
    for candidate in (text, *(fence.body for fence in fences(text)[:TRIES])):
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


def _blocks(text: str) -> Iterator[Fence]:
    fence, language, begin, inside = "", "", 0, 0
    position = 0
    for line in text.splitlines(keepends=True):
        end = position + len(line)
        match = OPENING.match(line)
        if match and not fence:
            if match["fence"][0] == "~" or "`" not in match["info"]:
                fence, begin, inside = match["fence"], position, end
                language = (match["info"].split() or [""])[0].lower()
        elif match and match["fence"].startswith(fence) and not match["info"].strip():
            yield Fence(language, text[inside:position], begin, end, is_closed=True)
            fence = ""
        position = end
    if fence:
        yield Fence(language, text[inside:], begin, position, is_closed=False)


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
