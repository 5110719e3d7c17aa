"""turn.validate over the real socket: a verdict, what a model would be told, and no model asked."""

import pytest
from tests.harness import Daemon

from chat_rpc import errors, methods
from chat_rpc.checks import Answer, parse


def validate(chatd: Daemon, reply: str, *checks: str, **more: object) -> methods.Validated:
    with chatd.client() as client:
        params = methods.Validate(reply=reply, checks=[parse(check) for check in checks], **more)  # type: ignore[arg-type]
        return client.call(methods.VALIDATE, params)


def test_a_good_reply_passes_with_nothing_to_tell(chatd: Daemon) -> None:
    said = validate(chatd, "tmpfs is RAM", "words:..5")
    assert (said.verdict.verdict, said.feedback, said.retry) == ("pass", "", None)


def test_a_failed_one_comes_with_the_feedback_and_the_whole_request(chatd: Daemon) -> None:
    said = validate(
        chatd, "one two three", "words:..2", prompt="Count.", data="x", system="Be brief."
    )
    assert said.verdict.verdict == "fail"
    assert said.feedback == (
        "Your last reply failed these checks:\n"
        "- words: must have at most 2 words: it has 3\n"
        "Send the whole corrected reply and nothing else."
    )
    assert said.retry == [
        methods.Said("system", "Be brief."),
        methods.Said("user", "Count.\n\nx"),
        methods.Said("assistant", "one two three"),
        methods.Said("user", said.feedback),
    ]


def test_an_outside_check_is_an_error_until_it_is_answered(chatd: Daemon) -> None:
    assert validate(chatd, "x", "exec:true").verdict.verdict == "error"
    answers = [Answer(check="exec", verdict="pass")]
    assert validate(chatd, "x", "exec:true", answers=answers).verdict.verdict == "pass"


def test_a_bad_check_is_refused(chatd: Daemon) -> None:
    with pytest.raises(errors.InvalidParams, match="check words wants a number"):
        validate(chatd, "x", "words:few")
