"""The table of all types of check, in the groups in which the pages tell of them."""

from difflib import get_close_matches

from chatd.verifier import (
    code,
    grounding,
    health,
    language,
    outside,
    schema,
    size,
    structure,
    wording,
)
from chatd.verifier.rule import Kind

GROUPS: dict[str, tuple[Kind, ...]] = {
    "The generation": health.KINDS,
    "Size": size.KINDS,
    "Words": wording.KINDS,
    "Structure": (*structure.KINDS, *schema.KINDS),
    "Code and language": (*code.KINDS, *language.KINDS),
    "Sources": grounding.KINDS,
    "From outside": outside.KINDS,
}
KINDS: dict[str, Kind] = {kind.type: kind for kinds in GROUPS.values() for kind in kinds}
ALWAYS = tuple(kind for kind in KINDS.values() if kind.is_always)


def near(type_: str) -> str:
    """Return " (did you mean x?)" for a type that is not in the table, or nothing."""
    close = get_close_matches(type_, KINDS, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
