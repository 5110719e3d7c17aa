"""Mutated requests against the real dispatcher and store: each gets the answers it must get."""

import argparse
import asyncio
import faulthandler
import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from random import Random, SystemRandom
from typing import Any  # of figures: numbers and tables
from unittest.mock import patch

import hypothesis
import uvloop
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

from tests.campaigns.report import Broken, Progress
from tests.harness import ram_directory
from tests.hostile import answers, books
from tests.hostile.lines import Known, line
from tests.hostile.world import LIMITS, UIDS, Echo, Line, World, world_in

LINES = 1000  # of one store; then its books are checked
STUCK_S = 60.0  # where a store takes a third of a second
ROUND = 10  # stores of one run of hypothesis, which remembers all that it has drawn
HOUSEKEEPING, PAUSES, STRANGERS, LOST = 0.02, 0.5, 0.05, 0.05  # shares of the lines

Steps = tuple[int, ...]  # each makes one line, with a Random of its own
STEPS = st.lists(st.integers(0, 2**32 - 1), min_size=LINES, max_size=LINES)


@dataclass
class Tally:
    """What was done so far, and the lines of the store that is at work."""

    stores: int = 0
    lines: int = 0
    handled: int = 0
    unclear: int = 0
    turns: int = 0
    notices: int = 0
    slowest_s: float = 0.0
    different: set[int] = field(default_factory=set)  # hashes of the lines
    codes: Counter[str] = field(default_factory=Counter)
    sent: list[Line] = field(default_factory=list)

    def add(self) -> None:
        """Count the lines of a store that was found in order."""
        self.stores += 1
        self.lines += len(self.sent)
        self.different.update(hash(line.text) for line in self.sent)
        self.handled += sum(line.handled > 0 for line in self.sent)
        self.slowest_s = max(self.slowest_s, *(line.took_s for line in self.sent))
        self.notices += sum(line.notices for line in self.sent)

    def figures(self) -> dict[str, Any]:
        return {
            "lines": self.lines,
            "different lines": len(self.different),
            "reached a handler": self.handled,
            "judged by the form of their answers only": self.unclear,
            "answers by code": dict(sorted(self.codes.items())),
            "slowest line, CPU": f"{self.slowest_s * 1000:.0f} ms",
            "notifications": self.notices,
            "stores compared with their journals": self.stores,
            "turns in these": self.turns,
        }


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lines", type=int, default=1_000_000, help="send so many different ones")
    parser.add_argument("--seed", type=int, help="of an earlier run, to send the same lines")


def run(arguments: argparse.Namespace) -> Mapping[str, object]:
    seed = SystemRandom().getrandbits(32) if arguments.seed is None else arguments.seed
    return fuzz(arguments.lines, seed, ends_when_stuck=True)


def fuzz(lines: int, seed: int, *, ends_when_stuck: bool = False) -> dict[str, Any]:
    """Send so many different lines; raises Broken with the fewest that still show what is wrong.

    A line that never comes back is seen as a traceback on stderr; nothing else can end it.
    """
    tally = Tally()
    progress = Progress(f"fuzz --seed {seed}", lines)
    echo = Echo("echo", "http://127.0.0.1:9/v1", slots=2, connect_s=1)
    with _errors_logged() as logged, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:

        def failure_of(steps: Steps) -> Exception | None:
            logged.clear()
            faulthandler.dump_traceback_later(STUCK_S, exit=ends_when_stuck)
            try:
                runner.run(play(steps, echo, tally, logged))
            except ExceptionGroup as group:  # its task group wraps whatever fails
                return group.exceptions[0]
            finally:
                faulthandler.cancel_dump_traceback_later()
            return None

        @cache  # hypothesis asks twice about what fails
        def verdict(steps: Steps) -> str:
            failure = failure_of(steps)
            if failure is None:
                tally.add()
                progress.show(min(lines, len(tally.different)))
                return ""
            fewest = _fewest(steps, lambda fewer: failure_of(fewer) is not None)
            return _shown(failure_of(fewest) or failure, logged, tally.sent)

        @hypothesis.settings(
            max_examples=ROUND,
            database=None,
            deadline=None,
            phases=[Phase.generate],  # its shrinking takes far longer than _fewest
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
        )
        @hypothesis.given(STEPS)
        def every_answer_is_right(steps: list[int]) -> None:
            # where it stands makes a step another one: hypothesis likes to draw some numbers twice
            if wrong := verdict(tuple((round_ << 20 | n) << 32 | s for n, s in enumerate(steps))):
                raise Broken(wrong)

        round_ = 0
        while len(tally.different) < lines:
            hypothesis.seed(seed * 2**20 + round_)(every_answer_is_right)()
            verdict.cache_clear()
            round_ += 1
        runner.run(echo.close())
    return {"seed": seed, **tally.figures()}


