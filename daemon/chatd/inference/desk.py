"""Where a client brings what its programs said of a reply; chatd itself runs nothing."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from chat_rpc.checks import Answer, CheckAsked
from chat_rpc.methods import TurnVerdict
from chatd.chats.session import Session
from chatd.chats.turns import Turn
from chatd.verifier.outside import Exec

SLACK_S = 5.0  # for the client, beyond what its program may take
GONE_S = 5.0  # so long a client tries to come back when it has lost its connection
LOOK_S = 1.0  # nobody tells that the last reader has gone, and none has come back

Place = tuple[str, int, str]  # turn, attempt, check


class Desk:
    """The programs that clients are to run, and their verdicts."""

    def __init__(self) -> None:
        self._waiting: dict[Place, asyncio.Future[Answer]] = {}

    async def ask(self, session: Session, turn: Turn, n: int, id_: str, asked: Exec) -> Answer:
        """Have the client that follows the turn run a program; no answer is an error."""
        place = (turn.id, n, id_)
        with self._place(place) as answer:
            check = CheckAsked(id=id_, argv=asked.argv, timeout_s=asked.timeout_s)
            session.add_event(turn, "check", n=n, check=check)
            return await _patiently(turn, answer, asked.timeout_s + SLACK_S) or Answer(
                check=id_, verdict="error", reason="the client that runs it has not answered"
            )

    def take(self, params: TurnVerdict) -> bool:
        """Take a verdict; False: nobody waits for it."""
        answer = self._waiting.get((params.turn, params.n, params.check))
        if answer is None or answer.done():
            return False
        answer.set_result(Answer(check=params.check, verdict=params.verdict, reason=params.reason))
        return True

    @contextmanager
    def _place(self, place: Place) -> Iterator[asyncio.Future[Answer]]:
        answer = self._waiting[place] = asyncio.get_running_loop().create_future()
        try:
            yield answer
        finally:
            del self._waiting[place]


async def _patiently(turn: Turn, answer: asyncio.Future[Answer], wait_s: float) -> Answer | None:
    """Wait for an answer as long as there is somebody who may give it."""
    clock = asyncio.get_running_loop().time
    end_s, seen_s = clock() + wait_s, clock()
    while clock() < min(end_s, seen_s + GONE_S):
        await asyncio.wait([answer], timeout=min(LOOK_S, end_s - clock()))
        if answer.done():
            return answer.result()
        if any(not reader.is_gone for reader in turn.readers):
            seen_s = clock()
    return None
