"""Checks of the generation itself: is the reply whole, is it one, does it go in circles."""

import re
from typing import Any

from chatd.verifier import basic, fences, loop, values
from chatd.verifier.rule import HOLDS, Found, Reply, Request, Rule, kind, missed, passed_by

# How a reply begins that says no, after "I'm sorry, but" and its like.  Apostrophes are plain.
SORRY = (
    r"(?:(?:i'?m|i am|we're|we are) (?:very |so |really |truly )?sorry|sorry|my apologies"
    r"|i apologi[sz]e|apologies|unfortunately)"
)
UNABLE = (
    r"(?:i (?:can't|cannot|can not|won't|will not|must decline|have to decline|refuse)"
    r"|(?:i am|i'm) (?:not able|unable|not allowed|not permitted|not comfortable)"
    r"|i (?:do not|don't) feel comfortable|it (?:is|would be) (?:not appropriate|inappropriate)"
    r"|as an ai\b[^.]{0,60}?\bi (?:can't|cannot|am not able|am unable))"
)
HELP = (
    r"(?:help|assist|fulfill?|comply|provid|creat|writ|generat|do that|answer|discuss|support"
    r"|engag|continu|offer|giv|shar|produc|participat|complet)"
)
REFUSAL = re.compile(rf"\A\W*(?:{SORRY}\b[^.!?]{{0,80}}?)?{UNABLE}\b[^.!?]{{0,60}}?\b{HELP}")
BEGINNING_CHARS = 400  # a refusal stands at the beginning


@kind(is_always=True)
def whole(value: Any) -> Rule:
    """The reply is not cut off: not by the token limit, nor by a filter."""
    values.nothing(value)

    def look(request: Request, reply: Reply) -> Found:
        why = basic.why_cut(reply.finish)
        return missed(why) if why else HOLDS

    return Rule("be whole", look)


@kind(is_always=True)
def nonempty(value: Any) -> Rule:
    """There is more in the reply than blanks."""
    values.nothing(value)

    def look(request: Request, reply: Reply) -> Found:
        return HOLDS if reply.text.strip() else missed(basic.why_empty(reply))

    return Rule("say something", look)


@kind(is_always=True)
def no_loop(value: Any) -> Rule:
    """The reply does not say the same over and over."""
    values.nothing(value)

    def look(request: Request, reply: Reply) -> Found:
        found = loop.found_in(reply.text)
        return missed(found) if found else HOLDS

    return Rule("not go in circles", look, watcher=lambda: loop.Tail().feed)


@kind(severity="soft")
def no_refusal(value: Any) -> Rule:
    """The reply does not begin by declining."""
    values.nothing(value)

    def look(request: Request, reply: Reply) -> Found:
        beginning = " ".join(reply.text[:BEGINNING_CHARS].lower().replace("\u2019", "'").split())
        return missed("the model declines") if REFUSAL.search(beginning) else HOLDS

    return Rule("answer and not decline", look)


@kind(severity="soft")
def no_open_fence(value: Any) -> Rule:
    """Each code block that is begun is closed."""
    values.nothing(value)

    def look(request: Request, reply: Reply) -> Found:
        found = fences.fences(reply.text)
        return missed("one is open at the end") if found and not found[-1].is_closed else HOLDS

    return Rule("close its code blocks", look)


@kind(value=values.SPAN, example="tokens:..500")
def tokens(value: Any) -> Rule:
    """How many tokens the model server counted; skipped where it did not."""
    span = values.span(value)

    def look(request: Request, reply: Reply) -> Found:
        if reply.tokens is None:
            return passed_by("the server did not count tokens")
        return HOLDS if span.has(reply.tokens) else missed(f"it has {reply.tokens}")

    return Rule(f"have {span.words('token', 'tokens')}", look)


@kind(value="seconds", example="latency:20")
def latency(value: Any) -> Rule:
    """The reply was there within so many seconds."""
    limit_s = values.seconds(value)

    def look(request: Request, reply: Reply) -> Found:
        if reply.total_ms is None:
            return passed_by("nobody took the time")
        taken_s = reply.total_ms / 1000
        return HOLDS if taken_s <= limit_s else missed(f"it took {taken_s:.1f} s")

    return Rule(f"be there within {limit_s:g} s", look)


KINDS = (whole, nonempty, no_loop, no_refusal, no_open_fence, tokens, latency)
