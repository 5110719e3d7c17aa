"""Where sentences end, in Western prose: no model of a language, but rules."""

import re

OPENING = "\"'([*_\u201c\u2018\u00ab"
# A mark with what closes behind it, and a blank or the end after that; CJK marks need no blank.
END = re.compile(
    r"(?P<word>\S*?)(?:(?P<mark>[.!?]+|\u2026)[\"'\u201d\u2019\u00bb)\]*_]*(?=\s|\Z)"
    r"|[\u3002\uff01\uff1f]+[\u201d\u300d\u300f]*)"
)
ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof sr jr st vs e.g i.e cf approx dept est fig vol co corp gen col sgt capt rev"
    " hon jan feb mar apr jun jul aug sep sept oct nov dec".split()
)
MAY_END = frozenset("etc a.m p.m u.s u.k inc ltd ph.d".split())  # abbreviations, or ends as well


def split(text: str) -> list[str]:
    """Return the sentences, without blanks around them; a rest without a full stop is one."""
    found, begin = [], 0
    for match in END.finditer(text):
        if _ends(match, text[match.end() : match.end() + 40].lstrip()):
            found.append(text[begin : match.end()].strip())
            begin = match.end()
    if rest := text[begin:].strip():
        found.append(rest)
    return found


def _ends(match: re.Match[str], rest: str) -> bool:
    """Say whether a sentence ends here, for a full stop may be of an abbreviation."""
    if not rest or match["mark"] is None:
        return True
    word = match["word"].lstrip(OPENING).lower()
    if match["mark"] == "." and (word in ABBREVIATIONS or re.fullmatch("[a-z]", word)):
        return False
    if match["mark"] == "." and word in MAY_END:
        return rest[0].isupper()
    return not rest[0].islower()
