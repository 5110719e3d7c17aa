"""What comes next in a turn: whom to ask, and how, or which reply to keep.  No clock, no I/O.

All that it knows is what is demanded and the attempts that have ended, so that after a restart the
next daemon decides as this one would have.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from chat_rpc import errors
from chat_rpc.methods import Failure
from chatd.chats.demands import Demands
from chatd.inference import vote
from chatd.inference.tries import Try, best
from chatd.verifier import repair

SAMPLE_TOKENS = 256  # a first reply counts as one of these at least: "" must not end it all
PATIENCE_MS = 30_000  # with a server that says when it may be asked again
REPAIRS = 3  # all that follows the first reply takes so many times its tokens, at most

# How to ask.  plain: as asked.  sample: once more, to have several.  resample: once more, for what
# came teaches nothing.  room: once more, with twice the tokens.  repair: with what was wrong.
Way = Literal["plain", "sample", "resample", "room", "repair"]

WAYS: dict[repair.Step, Way] = {
    "reask": "repair",
    "resample": "resample",
    "more-room": "room",
    "stop": "resample",
    "keep": "resample",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask a model; `last` is the reply that was not good enough."""

    model: str | None
    way: Way
    last: Try | None = None
    tokens_left: int | None = None


@dataclass(frozen=True, slots=True)
class Keep:
    """Hand this reply on; `agreement` is the share of attempts that say the same, in a vote."""

    best: Try
    agreement: float | None = None


def next_step(asked: str | None, demands: Demands, tries: Sequence[Try]) -> Ask | Keep:
    """Return what to do after these tries, oldest first."""
    chain = _chain(asked, demands)
    made = [each for each in tries if each.is_model]
    if demands.best_of > 1:
        result = vote.count(tries, demands.best_of) if demands.vote else None
        if result is not None and result.is_decided:
            return Keep(result.winner, result.agreement)
        if len(made) < demands.best_of:
            return Ask(chain[len(made) % len(chain)], "sample" if made else "plain")
        if result is not None:
            return Keep(result.winner, result.agreement)
    elif not made:
        return Ask(chain[0], "plain")
    so_far = best(tries)
    if so_far.passes or so_far.is_undecided:
        return Keep(so_far)
    return _again(chain, demands, made, so_far) or Keep(so_far)


def _chain(asked: str | None, demands: Demands) -> list[str | None]:
    if not demands.models:
        return [asked]
    return [*([asked] if asked else []), *demands.models]


def _again(
    chain: list[str | None], demands: Demands, made: Sequence[Try], so_far: Try
) -> Ask | None:
    """Return how to ask again, or None where that would be no use or too much."""
    if not demands.is_held and made[-1].has_begun:
        return None  # it was shown as it came
    tokens_left = _tokens_left(made, demands.best_of)
    if tokens_left is not None and tokens_left <= 0:
        return None
    if demands.best_of > 1:  # the best of the samples is worked on, by the model that made it
        line = [so_far, *made[demands.best_of :]]
        if _is_over(line, demands):
            return None
        return Ask(so_far.said.model or chain[0], _way(line[-1]), line[-1], tokens_left)
    lines: list[list[Try]] = [[]]
    for each in made:
        lines[-1].append(each)
        if _is_over(lines[-1], demands):
            lines.append([])
    if len(lines) > len(chain):
        return None
    model, line = chain[len(lines) - 1], lines[-1]
    if not line:
        return Ask(model, "plain", None, tokens_left)
    return Ask(model, _way(line[-1]), line[-1], tokens_left)


def _is_over(line: Sequence[Try], demands: Demands) -> bool:
    """Say whether a model has had its tries, or gets nowhere."""
    last, earlier = line[-1], line[:-1]
    if (error := last.said.error) is not None and not _may_pass(error):
        return True
    if len(line) >= demands.tries_each:
        return True
    return any(_is_stuck(last, before) for before in earlier)


def _may_pass(error: Failure) -> bool:
    """Say whether another attempt may be spared this, within the time that one waits for it."""
    is_soon = error.retry_after_ms is None or error.retry_after_ms <= PATIENCE_MS
    return errors.is_retryable(error.code) and is_soon


def _is_stuck(last: Try, before: Try) -> bool:
    repeats = bool(last.said.text.strip()) and last.said.text.strip() == before.said.text.strip()
    same = last.signature == before.signature and last.progress <= before.progress
    return repeats or same


def _way(last: Try) -> Way:
    if last.said.verdict is None:
        return "resample"
    return WAYS[repair.advise(last.said.verdict).step]


def _tokens_left(made: Sequence[Try], samples: int) -> int | None:
    """Return what repairs may still take; None: no model has said anything so far."""
    begun = [number for number, each in enumerate(made) if each.tokens]
    if not begun:
        return None
    end = max(samples, begun[0] + 1)
    first = max([SAMPLE_TOKENS, *(each.tokens for each in made[:end])])
    return REPAIRS * first - sum(each.tokens for each in made[end:])
