"""The only module that prints: the answer to stdout, notes for people to stderr."""

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NoReturn, TextIO

from chat_cli.terminal import safe

CANNOT_WRITE, CLOSED_PIPE = 73, 141


class ClosedPipe(Exception):
    """Whoever read our stdout has gone."""


class CannotWrite(Exception):
    """Our stdout takes no more: a full disk."""


def set_up() -> None:
    """Make both streams UTF-8, whatever the locale says: conversations are."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]


def write(text: str, *, flush: bool = True) -> None:
    """Write part of the answer; raises ClosedPipe."""
    try:
        sys.stdout.write(_for(sys.stdout, text))
        if flush:
            sys.stdout.flush()
    except BrokenPipeError:
        raise ClosedPipe from None
    except OSError as exc:
        raise CannotWrite(f"the answer cannot be written: {exc.strerror}") from exc


def line(text: str) -> None:
    write(f"{text}\n")


def note(text: str) -> None:
    """Tell the person something; every line begins with the program's name."""
    for part in text.splitlines():
        sys.stderr.write(f"chat: {_for(sys.stderr, part)}\n")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns; off a terminal without a head and with tabs, as `cut` and `awk` like it."""
    if not sys.stdout.isatty():
        for row in rows:
            line("\t".join(" ".join(cell.split()) for cell in row))
        return
    lines = [tuple(head), *(tuple(safe(cell).replace("\n", " ") for cell in row) for row in rows)]
    widths = [max(len(row[i]) for row in lines) for i in range(len(head))]
    columns = os.get_terminal_size(sys.stdout.fileno()).columns
    for row in lines:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        line("  ".join(cells).rstrip()[:columns])


def leave(status: int) -> NoReturn:
    """End at once: taking the interpreter down in order costs a sixth of a plain question."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(status)


def _for(stream: TextIO, text: str) -> str:
    return safe(text) if stream.isatty() else text
