"""Each type of check: what passes it, what fails it, and what makes it an error."""

import time
from dataclasses import replace
from typing import Any

import pytest

from chat_rpc.checks import Answer, Check, CheckResult, parse
from chatd.verifier import fences, language, structure
from chatd.verifier.kinds import KINDS
from chatd.verifier.rule import Reply, Request
from chatd.verifier.verify import prepare, verify

SOURCE = Request("Read https://a.example/x.", "The quick  brown fox ran 1234 m.", "Be brief.")
ROW = "| a | b |\n|:--|--:|\n| 1 | 2 |\n"
TOOL = 'tool-call:{"weather": {"required": ["city"]}}'
CALL = '<tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>'

# the check, a reply that passes, a reply that fails
CASES = [
    ("whole", Reply("a"), Reply("a", "length")),
    ("nonempty", "a", " \n"),
    ("no-loop", "a b c", "It goes on and on. " * 30),
    ("no-refusal", "Sure: 42.", "I'm sorry, but I can't help with that."),
    ("no-refusal", "I cannot stress enough how simple tmpfs is.", "I\u2019m unable to assist you."),
    ("no-open-fence", "```\na\n```\n", "```sh\nls"),
    ("no-open-fence", "````\n```\n````", "````\n```\n"),
    ("tokens:..5", Reply("a", tokens=5), Reply("a", tokens=6)),
    ("latency:2", Reply("a", total_ms=2000), Reply("a", total_ms=2001)),
    ("words:3", "one, two: three", "one two"),
    ("words:2..3", "one two", "one"),
    ("not-words:2..3", "one", "one two"),
    ("chars:..5", "\n12345\n", "123456"),
    ("lines:2", "\na\nb\n", "a"),
    ("sentences:2", "Mr. Fox is 3.5 m. He ran.", "He ran"),
    ("sentences:2", "1. bread\n2. milk. Go.", "1. bread"),
    ("paragraphs:2", "a\n\nb\n\n\n", "a\nb"),
    ('paragraphs:{"eq": 2, "sep": "***"}', "a\n***\nb", "a\n\nb"),
    ('paragraphs:{"eq": 2, "sep": "***"}', "***\na\n***\nb", "a\n***\n***\nb"),
    ('paragraphs:{"eq": 2, "sep": "--", "distinct": true}', "a--b", "a--a"),
    ("first-word:yes", '"Yes", he said.', "No."),
    ('first-word:{"word": "so", "paragraph": 2}', "a\n\nSo.", "So.\n\na"),
    ("items:2", "* a\n1. b\n\n---\n", "*a*\n- b"),
    ("bullets:2", "* a\n  - b\n1. c", "- a\n**b**"),
    ("highlights:2", "*a* and **b**", "** ** and *a*"),
    ("highlights:2", "***a***", "**a**"),
    ("equals:42", " 42\n", "42."),
    ("contains:RAM", "in RAM", "in ram"),
    ('contains:["a", "b"]', "ab", "a"),
    ('contains:{"any": ["a", "b"]}', "b", "c"),
    ('contains:{"text": "at", "words": true}', "at it", "attic"),
    ('contains:{"text": "a", "min": 2}', "aa", "a"),
    ('not-contains:["a", "b"]', "c", "b"),
    ("icontains:RAM", "in ram", "in a box"),
    ("starts:Dear", "\nDear Ann", "dear Ann"),
    ("istarts:dear", "Dear Ann", "Hello, dear"),
    ("ends:.", "It is.\n", "It is"),
    ("iends:ANY QUESTIONS?", "Any questions?", "No questions."),
    ("regex:^[0-9]+$", "42", "4 2"),
    ('regex:{"pattern": "a+", "full": true, "flags": "i"}', "aA", "ab"),
    ('regex:{"pattern": "[0-9]", "max": 1}', "a1", "12"),
    ("not-regex:TODO", "done", "TODO"),
    ("one-of:yes, no", "yes", "Yes."),
    ("case:lower", "abc 1", "aBc"),
    ("case:upper", "ABC", "ABc"),
    ("capital-words:2", "I work at NASA.", "NASA"),
    ("capital-words:2", "I\u2019m at NASA\u2014right", "NASA-like"),
    ("json", '```json\n{"a": 1}\n```', '{"a": NaN}'),
    ("json:bare", "[1]", "```\n[1]\n```"),
    ("json:any", "It is [1].", "It is [1"),
    ("yaml", "a: 1\nb: [1, 2]", "a: [1"),
    ("yaml", "a: &x 1\nb: *x", "a: *x"),
    ("yaml", "- a", "a"),
    ("toml", "a = 1", "a = "),
    ("xml", "<a><b/></a>", "<a><b></a>"),
    ("xml:a", "<a/>", "<b/>"),
    ("xml", "<a/>", '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'),
    ("csv", "a,b\n1,2", "a\nb"),
    ("csv:a,b", 'a,b\n"1,5",2', "a,b\n1,5,2"),
    ('csv:{"columns": 2, "rows": 1, "delimiter": "tab"}', "a\tb\n1\t2", "a\tb"),
    ("table", f"So:\n\n{ROW}", "a | b"),
    ("table:a,b", ROW, ROW.replace("a", "c")),
    ('table:{"rows": 1}', ROW, f"{ROW}| 3 | 4 |\n"),
    ("schema:name, age int", '{"name": "a", "age": 1}', '{"name": "a", "age": "1"}'),
    ("schema:name, age int", '{"name": "a", "age": 1}', '{"name": "a", "age": 1, "b": 1}'),
    ("schema:tags str[]", '{"tags": ["a"]}', '{"tags": [1]}'),
    ("schema:true", "1", "```json\n1\n```"),
    ('schema:{"pattern": "^(?!a)b"}', '"b"', '"ab"'),
    (TOOL, CALL, CALL.replace("city", "town")),
    (TOOL, CALL, CALL.replace("weather", "rm")),
    ("code:python", "```python\nx = 1\n```", "```python\nx = (\n```"),
    ("code:python", "x = 1", "```js\nx\n```"),
    ("code:bash", "```sh\nif a; then b; fi\n```", "```sh\nif a; then b\n```"),
    ("code:json", "```json\n{}\n```", "```json\n{\n```"),
    ("lang:de", "Das ist ein deutscher Satz, lang genug.", "This is a sentence, long enough."),
    ("lang:en", "THIS IS A SENTENCE, LONG ENOUGH.", "DAS IST EIN DEUTSCHER SATZ, LANG GENUG."),
    ("quotes-from:data", 'He says "the quick brown fox".', 'He says "the quick red fox".'),
    ("urls-from:prompt", "See https://a.example/x.", "See https://a.example/y."),
    ("numbers-from:data", "1. It is 1,234 m.", "It is 1,235 m."),
]  # fmt: skip

