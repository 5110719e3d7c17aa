"""The verdict: checks are made ready once, before a model is asked, and looked at for each reply.

    checks = prepare(params.checks, params.without)     # raises InvalidParams: one clear line
    verdict = verify(checks, Request(...), Reply(...), answers)

It is pure: nothing is asked, read or run.  What has to be asked elsewhere is in `checks.outside`.
"""

import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from chat_rpc import checks as wire
from chat_rpc import errors
from chat_rpc.checks import Answer, Check, CheckResult, Severity, Verdict, plain
from chatd.verifier import fences
from chatd.verifier.kinds import ALWAYS, KINDS, near
from chatd.verifier.rule import (
    BadValue,
    CannotRun,
    Found,
    Kind,
    Reply,
    Request,
    Rule,
    missed,
    shorten,
)
from chatd.verifier.watch import Watcher

Said = Literal["pass", "fail", "error", "skip"]

ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
PARTS = {"code": (fences.code, "code block"), "json": (fences.json_text, "JSON")}


@dataclass(frozen=True, slots=True)
class Ready:
    """A check with its rule."""

    check: Check
    kind: Kind
    rule: Rule

    @property
    def id(self) -> str:
        return self.check.id

    @property
    def severity(self) -> Severity:
        return self.check.severity or self.kind.severity

    @property
    def demand(self) -> str:
        """Return the rule as a sentence's end: "must have at most 120 words"."""
        return self.check.message or f"must {self._demand}"

    @property
    def _demand(self) -> str:
        if not self.check.not_:
            return self.rule.demand
        return self.rule.inverse.demand if self.rule.inverse else f"not {self.rule.demand}"

    @property
    def watcher(self) -> Watcher | None:
        """Return a fresh watcher for one reply, where the check can be lost before its end."""
        rule = self.rule.inverse if self.check.not_ else self.rule
        return rule.watcher() if rule and rule.watcher else None


@dataclass(frozen=True, slots=True)
class Checks:
    """What is demanded of one turn's replies."""

    all: tuple[Ready, ...]

    @property
    def outside(self) -> list[Ready]:
        """Return those that somebody else has to answer: `rule.asks` is what to ask."""
        return [ready for ready in self.all if ready.kind.is_outside]

    @property
    def are_usual(self) -> bool:
        """Say whether there are none but those that are always on."""
        return all(ready.kind.is_always for ready in self.all)

    @property
    def schema(self) -> Any:  # Any: JSON
        """Return the schema that a server may be told, or None."""
        for ready in self.all:
            if ready.check.type == "schema" and not ready.check.not_:
                return ready.rule.asks
        return None

    def inside(self) -> "Checks":
        """Return those that need nobody else: they may spare the asking."""
        return Checks(tuple(ready for ready in self.all if not ready.kind.is_outside))


def prepare(checks: Sequence[Check], without: Iterable[str] = ()) -> Checks:
    """Make the checks ready, with those that are always on; `without` names types or ids.

    Raises InvalidParams with one line that says which check is bad and why.
    """
    named = wire.named([msgspec.structs.replace(check, type=plain(check.type)) for check in checks])
    dropped = {plain(name) for name in without}
    if unknown := dropped - set(KINDS) - {check.id for check in named}:
        raise errors.InvalidParams(f"without: there is no check {_word(min(unknown))}")
    given = {check.type for check in named}
    always = [Check(type=kind.type, id=kind.type) for kind in ALWAYS if kind.type not in given]
    kept = [c for c in (*always, *named) if c.type not in dropped and c.id not in dropped]
    if len({check.id for check in kept}) < len(kept):
        raise errors.InvalidParams("checks: two have one id")
    return Checks(tuple(map(ready, kept)))


def verify(
    checks: Checks,
    request: Request,
    reply: Reply,
    answers: Mapping[str, Answer] | None = None,
    done: Mapping[str, CheckResult] | None = None,
) -> Verdict:
    """Return what the checks say of the reply; `answers` are those from outside, by check's id.

    An outside check without an answer is an error.  What is in `done` is not looked at again.
    """
    answers, done = answers or {}, done or {}
    results = [done.get(each.id) or result(each, request, reply, answers) for each in checks.all]
    return _verdict(results, checks)


def ready(check: Check) -> Ready:
    """Return a check with its rule; raises InvalidParams."""
    kind = KINDS.get(check.type)
    if kind is None:
        raise errors.InvalidParams(f"there is no check {_word(check.type)}{near(check.type)}")
    if not ID.fullmatch(check.id):
        raise errors.InvalidParams(f"check {kind.type}: its id is not letters, digits and -_.:")
    if not (math.isfinite(check.weight) and check.weight > 0):
        raise errors.InvalidParams(f"check {check.id}: its weight is not above 0")
    if kind.is_outside and check.on != "reply":
        raise errors.InvalidParams(f"check {check.id} is always on the whole reply")
    try:
        return Ready(check, kind, kind.prepare(check.value))
    except BadValue as exc:
        raise errors.InvalidParams(f"check {check.id} {exc}") from None


