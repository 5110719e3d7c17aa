"""Checks of the words themselves: what is in the reply, how it begins and ends."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import re2

from chatd.verifier import values
from chatd.verifier.rule import (
    HOLDS,
    BadValue,
    Found,
    Reply,
    Request,
    Rule,
    kind,
    missed,
    quoted,
    shorten,
)
from chatd.verifier.watch import Forbidden

Finders = dict[str, re.Pattern[str]]

PATTERN_BYTES = 2**23  # of a compiled pattern; RE2's own default
TEXT = "a text, or a list of which all are meant"
OPTIONS = '{"text"|"all"|"any", "words", "min", "max", "eq"}'
PIECE = re.compile(
    r"""\.{2,}|--|[\u2012-\u2015\u2018-\u201e\xab\xbb"`*?!;@#$%&()\[\]{}<>]|[,:](?!\d)"""
    r"""|'(?:s|m|d|ll|re|ve)\b|n't\b""",
    re.IGNORECASE,
)


# -- contains -------------------------------------------------------------------------------------


@kind(value=f"{TEXT}, or {OPTIONS}", example="contains:tmpfs")
def contains(value: Any) -> Rule:
    """The text is in the reply; of a list, all are.

    With `words` only whole words count; with `min`, `max` and `eq` it matters how often they are
    there. `not-contains` wants none of a list.
    """
    return _contains(value, ignores_case=False)


@kind(value=f"{TEXT}, or {OPTIONS}", example='not-icontains:["as an AI", "certainly"]')
def icontains(value: Any) -> Rule:
    """As `contains`, in small letters and capitals alike."""
    return _contains(value, ignores_case=True)


def _contains(value: Any, *, ignores_case: bool) -> Rule:
    if not isinstance(value, dict):
        wanted = values.texts(value, TEXT)
        return _all_of(_finders(wanted, ignores_case=ignores_case, are_words=False))
    values.known(value, "text", "all", "any", "words", "min", "max", "eq")
    are_words = values.flag(value, "words")
    named = [name for name in ("text", "all", "any") if name in value]
    if len(named) != 1:
        raise BadValue(f"wants one of text, all and any in {OPTIONS}")
    wanted = values.texts(value[named[0]], TEXT)
    finders = _finders(wanted, ignores_case=ignores_case, are_words=are_words)
    if any(name in value for name in ("min", "max", "eq")):
        return _count_of(finders, values.span_of(value))
    return _any_of(finders) if named[0] == "any" else _all_of(finders)


def _all_of(finders: Finders) -> Rule:
    def look(request: Request, reply: Reply) -> Found:
        lacking = [text for text, find in finders.items() if not find.search(reply.text)]
        if not lacking:
            return HOLDS
        return missed(f"it lacks {_listed(lacking)}", score=1 - len(lacking) / len(finders))

    return Rule(f"contain {_listed(finders)}", look, inverse=_none_of(finders))


def _any_of(finders: Finders) -> Rule:
    def look(request: Request, reply: Reply) -> Found:
        has_one = any(find.search(reply.text) for find in finders.values())
        return HOLDS if has_one else missed("it has none of them")

    return Rule(f"contain one of {_listed(finders)}", look, inverse=_none_of(finders))


def _none_of(finders: Finders) -> Rule:
    def look(request: Request, reply: Reply) -> Found:
        there = [text for text, find in finders.items() if find.search(reply.text)]
        return missed(f"it has {_listed(there)}") if there else HOLDS

    watcher = partial(Forbidden, tuple(finders.values()), tuple(finders))
    return Rule(f"not contain {_listed(finders)}", look, watcher=watcher)


def _count_of(finders: Finders, span: values.Span) -> Rule:
    def look(request: Request, reply: Reply) -> Found:
        found = sum(len(find.findall(reply.text)) for find in finders.values())
        return HOLDS if span.has(found) else missed(f"it is there {_times(found)}")

    return Rule(f"contain {_listed(finders)} {span.words('time', 'times')}", look)


def _finders(wanted: list[str], *, ignores_case: bool, are_words: bool) -> Finders:
    flags = re.IGNORECASE if ignores_case else 0
    edge = r"\b" if are_words else ""
    return {text: re.compile(f"{edge}{re.escape(text)}{edge}", flags) for text in wanted}


# -- the whole, its beginning, its end ------------------------------------------------------------


@kind(value="a text", example="equals:42")
def equals(value: Any) -> Rule:
    """The reply is this text, but for blanks around it."""
    wanted = values.text(value).strip()

    def look(request: Request, reply: Reply) -> Found:
        found = reply.text.strip()
        return HOLDS if found == wanted else missed(f"it is {quoted(found)}")

    return Rule(f"be {quoted(wanted)}", look)


@kind(value="labels with commas between them, or a list", example="one-of:yes,no,unsure")
def one_of(value: Any) -> Rule:
    """The reply is one of these labels and nothing else."""
    if isinstance(value, str):
        value = [label for part in value.split(",") if (label := part.strip())]
    labels = values.texts(value, "labels, with commas between them, or a list")

    def look(request: Request, reply: Reply) -> Found:
        found = reply.text.strip()
        return HOLDS if found in labels else missed(f"it is {quoted(found)}")

    return Rule(f"be one of {_listed(labels)} and nothing else", look)


