"""`--schema`: a file, JSON itself, or the short form `name, age int, email`."""

import os
import re
from typing import Any

import msgspec

from chat_rpc import errors, schemas

_WORD = re.compile(r"[^\s:,\[\]{}]+")


def schema_of(text: str) -> Any:  # Any: JSON
    """Return the JSON Schema that is meant; raises InvalidParams or NoSuchFile."""
    if text.lstrip().startswith("{"):
        return _json(text, "the schema")
    if os.path.exists(text):
        return _of_file(text)
    if text.endswith(".json") or os.sep in text:
        raise errors.NoSuchFile(f"{text}: no such file")
    if _WORD.fullmatch(text):  # a field, or rather a file's name with a slip in it
        raise errors.NoSuchFile(f"{text}: no such file; if it is to be a field, write: {text} str")
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
    try:
        return schemas.of_short_form(text)
    except ValueError as exc:
        raise errors.InvalidParams(str(exc)) from None
