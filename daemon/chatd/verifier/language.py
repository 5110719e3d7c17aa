"""The check of the language that a reply is in.

The library and its model take 100 MB, so it is imported where it is used: in the helper.
"""

import re
from functools import cache
from typing import Any

from chatd.verifier import fences, values
from chatd.verifier.rule import (
    HOLDS,
    BadValue,
    Found,
    Reply,
    Request,
    Rule,
    kind,
    missed,
    passed_by,
)

LETTERS = 20  # fewer tell no language
KNOWN = frozenset(
    "af am an ar as az ba be bg bn br bs ca cs cy da de dz el en eo es et eu fa fi fo fr fy ga"
    " gd gl gu ha he hi hr ht hu hy id ig is it ja jv ka kk km kn ko ku ky la lb lg ln lo lt lv"
    " mg mk ml mn mr ms mt my nb ne nl nn no oc om or pa pl ps pt qu ro ru rw sa se si sk sl sn"
    " so sq sr st sv sw ta te tg th tk tl tr tt ug uk ur uz vi vo wa xh yo zh zu".split()
)
SAME = {"nb": "no", "nn": "no"}


@kind(value="its code of two letters (ISO 639-1)", example="lang:de", is_heavy=True)
def lang(value: Any) -> Rule:
    """The reply is in this language; its code blocks are not looked at.

    Skipped where there are fewer than 20 letters.
    """
    wanted = values.text(value, "a code such as de").lower().replace("_", "-").partition("-")[0]
    if wanted not in KNOWN:
        raise BadValue("wants a code of a language, such as de")

    def look(request: Request, reply: Reply) -> Found:
        text = fences.without(reply.text)
        if sum(map(str.isalpha, text)) < LETTERS:
            return passed_by("there are too few letters to tell")
        found = language_of(text)
        if SAME.get(found, found) == SAME.get(wanted, wanted):
            return HOLDS
        return missed(f"it looks like {found}")

    return Rule(f"be in the language {wanted}", look)


def language_of(text: str) -> str:
    """Return the code of the likeliest language."""
    text = re.sub(r"https?://\S+", " ", text)
    if sum(map(str.isupper, text)) > sum(map(str.islower, text)):
        text = text.lower()  # it has learnt from running text
    code: str = _identifier().classify(text)[0]
    return code


@cache
def _identifier() -> Any:  # Any: the library has no types
    from py3langid import langid

    langid.classify("")  # loads the model
    langid.set_languages(sorted(KNOWN & set(langid.IDENTIFIER.nb_classes)))
    return langid


KINDS = (lang,)
