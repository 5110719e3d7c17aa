"""IFEval's 25 kinds of instructions in our checks: a reply that follows, and one that does not.

What each means is what its public checker does; the names are theirs.  `MAPPED` is also how a set
of such instructions is turned into checks.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from chat_rpc.checks import Check
from chatd.verifier.rule import Reply, Request
from chatd.verifier.verify import prepare, verify

Arguments = dict[str, Any]  # Any: as the set gives them


def check(type_: str, value: Any = None, *, is_not: bool = False) -> Check:
    return Check(type=type_, value=value, not_=is_not)


def counted(type_: str, arguments: Arguments, name: str, **more: Any) -> list[Check]:
    """Return a check of "at least" or "less than" so many."""
    number = arguments[name]
    is_least = arguments.get(RELATIONS.get(name, "relation"), "at least") == "at least"
    span = {"min": number} if is_least else {"max": number - 1}
    return [check(type_, {**span, **more})]


RELATIONS = {"let_frequency": "let_relation", "capital_frequency": "capital_relation"}


def postscript(arguments: Arguments) -> list[Check]:
    marks = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    pattern = marks.get(arguments["postscript_marker"], arguments["postscript_marker"])
    return [check("regex", {"pattern": pattern, "flags": "i"})]


def section(arguments: Arguments) -> list[Check]:
    pattern = rf"{arguments['section_spliter']}\s?[0-9]+"
    return [check("regex", {"pattern": pattern, "min": arguments["num_sections"]})]


MAPPED: dict[str, Callable[[Arguments], Sequence[Check]]] = {
    "keywords:existence": lambda a: [check("icontains", a["keywords"])],
    "keywords:frequency": lambda a: counted("icontains", a, "frequency", text=a["keyword"].strip()),
    "keywords:forbidden_words": lambda a: [
        check("icontains", {"any": a["forbidden_words"], "words": True}, is_not=True)
    ],
    "keywords:letter_frequency": lambda a: counted(
        "icontains", a, "let_frequency", text=a["letter"]
    ),
    "language:response_language": lambda a: [check("lang", a["language"])],
    "length_constraints:number_sentences": lambda a: counted("sentences", a, "num_sentences"),
    "length_constraints:number_paragraphs": lambda a: [
        check("paragraphs", {"eq": a["num_paragraphs"], "sep": "***"})
    ],
    "length_constraints:number_words": lambda a: counted("words", a, "num_words"),
    "length_constraints:nth_paragraph_first_word": lambda a: [
        check("paragraphs", a["num_paragraphs"]),
        check("first-word", {"word": a["first_word"], "paragraph": a["nth_paragraph"]}),
    ],
    "detectable_content:number_placeholders": lambda a: [
        check("regex", {"pattern": r"\[.*?\]", "min": a["num_placeholders"]})
    ],
    "detectable_content:postscript": postscript,
    "detectable_format:number_bullet_lists": lambda a: [check("bullets", a["num_bullets"])],
    "detectable_format:constrained_response": lambda a: [
        check("contains", {"any": [f"My answer is {word}." for word in ("yes", "no", "maybe")]})
    ],
    "detectable_format:number_highlighted_sections": lambda a: [
        check("highlights", {"min": a["num_highlights"]})
    ],
    "detectable_format:multiple_sections": section,
    "detectable_format:json_format": lambda a: [check("json")],
    "detectable_format:title": lambda a: [check("regex", r"<<[^\n]*[^\s<>][^\n]*>>")],
    "combination:two_responses": lambda a: [
        check("paragraphs", {"eq": 2, "sep": "******", "distinct": True})
    ],
    "combination:repeat_prompt": lambda a: [check("istarts", a["prompt_to_repeat"])],
    "startend:end_checker": lambda a: [check("iends", a["end_phrase"])],
    "startend:quotation": lambda a: [
        check("regex", {"pattern": '".*"', "flags": "s", "full": True})
    ],
    "change_case:capital_word_frequency": lambda a: counted(
        "capital-words", a, "capital_frequency"
    ),
    "change_case:english_capital": lambda a: [check("case", "upper"), check("lang", "en")],
    "change_case:english_lowercase": lambda a: [check("case", "lower"), check("lang", "en")],
    "punctuation:no_comma": lambda a: [check("contains", ",", is_not=True)],
}

LONG = "The file system lives in memory and nowhere else"
CASES: list[tuple[str, Arguments, str, str]] = [
    ("keywords:existence", {"keywords": ["ram", "disk"]}, "RAM is no disk.", "RAM is fast."),
    (
        "keywords:frequency",
        {"keyword": "ram", "frequency": 2, "relation": "at least"},
        "RAM, ram",
        "RAM",
    ),
    (
        "keywords:frequency",
        {"keyword": "ram", "frequency": 2, "relation": "less than"},
        "RAM",
        "RAM, ram",
    ),
    ("keywords:forbidden_words", {"forbidden_words": ["disk"]}, "diskless RAM", "No Disk."),
    (
        "keywords:letter_frequency",
        {"letter": "m", "let_frequency": 2, "let_relation": "at least"},
        "Memory",
        "RAM",
    ),
    (
        "keywords:letter_frequency",
        {"letter": "#", "let_frequency": 1, "let_relation": "less than"},
        "a",
        "# a",
    ),
    ("language:response_language", {"language": "de"}, "Das Dateisystem liegt im Speicher.", LONG),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 3, "relation": "less than"},
        "A dog barks. It is 3.5 m away.",
        "A dog. A cat! Dr. Who?",
    ),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 3, "relation": "at least"},
        "A dog. A cat! Dr. Who?",
        "Mr. Fox, e.g. he, ran. Why?",
    ),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "a\n\nb\n***\nc", "a\n\nb"),
    (
        "length_constraints:number_words",
        {"num_words": 3, "relation": "at least"},
        "one, two three",
        "one two",
    ),
    (
        "length_constraints:number_words",
        {"num_words": 3, "relation": "less than"},
        "one two",
        "one two three",
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "so"},
        "a\n\nSo, b",
        "So\n\na",
    ),
    (
        "detectable_content:number_placeholders",
        {"num_placeholders": 2},
        "[name] of [town]",
        "[name]",
    ),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.S."},
        "Bye.\nP. S. Write.",
        "Bye. PS",
    ),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.P.S"},
        "Bye.\nP.P.S. Write.",
        "Bye.\nP.S. a",
    ),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a\n- b\n1. c", "* a\n**b**"),
    ("detectable_format:constrained_response", {}, "Well: My answer is no.", "No."),
    (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        "*a b* and **c**",
        "*a* ** **",
    ),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "* **a**", "- **a**"),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "SECTION", "num_sections": 2},
        "SECTION 1\na\nSECTION 2\nb",
        "SECTION 1\nSection 2",
    ),
    ("detectable_format:json_format", {}, '```json\n{"a": 1}\n```', '{"a": 1'),
    ("detectable_format:json_format", {}, '```JSON {"a": 1}```', 'So: ```{"a": 1}```'),
    ("detectable_format:json_format", {}, '```json\n{"a": 1}```', '```json\n{"a": 1}``` so'),
    ("detectable_format:title", {}, "<<a title>>\ntext", "<< >>"),
    ("combination:two_responses", {}, "one\n******\ntwo", "one\n******\none"),
    (
        "combination:repeat_prompt",
        {"prompt_to_repeat": "What is RAM?"},
        " what is RAM? It is",
        "It is RAM. What is RAM?",
    ),
    (
        "startend:end_checker",
        {"end_phrase": "Any questions?"},
        'So. any questions?"\n',
        "Any questions? So.",
    ),
    ("startend:quotation", {}, ' "a\nb" ', '"a" b'),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "at least"},
        "(NASA) and I'm",
        "NASA-like",
    ),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "less than"},
        "NASA",
        "RAM, NASA's",
    ),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "less than"},
        "I can\u2019t",
        "I\u2019M",
    ),
    ("change_case:english_capital", {}, f"{LONG}.".upper(), LONG),
    ("change_case:english_lowercase", {}, f"{LONG}.".lower(), LONG),
    ("punctuation:no_comma", {}, "a; b", "a, b"),
]


def test_all_25_kinds_are_there() -> None:
    assert len(MAPPED) == 25
    assert {kind for kind, *_ in CASES} == set(MAPPED)


@pytest.mark.parametrize(("kind", "arguments", "good", "bad"), CASES)
def test_a_reply_that_follows_passes_and_another_fails(
    kind: str, arguments: Arguments, good: str, bad: str
) -> None:
    checks = prepare(MAPPED[kind](arguments), ["no-loop"])
    assert verify(checks, Request(), Reply(good)).verdict == "pass"
    assert verify(checks, Request(), Reply(bad)).verdict == "fail"
