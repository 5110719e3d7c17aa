"""Heavy checks in a process of their own: what breaks or hangs there is an error of the check."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chat_rpc.checks import parse
from chatd.verifier import apart, child
from chatd.verifier.apart import Verifier
from chatd.verifier.rule import Reply, Request
from chatd.verifier.verify import prepare, verify

CHECKS = prepare([parse("schema:name, age int"), parse("words:..20"), parse("lang:en")])
GOOD = Reply('{"name": "a person with a name of some length", "age": 3}')
# two ways at each of forty steps
BOMB = (
    'schema:{"$defs": {'
    + ", ".join(
        f'"d{n}": {{"allOf": [{{"$ref": "#/$defs/d{n + 1}"}}, {{"$ref": "#/$defs/d{n + 1}"}}]}}'
        for n in range(40)
    )
    + ', "d40": {"type": "string"}}, "$ref": "#/$defs/d0"}'
)


@pytest.fixture
async def verifier() -> AsyncIterator[Verifier]:
    verifier = Verifier()
    yield verifier
    await verifier.close()


def children() -> set[int]:
    return {
        int(pid)
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text().split()
    }


async def test_the_verdict_is_the_one_that_the_functions_give(verifier: Verifier) -> None:
    for reply in (GOOD, Reply("{}"), Reply("no", "length")):
        apart_from, here = (
            await verifier.verify(CHECKS, Request(), reply),
            verify(CHECKS, Request(), reply),
        )
        for result in (*apart_from.checks, *here.checks):
            result.ms = 0
        assert apart_from == here


async def test_a_helper_serves_many_and_ends_with_the_verifier(verifier: Verifier) -> None:
    before = children()
    for _ in range(5):
        assert (await verifier.verify(CHECKS, Request(), GOOD)).verdict == "pass"
    assert len(children() - before) == 1
    await verifier.close()
    assert not children() - before


async def test_many_at_once_share_two_helpers(verifier: Verifier) -> None:
    before = children()
    verdicts = await asyncio.gather(*(verifier.verify(CHECKS, Request(), GOOD) for _ in range(20)))
    assert {verdict.verdict for verdict in verdicts} == {"pass"}
    assert len(children() - before) == apart.HELPERS


async def test_a_check_that_takes_too_long_is_an_error_and_the_loop_goes_on(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "WALL_S", 1.0)
    checks, ticks = prepare([parse(BOMB), parse("words:..9")]), 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    verdict = await verifier.verify(checks, Request(), Reply('"a"'))
    ticking.cancel()
    assert ticks > 20
    assert verdict.verdict == "error"
    assert [found.verdict for found in verdict.checks[-2:]] == ["error", "pass"]
    monkeypatch.undo()
    assert (await verifier.verify(CHECKS, Request(), GOOD)).verdict == "pass"


async def test_a_helper_that_is_killed_is_an_error_once(verifier: Verifier) -> None:
    before = children()
    await verifier.verify(CHECKS, Request(), GOOD)
    [helper] = children() - before
    os.kill(helper, 9)
    assert (await verifier.verify(CHECKS, Request(), GOOD)).verdict in ("error", "pass")
    assert (await verifier.verify(CHECKS, Request(), GOOD)).verdict == "pass"


async def test_an_idle_helper_ends(verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "IDLE_S", 0.05)
    before, end = children(), time.monotonic() + 20
    await verifier.verify(CHECKS, Request(), GOOD)
    assert children() - before
    while children() - before:
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def test_a_job_ends_itself_after_so_much_work() -> None:
    assert child.CPU_S < apart.WALL_S
