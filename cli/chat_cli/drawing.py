"""A reply that is rendered while it comes: finished blocks stay, the last one is drawn again."""

import re
import time

from chat_cli import markdown, output
from chat_cli.terminal import safe

# no more of the time than this goes into drawing what will be drawn again
SHARE = 1 / 4
FRAME_S = 0.03
LONG_LINES = 200  # of a block of code; what is above is drawn once

_MARKS = re.compile(
    r"[ \t>]*(?:[-=*+`~_#|: ]+|\d{1,9}[.)]?)?[ \t]*"
)  # the beginning of a line that may become many things
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


class Drawn:
    """A sink for a terminal that knows control sequences."""

    def __init__(self) -> None:
        self._source = ""  # what is not final
        self._is_first = True
        self._joins = False  # what comes goes on with a block that was cut
        self._lines: list[str] = []  # what is drawn of it
        self._due = 0.0
        self._width = 0
        self._page = markdown.Page(80)

    def write(self, text: str, *, flush: bool) -> None:
        self._source += safe(text)
        if flush and time.monotonic() >= self._due:
            begun = time.monotonic()
            self._draw(is_whole=False)
            took_s = time.monotonic() - begun
            self._due = time.monotonic() + max(FRAME_S, took_s / SHARE)

    def finish(self) -> None:
        self._draw(is_whole=True)
        self._source = ""
        self._lines.clear()

    stop = finish

    def _draw(self, *, is_whole: bool) -> None:
        self._look_at_size()
        source = self._source if is_whole else _without_mark(self._source)
        *done, last = markdown.blocks(source)
        lines: list[str] = []
        for block in done:
            lines += self._finished(block)
        if not is_whole and (cut := _cut(last)):
            above, _ = cut
            lines += self._finished(above)
            self._joins = True
            last = cut[1]
        self._source = last + self._source[len(source) :]
        tail = self._spaced(self._page.lines(last))
        self._replace([*lines, *tail])
        self._lines = tail

    def _finished(self, block: str) -> list[str]:
        lines = self._spaced(self._page.lines(block))
        if lines:
            self._is_first = False
            self._joins = False
        return lines

    def _spaced(self, lines: list[str]) -> list[str]:
        """Return a block with the blank line above it that it needs."""
        return lines if self._is_first or self._joins or not lines else ["", *lines]

    def _look_at_size(self) -> None:
        width = min(output.columns(), output.terminal_size().columns)
        if width != self._width:
            self._width = width
            self._page = markdown.Page(width)

    def _replace(self, lines: list[str]) -> None:
        """Draw lines in place of those that are there, from the first that differs on.

        What has scrolled away stays as it is.
        """
        height = output.terminal_size().lines
        same = 0
        while same < min(len(lines), len(self._lines)) and lines[same] == self._lines[same]:
            same += 1
        same = max(same, len(self._lines) - (height - 1))
        up = len(self._lines) - same
        new = "".join(f"{line}\n" for line in lines[same:])
        if up > 0:
            output.draw(f"\x1b[{up}A\x1b[J{new}")
        elif new:
            output.draw(new)


def _without_mark(source: str) -> str:
    """Return source without a last line that nobody can tell yet what it will be."""
    before, newline, last = source.rpartition("\n")
    return before + newline if _MARKS.fullmatch(last) else source


def _cut(block: str) -> tuple[str, str] | None:
    """Return a long block of code as two, so that the first need not be drawn again."""
    lines = block.split("\n")
    opening = _FENCE.match(lines[0])
    if opening is None or len(lines) <= LONG_LINES:
        return None
    middle = LONG_LINES // 2
    closing = opening[1]
    above = "\n".join([*lines[:middle], closing, ""])
    return above, "\n".join([lines[0], *lines[middle:]])
