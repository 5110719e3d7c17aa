"""Is a text a loop: the same over and over, as small models say it; not whether it is dull.

Three signs, whose limits docs/verifier.md measures: the same words back to back, exactly or but for
numbers that count; long pieces that stand again and again in a stretch of text; one character.
"""

import re
from collections import Counter
from dataclasses import dataclass

GRAM = 8  # characters by which an earlier place is found again
REACH = 4096  # the longest unit that is recognised
LETTERS = 0.6  # of a unit; rules, rows of zeros, empty cells and lines of markup have fewer
BROKEN = "\ufffd"  # stands for bytes that are no text

STRETCH = 1600
PIECE = 40
TIMES = 3
COVERED = 0.6  # of a stretch, by pieces that stand in it so often
STRETCHES = 8  # at the end of a text: a loop seldom ends before it

LAST = 2**14  # characters of a whole text; a reply that comes is watched from its beginning

LOOK = 256  # characters between two looks at the end of a text that comes

SIGNS = re.compile(r"([^\w\ufffd])\1{3,}")  # four of one sign and more are three
NUMBER = re.compile(r"\d+")
RUN = re.compile(r"([^\s\-=_*~#.+|^<>/\\`'\"])\1{199,}")


@dataclass(frozen=True, slots=True)
class Limit:
    """A unit that stands back to back so often counts; loops are so many characters of such.

    `within` so many characters, in one place or in several.
    """

    copies: int
    characters: int
    within: int = 2400


EXACT = Limit(copies=3, characters=100)
COUNTING = Limit(copies=6, characters=250)  # numbers apart, as in "step 7, step 8"
SHORTEST = 24  # characters of one place


def found_in(text: str) -> str | None:
    """Return how the text repeats itself, or None; of a long one the end is looked at."""
    end = text[-LAST:]
    for units in (_Units(EXACT, counts=False), _Units(COUNTING, counts=True)):
        if found := units.find(end):
            return found
    return _stretch(end) or _run(end)


class Tail:
    """Watches the end of a text while it comes: is it the same back to back, as of now?

    It looks once in LOOK characters, with a few searches: a reply is watched for a hundredth of
    what it costs to relay it.  What it finds, `found_in` finds as well.
    """

    def __init__(self) -> None:
        self._text = ""
        self._pieces: list[str] = []
        self._new = 0  # characters since the last look
        self._far = 0  # and since the last one that went far back

    def feed(self, piece: str) -> str | None:
        """Return what the text has been saying again and again by now, or None."""
        self._pieces.append(piece)
        self._new += len(piece)
        if self._new < LOOK:
            return None
        self._text = (self._text + "".join(self._pieces))[-4 * REACH :]
        self._far += self._new
        self._pieces, self._new = [], 0
        if self._far < REACH:
            return _at_end(self._text[-EXACT.within :])
        self._far = 0
        return _at_end(self._text)


class _Units:
    """Finds units that are repeated: the distance to the same characters before stays the same."""

    def __init__(self, limit: Limit, *, counts: bool):
        self._limit = limit
        self._counts = counts
        self._text = ""  # without long runs of one sign; where numbers count, each is a 0
        self._places: list[tuple[int, int]] = []  # of what was repeated: its end, its length

    def find(self, whole: str) -> str | None:
        """Return what the text repeats, or None; to be asked once."""
        self._text = text = self._plain(whole)
        seen: dict[str, int] = {}  # where each gram ended last
        period = run = 0  # a period before, so many characters are as they are here
        for end in range(1, len(text) + 1):
            if period and text[end - 1] == text[end - 1 - period]:
                run += 1
                if run >= (self._limit.copies - 1) * period and (
                    found := self._at(end, period, run)
                ):
                    return found
            elif end >= GRAM:
                before = seen.get(text[end - GRAM : end], 0)
                period = end - before if before else 0
                run = GRAM if period else 0
            if end >= GRAM:
                seen[text[end - GRAM : end]] = end
        return None

    def _at(self, end: int, period: int, run: int) -> str | None:
        """Note a repetition that ends here, and judge all of them together."""
        length = run + period
        if length < SHORTEST or not _is_said(self._text[end - period : end]):
            return None
        if self._places and self._places[-1][0] > end - length:
            self._places.pop()  # it is the same one, longer by now
        self._places.append((end, length))
        near = sum(size for place, size in self._places if place > end - self._limit.within)
        if max(near, length) < self._limit.characters:
            return None
        return f"it says the same {length // period} times, {period} characters long"

    def _plain(self, whole: str) -> str:
        """Return a text as it is compared; a run of signs is cut to three of them."""
        plain: list[str] = []
        last = ""
        for letter in whole:
            if letter.isdigit() and self._counts:
                if last.endswith("0"):
                    continue
                letter = "0"  # any number is the same one
            elif not letter.isalnum() and letter != BROKEN and last == letter * 3:
                continue
            plain.append(letter)
            last = (last + letter)[-3:]
        return "".join(plain)


def _at_end(text: str) -> str | None:
    found = _back_to_back(text, EXACT)
    if found is None and NUMBER.search(text, len(text) - LOOK):
        text = NUMBER.sub("0", text)
        found = _back_to_back(text, COUNTING)
    # only now, for it takes longer than all before it
    return found and _back_to_back(SIGNS.sub(r"\1\1\1", text), EXACT)


def _back_to_back(text: str, limit: Limit) -> str | None:
    """Return what a text ends with, so many times; the unit is told by where its end stood last."""
    before = text.rfind(text[-2 * GRAM :], 0, -1)
    if before < 0:
        return None
    period = len(text) - 2 * GRAM - before
    run = _run_length(text, period)
    is_enough = run >= (limit.copies - 1) * period and run + period >= limit.characters
    if not is_enough or not _is_said(text[-period:]):
        return None
    return f"it says the same {run // period + 1} times, {period} characters long"


def _run_length(text: str, period: int) -> int:
    """Return how many characters at the end are as they were a period before."""
    low, high = 0, len(text) - period
    while low < high:
        middle = (low + high + 1) // 2
        if text[-middle:] == text[-middle - period : -period]:
            low = middle
        else:
            high = middle - 1
    return low


def _stretch(text: str) -> str | None:
    """Look for long pieces that stand again and again, with something else between them."""
    plain = SIGNS.sub(r"\1\1\1", text[-STRETCH * STRETCHES :])
    for begin in range(0, max(1, len(plain) - STRETCH // 2), STRETCH // 2):
        stretch = plain[begin : begin + STRETCH]
        count = len(stretch) - PIECE + 1
        if count < PIECE * TIMES:
            break
        pieces = Counter(stretch[start : start + PIECE] for start in range(count))
        again = sum(times for piece, times in pieces.items() if times >= TIMES and _is_said(piece))
        if again >= COVERED * count:
            return f"long pieces stand in it {TIMES} times or more"
    return None


def _is_said(unit: str) -> bool:
    """Say whether it is words, and not signs and numbers; what is no text counts as words."""
    return BROKEN in unit or sum(map(str.isalpha, unit)) >= LETTERS * len(unit)


def _run(text: str) -> str | None:
    match = RUN.search(text)
    return f"one character stands in it {len(match[0])} times" if match else None
