"""What is said when a reply has ended: on stderr for a person, as one object for a program."""

import sys
from typing import Any

import msgspec

from chat_cli import output
from chat_cli.following import Reply
from chat_rpc import errors, methods
from chat_rpc.wire import Fault


def tell(reply: Reply, *, quiet: bool = False, usage: bool = False, verbose: bool = False) -> int:
    """Say on stderr what has to be said of a reply that has ended, and return the exit code."""
    ending = reply.ending
    assert ending is not None  # noqa: S101  # it has ended
    if not quiet:
        _tell_oddities(ending)
        if sys.stdout.isatty() and ending.model and not ending.mismatch and not verbose:
            output.note(f"{ending.model}, {ending.backend}")
    if verbose:
        _tell_all(reply, ending)
    elif usage:
        output.note(_usage(ending))
    if not (quiet or verbose):
        for check in _failed(ending.verdict, "soft"):
            output.note(f"{check.id}: {check.reason or check.verdict} (soft)")
    if ending.error is None:
        return 0
    failure = ending.error
    for check in _failed(ending.verdict, "hard"):
        if check.reason != failure.message:  # what is always demanded is told once
            output.note(f"{check.id}: {check.reason or check.verdict}")
    output.note(f"{failure.message} ({failure.kind}; turn {reply.turn})")
    return errors.from_fault(Fault(failure.code, failure.message)).exit


def as_object(reply: Reply) -> dict[str, Any]:  # Any: JSON
    """Return a reply as `--json` shows it: flat, and without what the person typed."""
    report: dict[str, Any] = {
        "turn": reply.turn,
        "chat": reply.chat,
        "text": reply.text,
        "thought": reply.thought,
        "asked": reply.asked,
        "attempts": msgspec.to_builtins(reply.tried),
    }
    ending: dict[str, Any] = msgspec.to_builtins(reply.ending)
    return report | ending


def of_failure(exc: errors.RpcError) -> dict[str, Any]:  # Any: JSON
    """Return what `--json` shows where there is no turn to tell of."""
    error = {"code": exc.code, "kind": exc.kind, "message": exc.message}
    return {"state": "failed", "error": error}


def _tell_oddities(ending: methods.Ending) -> None:
    if ending.demo and ending.state == "done":
        output.note(
            "answered by the built-in demo model of a few MB: it may be wrong. "
            "Start a real model server and chatd finds it (chat models)"
        )
    if ending.mismatch:
        output.note(f"answered by {ending.model}, which is not the model that was asked")
    if ending.dropped_turns:
        output.note(
            f"the chat is longer than the model can read: its first {ending.dropped_turns} "
            "turns were left out"
        )
    if ending.repaired and ending.state == "done":
        output.note("the answer was cut out of what the model said")
    if ending.agreement is not None:
        output.note(f"{ending.agreement:.0%} of the attempts say so")


def _tell_all(reply: Reply, ending: methods.Ending) -> None:
    output.note(f"turn {reply.turn} of chat {reply.chat}: {ending.state}")
    for tried in reply.tried:
        said = [f"attempt {tried.n} ({tried.by}): {tried.model} at {tried.backend}"]
        if tried.verdict is not None:
            said.append(tried.verdict.verdict)
        if tried.error is not None:
            said.append(tried.error.message)
        if tried.total_ms:
            said.append(f"{tried.total_ms / 1000:.2f} s")
        output.note(", ".join(said))
    for check in ending.verdict.checks if ending.verdict else []:
        output.note(f"check {check.id}: {check.verdict}{check.reason and f' ({check.reason})'}")
    output.note(_usage(ending))


def _usage(ending: methods.Ending) -> str:
    """Return tokens and times: `12 tokens in, 7 out; 0.05 s queued, first after 0.25 s, 0.45 s`."""
    usage, timings = ending.usage, ending.timings
    tokens = (
        f"{usage.prompt_tokens} tokens in, {usage.completion_tokens} out"
        if usage and (usage.prompt_tokens or usage.completion_tokens)
        else "tokens were not counted"
    )
    if timings is None:
        return tokens
    rest_s = (timings.total_ms - timings.first_ms) / 1000
    speed = f", {usage.completion_tokens / rest_s:.1f} tokens/s" if usage and rest_s > 0 else ""
    return (
        f"{tokens}; queued {timings.queued_ms / 1000:.2f} s, first after "
        f"{timings.first_ms / 1000:.2f} s, in all {timings.total_ms / 1000:.2f} s{speed}"
    )


def _failed(
    verdict: methods.Verdict | None, severity: methods.Severity
) -> list[methods.CheckResult]:
    """Return the checks that failed or could not run: those that decide, or those that do not."""
    checks = verdict.checks if verdict else []
    return [
        check
        for check in checks
        if check.severity == severity and check.verdict in ("fail", "error")
    ]
