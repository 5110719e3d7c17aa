"""Verdicts: what is always on, what a bad check says, and that an error is never a pass."""

import pytest

from chat_rpc import errors
from chat_rpc.checks import Answer, Check, parse
from chatd.verifier.kinds import ALWAYS, KINDS
from chatd.verifier.rule import Reply, Request
from chatd.verifier.verify import failure_of, prepare, verify

GOOD = Reply("It is a file system in memory.")


def test_whole_nonempty_and_no_loop_are_always_on_and_hard() -> None:
    assert [kind.type for kind in ALWAYS] == ["whole", "nonempty", "no-loop"]
    assert all(kind.severity == "hard" for kind in ALWAYS)
    verdict = verify(prepare([]), Request(), GOOD)
    assert [result.id for result in verdict.checks] == ["whole", "nonempty", "no-loop"]
    assert verdict.verdict == "pass"


@pytest.mark.parametrize(
    ("reply", "type_"),
    [
        (Reply("It is", "length"), "whole"),
        (Reply(" \n"), "nonempty"),
        (Reply("It is. " + "It is a file system. " * 40), "no-loop"),
    ],
)
def test_each_can_fail_a_reply_and_be_switched_off(reply: Reply, type_: str) -> None:
    verdict = verify(prepare([]), Request(), reply)
    assert [result.id for result in verdict.checks if result.verdict == "fail"] == [type_]
    for name in (type_, type_.replace("-", "_")):
        assert verify(prepare([], [name]), Request(), reply).verdict == "pass"


def test_a_check_of_ones_own_takes_the_place_of_one_that_is_always_on() -> None:
    verdict = verify(prepare([parse("soft-nonempty")]), Request(), Reply(""))
    assert verdict.verdict == "pass"
    assert verdict.score == 0


def test_cut_off_goes_before_failed_and_failed_before_an_error() -> None:
    checks = prepare([parse("words:3"), parse("exec:true")])
    cut = failure_of(verify(checks, Request(), Reply("one", "length")))
    failed = failure_of(verify(checks, Request(), Reply("one")))
    broken = failure_of(verify(checks, Request(), Reply("one two three")))
    assert [type(error) for error in (cut, failed, broken)] == [
        errors.CutOff,
        errors.ChecksFailed,
        errors.CheckError,
    ]
    passed = verify(
        checks, Request(), Reply("1 2 3"), {"exec": Answer(check="exec", verdict="pass")}
    )
    assert failure_of(passed) is None


@pytest.mark.parametrize(
    ("check", "says"),
    [
        ("wrods:3", "there is no check `wrods` (did you mean words?)"),
        ("words:many", 'check words wants a number, "min..max", or {"min", "max", "eq"}'),
        ("words:5..2", "check words has a min above its max"),
        ("words:-1", "check words cannot want fewer than none"),
        ("regex:(", "check regex is no regular expression of RE2 (missing ))"),
        (r"regex:(a)\1", "check regex is no regular expression of RE2 (invalid escape sequence)"),
        ("case:title", "check case wants upper or lower"),
        ("exec:'", "check exec is no command line (No closing quotation)"),
        ("nonempty:3", "check nonempty takes no value"),
        ("contains:", "check contains wants a text, or a list of which all are meant"),
    ],
)
def test_a_bad_check_is_one_clear_line_before_any_model_is_asked(check: str, says: str) -> None:
    with pytest.raises(errors.InvalidParams) as raised:
        prepare([parse(check)])
    assert raised.value.message == says


def test_what_stands_in_a_bad_check_is_not_told() -> None:
    secret = "the launch code is 0000"
    for check in (
        Check(type=secret),
        Check(type="words", value=secret),
        Check(type="case", id=secret),
    ):
        with pytest.raises(errors.InvalidParams) as raised:
            prepare([check])
        assert "launch" not in raised.value.message
    with pytest.raises(errors.InvalidParams) as raised:
        prepare([], [secret])
    assert "launch" not in raised.value.message


def test_ids_tell_checks_of_one_type_apart() -> None:
    verdict = verify(prepare([parse("contains:a"), parse("contains:b")]), Request(), Reply("b"))
    assert [result.id for result in verdict.checks if result.verdict == "fail"] == ["contains"]
    assert verdict.checks[-1].id == "contains-2"
    with pytest.raises(errors.InvalidParams, match="two have one id"):
        prepare([Check(type="words", value=1, id="a"), Check(type="chars", value=1, id="a")])


def test_soft_checks_lower_the_score_by_their_weight_and_fail_nothing() -> None:
    checks = [
        Check(type="contains", value="tmpfs", severity="soft", weight=3),
        Check(type="words", value="..100", severity="soft"),
    ]
    verdict = verify(prepare(checks), Request(), GOOD)
    assert (verdict.verdict, verdict.score) == ("pass", 0.25)


def test_a_check_may_be_of_the_code_or_the_json_in_a_reply() -> None:
    text = 'Here:\n```python\nprint("hi")\n```\nand {"a": 1}.'
    for check in (
        Check(type="equals", value='print("hi")', on="code"),
        Check(type="equals", value='{"a": 1}', on="json"),
    ):
        assert verify(prepare([check]), Request(), Reply(text)).verdict == "pass"
        for is_not in (False, True):
            check.not_ = is_not
            assert verify(prepare([check]), Request(), Reply("none")).verdict == "fail"


@pytest.mark.parametrize("type_", KINDS)
def test_what_a_type_says_about_itself_is_true(type_: str) -> None:
    kind = KINDS[type_]
    assert kind.sentence.endswith(".")
    assert parse(kind.example).type == type_
    prepare([parse(kind.example)])
    if not kind.value:
        assert kind.example == type_
