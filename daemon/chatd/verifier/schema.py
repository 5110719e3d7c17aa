"""Checks by a JSON Schema: of the reply, and of the arguments of a tool.

Nothing is fetched: a schema that refers to what is not in it is refused.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import jsonschema
import jsonschema_rs
import referencing
from jsonschema.validators import validator_for

from chat_rpc import schemas
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
    quoted,
    shorten,
)
from chatd.verifier.structure import json_fault

Faults = Callable[[Any], Iterator[str]]  # Any: JSON, the value that is looked at

TOLD = 3  # faults of one reply
# The first is linear; the second knows lookaround, and gives up after so many steps.
PATTERNS = (
    jsonschema_rs.RegexOptions(size_limit=2**23),
    jsonschema_rs.FancyRegexOptions(backtrack_limit=10**6, size_limit=2**23),
)
SHORT_FORM = 'a JSON Schema, or fields such as "name, age int, tags str[]"'


@kind(value=SHORT_FORM, example="schema:name, age int", is_heavy=True)
def schema(value: Any) -> Rule:
    """The reply is JSON, with nothing around it, and fits the schema.

    Drafts 4 to 2020-12, as `$schema` says; 2020-12 if it says nothing. Nothing that it refers to is
    fetched. In the short form a field is a str, or what is said: int, float, bool, or a list of
    them by `[]`; all must be there, and no others. Where each has a line of its own, words about it
    may come after a colon. `--schema FILE` reads a file.
    """
    wanted = schema_of(value)
    faults = compiled(wanted)

    def look(request: Request, reply: Reply) -> Found:
        if why := json_fault(reply.text):
            if fences.unfenced(reply.text) != reply.text.strip():
                why = "there is a code block around it"
            return missed(f"it is not JSON alone: {why}")
        found = list(islice(faults(fences.loads(reply.text)), TOLD))
        return missed("; ".join(found)) if found else HOLDS

    return Rule("fit the schema", look, asks=wanted)


@kind(
    value="a list of tools as in the OpenAI API, or an object of a schema for each name",
    example='tool-call:{"weather": {"required": ["city"]}}',
    is_heavy=True,
)
def tool_call(value: Any) -> Rule:
    """The reply has a call of a tool in it, or a list of them, and the arguments fit its schema.

    A call is JSON with `name` and `arguments`, as models without calls of their own write it.
    """
    tools = {name: compiled(wanted) for name, wanted in _tools(value).items()}

    def look(request: Request, reply: Reply) -> Found:
        text = fences.json_text(reply.text)
        if text is None:
            return missed("there is no JSON in it")
        said = fences.loads(text)
        for call in said if isinstance(said, list) else [said]:
            if why := _call_fault(call, tools):
                return missed(why)
        return HOLDS if said else missed("the list is empty")

    return Rule(f"call one of the tools {', '.join(tools)}", look)


# -- schemas ------------------------------------------------------------------------------------


def schema_of(value: Any) -> Any:
    """Return the schema that a value is, its JSON text, or its short form; raises BadValue."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("{") or text in ("true", "false"):
            value = values.decoded(text, SHORT_FORM)
        else:
            value = _from_short(text)
    if not isinstance(value, dict | bool):
        raise BadValue(f"wants {SHORT_FORM}")
    return value


def compiled(schema: Any, resources: Mapping[str, Any] | None = None) -> Faults:
    """Return what lists the faults of a value; raises BadValue for a schema that is none.

    `resources` are other schemas that it may refer to, by their URI; there are no others.
    """
    registry = jsonschema_rs.Registry(list((resources or {}).items()))
    why: Exception = ValueError()
    for options in PATTERNS:
        try:
            validator = jsonschema_rs.validator_for(
                schema, registry=registry, pattern_options=options, offline=True
            )
        except (ValueError, jsonschema_rs.ReferencingError) as exc:
            why = exc
        else:
            return lambda value: (_told(error) for error in validator.iter_errors(value))
    kind = getattr(why, "kind", None)
    if kind is None or isinstance(kind, jsonschema_rs.ValidationErrorKind.Referencing):
        raise BadValue(f"is no schema that can be used: {_first_line(why)}")
    return _fallback(schema, why)


def _fallback(schema: Any, why: Exception) -> Faults:
    """Return the same by jsonschema, which takes some patterns that jsonschema-rs does not."""
    draft = validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        draft.check_schema(schema)
    except jsonschema.SchemaError:
        raise BadValue(f"is no schema: {_first_line(why)}") from None
    for pattern in _patterns(schema):
        try:
            re.compile(pattern)
        except (re.error, RecursionError):
            raise BadValue(f"is no schema: {_first_line(why)}") from None
    validator = draft(schema, registry=referencing.Registry())  # an empty one fetches nothing
    return lambda value: (_told(error) for error in validator.iter_errors(value))


def _patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, inner in schema.items():
            if name == "pattern" and isinstance(inner, str):
                yield inner
            elif name == "patternProperties" and isinstance(inner, dict):
                yield from inner
            yield from _patterns(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _patterns(inner)


def _told(error: Any) -> str:  # Any: either library's error
    path = getattr(error, "instance_path", None)
    parts = list(error.absolute_path if path is None else path)
    where = "/".join(str(part) for part in parts)
    return f"at {where}: {error.message}" if where else str(error.message)


def _first_line(why: Exception) -> str:
    where = "/".join(map(str, getattr(why, "instance_path", [])))
    said = shorten(str(why).partition("\n")[0])
    return f"at {where}: {said}" if where else said


def _from_short(text: str) -> dict[str, Any]:
    try:
        return schemas.of_short_form(text)
    except ValueError:
        raise BadValue(f"wants {SHORT_FORM}") from None


# -- tools --------------------------------------------------------------------------------------


def _tools(value: Any) -> dict[str, Any]:
    """Return the schema of each tool's arguments."""
    value = values.decoded(value, "tools, as JSON")
    if isinstance(value, list):
        value = dict(map(_tool, value))
    if not isinstance(value, dict) or not value:
        raise BadValue("wants a list of tools, or a schema for each name")
    return {name: schema_of(wanted) for name, wanted in value.items()}


def _tool(tool: Any) -> tuple[str, Any]:
    function = tool.get("function", tool) if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise BadValue("has a tool without a name")
    return function["name"], function.get("parameters", True)


def _call_fault(call: Any, tools: Mapping[str, Faults]) -> str | None:
    call = call.get("function", call) if isinstance(call, dict) else call
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        return "a call has no name"
    if call["name"] not in tools:
        return f"there is no tool {quoted(call['name'])}"
    arguments = call.get("arguments", call.get("parameters", {}))
    if isinstance(arguments, str):
        if why := json_fault(arguments):
            return f"the arguments are not JSON: {why}"
        arguments = fences.loads(arguments)
    return next(iter(tools[call["name"]](arguments)), None)


KINDS = (schema, tool_call)
