"""A store with the session of one user in it, in this process and without a daemon."""

from pathlib import Path

from chat_rpc import methods
from chatd.chats import following
from chatd.chats.quota import Quota
from chatd.chats.recovery import Recovery
from chatd.chats.session import Session
from chatd.chats.turns import Step, digest_of
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
        self.is_gone = False
        self.lines: list[bytes] = []

    def follow(self, turn: str) -> None:
        pass

    def leave(self, turn: str) -> None:
        pass

    def deliver(self, line: bytes) -> bool:
        self.lines.append(line)
        return True

    tell = deliver

    def feed(self, step: Step) -> None:
        self.step = step


def heard(session: Session, turn: str, after: int = 0, room: int = 2**20) -> list[bytes]:
    """Return what one is told who attaches."""
    ear = Ear()
    following.follow(session.files.journal, session.turns[turn], ear, after=after)
    while ear.step(room):
        pass
    return ear.lines
