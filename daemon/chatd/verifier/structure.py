"""Checks of how a reply is built: is it JSON, YAML, TOML, XML, CSV, a table."""

import csv
import io
import json as jsons
import re
import tomllib
from collections.abc import Sequence
from typing import Any
from xml.parsers import expat

import yaml

from chatd.verifier import fences, values
from chatd.verifier.rule import HOLDS, BadValue, Found, Reply, Request, Rule, kind, missed

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
TABLE = re.compile(
    r"^ {0,3}(?P<head>\S.*)\n {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$"
    r"(?P<body>(?:\n {0,3}\S.*\|.*$)*)",
    re.MULTILINE,
)
CELL = re.compile(r"(?<!\\)\|")
YAML_DEPTH = 200  # its scanner takes the square of the depth
TOO_DEEP = "it is nested too deeply"


@kind(value="nothing; `bare`, without a fence; `any`, anywhere in the reply", is_heavy=True)
def json(value: Any) -> Rule:
    """The reply is JSON; one code block around all of it is allowed."""
    if value not in (None, "", "bare", "any"):
        raise BadValue("wants nothing, bare or any")

    def look(request: Request, reply: Reply) -> Found:
        if value == "any":
            found = fences.json_text(reply.text)
            return missed("there is none in it") if found is None else HOLDS
        why = json_fault(reply.text if value == "bare" else fences.unfenced(reply.text))
        return missed(why) if why else HOLDS

    where = {"bare": "be JSON and nothing else", "any": "have JSON in it"}
    return Rule(where.get(value or "", "be JSON"), look)


@kind(is_heavy=True)
def yaml_(value: Any) -> Rule:
    """The reply is YAML with a list or a mapping at its root; one code block around is allowed."""
    values.nothing(value)
    return Rule("be YAML", lambda request, reply: _unless(yaml_fault(fences.unfenced(reply.text))))


@kind(is_heavy=True)
def toml(value: Any) -> Rule:
    """The reply is TOML; one code block around it is allowed."""
    values.nothing(value)
    return Rule("be TOML", lambda request, reply: _unless(toml_fault(fences.unfenced(reply.text))))


@kind(value="nothing, or the name of the root", example="xml:feed", is_heavy=True)
def xml(value: Any) -> Rule:
    """The reply is XML without a document type; one code block around it is allowed."""
    root = values.text(value) if value not in (None, "") else None
    where = f" with {root} at its root" if root else ""
    return Rule(
        f"be XML{where}",
        lambda request, reply: _unless(xml_fault(fences.unfenced(reply.text), root)),
    )


@kind(
    value='nothing, how many columns, their names, or {"columns", "rows", "delimiter"}',
    example="csv:name,age,city",
)
def csv_(value: Any) -> Rule:
    """The reply is CSV: each row has as many columns, two at least if nothing else is said.

    Names are those of the first row, which `rows` does not count. `delimiter` is comma, semicolon,
    tab or pipe. One code block around it is allowed.
    """
    options = _columns_and(value, "rows", "delimiter")
    delimiter = DELIMITERS.get(options.get("delimiter", "comma"))
    if delimiter is None:
        raise BadValue(f"wants {', '.join(DELIMITERS)} as delimiter")
    shape = Shape(options)

    def look(request: Request, reply: Reply) -> Found:
        text = fences.unfenced(reply.text).strip()
        try:
            rows = list(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True))
        except csv.Error as exc:
            return missed(str(exc))
        return _unless(shape.fault([[cell.strip() for cell in row] for row in rows]))

    return Rule(f"be CSV{shape.words}", look)


@kind(
    value='nothing, how many columns, their names, or {"columns", "rows"}',
    example="table:Name,Age",
)
def table(value: Any) -> Rule:
    """There is a table in the reply, as Markdown has them; the first one is looked at."""
    shape = Shape(_columns_and(value, "rows"))

    def look(request: Request, reply: Reply) -> Found:
        match = TABLE.search(reply.text)
        if match is None:
            return missed("there is none")
        lines = [match["head"], *match["body"].split("\n")[1:]]
        return _unless(shape.fault([_cells(line) for line in lines]))

    return Rule(f"have a table{shape.words}", look)


