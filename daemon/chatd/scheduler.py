"""Who may ask a model server next; those who wait are told their place."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice

TOLD = 16  # who waits further behind is told again when it is among the first

Tell = Callable[[int], None]


@dataclass(slots=True)
class Lane:
    """The slots of one server, and the queue before them."""

    free: int
    waiting: deque[tuple[asyncio.Future[None], Tell]] = field(default_factory=deque)


class Scheduler:
    """First come, first served, for each server by itself."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}

    @asynccontextmanager
    async def slot(self, url: str, slots: int, tell: Tell) -> AsyncIterator[None]:
        """Hold one of the server's slots; `tell(place)` is called whenever the place changes."""
        lane = self._lanes.setdefault(url, Lane(slots))
        await self._enter(lane, tell)
        try:
            yield
        finally:
            self._leave(lane)

    @property
    def queued(self) -> int:
        return sum(len(lane.waiting) for lane in self._lanes.values())

    async def _enter(self, lane: Lane, tell: Tell) -> None:
        if lane.free > 0:
            lane.free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane.waiting.append((turn, tell))
        tell(len(lane.waiting))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(lane)  # the slot was given in the moment of the cancellation
            elif (turn, tell) in lane.waiting:
                lane.waiting.remove((turn, tell))
                self._tell_places(lane)
            raise

    def _leave(self, lane: Lane) -> None:
        while lane.waiting:
            turn, _ = lane.waiting.popleft()
            if not turn.done():  # a cancelled one stands here until its task wakes
                turn.set_result(None)
                self._tell_places(lane)
                return
        lane.free += 1

    def _tell_places(self, lane: Lane) -> None:
        for place, (_, tell) in enumerate(islice(lane.waiting, TOLD), 1):
            tell(place)
