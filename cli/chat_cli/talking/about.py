"""Which conversation a command is about: this one, unless another is named after it."""

import shlex
from collections.abc import Callable

from chat_rpc import errors


def words(rest: str) -> list[str]:
    try:
        return shlex.split(rest)
    except ValueError as exc:
        raise errors.InvalidParams(f"{exc}; a quote in words is written \\' or \"'\"") from None


def named(this: str, rest: str) -> list[str]:
    """Return arguments of which the first names a conversation: this one, unless it is another."""
    first, *others = words(rest) or [""]
    if "--all" in (first, *others):
        return [first, *others]
    if first.startswith("@"):
        return [f"{this}{first}", *others]
    if first and not first.startswith("-"):
        return [first, *others]
    return [this, *([first] if first else []), *others]


def _judged(this: str, rest: str) -> list[str]:
    """Return which answer is meant, and all that is said of it."""
    at, text = _at(rest)
    return [f"{this}{at}", *([text] if text else [])]


def _refined(this: str, rest: str) -> list[str]:
    at, text = _at(rest)
    return [text, f"{this}{at}"] if text else []


def _renamed(this: str, rest: str) -> list[str]:
    return [this, *([rest] if rest else [])]


def _kept(this: str, rest: str) -> list[str]:
    return [this, *(["--for", rest] if rest and not rest.startswith("-") else words(rest))]


def _at(rest: str) -> tuple[str, str]:
    """Split `@2 and words`."""
    first, _, others = rest.partition(" ")
    return (first, others.strip()) if first.startswith("@") else ("", rest)


ABOUT_THIS: dict[str, Callable[[str, str], list[str]]] = {
    **dict.fromkeys(("show", "export", "rm", "wipe", "retry", "edit", "select"), named),
    "rename": _renamed,
    "keep": _kept,
    "good": _judged,
    "bad": _judged,
    "refine": _refined,
}
