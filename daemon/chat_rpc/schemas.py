"""The short form of a JSON Schema, `name, age int, tags str[]`, as people type it."""

import re
from typing import Any

TYPES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "list": "array",
    "object": "object",
}
FIELD = re.compile(
    r"(?P<name>[^\s:,\[\]{}]+)(?:\s+(?P<type>[a-zA-Z]+)(?P<many>\[\])?)?(?:\s*:\s*(?P<about>.+))?"
)
FORM = (
    "the short form of a schema is `name, age int, email: where to write to`; "
    f"types are {', '.join(TYPES)}, and a list of them is int[]"
)


def of_short_form(text: str) -> dict[str, Any]:  # Any: JSON
    """Return an object of these fields, all required, no others; commas or lines part them.

    Raises ValueError with a line for a person.
    """
    parts = map(str.strip, text.split("\n" if "\n" in text.strip() else ","))
    fields = dict(_field(part) for part in parts if part)
    if not fields:
        raise ValueError(FORM)
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def _field(text: str) -> tuple[str, dict[str, Any]]:
    match = FIELD.fullmatch(text)
    type_ = TYPES.get((match["type"] or "str").lower()) if match else None
    if match is None or type_ is None:
        raise ValueError(FORM)
    field: dict[str, Any] = {"type": type_}
    if match["many"]:
        field = {"type": "array", "items": field}
    return match["name"], field | ({"description": match["about"]} if match["about"] else {})
