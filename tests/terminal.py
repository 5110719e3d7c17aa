"""A terminal: pyte draws it, a pty leads to a real process, and what it is told is looked at."""

import os
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

import pyte

from tests.harness import DEADLINE_S

COLUMNS, LINES = 80, 24


def state(screen: pyte.Screen) -> dict[str, object]:
    """Return all of a terminal but its text and where the cursor stands."""
    cells = (cell for row in screen.buffer.values() for cell in row.values())
    plain = screen.default_char._replace(data="")
    return {
        "size": (screen.columns, screen.lines),
        "modes": frozenset(screen.mode),
        "margins": screen.margins,
        "tab stops": frozenset(screen.tabstops),
        "character sets": (screen.charset, screen.g0_charset, screen.g1_charset),
        "title": (screen.title, screen.icon_name),
        "saved": tuple(screen.savepoints),
        "cursor": (screen.cursor.hidden, screen.cursor.attrs._replace(data="")),
        "colours": frozenset(cell._replace(data="") for cell in cells) - {plain},
    }


def fresh(columns: int = COLUMNS, lines: int = LINES) -> dict[str, object]:
    """Return the state of a terminal that was told nothing but text."""
    return state(pyte.Screen(columns, lines))


class Terminal:
    """A process at a terminal: what it writes is drawn, what is typed reaches it."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        columns: int = COLUMNS,
        lines: int = LINES,
    ):
        self.screen = pyte.HistoryScreen(columns, lines, history=10_000)
        self.screen.write_process_input = self._answer  # type: ignore[assignment]  # pyte asks it so
        self.written = b""
        self._looked_at = 0
        self.answered = ""  # what the terminal typed by itself, when it was asked
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = os.openpty()
        self.resize(columns, lines)
        self._process = subprocess.Popen(
            list(command),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", **(env or {})},
            preexec_fn=lambda: os.login_tty(slave),
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def text(self) -> str:
        """All lines, those that have scrolled away first."""
        above = ["".join(row[x].data for x in range(self.screen.columns)).rstrip()
                 for row in self.screen.history.top]  # fmt: skip
        return "\n".join([*above, *(line.rstrip() for line in self.screen.display)]).rstrip()

    @property
    def last_line(self) -> str:
        return self.text.rpartition("\n")[2]

    def is_left_in_order(self) -> None:
        """Demand that it is as a shell wants it; what is drawn there may have colours."""
        flags = termios.tcgetattr(self._master)[3]
        assert flags & termios.ECHO
        assert flags & termios.ICANON
        left = state(self.screen) | {"colours": frozenset()}
        assert left == fresh(self.screen.columns, self.screen.lines)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def resize(self, columns: int, lines: int) -> None:
        termios.tcsetwinsize(self._master, (lines, columns))
        self.screen.resize(lines, columns)
        self.screen.tabstops = set(range(8, columns, 8))

    def interrupt(self) -> None:
        """Type Ctrl-C."""
        self.type("\x03")

    def wait_for(self, wanted: str, *, after: int = 0) -> int:
        """Read until the text has `wanted` behind `after`; return where it ends."""
        end = time.monotonic() + DEADLINE_S
        while wanted not in self.text[after:]:
            assert time.monotonic() < end, f"no {wanted!r} in:\n{self.text}"
            assert self._read(0.5) is not None, f"it ended without {wanted!r}:\n{self.text}"
        return self.text.index(wanted, after) + len(wanted)

    def read_until(self, pattern: str) -> str:
        """Read until what was written since the last such call has `pattern`; return all of it."""
        end = time.monotonic() + DEADLINE_S
        while not re.search(pattern.encode(), self.written[self._looked_at :]):
            assert time.monotonic() < end, f"no {pattern!r} in:\n{self.text}"
            assert self._read(0.5) is not None, f"it ended without {pattern!r}:\n{self.text}"
        seen, self._looked_at = self.written[self._looked_at :], len(self.written)
        return seen.decode()

    def wait(self) -> int:
        """Read to the end of the process and return its exit code."""
        end = time.monotonic() + DEADLINE_S
        while self._read(0.5) is not None:
            assert time.monotonic() < end, f"it does not end:\n{self.text}"
        return self._process.wait(DEADLINE_S)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def _read(self, timeout_s: float) -> bytes | None:
        """Draw what comes, and return it; None: nobody is there any more."""
        has_ended = self._process.poll() is not None  # asked first: its last words may be unread
        if not select.select([self._master], [], [], timeout_s)[0]:
            return None if has_ended else b""
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the last one at the other side is gone
            return None
        self.written += data
        self._stream.feed(data)
        return data

    def _answer(self, text: str, *_: Any) -> None:
        self.answered += text
        self.type(text)
