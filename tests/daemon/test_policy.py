"""What comes next in a turn, over any replies that there may be: bounds that always hold."""

from collections.abc import Callable
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from chat_rpc import errors
from chat_rpc.checks import Check, CheckResult, Verdict, Word
from chat_rpc.methods import Failure, Tried, Usage
from chatd.chats.demands import Demands
from chatd.inference.policy import REPAIRS, SAMPLE_TOKENS, Ask, Keep, next_step
from chatd.inference.tries import Try, restored

WORDS: tuple[Word, ...] = ("pass", "fail", "error")
IDS = ("words", "contains", "whole", "nonempty", "exec")
ERRORS = (errors.ServerError, errors.NoSuchModel, errors.Stalled, errors.Overloaded)


@st.composite
def verdicts(draw: st.DrawFn) -> Verdict:
    checks = []
    for id_ in draw(st.lists(st.sampled_from(IDS), unique=True)):
        word: Word = draw(st.sampled_from(WORDS))
        score = draw(st.floats(0, 1)) if word == "fail" else float(word == "pass")
        checks.append(CheckResult(id=id_, type=id_, verdict=word, score=score))
    words = [check.verdict for check in checks]
    verdict: Word = "fail" if "fail" in words else "error" if "error" in words else "pass"
    soft = draw(st.floats(0, 1))
    return Verdict(verdict=verdict, score=soft, failed_hard=words.count("fail"), checks=checks)


@st.composite
def outcomes(draw: st.DrawFn) -> tuple[str, int, Verdict | None, Failure | None]:
    """Return a text, the tokens that it wants, and what came of it."""
    text, tokens = draw(st.text(max_size=3)), draw(st.integers(0, 5000))
    if draw(st.integers(0, 4)) == 0:
        kind = draw(st.sampled_from(ERRORS))
        return text, tokens, None, Failure(kind.code, kind.kind, "it failed")
    return text, tokens, draw(verdicts()), None


def demands() -> st.SearchStrategy[Demands]:
    return st.builds(
        Demands,
        checks=st.just([Check(type="words", value="..3")]),
        tries=st.none() | st.integers(1, 10),
        best_of=st.integers(1, 4),
        models=st.lists(st.sampled_from(["a", "b"]), max_size=3),
    )


def play(
    wanted: Demands, replies: Callable[[], tuple[str, int, Verdict | None, Failure | None]]
) -> tuple[list[Try], Keep, list[Ask]]:
    """Do as the policy says until it has something to keep."""
    tries: list[Try] = []
    asked: list[Ask] = []
    for n in count(1):
        step = next_step("m", wanted, tries)
        if isinstance(step, Keep):
            return tries, step, asked
        asked.append(step)
        text, tokens, verdict, error = replies()
        tokens = min(tokens, step.tokens_left) if step.tokens_left is not None else tokens
        usage = Usage(1, tokens)
        said = Tried(n=n, text=text, model="m", usage=usage, verdict=verdict, error=error)
        tries.append(Try(said, tokens, has_begun=bool(text)))
    raise AssertionError


@given(st.data(), demands())
@settings(max_examples=1000, deadline=None)
def test_the_best_is_kept_and_no_budget_is_exceeded_by_a_token(
    data: st.DataObject, wanted: Demands
) -> None:
    tries, keep, _ = play(wanted, lambda: data.draw(outcomes()))
    assert all(keep.best.rank() <= each.rank() for each in tries)
    assert keep.best.passes or not any(each.passes for each in tries)
    begun = [n for n, each in enumerate(tries) if each.tokens]
    end = max(wanted.best_of, begun[0] + 1) if begun else len(tries)
    first = max([SAMPLE_TOKENS, *(each.tokens for each in tries[:end])])
    assert sum(each.tokens for each in tries[end:]) <= REPAIRS * first
    models = 1 + len(wanted.models) if wanted.best_of == 1 else 1
    assert len(tries) <= models * wanted.tries_each + wanted.best_of - 1


@given(st.data(), demands())
@settings(max_examples=300, deadline=None)
def test_the_best_so_far_never_gets_worse(data: st.DataObject, wanted: Demands) -> None:
    tries, _, _ = play(wanted, lambda: data.draw(outcomes()))
    ranks = [min(each.rank() for each in tries[:n]) for n in range(1, len(tries) + 1)]
    assert ranks == sorted(ranks, reverse=True)


@given(st.data(), demands())
@settings(max_examples=300, deadline=None)
def test_after_a_restart_the_next_daemon_decides_as_this_one(
    data: st.DataObject, wanted: Demands
) -> None:
    tries, keep, asked = play(wanted, lambda: data.draw(outcomes()))
    for n, ask in enumerate(asked):
        again = next_step("m", wanted, [restored(each.said) for each in tries[:n]])
        assert isinstance(again, Ask)
        assert (again.model, again.way, again.tokens_left) == (ask.model, ask.way, ask.tokens_left)
    last = next_step("m", wanted, [restored(each.said) for each in tries])
    assert isinstance(last, Keep)
    assert last.best.said == keep.best.said


def missed(*ids: str, score: float = 0.0) -> Verdict:
    checks = [CheckResult(id=id_, type=id_, verdict="fail", score=score) for id_ in ids]
    return Verdict(verdict="fail", failed_hard=len(ids), checks=checks)


def asked_with(*verdicts: Verdict | None, texts: str = "abcdefghij") -> list[Ask]:
    left = iter(zip(texts, verdicts, strict=False))

    def reply() -> tuple[str, int, Verdict | None, Failure | None]:
        text, verdict = next(left)
        return text, 10, verdict, None

    wanted = Demands(checks=[Check(type="words", value="..3")], tries=10)
    return play(wanted, reply)[2]


def test_the_same_failure_twice_stops_unless_it_comes_nearer() -> None:
    assert len(asked_with(missed("words"), missed("words"), missed("words"))) == 2
    nearer = [missed("words", score=n / 10) for n in range(1, 4)]
    assert len(asked_with(*nearer, missed("words", score=0.1))) == 4
    assert len(asked_with(missed("words"), missed("contains"), missed("words"))) == 3


def test_a_model_that_is_asked_because_another_failed_has_all_the_room_it_wants() -> None:
    failed = Tried(n=1, error=Failure(errors.ServerUnreachable.code, "", ""))
    step = next_step(None, Demands(models=["a", "b"]), [Try(failed)])
    assert isinstance(step, Ask)
    assert (step.model, step.way, step.tokens_left) == ("b", "plain", None)


def test_a_server_that_wants_to_be_left_alone_for_long_is_not_waited_for() -> None:
    kind = errors.Overloaded
    for wait_ms, asked_again in ((None, True), (1000, True), (3_600_000, False)):
        failed = Tried(n=1, model="m", error=Failure(kind.code, kind.kind, "", wait_ms))
        step = next_step("m", Demands(tries=3), [Try(failed)])
        assert isinstance(step, Ask) is asked_again


def test_the_same_text_again_stops() -> None:
    nearer = [missed("words", score=0.1), missed("words", score=0.2)]
    assert len(asked_with(*nearer, texts="aa")) == 2


def test_a_check_that_could_not_run_stops_and_is_no_pass() -> None:
    error = CheckResult(id="exec", type="exec", verdict="error")
    assert len(asked_with(Verdict(verdict="error", checks=[error]))) == 1


def test_how_it_is_asked_again_depends_on_what_failed() -> None:
    ways = {
        "words": "repair", "whole": "room", "nonempty": "resample", "no-loop": "resample",
    }  # fmt: skip
    for id_, way in ways.items():
        assert asked_with(missed(id_), missed(id_))[1].way == way
