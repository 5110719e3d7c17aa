"""The sessions of all users; chats that end and journals that shrink as time goes by."""

import asyncio
import logging
import time
from collections.abc import Iterator

from chat_rpc import errors
from chatd.boundary import boundary
from chatd.chats import compaction, conversations, sent
from chatd.chats.quota import Quota
from chatd.chats.recovery import Recovery
from chatd.chats.session import Session
from chatd.chats.turns import Turn
from chatd.store.session import SessionFiles
from chatd.store.tmpfs import Store

log = logging.getLogger(__name__)


class Sessions:
    """The sessions of all users."""

    def __init__(self, store: Store, quota: Quota, lifetime_s: float):
        self.store = store
        self._lifetime_s = lifetime_s
        self._quota = quota
        self._sessions: dict[int, Session] = {}
        self.ephemeral: dict[str, Session] = {}  # by their turns
        for uid in store.uids():
            session = self.of(uid)
            began_s = time.monotonic()
            Recovery(session).run()
            took_ms = (time.monotonic() - began_s) * 1000
            log.info(
                "session of uid %d: %d turns in %.0f ms",
                uid,
                len(session.turns),
                took_ms,
                extra={"uid": uid},
            )

    def of(self, uid: int) -> Session:
        if uid not in self._sessions:
            files = self.store.session(uid)
            self._sessions[uid] = Session(
                uid, files, self._quota, self._lifetime_s, self._files, self.store.spend_reserve
            )
        return self._sessions[uid]

    def ephemeral_of(self, uid: int) -> list[Turn]:
        """Return the ephemeral turns of a user."""
        mine = (session for session in self.ephemeral.values() if session.uid == uid)
        return [turn for session in mine for turn in session.turns.values()]

    def unfinished(self) -> Iterator[tuple[Session, Turn]]:
        """Yield the turns that the last daemon did not finish, oldest first."""
        for session in self:
            for turn in list(session.turns.values()):
                if not turn.has_ended:
                    yield session, turn

    async def keep_house(self, every_s: float) -> None:
        """For ever: destroy what has expired, compact, and hold the reserve."""
        while True:
            await asyncio.sleep(every_s)
            for session in list(self):
                try:
                    with boundary(log, f"housekeeping of uid {session.uid}", uid=session.uid):
                        await _work(session)
                except errors.RpcError as exc:
                    log.warning(
                        "housekeeping of uid %d: %s",
                        session.uid,
                        exc.kind,
                        extra={"uid": session.uid},
                    )
            self.store.keep_reserve()

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions.values())

    @property
    def turns(self) -> int:
        return sum(len(session.turns) for session in self)

    def _files(self) -> Iterator[SessionFiles]:
        return (session.files for session in self)


async def _work(session: Session) -> None:
    sent.drop(session, sent.unused(session, for_s=sent.UNUSED_S))
    for steps in (conversations.expire(session), compaction.compact(session)):
        for _ in steps:
            await asyncio.sleep(0)  # a person's token comes before this
