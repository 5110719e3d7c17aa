"""Checks that count: words, characters, lines, sentences, paragraphs, items."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from chatd.verifier import counts, values
from chatd.verifier.rule import HOLDS, BadValue, Found, Reply, Request, Rule, kind, missed
from chatd.verifier.watch import Characters, Counting, Watcher, Words


@kind(value=f'{values.SPAN}; the object may have "sep" and "distinct"', example="paragraphs:3")
def paragraphs(value: Any) -> Rule:
    """How many paragraphs: what blank lines divide, or `sep`.

    With `distinct` no two are the same.
    """
    separator, are_distinct = None, False
    if isinstance(value, dict):
        values.known(value, "min", "max", "eq", "sep", "distinct")
        are_distinct = values.flag(value, "distinct")
        if "sep" in value:
            separator = values.text(value["sep"], "a text as sep")
    span = values.span_of(value) if isinstance(value, dict) else values.span(value)

    def look(request: Request, reply: Reply) -> Found:
        found = counts.paragraphs(reply.text, separator)
        if "" in found:
            return missed("one of them is empty")
        if not span.has(len(found)):
            return missed(f"it has {len(found)}", score=span.nearness(len(found)))
        if are_distinct and len(set(found)) < len(found):
            return missed("two of them are the same")
        return HOLDS

    how = "" if separator is None else f" with {separator} between them"
    different = ", each another" if are_distinct else ""
    return Rule(f"have {span.words('paragraph', 'paragraphs')}{how}{different}", look)


@kind(value='a word, or {"word", "paragraph"}', example="first-word:Yes")
def first_word(value: Any) -> Rule:
    """The word that the reply begins with, or one of its paragraphs."""
    nth = 1
    if isinstance(value, dict):
        values.known(value, "word", "paragraph")
        nth = value.get("paragraph", 1)
        value = value.get("word")
    if not isinstance(nth, int) or isinstance(nth, bool) or nth < 1:
        raise BadValue("wants a number from 1 on as paragraph")
    word = values.text(value, 'a word, or {"word", "paragraph"}')

    def look(request: Request, reply: Reply) -> Found:
        found = counts.paragraphs(reply.text, None)
        if len(found) < nth:
            return missed(f"there are only {len(found)} paragraphs")
        match = re.search(r"[^\s.,?!'\"]+", found[nth - 1])
        begins = match[0] if match else ""
        return HOLDS if begins.lower() == word.lower() else missed(f"it begins with {begins}")

    return Rule(f"begin paragraph {nth} with the word {word}", look)


@kind(value=values.SPAN, example="words:50..120")
def words(value: Any) -> Rule:
    """How many words: runs of letters and digits."""
    return _counted(value, counts.words, "word", "words", partial(Words, counts.WORD))


@kind(value=values.SPAN, example="chars:..280")
def chars(value: Any) -> Rule:
    """How many characters, without blanks around the reply."""
    return _counted(value, counts.characters, "character", "characters", Characters)


@kind(value=values.SPAN, example="lines:1")
def lines(value: Any) -> Rule:
    """How many lines, without blank ones around the reply."""
    return _counted(value, counts.lines, "line", "lines")


@kind(value=values.SPAN, example="sentences:..3")
def sentences(value: Any) -> Rule:
    """How many sentences."""
    return _counted(value, counts.sentences, "sentence", "sentences")


@kind(value=values.SPAN, example="items:3..5")
def items(value: Any) -> Rule:
    """How many items its lists have, as Markdown has them: bullets and numbers."""
    return _counted(value, counts.items, "item of a list", "items of a list")


@kind(value=values.SPAN, example="bullets:3")
def bullets(value: Any) -> Rule:
    """How many lines begin with `*` or `-`."""
    return _counted(value, counts.bullets, "bullet", "bullets")


@kind(value=values.SPAN, example="highlights:2..")
def highlights(value: Any) -> Rule:
    """How many parts are in *one* or **two** asterisks."""
    return _counted(value, counts.highlights, "highlighted part", "highlighted parts")


def _counted(
    value: Any,
    count: Callable[[str], int],
    one: str,
    many: str,
    watching: Callable[[int], Watcher] | None = None,
) -> Rule:
    span = values.span(value)

    def look(request: Request, reply: Reply) -> Found:
        found = count(reply.text)
        if span.has(found):
            return HOLDS
        return missed(f"it has {found}", score=span.nearness(found))

    begin = watching or partial(Counting, count)
    watcher = None if span.most is None else partial(begin, span.most)
    return Rule(f"have {span.words(one, many)}", look, watcher=watcher)


KINDS = (words, chars, lines, sentences, paragraphs, first_word, items, bullets, highlights)
