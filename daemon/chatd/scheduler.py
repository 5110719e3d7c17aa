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

    slots: int
    free: int
    waiting: deque["Waiter"] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class Waiter:
    """A turn before a server's slots."""

    uid: int
    turn: asyncio.Future[None]
    tell: Tell


class Scheduler:
    """First come, first served, for each server by itself."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}

    @asynccontextmanager
    async def slot(self, url: str, slots: int, uid: int, tell: Tell) -> AsyncIterator[None]:
        """Hold one of the server's slots; `tell(place)` is called whenever the place changes."""
        lane = self._lanes.setdefault(url, Lane(slots, slots))
        await self._enter(lane, uid, tell)
        try:
            yield
        finally:
            self._leave(lane)

    @property
    def queued(self) -> int:
        return sum(len(lane.waiting) for lane in self._lanes.values())

    def busy(self, url: str) -> int:
        """Return how many slots of a server are taken, by all users."""
        lane = self._lanes.get(url)
        return lane.slots - lane.free if lane else 0

    def waiting(self, url: str, uid: int) -> int:
        """Return how many turns of a user wait for a server."""
        lane = self._lanes.get(url)
        return sum(waiter.uid == uid for waiter in lane.waiting) if lane else 0

    async def _enter(self, lane: Lane, uid: int, tell: Tell) -> None:
        if lane.free > 0:
            lane.free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = Waiter(uid, turn, tell)
        lane.waiting.append(waiter)
        tell(len(lane.waiting))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(lane)  # the slot was given in the moment of the cancellation
            elif waiter in lane.waiting:
                lane.waiting.remove(waiter)
                self._tell_places(lane)
            raise

    def _leave(self, lane: Lane) -> None:
        while lane.waiting:
            waiter = lane.waiting.popleft()
            if not waiter.turn.done():  # a cancelled one stands here until its task wakes
                waiter.turn.set_result(None)
                self._tell_places(lane)
                return
        lane.free += 1

    def _tell_places(self, lane: Lane) -> None:
        for place, waiter in enumerate(islice(lane.waiting, TOLD), 1):
            waiter.tell(place)
