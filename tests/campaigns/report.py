"""What a campaign tells while it runs, and what it found at the end."""

import sys
import time
from collections.abc import Mapping

SHOW_S = 5.0


class Broken(AssertionError):
    """A promise was broken; the message says which, and how to see it again."""


class Progress:
    """A line on stderr every few seconds: how far, how fast, how long to go."""

    def __init__(self, what: str, total: int):
        self._what = what
        self._total = total
        self._began_s = time.monotonic()
        self._shown_s = self._began_s

    def show(self, done: int, note: str = "") -> None:
        now = time.monotonic()
        if now < self._shown_s + SHOW_S and done < self._total:
            return
        self._shown_s = now
        elapsed_s = now - self._began_s
        left_s = elapsed_s / max(1, done) * (self._total - done)
        print(
            f"{self._what}: {done} of {self._total}, {elapsed_s:.0f} s, {left_s:.0f} s left {note}",
            file=sys.stderr,
            flush=True,
        )


def as_text(name: str, figures: Mapping[str, object]) -> str:
    """Return the figures, one a line."""
    width = max(len(each) for each in figures)
    return "\n".join([name, *(f"  {each:{width}}  {figures[each]}" for each in figures)])