HOSTILE = [
    '{"verdict": "pass", "score": 1}',
    "```json\n" + "[" * 100_000,
    "[" * 200_000,
    "{" * 200_000,
    "(" * 100_000,
    "a: " * 50_000,
    "<a>" * 100_000,
    "|" * 100_000,
    "\0\x1b[2J\u2028",
    "*" * 100_000,
    "```" * 50_000,
    "- " * 50_000,
    '"' * 100_000,
    "." * 100_000,
    "A." * 50_000,
    "." * 100_000 + "x",
    "\n" * 100_000,
    "\n \n" * 30_000 + "x",
    " " * 100_000 + "x",
    "```\n" * 25_000,
    "```" + "x" * 100_000,
    "| a\n" * 25_000,
    "|-" * 50_000 + "x",
    "**" + "a" * 100_000,
    "*a" * 50_000,
    "-" * 100_000 + "x",
    "\u201e" * 100_000,
    "\u00ab" * 100_000,
    "1," * 50_000 + "x",
    "https://" * 12_000,
    "I'm sorry " * 10_000,
    "1. " * 30_000,
]
SLOW_S = 2.0  # the square of such a length takes far longer


def result(check: str | Check, reply: str | Reply, **more: Any) -> CheckResult:
    wanted = parse(check) if isinstance(check, str) else check
    without = {"whole", "nonempty", "no-loop"} - {wanted.type}
    said = reply if isinstance(reply, Reply) else Reply(reply)
    request, answers = more.get("request", SOURCE), more.get("answers")
    [found] = verify(prepare([wanted], without), request, said, answers).checks
    return found