def result(
    ready: Ready, request: Request, reply: Reply, answers: Mapping[str, Answer]
) -> CheckResult:
    """Return what one check says of the reply."""
    began = time.perf_counter()
    try:
        found = _answered(ready, answers) if ready.kind.is_outside else _look(ready, request, reply)
        said = _told(ready, found)
    except CannotRun as exc:
        said = broken(ready, str(exc))
    except Exception as exc:  # noqa: BLE001  # a check that breaks is an error, and never a pass
        said = broken(ready, f"the check broke: {type(exc).__name__}")
    said.ms = round((time.perf_counter() - began) * 1000, 3)
    return said


def broken(ready: Ready, why: str) -> CheckResult:
    """Return that the check could not run."""
    return _said(ready, "error", 0.0, shorten(why))


def _verdict(results: list[CheckResult], checks: Checks) -> Verdict:
    hard = [result.verdict for result in results if result.severity == "hard"]
    failed = hard.count("fail")
    weights = [
        (ready.check.weight, result.score)
        for ready, result in zip(checks.all, results, strict=True)
        if result.severity == "soft" and result.verdict != "skip"
    ]
    total = sum(weight for weight, _ in weights)
    return Verdict(
        verdict="fail" if failed else "error" if "error" in hard else "pass",
        score=sum(weight * score for weight, score in weights) / total if total else 1.0,
        failed_hard=failed,
        checks=results,
    )


def failure_of(verdict: Verdict) -> errors.RpcError | None:
    """Return the error that a turn with this verdict ends with: cut off goes before the others."""
    hard = [result for result in verdict.checks if result.severity == "hard"]
    failed = [result for result in hard if result.verdict == "fail"]
    for result in failed:
        if result.type == "whole":
            return errors.CutOff(result.reason)
    if len(failed) == 1 and KINDS[failed[0].type].is_always:
        return errors.ChecksFailed(failed[0].reason)  # it quotes nothing
    if failed:
        return errors.ChecksFailed(f"the reply failed {_names(failed)}")
    broken = [result for result in hard if result.verdict == "error"]
    return errors.CheckError(f"could not be checked: {_names(broken)}") if broken else None


def _names(results: list[CheckResult]) -> str:
    return ", ".join(result.id for result in results)


def _word(name: str) -> str:
    """Return a name that is not known, unless it is more than a name."""
    return f"`{name}`" if ID.fullmatch(name) else "of this name"


def _answered(ready: Ready, answers: Mapping[str, Answer]) -> Found:
    answer = answers.get(ready.id)
    if answer is None or answer.verdict == "error":
        raise CannotRun(answer.reason if answer and answer.reason else "nobody has answered")
    found = Found(answer.verdict == "pass", answer.reason, answer.score)
    return _opposite(found) if ready.check.not_ else found


def _look(ready: Ready, request: Request, reply: Reply) -> Found:
    check, rule = ready.check, ready.rule
    if check.on != "reply":
        part_of, name = PARTS[check.on]
        part = part_of(reply.text)
        if part is None:
            return missed(f"there is no {name}")
        reply = reply.of(part)
    if check.not_ and rule.inverse:
        return rule.inverse.look(request, reply)
    found = rule.look(request, reply)
    return _opposite(found) if check.not_ else found


def _opposite(found: Found) -> Found:
    if found.holds is None:
        return found
    return Found(not found.holds, "" if found.holds else found.detail)


def _told(ready: Ready, found: Found) -> CheckResult:
    if found.holds is None:
        return _said(ready, "skip", 1.0, shorten(found.detail))
    score = float(found.holds) if found.score is None else found.score
    if found.holds:
        return _said(ready, "pass", score, "")
    return _said(ready, "fail", score, _reason(ready, found.detail))


def _said(ready: Ready, verdict: Said, score: float, reason: str) -> CheckResult:
    return CheckResult(
        id=ready.id,
        type=ready.check.type,
        verdict=verdict,
        severity=ready.severity,
        score=score,
        reason=reason,
    )


def _reason(ready: Ready, detail: str) -> str:
    if ready.check.message:
        return shorten(ready.check.message)
    if detail and (ready.kind.is_always or ready.kind.is_outside):
        return detail  # a sentence, or the program's own words
    return shorten(f"{ready.demand}: {detail}" if detail else ready.demand)
