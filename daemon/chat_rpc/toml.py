"""TOML that a person wrote, read into a Struct; a mistake in it is told with its line."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from chat_rpc import errors

K = TypeVar("K", bound=msgspec.Struct)

_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)")
_WHERE = re.compile(r" - at `\$\.?[^`]*`$")


def text_of(path: Path) -> str:
    """Read a file of settings; raises BadSettings."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        raise errors.BadSettings(f"{path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise errors.BadSettings(f"{path}: not UTF-8 (byte {exc.start})") from None


def read(path: Path, text: str, kind: type[K], *, lines_before: int = 0) -> K:
    """Return what `text` says; raises BadSettings with a line for each mistake.

    `kind` has defaults for all its fields; `lines_before` of the file are not in `text`.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        place = _PLACE.search(str(exc))
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        message = _PLACE.sub("", str(exc))
        raise errors.BadSettings(f"{path}:{line + lines_before}: {message}") from None
    if mistakes := list(_mistakes(table, kind)):
        raise errors.BadSettings(
            "\n".join(
                f"{path}:{(line_of(text, where) or 0) + lines_before}: {'.'.join(where)}: {message}"
                for where, message in mistakes
            )
        )
    return msgspec.convert(table, kind)


def _mistakes(table: dict[str, object], kind: type[K]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield place and reason of each: every value is looked at by itself."""
    for key, value in table.items():
        inner = value if isinstance(value, dict) and value else {"": None}
        for name, part in inner.items():
            alone = {key: {name: part}} if inner is value else {key: value}
            try:
                msgspec.convert(alone, kind)
            except msgspec.ValidationError as exc:
                yield (key, name) if name else (key,), _WHERE.sub("", str(exc))


def line_of(text: str, location: tuple[str | int, ...]) -> int | None:
    """Return the line on which the key at `location` is set, or the table that should hold it."""
    table: tuple[str | int, ...] = ()
    seen: dict[str, int] = {}
    here: tuple[str | int, ...]
    best: tuple[int, int] | None = None  # (parts of the location that match, line)
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("[["):
            name = stripped.strip("[] ")
            seen[name] = seen.get(name, -1) + 1
            here = table = (name, seen[name])
        elif stripped.startswith("["):
            here = table = tuple(stripped.partition("#")[0].strip("[] ").split("."))
        elif "=" in stripped and not stripped.startswith("#"):
            key = stripped.partition("=")[0].strip().strip('"')
            here = (*table, *key.split("."))
        else:
            continue
        if location[: len(here)] == here and (best is None or len(here) > best[0]):
            best = (len(here), number)
    return best[1] if best else None
