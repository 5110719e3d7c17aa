"""Checks during a reply: what has failed already and no word to come can mend stops it early.

watch = Watch(checks)
reason = watch.take(piece)      # None: go on
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatd.verifier.verify import Checks

Watcher = Callable[[str], str | None]

LOOK_CHARS = 256  # between two looks at what costs more than a glance
GROWTH = 16  # a look at the whole text waits until it has grown by a 16th


class Watch:
    """The hard checks of one reply that can be lost before its end."""

    def __init__(self, checks: "Checks"):
        self._watchers = [
            (ready.id, watcher)
            for ready in checks.all
            if ready.severity == "hard" and ready.check.on == "reply" and (watcher := ready.watcher)
        ]

    def take(self, piece: str) -> str | None:
        """Return why the reply has failed with this piece, or None."""
        for id_, watcher in self._watchers:
            if reason := watcher(piece):
                return f"{id_}: {reason}"
        return None


class Words:
    """Are there more words than there may be?  Counted as they come."""

    def __init__(self, word: re.Pattern[str], most: int):
        self._word = word
        self._most = most
        self._count = 0
        self._is_inside = False

    def __call__(self, piece: str) -> str | None:
        if not piece:
            return None
        self._count += len(self._word.findall(piece))
        if self._is_inside and self._word.match(piece):
            self._count -= 1  # the word goes on
        self._is_inside = self._word.match(piece[-1]) is not None
        return f"more than {self._most}" if self._count > self._most else None


class Characters:
    """Are there more characters than there may be, without blanks around them?"""

    def __init__(self, most: int):
        self._most = most
        self._count = 0
        self._blanks = 0

    def __call__(self, piece: str) -> str | None:
        bare = piece.rstrip()
        if bare:
            begun = bare if self._count else bare.lstrip()
            self._count += (self._blanks if self._count else 0) + len(begun)
            self._blanks = 0
        self._blanks += len(piece) - len(bare)
        return f"more than {self._most}" if self._count > self._most else None


class Counting:
    """Are there more of something in the whole lines so far than there may be?"""

    def __init__(self, count: Callable[[str], int], most: int):
        self._count = count
        self._most = most
        self._text = ""
        self._pieces: list[str] = []
        self._new = 0

    def __call__(self, piece: str) -> str | None:
        self._pieces.append(piece)
        self._new += len(piece)
        if self._new < max(LOOK_CHARS, len(self._text) // GROWTH):
            return None
        self._text += "".join(self._pieces)
        self._pieces.clear()
        self._new = 0
        lines = self._text[: self._text.rfind("\n") + 1]
        return f"more than {self._most}" if self._count(lines) > self._most else None


class Forbidden:
    """Is one of the texts there?  What comes next may still make another word of the last one."""

    def __init__(self, patterns: Iterable[re.Pattern[str]], texts: Sequence[str]):
        self._patterns = tuple(patterns)
        self._reach = max(map(len, texts)) * 2 + 1  # letters may be longer in another case
        self._tail = ""

    def __call__(self, piece: str) -> str | None:
        seen = self._tail + piece
        self._tail = seen[-self._reach :]
        for pattern in self._patterns:
            if (match := pattern.search(seen)) and match.end() < len(seen):
                return "what must not be there is there"
        return None
