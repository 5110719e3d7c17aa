"""The only module that prints: the answer to stdout, notes for people to stderr."""

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
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


def json(value: object) -> None:
    """Print one object on one line."""
    import msgspec

    line(msgspec.json.encode(value).decode())


def save(path: Path, text: str, *, overwrite: bool) -> None:
    """Write a file that a person named, for the person alone; raises CannotWrite."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if overwrite else os.O_EXCL)
    try:
        with open(os.open(path, flags, 0o600), "w", encoding="utf-8", newline="") as file:
            file.write(text)
    except FileExistsError:
        raise CannotWrite(f"{path} is there already; --force overwrites it") from None
    except OSError as exc:
        raise CannotWrite(f"{path}: {exc.strerror}") from exc


def ask_yes(question: str, *, no_input: bool) -> None:
    """Return if the person says yes; raises SystemExit(2) where nobody can be asked."""
    if no_input or not (sys.stdin and sys.stdin.isatty()):
        note(f"to {question.rstrip('?')}, say -y: nobody can be asked here")
        raise SystemExit(2)
    sys.stderr.write(f"chat: {_for(sys.stderr, question)} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        note("nothing was done")
        raise SystemExit(1)


def size(size_bytes: float) -> str:
    """Return a size as people read it."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"


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
