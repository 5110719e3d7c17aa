"""The style of a text in about forty numbers: how it is written, never what it says.  No I/O.

They are what feedback keeps, so each must be such that nobody can read the text out of them.
"""

import re
import zlib
from collections.abc import Callable
from math import log2

WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
SENTENCE = re.compile(r"[.!?]+(?=\s|\Z)")
FENCE = re.compile(r"^ {0,3}```.*?(?:^ {0,3}```|\Z)", re.MULTILINE | re.DOTALL)
OPENER = re.compile(
    r"\A\W*(sure|certainly|of course|absolutely|great question|happy to help"
    r"|here(?:'s| is| are))\b",
    re.IGNORECASE,
)
CLOSER = re.compile(
    r"(let me know|feel free|hope (?:this|that) helps|if you have any|any (?:other )?questions)"
    r"[^\n]{0,120}\Z",
    re.IGNORECASE,
)
HEDGES = re.compile(
    r"\b(may|might|perhaps|possibly|probably|likely|generally|usually|seems?|could)\b",
    re.IGNORECASE,
)
SORRY = re.compile(r"\b(sorry|apologi[sz]e|unfortunately)\b", re.IGNORECASE)
FIRST = re.compile(r"\b(i|me|my|we|our|us)\b", re.IGNORECASE)
SECOND = re.compile(r"\b(you|your|yours)\b", re.IGNORECASE)
LINKING = re.compile(
    r"\b(however|therefore|moreover|furthermore|additionally|thus|hence)\b", re.IGNORECASE
)
EXAMPLES = re.compile(r"\b(for example|for instance|such as|e\.g\.)", re.IGNORECASE)

LOOKED_CHARS = 65536  # of a longer text, its beginning and its end
# a person who likes eighty words likes neither ten nor a thousand: one slope cannot say it
HINGES = (20, 50, 100, 200, 400)


def style_of(text: str) -> dict[str, float]:
    """Return the numbers, each between 0 and about 10, by what they are of."""
    if len(text) > LOOKED_CHARS:
        text = text[: LOOKED_CHARS // 2] + text[-LOOKED_CHARS // 2 :]
    prose = FENCE.sub(" ", text)
    words = WORD.findall(prose)
    lines = [line for line in text.splitlines() if line.strip()]
    sentences = max(1, len(SENTENCE.findall(prose)))
    count, chars = len(words), max(1, len(text))
    numbers = {
        "length": _log(count),
        "lines": _log(len(lines)),
        "paragraphs": _log(len([part for part in re.split(r"\n\s*\n", text) if part.strip()])),
        "sentences": _log(sentences),
        "words a sentence": min(10.0, count / sentences / 10),
        "letters a word": sum(map(len, words)) / max(1, count),
        "long words": _share(sum(len(word) > 7 for word in words), count),
        "short words": _share(sum(len(word) < 4 for word in words), count),
        "different words": _share(len({word.lower() for word in words}), count),
        "capitals": _share(sum(len(w) > 1 and w.isupper() for w in words), count),
        "code": _share(sum(len(block) for block in FENCE.findall(text)), chars),
        "code blocks": _log(len(FENCE.findall(text))),
        "opens with a courtesy": float(OPENER.search(text) is not None),
        "closes with a courtesy": float(CLOSER.search(text.rstrip()) is not None),
        "novelty": _share(len(zlib.compress(text.encode("utf-8", "replace"))), chars),
        "digits": _share(sum(map(str.isdigit, text)), chars),
        "punctuation": _share(sum(not (c.isalnum() or c.isspace()) for c in text), chars),
        "beyond ascii": _share(sum(not c.isascii() for c in text), chars),
    }
    numbers |= {name: _log(find(text)) for name, find in COUNTS.items()}
    numbers |= {name: _rate(len(find.findall(prose)), count) for name, find in RATES.items()}
    for hinge in HINGES:
        numbers[f"beyond {hinge} words"] = max(0.0, _log(count) - _log(hinge))
    return {name: round(value, 4) for name, value in numbers.items()}


def _counting(pattern: str) -> Callable[[str], int]:
    find = re.compile(pattern, re.MULTILINE)
    return lambda text: len(find.findall(text))


COUNTS: dict[str, Callable[[str], int]] = {
    "bullets": _counting(r"^[ \t]*[-*•] "),
    "numbered points": _counting(r"^[ \t]*\d{1,6}[.)] "),
    "headings": _counting(r"^#{1,6} "),
    "table rows": _counting(r"^[ \t]*\|.*\|[ \t]*$"),
    "bold": _counting(r"\*\*[^*\n]+\*\*"),
    "code in a line": _counting(r"`[^`\n]+`"),
    "links": _counting(r"https?://"),
    "quotes": _counting(r"^> "),
    "questions": _counting(r"\?"),
    "exclamations": _counting(r"!"),
    "brackets": _counting(r"\("),
    "dashes": _counting(r"[\u2013\u2014]"),
    "colons": _counting(r":(?:\s|$)"),
    "pictograms": _counting(r"[\U0001F300-\U0001FAFF\u2600-\u27BF]"),
}
RATES = {
    "hedging": HEDGES,
    "apologies": SORRY,
    "I and we": FIRST,
    "you": SECOND,
    "linking words": LINKING,
    "examples": EXAMPLES,
}


def _log(count: int) -> float:
    """Return 0 for none, 1 for one, 2 for three, 3 for seven: of many, one more is little."""
    return log2(count + 1)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _rate(count: int, words: int) -> float:
    """Return how many there are in a hundred words, ten at most."""
    return min(10.0, 100 * count / words) if words else 0.0
