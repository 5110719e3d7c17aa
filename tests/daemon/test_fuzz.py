"""The short form of the fuzz campaign, with lines of its own in each run, and what it has found."""

import asyncio
import json
import os
from pathlib import Path

from tests.campaigns.fuzz import fuzz
from tests.hostile import books
from tests.hostile.world import Echo, Line, world_in

from chat_rpc import errors

REQUEST = '{"jsonrpc":"2.0","id":1,"method":"%s","params":{%s}}'


def test_mutated_lines_get_the_right_answers_and_leave_the_store_in_order() -> None:
    figures = fuzz(20_000, seed=int.from_bytes(os.urandom(4)))
    assert figures["different lines"] >= 20_000
    assert figures["reached a handler"] > 0.2 * figures["lines"]


async def test_who_waits_for_a_turn_that_is_wiped_hears_that_it_was_cancelled(ram: Path) -> None:
    asked = '"prompt":"tell me a tale","key":"k"'
    texts = [
        REQUEST % ("turn.start", asked),
        REQUEST % ("turn.start", f'{asked},"wait":true'),
        REQUEST % ("chat.wipe", '"all":true'),
    ]
    root = ram / "inner" / "store"
    root.mkdir(mode=0o700, parents=True)
    echo = Echo("echo", "http://127.0.0.1:9/v1", slots=1, connect_s=1)
    async with world_in(root, echo) as world:
        lines = [Line(text.encode(), 1000, is_admin=False) for text in texts]
        for line in lines:
            world.take(line)
            await asyncio.sleep(0)
        await world.settle(lines)
        books.check(world)
    await echo.close()
    assert json.loads(lines[1].answers[0])["error"]["code"] == errors.Cancelled.code
    assert json.loads(lines[2].answers[0])["result"]["turns"] == 1
