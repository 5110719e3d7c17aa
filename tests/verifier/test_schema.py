"""Schemas: the official suite whole, nothing fetched, and the libraries' differences."""

import json
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import PurePath
from typing import Any

import jsonschema_rs
import pytest
from tests.harness import ROOT

from chatd.verifier import schema
from chatd.verifier.rule import BadValue

SUITE = ROOT / "tests" / "data" / "json-schema-test-suite.tar.gz"
DRAFTS = {
    "draft7": ("http://json-schema.org/draft-07/schema#", 927),
    "draft2020-12": ("https://json-schema.org/draft/2020-12/schema", 1299),
}
OTHERS = {"draft3", "draft4", "draft6", "draft7", "draft2019-09", "draft2020-12", "v1"}


@cache
def suite() -> dict[str, Any]:  # Any: JSON
    """Return the files of the suite by their paths."""
    with tarfile.open(SUITE) as archive:
        return {
            member.name: json.load(archive.extractfile(member) or pytest.fail(member.name))
            for member in archive
            if member.name.endswith(".json")
        }


def remotes(draft: str) -> dict[str, Any]:
    """Return what the cases refer to; where it names no draft it is of the one that refers."""
    found = {}
    for name, content in suite().items():
        path = PurePath(name)
        if path.parts[0] == "remotes" and path.parts[1] not in OTHERS - {draft}:
            uri = f"http://localhost:1234/{path.relative_to('remotes')}"
            found[uri] = of_draft(content, draft)
    return found


def of_draft(content: Any, draft: str) -> Any:
    if isinstance(content, dict) and "$schema" not in content:
        return {"$schema": DRAFTS[draft][0], **content}
    return content


def cases(draft: str) -> Iterator[tuple[str, Any, Any]]:
    for name, groups in suite().items():
        if name.startswith(f"tests/{draft}/") and "/optional/" not in name:
            for group in groups:
                yield f"{name}: {group['description']}", group["schema"], group["tests"]


@pytest.mark.parametrize("draft", DRAFTS)
def test_each_mandatory_case_of_the_official_suite_is_as_it_says(draft: str) -> None:
    resources, count, wrong = remotes(draft), 0, []
    for name, wanted, tests in cases(draft):
        faults = schema.compiled(of_draft(wanted, draft), resources)
        for test in tests:
            count += 1
            if (next(faults(test["data"]), None) is None) != test["valid"]:
                wrong.append(f"{name}: {test['description']}")
    assert not wrong
    assert count == DRAFTS[draft][1]


@pytest.mark.parametrize(
    "uri", ["http://localhost:1234/x.json", "file:///etc/hostname", "x.json", "#/nowhere"]
)
def test_what_a_schema_refers_to_is_never_fetched(uri: str) -> None:
    for wanted in ({"$ref": uri}, {"properties": {"a": {"$ref": uri}}}, {"$schema": uri}):
        with pytest.raises(BadValue, match="no schema that can be used"):
            schema.compiled(wanted)


@pytest.mark.parametrize(
    "wanted", [{"type": "strin"}, {"minimum": "1"}, {"pattern": "("}, {"required": "a"}]
)
def test_what_is_no_schema_is_a_bad_check(wanted: object) -> None:
    with pytest.raises(BadValue, match="is no schema"):
        schema.compiled(wanted)


def test_patterns_with_lookaround_work() -> None:
    faults = schema.compiled({"pattern": "^(?!admin)[a-z]+$"})
    assert not list(faults("person"))
    assert list(faults("admin"))


def test_a_pattern_that_only_the_other_library_knows_works() -> None:
    wanted = {"properties": {"a": {"pattern": r"^\Z|^(?P<x>a)(?P=x)$"}}}
    with pytest.raises(ValueError, match="regex"):
        jsonschema_rs.validator_for(wanted)
    faults = schema.compiled(wanted)
    assert not list(faults({"a": "aa"}))
    assert list(faults({"a": "ab"}))


@pytest.mark.parametrize("value", ["name", "name, age int", "a: what it is\nb int[]: how many"])
def test_the_short_form_names_fields(value: str) -> None:
    made = schema.schema_of(value)
    assert made["required"] == list(made["properties"])
    assert not made["additionalProperties"]
    schema.compiled(made)


@pytest.mark.parametrize("value", ["", "a b", "[]", "{", "a, b int, c: "])
def test_what_is_neither_form_is_a_bad_value(value: str) -> None:
    with pytest.raises(BadValue):
        schema.schema_of(value)
