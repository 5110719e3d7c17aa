"""Checks of what a reply takes from its source: quotes, numbers and addresses must be there."""

import re
from collections.abc import Callable
from typing import Any

from chatd.verifier import values
from chatd.verifier.rule import (
    HOLDS,
    BadValue,
    CannotRun,
    Found,
    Reply,
    Request,
    Rule,
    kind,
    missed,
    quoted,
)

SOURCES: dict[str, Callable[[Request], str]] = {
    "prompt": lambda request: request.prompt,
    "data": lambda request: request.data,
    "system": lambda request: request.system,
    "all": lambda request: "\n".join((request.system, request.prompt, request.data)),
}
SOURCE = 'nothing, prompt, data, system, or {"text"}'
QUOTE = re.compile(
    r'"([^"\n]{2,}+)"|\u201c([^\u201c\u201d\n]{2,}+)\u201d'
    r"|\u201e([^\u201e\u201c\u201d\n]{2,}+)[\u201c\u201d]|\u00ab([^\u00ab\u00bb\n]{2,}+)\u00bb"
)
QUOTE_WORDS = 3  # shorter ones are names and irony
URL = re.compile(r"https?://[^\s<>\"')\]}]+")
NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*+(?:\.\d++)?(?!\w)")
LIST_NUMBER = re.compile(r"^[ \t]*\d{1,3}[.)][ \t]", re.MULTILINE)


@kind(value=SOURCE, example="quotes-from:data")
def quotes_from(value: Any) -> Rule:
    """What is in quotation marks, from three words on, stands in the source, to the word.

    The source is the prompt, what was piped in (`data`), the system prompt, or all of them if
    nothing is said.
    """
    return _taken(value, "quotes", quotes, _folded)


@kind(value=SOURCE, example="urls-from:prompt")
def urls_from(value: Any) -> Rule:
    """Each web address in the reply stands in the source."""
    return _taken(value, "web addresses", urls, str)


@kind(value=SOURCE, example="numbers-from:data")
def numbers_from(value: Any) -> Rule:
    """Each number in the reply stands in the source; those that number a list may be new."""
    return _taken(value, "numbers", numbers, str)


def quotes(text: str) -> list[str]:
    found = ("".join(groups) for groups in QUOTE.findall(text))
    return [each for each in found if len(each.split()) >= QUOTE_WORDS]


def urls(text: str) -> list[str]:
    return [match.rstrip(".,;:!?*_`") for match in URL.findall(text)]


def numbers(text: str) -> list[str]:
    """Return the numbers, without the commas in them."""
    bare = LIST_NUMBER.sub("", text)
    return [match.rstrip(",").replace(",", "") for match in NUMBER.findall(bare)]


def _taken(
    value: Any, what: str, found_in: Callable[[str], list[str]], fold: Callable[[str], str]
) -> Rule:
    source_of = _source(value)

    def look(request: Request, reply: Reply) -> Found:
        source = source_of(request)
        if not source.strip():
            raise CannotRun("there is no source to look in")
        whole, known = fold(source), set(found_in(source))
        for each in found_in(reply.text):
            is_there = each in known if found_in is not quotes else fold(each) in whole
            if not is_there:
                return missed(f"{quoted(each)} is not in it")
        return HOLDS

    return Rule(f"take its {what} from the source", look)


def _source(value: Any) -> Callable[[Request], str]:
    if isinstance(value, dict):
        values.known(value, "text")
        text = values.text(value.get("text"), "a text")
        return lambda request: text
    if value in (None, ""):
        value = "all"
    if not isinstance(value, str) or value not in SOURCES:
        raise BadValue(f"wants {SOURCE}")
    return SOURCES[value]


def _folded(text: str) -> str:
    """Return a text in which only its words matter: not case, blanks, or what closes a quote."""
    plain = text.replace("\u2019", "'").replace("\u2018", "'").replace("\u201c", '"')
    plain = plain.replace("\u201d", '"').strip(" .,;:!?\u2026")
    return " ".join(plain.casefold().split())


KINDS = (quotes_from, urls_from, numbers_from)
