"""`--schema`: a file, JSON itself, or the short form `name, age int, email`."""

import os
import re
from typing import Any

import msgspec

from chat_rpc import errors

TYPES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "list": "array",
    "object": "object",
}
_FIELD = re.compile(r"(?P<name>[^\s:]+)(?:\s+(?P<type>\w+))?(?:\s*:\s*(?P<about>.+))?", re.DOTALL)
FORM = (
    "the short form of a schema is `name, age int, email: where to write to`; "
    f"types are {', '.join(TYPES)}"
)


def schema_of(text: str) -> Any:  # Any: JSON
    """Return the JSON Schema that is meant; raises InvalidParams or NoSuchFile."""
    if text.lstrip().startswith("{"):
        return _json(text, "the schema")
    if os.path.exists(text):
        return _of_file(text)
    if text.endswith(".json") or os.sep in text:
        raise errors.NoSuchFile(f"{text}: no such file")
    return _of_short_form(text)


def _of_file(path: str) -> Any:  # Any: JSON
    try:
        with open(path, "rb") as file:
            return _json(file.read(), path)
    except OSError as exc:
        raise errors.InvalidParams(f"{path}: {exc.strerror}") from None


def _json(text: str | bytes, name: str) -> Any:  # Any: JSON
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise errors.InvalidParams(f"{name} is not JSON: {exc}") from None


def _of_short_form(text: str) -> dict[str, Any]:  # Any: JSON
    """Return an object of these fields, all required; they are parted by commas or lines."""
    parts = (part.strip() for part in re.split(r"\n" if "\n" in text.strip() else ",", text))
    fields = dict(_field(part) for part in parts if part)
    if not fields:
        raise errors.InvalidParams(FORM)
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def _field(text: str) -> tuple[str, dict[str, str]]:
    match = _FIELD.fullmatch(text)
    type_ = TYPES.get((match["type"] or "str").lower()) if match else None
    if match is None or type_ is None:
        raise errors.InvalidParams(f"{text!r} is no field of a schema; {FORM}")
    about = {"description": match["about"].strip()} if match["about"] else {}
    return match["name"], {"type": type_, **about}
