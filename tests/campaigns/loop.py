"""Checked turns against models of stated miss rates: pass rate and calls are as the sums say."""

import argparse
import random
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import comb
from pathlib import Path

import uvloop

from chat_rpc import methods
from chat_rpc.checks import Check
from chatd.backends.pieces import Finish, Text
from chatd.backends.reply import Take
from chatd.backends.server import Messages
from chatd.chats import conversations
from chatd.chats.session import Session
from chatd.inference.policy import REPAIRS, SAMPLE_TOKENS
from tests.campaigns.report import Broken, Progress
from tests.harness import ram_directory
from tests.hostile.world import Echo, World, world_in

UID = 1000
AT_ONCE = 50  # turns, whose chats are then destroyed: the store is small
NEAR = 0.01  # of what the sums say

HIT = "tmpfs is good"
WORDS = Check(type="words", value="..3")
TMPFS = Check(type="contains", value="tmpfs")
FAR = ("tmpfs", "tmpfs a", "tmpfs a b")  # nearer each time
LONG = Check(type="words", value="4..")
APART = ("no file system", "tmpfs is good and more", "no")  # another check each time
ALIKE = ("not it", "nor is this", "nor this")
EMPTY = ("", "", "")


@dataclass(frozen=True)
class Scenario:
    """Models that miss so often at each attempt, and what should come of it."""

    misses: Sequence[float]
    replies: Sequence[str]  # of an attempt that misses
    pass_rate: float
    calls: float
    fields: Mapping[str, object] = field(default_factory=dict)
    hit: str = HIT

    def draws(self, chance: random.Random) -> list[bool]:
        """Return which attempts hit."""
        return [chance.random() >= miss for miss in self.misses]


def _votes(right: float, attempts: int) -> tuple[float, float]:
    """Return how often the right of two answers wins a vote, and how many are asked."""
    needed = attempts // 2 + 1
    wins = sum(
        comb(attempts, n) * right**n * (1 - right) ** (attempts - n)
        for n in range(needed, attempts + 1)
    )
    calls = 0.0
    for n in range(needed, attempts + 1):
        last = comb(n - 1, needed - 1)
        ends = right**needed * (1 - right) ** (n - needed)
        ends += (1 - right) ** needed * right ** (n - needed)
        calls += n * last * ends
    return wins, calls


VOTES = _votes(0.7, 5)
BOTH: dict[str, object] = {"checks": [WORDS, TMPFS]}
SCENARIOS: dict[str, Scenario] = {
    "the same check is missed": Scenario(
        [0.4, 0.4, 0.4], ALIKE, 1 - 0.4 * 0.4, 1 + 0.4, BOTH
    ),
    "another check each time": Scenario(
        [0.5, 0.4, 0.3], APART, 1 - 0.5 * 0.4 * 0.3, 1 + 0.5 + 0.5 * 0.4, BOTH
    ),
    "nearer each time": Scenario(
        [0.6, 0.5, 0.4], FAR, 1 - 0.6 * 0.5 * 0.4, 1 + 0.6 + 0.6 * 0.5,
        {"checks": [LONG]}, hit="tmpfs is good, really",
    ),
    "empty replies": Scenario([0.3, 0.3, 0.3], EMPTY, 1 - 0.3 * 0.3, 1 + 0.3, BOTH),
    "the best of three": Scenario(
        [0.5, 0.5, 0.5, 0.2, 0.2], [*ALIKE, "not so", "no"],
        1 - 0.5**3 * 0.2, 3 + 0.5**3, {**BOTH, "best_of": 3},
    ),
    "a vote of five": Scenario(
        [0.3] * 5, ["no"] * 5, VOTES[0], VOTES[1],
        {"checks": [], "best_of": 5, "vote": True}, hit="Yes.",
    ),
    "a chain of two models": Scenario(
        [0.6, 0.6, 0.2, 0.2], [*ALIKE, "no"],
        1 - 0.6**2 * 0.2**2, 1 + 0.6 + 0.6**2 * (1 + 0.2), {**BOTH, "models": ["echo", "small"]},
    ),
    "a check that cannot run": Scenario(
        [0.0], [""], 0.0, 1.0,
        {"checks": [Check(type="judge", value={"rubric": "r", "model": "none"}, severity="hard")]},
    ),
}  # fmt: skip


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--items", type=int, default=20_000, help="of each scenario")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--near", type=float, default=NEAR, help="the share that it may differ")


