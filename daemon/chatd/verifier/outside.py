"""Checks whose verdict comes from outside: a program of the user's, another model, the backend.

The verifier only says what is to be asked; who asks gives an `Answer` for each to `verify`.
"""

import shlex
from dataclasses import dataclass
from typing import Any

from chatd.verifier import values
from chatd.verifier.rule import BadValue, CannotRun, Found, Reply, Request, Rule, kind

EXEC_S = 30.0
VOTES = 9


@dataclass(frozen=True, slots=True)
class Exec:
    """Run `argv` as the user, the reply on its stdin."""

    argv: list[str]
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Judge:
    """Ask a model whether the reply meets the rubric; `model` None: the one that is asked."""

    rubric: str
    model: str | None
    votes: int


Asked = Exec | Judge | None  # None: nothing is to be done, chatd knows by itself


@kind(
    value='a command line, or {"argv", "timeout_s"}',
    example="exec:python -m json.tool",
    is_outside=True,
)
def exec_(value: Any) -> Rule:
    """A program of yours says whether the reply on its stdin is good.

    It ends with 0 for good, with 1 for bad, and its stderr says why; anything else is an error.
    `chat` runs it as you, chatd never does.
    """
    timeout_s = EXEC_S
    if isinstance(value, dict):
        values.known(value, "argv", "timeout_s")
        timeout_s = values.seconds(value.get("timeout_s", EXEC_S))
        value = value.get("argv")
    if isinstance(value, str):
        try:
            value = shlex.split(value)
        except ValueError as exc:
            raise BadValue(f"is no command line ({exc})") from None
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise BadValue("wants a command line, or the list of its words")
    if not value[0] or any("\0" in word for word in value):
        raise BadValue("wants the name of a program")
    return _asked("satisfy the program that checks it", Exec(value, timeout_s))


@kind(
    value='a rubric, or {"rubric", "model", "votes"}',
    example="judge:It answers the question.",
    severity="soft",
    is_outside=True,
)
def judge(value: Any) -> Rule:
    """A model says whether the reply meets the rubric. It is a hint and may err, so it is soft."""
    options: dict[str, Any] = value if isinstance(value, dict) else {"rubric": value}
    values.known(options, "rubric", "model", "votes")
    rubric = values.text(options.get("rubric"), 'a rubric, or {"rubric", "model", "votes"}')
    model, votes = options.get("model"), options.get("votes", 1)
    if model is not None and not isinstance(model, str):
        raise BadValue("wants a name as model")
    if not isinstance(votes, int) or isinstance(votes, bool) or not 1 <= votes <= VOTES:
        raise BadValue(f"wants 1 to {VOTES} votes")
    return _asked("satisfy the judge", Judge(rubric, model, votes))


@kind(is_outside=True)
def model(value: Any) -> Rule:
    """The model that answered is the one that was asked."""
    values.nothing(value)
    return _asked("be of the model that was asked", None)


def _asked(demand: str, asks: Asked) -> Rule:
    return Rule(demand, _unanswered, asks=asks)


def _unanswered(request: Request, reply: Reply) -> Found:
    raise CannotRun("nobody has answered")


KINDS = (exec_, judge, model)
