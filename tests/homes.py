"""A store with the session of one user in it, in this process and without a daemon."""

from pathlib import Path

from chat_rpc import methods
from chatd.chats.quota import Quota
from chatd.chats.recovery import Recovery
from chatd.chats.session import Session
from chatd.chats.turns import digest_of
from chatd.store.tmpfs import Store


class Home:
    """A store and the session of one user in it, opened as often as a test likes."""

    def __init__(self, path: Path, **options: int):
        self.path = path
        self.options = {"segment_bytes": 2000, **options}
        self.store: Store | None = None

    def open(self) -> Session:
        self.close()
        self.store = Store(self.path, segment_bytes=self.options["segment_bytes"])
        quota = Quota(self.store, own_mount=False, store_bytes=self.options.get("bytes", 2**26))
        files = self.store.session(1000)
        session = Session(1000, files, quota, 3600.0, lambda: [files], self.store.spend_reserve)
        Recovery(session).run()
        return session

    def close(self) -> None:
        if self.store is not None:
            self.store.close()
            self.store = None


def say(session: Session, prompt: str, reply: list[str], chat: str | None = None) -> str:
    """Make a whole turn; returns its id."""
    params = methods.TurnStart(
        prompt=prompt, key=f"k-{len(session.turns)}-{prompt}"[:64], chat=chat
    )
    turn = session.begin(params, digest_of(params))
    session.add_event(turn, "attempt", n=1, model="m", backend="b")
    for text in reply:
        session.add_text(turn, text)
    session.end(turn, methods.Ending(state="done", finish="stop", model="m"))
    return turn.id


class Ear:
    """A reader that keeps what it hears."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, bytes]] = []

    def follow(self, turn: str) -> None:
        pass

    def leave(self, turn: str) -> None:
        pass

    def deliver(self, turn: str, seq: int, line: bytes) -> bool:
        self.lines.append((seq, line))
        return True


def heard(session: Session, turn: str, after: int = 0) -> list[tuple[int, bytes]]:
    ear = Ear()
    session.follow(session.turn(turn), ear, after=after)
    return ear.lines
