"""The slots of a server: each is given to one, and none is lost, whoever goes in between."""

import asyncio

import pytest

from chatd.scheduler import Scheduler

URL = "http://server/v1"


class Turn:
    """One that wants the only slot, and holds it until it is told to go."""

    def __init__(self, scheduler: Scheduler):
        self.has_slot = False
        self.go = asyncio.Event()
        self._scheduler = scheduler

    async def run(self) -> None:
        async with self._scheduler.slot(URL, 1, 0, lambda place: None):
            self.has_slot = True
            await self.go.wait()


async def tick() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize("cancelled_when", ["the slot is free", "the slot was given to it"])
async def test_a_turn_that_is_cancelled_as_the_slot_becomes_free_takes_it_from_nobody(
    cancelled_when: str,
) -> None:
    scheduler = Scheduler()
    holder, cancelled, last = (Turn(scheduler) for _ in range(3))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(holder.run())
        await tick()
        waiting = tasks.create_task(cancelled.run())
        tasks.create_task(last.run())
        await tick()
        holder.go.set()
        if cancelled_when == "the slot is free":
            waiting.cancel()
        else:
            asyncio.get_running_loop().call_soon(waiting.cancel)
        await tick()
        assert (cancelled.has_slot, last.has_slot) == (False, True)
        last.go.set()
    again = Turn(scheduler)
    again.go.set()
    await again.run()
    assert scheduler.queued == 0
