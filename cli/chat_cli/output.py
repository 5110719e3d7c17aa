"""The only module that prints: the answer to stdout, notes for people to stderr."""

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TextIO

from chat_cli.terminal import safe, safe_line

CANNOT_WRITE, CLOSED_PIPE, INTERRUPTED, TERMINATED = 73, 141, 130, 143

_status = ""  # what stands in the line of stderr that is overwritten


class ClosedPipe(Exception):
    """Whoever read our stdout has gone."""


class CannotWrite(Exception):
    """Our stdout takes no more: a full disk."""


class Terminated(Exception):
    """Somebody sent SIGTERM."""


def set_up() -> None:
    """Make both streams UTF-8, whatever the locale says: conversations are."""
    hold_places()
    sys.stdout = sys.stdout or open(1, "w")  # fails when it is written to, and with its reason
    sys.stderr = sys.stderr or open(2, "w")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]


def hold_places() -> None:
    """See that no file or socket gets the number of a standard stream that the caller closed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open("/dev/null", os.O_RDONLY if number == 1 else os.O_RDWR)


def write(text: str, *, flush: bool = True) -> None:
    """Write part of the answer; raises ClosedPipe or CannotWrite."""
    draw(_for(sys.stdout, text), flush=flush)


def draw(text: str, *, flush: bool = True) -> None:
    """Write what is safe already, and may move the cursor; raises ClosedPipe or CannotWrite."""
    clear_status()
    try:
        sys.stdout.write(text)
        if flush:
            sys.stdout.flush()
    except OSError as exc:
        raise_for(exc)


def raise_for(exc: OSError) -> NoReturn:
    """Raise what an error of writing to stdout means."""
    if isinstance(exc, BrokenPipeError):
        raise ClosedPipe from None
    raise CannotWrite(f"the answer cannot be written: {exc.strerror}") from exc


def line(text: str) -> None:
    write(f"{text}\n")


def note(text: str) -> None:
    """Tell the person something; every line begins with the program's name."""
    clear_status()
    tell("".join(f"chat: {safe(part)}\n" for part in text.splitlines()))


def tell(text: str) -> None:
    """Write to stderr what is safe already; where nobody can be told, nothing is lost."""
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


def status(text: str) -> None:
    """Tell what is going on, in a line that the next one replaces; off a terminal, nothing."""
    global _status
    if not sys.stderr.isatty() or text == _status:
        return
    if is_dumb():
        note(text)
    else:
        shown = safe_line(text)
        room = (columns() - 1) // (1 if shown.isascii() else 2)  # a character may be two wide
        tell(f"\r\x1b[K{shown[:room]}")
    _status = text


def queued(text: str) -> None:
    """Tell of a wait: in the line of the status, or as a note where there is none."""
    if sys.stderr.isatty():
        status(text)
    else:
        note(text)


def think(text: str) -> None:
    """Write what a model thinks to stderr, dim on a terminal."""
    clear_status()
    is_plain = not sys.stderr.isatty() or is_dumb()
    tell(_for(sys.stderr, text) if is_plain else f"\x1b[2m{safe(text)}\x1b[22m")


def clear_status() -> None:
    global _status
    if _status and not is_dumb():
        tell("\r\x1b[K")
    _status = ""


def is_dumb() -> bool:
    """Say whether the terminal knows no control sequences."""
    return os.environ.get("TERM", "dumb") == "dumb"


def columns() -> int:
    """Return how wide the terminal is now; $COLUMNS goes first."""
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    return terminal_size().columns


def terminal_size() -> os.terminal_size:
    """Return the size of the terminal, as it is now."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            size = os.get_terminal_size(stream.fileno())
            if size.columns and size.lines:
                return size
    return os.terminal_size((80, 24))


def json(value: object) -> None:
    """Print one object on one line."""
    import msgspec

    line(msgspec.json.encode(value).decode())


def save(path: Path, text: str, *, overwrite: bool = False) -> None:
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


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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
    lines = [tuple(head), *(tuple(safe_line(cell) for cell in row) for row in rows)]
    widths = [max(len(row[i]) for row in lines) for i in range(len(head))]
    for row in lines:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        line("  ".join(cells).rstrip()[: columns()])


def leave(status: int) -> NoReturn:
    """End at once: taking the interpreter down in order costs a sixth of a plain question."""
    clear_status()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(status)


def _for(stream: TextIO, text: str) -> str:
    return safe(text) if stream.isatty() else text
