"""The short form of the fuzz campaign, with lines of its own in each run, and what it has found."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.campaigns.fuzz import fuzz
from tests.hostile import books
from tests.hostile.world import Echo, Line, World, world_in

from chat_rpc import errors

REQUEST = '{"jsonrpc":"2.0","id":1,"method":"%s","params":{%s}}'


def test_mutated_lines_get_the_right_answers_and_leave_the_store_in_order() -> None:
    figures = fuzz(20_000, seed=int.from_bytes(os.urandom(4)))
    assert figures["different lines"] >= 20_000
    assert figures["reached a handler"] > 0.2 * figures["lines"]


async def test_who_waits_for_a_turn_that_is_wiped_hears_that_it_was_cancelled(ram: Path) -> None:
    asked = '"prompt":"tell me a tale","key":"k"'
    async with world(ram) as here:
        await sent(here, REQUEST % ("turn.start", asked))
        waiting = await sent(here, REQUEST % ("turn.start", f'{asked},"wait":true'))
        wiping = await sent(here, REQUEST % ("chat.wipe", '"all":true'))
        await here.settle([waiting, wiping])
        books.check(here)
    assert json.loads(waiting.answers[0])["error"]["code"] == errors.Cancelled.code
    assert json.loads(wiping.answers[0])["result"]["turns"] == 1


@pytest.mark.parametrize("is_lost", [False, True])
async def test_of_an_ephemeral_turn_that_was_told_or_lost_its_reader_nothing_is_counted(
    ram: Path, *, is_lost: bool
) -> None:
    asked = '"prompt":"tell me a tale","key":"k","ephemeral":true'
    async with world(ram) as here:
        line = await sent(here, REQUEST % ("turn.start", asked))
        files = here.sessions.of(line.uid).files
        assert files.nameless
        assert files.used_bytes > 0
        if is_lost:
            line.lose()
        await here.settle([line])
        assert files.used_bytes == 0
        books.check(here)


async def test_a_reader_without_room_now_and_then_is_told_each_event_once(ram: Path) -> None:
    asked = f'"prompt":"{" ".join(map(str, range(300)))}","key":"k"'
    async with world(ram) as here:
        line = await sent(here, REQUEST % ("turn.start", asked))
        await here.settle([line])
        (turn,) = here.sessions.of(line.uid).turns.values()
    assert line.offers > line.notices == turn.seq > 200


@asynccontextmanager
async def world(ram: Path) -> AsyncIterator[World]:
    root = ram / "inner" / "store"
    root.mkdir(mode=0o700, parents=True)
    echo = Echo("echo", "http://127.0.0.1:9/v1", slots=1, connect_s=1)
    async with world_in(root, echo) as here:
        yield here
    await echo.close()


async def sent(here: World, text: str) -> Line:
    line = Line(text.encode(), 1000, is_admin=False)
    here.take(line)
    await asyncio.sleep(0)
    return line
