"""What a check is made of: what was asked, what came, and a rule that looks at both."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from chat_rpc.checks import Severity

REASON_CHARS = 200


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked; checks that compare a reply with its source look here."""

    prompt: str = ""
    data: str = ""  # what was piped in, and files of text
    system: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came: the text without the model's thoughts, and the server's own word of its end."""

    text: str
    finish: str = "stop"
    tokens: int | None = None
    total_ms: int | None = None
    has_thought: bool = False

    def of(self, text: str) -> "Reply":
        """Return the same reply with a part of its text only."""
        return replace(self, text=text)


class BadValue(ValueError):
    """The value of a check cannot be used; the message says why, and quotes nothing of it."""


class CannotRun(Exception):
    """The check says nothing of this reply: an error, never a pass."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule saw.  `holds` is None where it does not apply: such a check is skipped."""

    holds: bool | None
    detail: str = ""  # what was found instead; it may quote the reply
    score: float | None = None  # None: 1 if it holds, else 0


@dataclass(frozen=True, slots=True)
class Rule:
    """One demand with its value in it.

    `demand` goes on after "must": "have at most 120 words".  `inverse` is what `not` makes of it,
    where that is more than the opposite.
    """

    demand: str
    look: Callable[[Request, Reply], Found]
    inverse: "Rule | None" = None
    watcher: Callable[[], Callable[[str], str | None]] | None = None  # see `watch`
    asks: Any = None  # Any: what an outside kind wants to be asked, or the schema for a server


Prepare = Callable[[Any], Rule]  # Any: JSON, the value of a check; raises BadValue


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of check.  What it says about itself is what docs/checks.md and the help say."""

    type: str
    sentence: str
    value: str  # the form of its value; empty: it takes none
    example: str  # as it is written after --check
    prepare: Prepare
    severity: Severity = "hard"
    is_always: bool = False  # on in every turn, unless switched off
    is_outside: bool = False  # the verdict comes from elsewhere: another program, another model
    is_heavy: bool = False  # it runs in a process of its own: see `apart`


def kind(*, value: str = "", example: str = "", **options: Any) -> Callable[[Prepare], Kind]:
    """Make a kind of the function that prepares it: its name is the type, its docstring tells."""

    def make(prepare: Prepare) -> Kind:
        type_ = prepare.__name__.rstrip("_").replace("_", "-")
        sentence = " ".join((prepare.__doc__ or "").split())
        return Kind(type_, sentence, value, example or type_, prepare, **options)

    return make


HOLDS = Found(True)  # noqa: FBT003  # `holds` is the claim


def missed(detail: str = "", *, score: float = 0.0) -> Found:
    """Return that the demand is not met, and what was there instead."""
    return Found(holds=False, detail=detail, score=score)


def passed_by(detail: str) -> Found:
    """Return that there is nothing to look at."""
    return Found(holds=None, detail=detail)


def shorten(text: str, limit: int = REASON_CHARS) -> str:
    """Return the text in one line of `limit` characters at most."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def quoted(text: str) -> str:
    """Return a few words of the text, in quotes."""
    return f'"{shorten(text, 60)}"'