@kind(value="a text", example="starts:Dear")
def starts(value: Any) -> Rule:
    """The reply begins with this text."""
    return _edge(value, "begin", str.startswith, ignores_case=False)


@kind(value="a text", example="istarts:dear")
def istarts(value: Any) -> Rule:
    """As `starts`, in small letters and capitals alike."""
    return _edge(value, "begin", str.startswith, ignores_case=True)


@kind(value="a text", example="ends:.")
def ends(value: Any) -> Rule:
    """The reply ends with this text."""
    return _edge(value, "end", str.endswith, ignores_case=False)


@kind(value="a text", example="iends:any questions?")
def iends(value: Any) -> Rule:
    """As `ends`, in small letters and capitals alike."""
    return _edge(value, "end", str.endswith, ignores_case=True)


def _edge(value: Any, verb: str, has: Callable[[str, str], bool], *, ignores_case: bool) -> Rule:
    wanted = values.text(value).strip()

    def look(request: Request, reply: Reply) -> Found:
        bare = reply.text.strip()
        text, edge = (bare.lower(), wanted.lower()) if ignores_case else (bare, wanted)
        if has(text, edge) or (verb == "end" and text.rstrip('"').endswith(edge)):
            return HOLDS
        return missed(f"it {verb}s with {quoted(bare[:40] if verb == 'begin' else bare[-40:])}")

    return Rule(f"{verb} with {quoted(wanted)}", look)


# -- patterns -------------------------------------------------------------------------------------


@kind(
    value='a pattern, or {"pattern", "flags", "full", "min", "max", "eq"}',
    example="regex:[A-Z]{3}-[0-9]+",
)
def regex(value: Any) -> Rule:
    """A regular expression of RE2 matches: anywhere, so often, or with `full` the whole reply.

    RE2 has no lookaround and no backreferences, and its time is linear. Flags are i, m and s.
    """
    options: dict[str, Any] = value if isinstance(value, dict) else {"pattern": value}
    values.known(options, "pattern", "flags", "full", "min", "max", "eq")
    pattern = compiled(values.text(options.get("pattern"), "a pattern"), options.get("flags", ""))
    is_full = values.flag(options, "full")
    spans = any(name in options for name in ("min", "max", "eq"))
    span = values.span_of(options) if spans else values.Span(1)
    if is_full and spans:
        raise BadValue("has a count beside full")

    def look(request: Request, reply: Reply) -> Found:
        text = reply.text.strip()
        if is_full:
            return HOLDS if pattern.fullmatch(text) else missed("it does not match as a whole")
        found = sum(1 for _ in pattern.finditer(text))
        return HOLDS if span.has(found) else missed(f"it matches {_times(found)}")

    shown = shorten(options["pattern"], 80)
    how = " as a whole" if is_full else f" {span.words('time', 'times')}" if spans else ""
    return Rule(f"match {shown}{how}", look)


def compiled(pattern: str, flags: Any = "") -> Any:  # Any: re2 has no types
    """Return a pattern of RE2; raises BadValue that says what is wrong with it."""
    if not isinstance(flags, str) or set(flags) - set("ims"):
        raise BadValue("wants flags out of i, m and s")
    options = re2.Options()
    options.max_mem = PATTERN_BYTES
    options.log_errors = False
    try:
        return re2.compile(f"(?{flags}){pattern}" if flags else pattern, options)
    except re2.error as exc:
        why = exc.args[0].decode()
        raise BadValue(f"is no regular expression of RE2 ({why.split(':')[0]})") from None


# -- case -----------------------------------------------------------------------------------------


CASES: dict[str, tuple[str, Callable[[str], bool]]] = {
    "upper": ("be all in capitals", str.isupper),
    "lower": ("be all in small letters", str.islower),
}


@kind(value="upper or lower", example="case:lower")
def case(value: Any) -> Rule:
    """All letters are capitals, or all are small."""
    if not isinstance(value, str) or value not in CASES:
        raise BadValue(f"wants {' or '.join(CASES)}")
    demand, holds = CASES[value]

    def look(request: Request, reply: Reply) -> Found:
        return HOLDS if holds(reply.text) else missed()

    return Rule(demand, look)


def capitals(text: str) -> int:
    """Return how many words are all in capitals; "I" is one, and so is the NASA of "NASA's"."""
    pieces = PIECE.sub(lambda match: f" {match[0]} ", text).split()
    return sum(piece.isupper() for piece in pieces)


@kind(value=values.SPAN, example="capital-words:..2")
def capital_words(value: Any) -> Rule:
    """How many words are all in capitals."""
    span = values.span(value)

    def look(request: Request, reply: Reply) -> Found:
        found = capitals(reply.text)
        return HOLDS if span.has(found) else missed(f"it has {found}")

    return Rule(f"have {span.words('word', 'words')} all in capitals", look)


def _listed(wanted: Iterable[str]) -> str:
    texts = list(wanted)
    return ", ".join(map(quoted, texts[:5])) + (" and others" if len(texts) > 5 else "")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


KINDS = (
    equals,
    contains,
    icontains,
    starts,
    istarts,
    ends,
    iends,
    regex,
    one_of,
    case,
    capital_words,
)
