"""What is demanded of a reply, and what came of it: checks and verdicts, as they cross the socket.

What each type of check means is in the daemon's `verifier`, and in docs/checks.md.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

Severity = Literal["hard", "soft"]
Word = Literal["pass", "fail", "error"]


class Check(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One rule about a reply; `chat help checks` tells the types and their values.

    A hard one that fails fails the reply; a soft one only lowers its score.
    """

    type: str
    value: Any = None  # Any: JSON, as the type wants it
    not_: bool = field(name="not", default=False)
    severity: Severity | None = None  # None: as the type has it, mostly hard
    weight: float = 1.0
    on: Literal["reply", "code", "json"] = "reply"
    message: str = ""  # told in place of the reason
    id: str = ""  # how results name it; empty: its type, numbered where there are several


class CheckResult(Struct, kw_only=True, omit_defaults=True):
    """What one check said.  `reason` is for the model and the person; it may quote the reply."""

    id: str
    type: str
    verdict: Literal["pass", "fail", "error", "skip"]
    severity: Severity = "hard"
    score: float = 1.0  # 0 to 1
    reason: str = ""
    ms: float = 0.0


class Verdict(Struct, kw_only=True, omit_defaults=True):
    """What all checks said of one reply.  An error of a hard check is never a pass."""

    verdict: Word
    score: float = 1.0  # of the soft checks, weighted
    failed_hard: int = 0
    checks: list[CheckResult] = []


class CheckAsked(Struct, kw_only=True, omit_defaults=True):
    """An `exec` check of attempt `n`: run `argv` as the user, the reply on its stdin.

    Exit 0 is a pass, 1 a fail, more an error; stderr is the reason.  `turn.verdict` tells chatd.
    """

    id: str
    argv: list[str]
    timeout_s: float


class Answer(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What came of a check that chatd cannot do itself: an `exec` that its client ran."""

    check: str  # its id
    verdict: Word
    reason: str = ""
    score: float | None = None  # 0 to 1; None: as the verdict has it


def parse(text: str) -> Check:
    """Return the check that `type:value` stands for; raises ValueError.

    Before the type may stand `not-`, `soft-` and `hard-`.  A value that is a JSON array or object
    is one; any other is a text, as it stands.
    """
    name, _, value = text.partition(":")
    check = Check(type=plain(name.strip().lower()))
    while check.type.startswith(("not-", "soft-", "hard-")):
        prefix, _, check.type = check.type.partition("-")
        if prefix == "not":
            check.not_ = not check.not_
        else:
            check.severity = "soft" if prefix == "soft" else "hard"
    if not check.type:
        raise ValueError("a check is written type:value, such as words:..120")
    check.value = _json(value) if value[:1] in ("{", "[") else value or None
    return check


def plain(type_: str) -> str:
    """Return the name of a type as it is written: `no_loop` is `no-loop`."""
    return type_.replace("_", "-")


def named(checks: Sequence[Check]) -> list[Check]:
    """Return the checks with an id each: its own, or its type, numbered from the second on."""
    seen: Counter[str] = Counter()
    found = []
    for check in checks:
        seen[check.type] += 1
        number = f"-{seen[check.type]}" if seen[check.type] > 1 else ""
        found.append(msgspec.structs.replace(check, id=check.id or f"{check.type}{number}"))
    return found


def _json(text: str) -> Any:  # Any: JSON, as the type wants it
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