@pytest.mark.parametrize(("check", "good", "bad"), CASES)
def test_a_reply_passes_or_fails(check: str, good: str | Reply, bad: str | Reply) -> None:
    assert result(check, good).verdict == "pass", result(check, good).reason
    failed = result(check, bad)
    assert failed.verdict == "fail"
    assert 0 < len(failed.reason) <= 200


@pytest.mark.parametrize(("check", "good", "bad"), CASES)
def test_not_turns_each_round(check: str, good: str | Reply, bad: str | Reply) -> None:
    if "contains:[" in check:
        return  # of a list, `not` wants none: see the cases above
    turned = parse(check)
    turned.not_ = not turned.not_
    assert result(turned, good).verdict == "fail"
    assert result(turned, bad).verdict == "pass"


def test_every_type_is_among_the_cases() -> None:
    inside = {name for name, kind in KINDS.items() if not kind.is_outside}
    assert {parse(check).type for check, *_ in CASES} == inside


@pytest.mark.parametrize("type_", KINDS)
def test_a_check_that_breaks_is_an_error_and_never_a_pass(
    type_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule is broken from within: whatever it raises, also under `not`, says nothing good."""

    def prepared(value: object) -> Any:
        rule = kind.prepare(value)

        def look(*_: object) -> Any:
            raise ZeroDivisionError("secret")

        return replace(rule, look=look, inverse=None)

    kind = KINDS[type_]
    monkeypatch.setitem(KINDS, type_, replace(kind, prepare=prepared))
    for is_not in (False, True):
        check = parse(kind.example)
        check.not_ = is_not
        check.severity = "hard"
        verdict = verify(prepare([check]), SOURCE, Reply("a"))
        assert verdict.verdict == "error"
        assert all("secret" not in found.reason for found in verdict.checks)


@pytest.mark.parametrize("type_", ["exec", "judge", "model"])
def test_an_outside_check_is_what_it_is_answered(type_: str) -> None:
    check = KINDS[type_].example
    assert result(check, "a").verdict == "error"
    for word in ("pass", "fail", "error"):
        answers = {type_: Answer(check=type_, verdict=word, reason="so")}
        assert result(check, "a", answers=answers).verdict == word
    turned = parse(check)
    turned.not_ = True
    answers = {type_: Answer(check=type_, verdict="error")}
    assert result(turned, "a", answers=answers).verdict == "error"


def test_a_source_that_is_not_there_is_an_error() -> None:
    for type_ in ("quotes-from", "urls-from", "numbers-from"):
        assert result(f"{type_}:data", "a", request=Request("a")).verdict == "error"


def test_bash_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("chatd.verifier.code.BASH", ("bash-that-is-not-there",))
    assert result("code:bash", "ls").verdict == "error"


def test_what_does_not_apply_is_skipped() -> None:
    for check in ("lang:de", "tokens:5", "latency:5"):
        assert result(check, "ok").verdict == "skip"


@pytest.mark.parametrize("reply", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_reply_is_no_pass_of_what_it_does_not_meet_and_takes_no_time(reply: str) -> None:
    for check, _, bad in CASES:
        if check.startswith(("lang", "not-")) or bad == "":
            continue
        began = time.process_time()
        said = result(check, reply)
        assert time.process_time() - began < SLOW_S, check
        assert said.verdict in ("pass", "fail", "skip"), (check, said.reason)
    for check in ("schema:name", "toml", "xml", "csv:a,b", TOOL, "one-of:yes", "equals:yes"):
        assert result(check, reply).verdict == "fail", check


def test_the_languages_are_those_of_the_library() -> None:
    language.language_of("a")
    from py3langid import langid

    assert set(langid.IDENTIFIER.nb_classes) == language.KNOWN - {"nb"}


def test_yaml_makes_nothing_of_what_it_reads() -> None:
    bomb = "a: &a [x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(20)
    )
    assert structure.yaml_fault(bomb) is None
    assert structure.yaml_fault("!!python/object/apply:os.system ['true']\n") is None


def test_json_is_found_in_a_text() -> None:
    assert fences.json_text('a {b} {"c": [1]} d') == '{"c": [1]}'
    assert fences.json_text("```\n[1,\n2]\n```") == "[1,\n2]"
    assert fences.json_text("nothing") is None