async def play(steps: Steps, echo: Echo, tally: Tally, logged: list[str]) -> None:
    """Send the lines that these steps make to a new store, and check all that came of it."""
    tally.sent = []
    home = ram_directory()
    root = home / "inner" / "store"
    root.mkdir(mode=0o700, parents=True)
    try:
        with patch("secrets.token_bytes", Random(0).randbytes):  # the same ids each time
            async with world_in(root, echo) as world:
                for step in steps:
                    await _step(world, Random(step), tally)
                await world.settle(tally.sent)
                for sent in tally.sent:
                    _check(sent, tally)
                books.check(world)
                assert not logged, "an error in the log"
                tally.turns += world.sessions.turns
    finally:
        shutil.rmtree(home)


async def _step(world: World, random: Random, tally: Tally) -> None:
    uid = random.choice(UIDS)
    last = tally.sent[-1].text if tally.sent else b""
    owner = random.choice(UIDS) if random.random() < STRANGERS else uid
    text = line(random, _known(world, owner), last)
    unanswered = random.choice((0, 0, 0, 0, LIMITS.unanswered_requests - 2))
    sent = Line(text, uid, is_admin=random.random() < 0.5, unanswered=unanswered)
    tally.sent.append(sent)
    world.take(sent)
    if random.random() < PAUSES:
        for _ in range(random.randrange(8)):
            await asyncio.sleep(0)
    if random.random() < LOST:
        sent.lose()
    if random.random() < HOUSEKEEPING:
        world.keep_house()


def _known(world: World, uid: int) -> Known:
    session = world.sessions.of(uid)
    return Known(list(session.chats), list(session.turns), list(session.keys))


def _check(sent: Line, tally: Tally) -> None:
    expected = answers.expected(sent.text, LIMITS.unanswered_requests)
    tally.unclear += expected is None
    try:
        given = answers.given(sent.answers)
        assert expected in (None, given), f"{given} was given, {expected} expected"
    except AssertionError as exc:
        exc.add_note(f"the line that was answered wrongly: {sent.text[:300]!r}")
        raise
    tally.codes.update(answers.codes(sent.answers))


def _fewest(steps: Steps, fails: Callable[[Steps], bool]) -> Steps:
    """Leave out as many of the steps as can be, first many at once, then one by one."""
    size = len(steps) // 2
    while size:
        begin = 0
        while begin < len(steps):
            fewer = steps[:begin] + steps[begin + size :]
            if fails(fewer):
                steps = fewer
            else:
                begin += size
        size //= 2
    return steps


def _shown(failure: Exception, logged: list[str], sent: list[Line]) -> str:
    lines = [f"  uid {line.uid}: {line.text[:300]!r}" for line in sent[-20:]]
    notes = getattr(failure, "__notes__", [])
    return "\n".join([f"{type(failure).__name__}: {failure}"[:4000], *notes, *logged[:2], *lines])


@contextmanager
def _errors_logged() -> Iterator[list[str]]:
    """Yield the errors of chatd and of its loop, with tracebacks; a daemon's log must have none."""
    logged: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.append(self.format(record))

    handler = Handler(logging.ERROR)
    with ExitStack() as undo:
        for log in map(logging.getLogger, ("chatd", "asyncio")):
            undo.callback(log.setLevel, log.level)
            undo.callback(setattr, log, "propagate", log.propagate)
            undo.callback(log.removeHandler, handler)
            log.setLevel(logging.ERROR)
            log.propagate = False
            log.addHandler(handler)
        yield logged