def run(arguments: argparse.Namespace) -> Mapping[str, object]:
    root = ram_directory()
    try:
        store = root / "store"
        store.mkdir(mode=0o700)
        return uvloop.run(_run(store, arguments))
    finally:
        shutil.rmtree(root)


class Missing(Echo):
    """A model that misses as often as is stated: the item is the prompt, its draws are seeded."""

    def __init__(self, seed: int) -> None:
        super().__init__("echo", "http://echo/v1", slots=AT_ONCE, connect_s=1)
        self._seed = seed
        self.calls: Counter[str] = Counter()

    async def reply(
        self,
        model: str,
        messages: Messages,
        options: Mapping[str, object],
        take: Take,
        schema: Mapping[str, object] | None = None,
    ) -> Finish:
        prompt = str(messages[0]["content"]).partition("\n")[0]  # rules may come after it
        scenario = SCENARIOS[prompt.partition("/")[0]]
        attempt = self.calls[prompt]
        self.calls[prompt] += 1
        hits = scenario.draws(self.chance(prompt))
        text = scenario.hit if hits[attempt] else scenario.replies[attempt]
        tokens = text.split(" ")
        for number, token in enumerate(tokens):
            take(Text(token if number == len(tokens) - 1 else f"{token} "))
        return Finish("stop", model, methods.Usage(1, len(tokens)))

    def chance(self, prompt: str) -> random.Random:
        return random.Random(f"{self._seed}/{prompt}")


async def _run(root: Path, arguments: argparse.Namespace) -> Mapping[str, object]:
    model = Missing(arguments.seed)
    figures: dict[str, object] = {}
    async with world_in(root, model) as world:
        for name, scenario in SCENARIOS.items():
            progress = Progress(name, arguments.items)
            passed = 0
            for first in range(0, arguments.items, AT_ONCE):
                many = range(first, min(first + AT_ONCE, arguments.items))
                passed += await _ask(world, name, scenario, many)
                progress.show(many.stop)
            calls = sum(n for prompt, n in model.calls.items() if prompt.startswith(f"{name}/"))
            figures |= _compared(name, scenario, passed, calls, arguments)
    return figures


async def _ask(world: World, name: str, scenario: Scenario, items: range) -> int:
    """Ask for these items, and return how many passed; each keeps its promises."""
    session = world.sessions.of(UID)
    turns = []
    for item in items:
        params = methods.TurnStart(prompt=f"{name}/{item}", key=f"k{item}", **scenario.fields)  # type: ignore[arg-type]
        turns.append(world.inference.start(session, params)[0])
    passed = 0
    for turn in turns:
        await world.inference.wait(turn)
        passed += _passed(session, turn.id, scenario)
        conversations.destroy(session, session.chats[turn.chat])
    world.keep_house()
    return passed


def _passed(session: Session, id_: str, scenario: Scenario) -> bool:
    """Say whether a turn passed; raises Broken where it did not keep a promise."""
    turn = session.turns[id_]
    view, tried = session.view(turn), session.tried(turn)
    assert view.ending is not None
    if (
        view.ending.state == "done"
        and view.text != scenario.hit
        and not scenario.fields.get("vote")
    ):
        raise Broken(f"{view.prompt}: a reply that fails was passed off as good")
    missed = [each.verdict.failed_hard if each.verdict else 99 for each in tried]
    kept = view.ending.verdict
    if kept is None or kept.failed_hard > min(missed):
        raise Broken(f"{view.prompt}: a worse reply took the place of a better one")
    best_of = int(str(scenario.fields.get("best_of", 1)))
    tokens = [each.usage.completion_tokens if each.usage else 0 for each in tried]
    if sum(tokens[best_of:]) > REPAIRS * max([SAMPLE_TOKENS, *tokens[:best_of]]):
        raise Broken(f"{view.prompt}: more tokens than there may be")
    return view.ending.state == "done" and view.text == scenario.hit


def _compared(
    name: str, scenario: Scenario, passed: int, calls: int, arguments: argparse.Namespace
) -> dict[str, str]:
    rate, each = passed / arguments.items, calls / arguments.items
    for what, found, wanted in (
        ("pass rate", rate, scenario.pass_rate),
        ("calls an item", each, scenario.calls),
    ):
        if abs(found - wanted) > arguments.near * wanted:
            raise Broken(f"{name}: {what} {found:.4f}, and the sums say {wanted:.4f}")
    return {
        name: f"passed {rate:.4f} (sums: {scenario.pass_rate:.4f}), "
        f"calls {each:.4f} (sums: {scenario.calls:.4f})"
    }