class Shape:
    """How many rows and columns are wanted, or which."""

    def __init__(self, options: dict[str, Any]):
        columns = options.get("columns")
        self._names: list[str] | None = columns if isinstance(columns, list) else None
        self._width: int | None = len(self._names) if self._names else options["columns"]
        self._rows = values.span(options["rows"]) if "rows" in options else None

    @property
    def words(self) -> str:
        parts = []
        if self._names:
            parts.append(f"the columns {', '.join(self._names)}")
        elif self._width:
            parts.append(f"{self._width} columns")
        if self._rows:
            parts.append(self._rows.words("row", "rows"))
        return f" with {' and '.join(parts)}" if parts else ""

    def fault(self, rows: Sequence[Sequence[str]]) -> str | None:
        """Return what is wrong with rows, of which the first may be the head."""
        if not rows:
            return "it is empty"
        width = self._width or len(rows[0])
        if width < 2 and self._width is None:
            return "it has one column"
        for number, row in enumerate(rows, 1):
            if len(row) != width:
                return f"row {number} has {len(row)} columns and not {width}"
        if self._names and list(rows[0]) != self._names:
            return f"its columns are {', '.join(rows[0])}"
        if self._rows and not self._rows.has(len(rows) - 1):
            return f"it has {len(rows) - 1} rows"
        return None


# -- faults: what is wrong with a text, or None -------------------------------------------------


def json_fault(text: str) -> str | None:
    try:
        fences.loads(text)
    except jsons.JSONDecodeError as exc:
        return f"{exc.msg}, line {exc.lineno} column {exc.colno}"
    except ValueError as exc:
        return str(exc)
    except RecursionError:
        return TOO_DEEP
    return None


def yaml_fault(text: str) -> str | None:
    """By its events only: nothing is made of them, so no alias and no merge costs anything."""
    anchors: set[str] = set()
    depth, is_collection = 0, False
    try:
        for event in yaml.parse(text, yaml.CSafeLoader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth, is_collection = depth + 1, True
                if depth > YAML_DEPTH:
                    return TOO_DEEP
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if isinstance(event, yaml.AliasEvent) and event.anchor not in anchors:
                return "it refers to an anchor that is not there"
            if isinstance(event, yaml.NodeEvent) and event.anchor:
                anchors.add(event.anchor)
    except yaml.MarkedYAMLError as exc:
        place = f", line {exc.problem_mark.line + 1}" if exc.problem_mark else ""
        return f"{exc.problem}{place}"
    except yaml.YAMLError as exc:
        return str(exc).partition("\n")[0]
    return None if is_collection else "it is neither a list nor a mapping"


def toml_fault(text: str) -> str | None:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        return str(exc)
    except RecursionError:
        return TOO_DEEP
    return None if text.strip() else "it is empty"


def xml_fault(text: str, root: str | None = None) -> str | None:
    roots: list[str] = []
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise ValueError("it declares a document type")  # whose entities may grow without end

    def start(name: str, _: object) -> None:
        if not roots:
            roots.append(name)

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    try:
        parser.Parse(text.strip(), True)  # noqa: FBT003  # no keyword there: it is the end
    except expat.ExpatError as exc:
        return str(exc)
    except ValueError as exc:
        return str(exc)
    return f"its root is {roots[0]}" if root and roots[0] != root else None


def _unless(fault: str | None) -> Found:
    return missed(fault) if fault else HOLDS


def _columns_and(value: Any, *names: str) -> dict[str, Any]:
    """Return the options of a table; `columns` is a number, a list of names, or None."""
    options = value if isinstance(value, dict) else {"columns": value}
    values.known(options, "columns", *names)
    columns = options.get("columns")
    if isinstance(columns, str) and columns.isdecimal():
        columns = int(columns)
    if isinstance(columns, str):
        columns = [name.strip() for name in columns.split(",")] if columns else None
    if isinstance(columns, list):
        columns = values.texts(columns, "names of columns")
    elif columns is not None and (
        isinstance(columns, bool) or not isinstance(columns, int) or columns < 1
    ):
        raise BadValue("wants a number of columns, or their names")
    return {**options, "columns": columns}


def _cells(line: str) -> list[str]:
    bare = line.strip()
    bare = bare[1:] if bare.startswith("|") else bare
    bare = bare[:-1] if bare.endswith("|") and not bare.endswith("\\|") else bare
    return [cell.strip() for cell in CELL.split(bare)]


KINDS = (json, yaml_, toml, xml, csv_, table)
