"""Blocks of code in Markdown, as CommonMark finds fences, but indented as far as models do."""

import re

_OPEN = re.compile(r"([ \t]*)(`{3,}|~{3,})[ \t]*([^\s`]*)[^`\n]*\Z")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


def first(text: str, language: str = "") -> str | None:
    """Return what is in the first fence, or in the first of that language; None: there is none.

    A fence that is not closed goes to the end, as it does in Markdown.
    """
    inside: list[str] | None = None
    fence, indent = "", 0
    is_wanted = False
    for line in _LINE.findall(text):
        if inside is None:
            match = _OPEN.match(line.rstrip("\r\n"))
            if match:
                fence, indent = match[2], len(match[1])
                is_wanted = not language or match[3].lower() == language.lower()
                inside = []
        elif _closes(line, fence, indent):
            if is_wanted:
                return "".join(inside)
            inside = None
        else:
            inside.append(line[min(indent, _indent(line)) :])
    return "".join(inside) if inside is not None and is_wanted else None


def _closes(line: str, fence: str, indent: int) -> bool:
    bare = line.strip()
    return len(bare) >= len(fence) and not bare.strip(fence[0]) and _indent(line) <= indent + 3


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))
