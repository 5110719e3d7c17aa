"""What can be counted in a text: words, lines, items of lists, and so on."""

import re

from chatd.verifier.sentences import split

WORD = re.compile(r"\w+")
BULLET = re.compile(r"^[^\S\n]*(?:\*[^*]|-).*$", re.MULTILINE)
ITEM = re.compile(r"^[ \t]*(?:[-*+•]|\d{1,9}[.)])[ \t]+\S", re.MULTILINE)
RULE = re.compile(r"^[ \t]*(?:[-*][ \t]*){3,}$", re.MULTILINE)
BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*")
HIGHLIGHTS = re.compile(r"\*[^\n*]*+\*"), re.compile(r"\*\*[^\n*]*+\*\*")


def words(text: str) -> int:
    return sum(1 for _ in WORD.finditer(text))


def characters(text: str) -> int:
    return len(text.strip())


def lines(text: str) -> int:
    return len(text.strip().splitlines())


def sentences(text: str) -> int:
    return len(split(text))


def items(text: str) -> int:
    return sum(1 for _ in ITEM.finditer(RULE.sub("", text)))


def bullets(text: str) -> int:
    return sum(1 for _ in BULLET.finditer(text))


def highlights(text: str) -> int:
    """Count as IFEval does: in `***x***`, and in a `* **x**`, both ways see one."""
    return sum(bool(part.strip("*").strip()) for one in HIGHLIGHTS for part in one.findall(text))


def paragraphs(text: str, separator: str | None) -> list[str]:
    """Return the paragraphs of a text, without blanks around them.

    With a separator of its own an empty part at either end is none, and one in the middle is kept.
    """
    if separator is None:
        return [part for part in map(str.strip, BLANK_LINE.split(text.strip())) if part]
    found = [part.strip() for part in text.split(separator)]
    if found and not found[0]:
        del found[0]
    if found and not found[-1]:
        del found[-1]
    return found
