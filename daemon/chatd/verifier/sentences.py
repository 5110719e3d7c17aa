"""Where sentences end, in Western prose: no model of a language, but rules."""

import re

OPENING = "\"'([*_\u201c\u2018\u00ab"
# Marks with what closes behind them, and a blank or the end after that; CJK marks need no blank.
END = re.compile(
    r"(?<![.!?\u2026])(?P<mark>[.!?\u2026]++)[\"'\u201d\u2019\u00bb)\]*_]*+(?=\s|\Z)"
    r"|[\u3002\uff01\uff1f]++[\u201d\u300d\u300f]*+"
)
ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof sr jr st vs e.g i.e cf approx dept est fig vol co corp gen col sgt capt rev"
    " hon jan feb mar apr jun jul aug sep sept oct nov dec".split()
)
INITIAL = re.compile("[A-HJ-Z]")
ELLIPSES = frozenset({"..", "...", "....", "\u2026"})
CLOSING = "\"'\u201d\u2019\u00bb"
MAY_END = frozenset("etc a.m p.m u.s u.k inc ltd ph.d".split())  # abbreviations, or ends as well
NEAR = 40  # characters around a mark that are looked at


def split(text: str) -> list[str]:
    """Return the sentences, without blanks around them; a rest without a full stop is one."""
    found, begin = [], 0
    for match in END.finditer(text):
        if match["mark"] is None or _ends(match, text):
            found.append(text[begin : match.end()].strip())
            begin = match.end()
    if rest := text[begin:].strip():
        found.append(rest)
    return found


def _ends(match: re.Match[str], text: str) -> bool:
    """Say whether a sentence ends here, for a full stop may be of an abbreviation."""
    rest = text[match.end() : match.end() + NEAR].lstrip()
    if not rest:
        return True
    if match["mark"] == ".":
        before = text[max(0, match.start() - NEAR) : match.start()]
        word = re.split(r"\s", before)[-1].lstrip(OPENING)
        if word.lower() in ABBREVIATIONS or INITIAL.fullmatch(word):
            return False
        if word.lower() in MAY_END:
            return rest[0].isupper()
        return not (word.isdecimal() and rest[0].islower())  # 2. the number of an item
    # "Done!" he said, and ... he went on
    is_inside = match["mark"] in ELLIPSES or match[0][-1] in CLOSING
    return not (is_inside and rest[0].islower())
