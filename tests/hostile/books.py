"""The store's books: what a second reader makes of the journals, and what lies in the directory."""

import os
import re
import shutil
from pathlib import Path

import msgspec

from chat_rpc import wire
from chatd.chats import following
from chatd.chats.session import Session
from chatd.chats.sessions import Sessions
from chatd.chats.turns import Step, Turn
from chatd.store.tmpfs import Store
from tests.hostile.world import World, sessions_of

ID = "[a-z2-7]{16}"
NAMES = re.compile(
    r"lock|epoch|reserve|session_\d+/("
    rf"journal/\d{{6}}\.ndj|prompts/{ID}\.txt|responses/{ID}\.txt|context/{ID}\.json|files/{ID}[.a-z]*)"
)
PAGE = 4096


def check(world: World) -> None:
    """Raise AssertionError unless the store is as the sessions in memory say."""
    files = _files(world.root)
    strange = [name for name in files if not NAMES.fullmatch(name)]
    assert not strange, f"strange files: {strange}"
    assert os.listdir(world.root.parent) == [world.root.name], "a file outside the store"
    assert not world.sessions.ephemeral, "an ephemeral turn stays"
    for session in world.sessions:
        assert not session.files.nameless, "files of an ephemeral turn stay"
        _check_files(session, files)
    copy = world.root.parent / "copy"
    copy.mkdir(mode=0o700)
    for session in world.sessions:
        own = Path(f"session_{session.uid}")
        (copy / own).mkdir(mode=0o700)
        shutil.copytree(world.root / own / "journal", copy / own / "journal")  # with their modes
    try:
        _compare(world, copy, files)
    finally:
        shutil.rmtree(copy)


def _compare(world: World, root: Path, files: dict[str, int]) -> None:
    """Compare with what a daemon that starts now would read from the journals alone."""
    store = Store(root)
    again = sessions_of(store)
    live, read = _state(world.sessions), _state(again)
    differing = [name for name in live | read if live.get(name) != read.get(name)]
    shown = [f"{name}:\n    {live.get(name)}\n    {read.get(name)}" for name in differing[:3]]
    assert not differing, "the journal says otherwise: " + "\n".join(shown)
    made = _files(root)
    for name in files:
        if "prompts/" in name or "responses/" in name:
            assert name in made, f"{name} is of no turn"
            text, texts_again = (world.root / name).read_bytes(), (root / name).read_bytes()
            assert text == texts_again, f"{name} is not what the journal says"
    store.close()


def _check_files(session: Session, files: dict[str, int]) -> None:
    mine = {name: size for name, size in files.items() if f"session_{session.uid}/" in name}
    journal = sum(size for name, size in mine.items() if "/journal/" in name)
    texts = [size for name, size in mine.items() if "/journal/" not in name]
    used = journal + sum(-(-size // PAGE) * PAGE for size in texts)
    assert session.files.used_bytes == used, "the bytes in use are counted wrongly"
    assert session.files.used_files == len(mine), "the files in use are counted wrongly"
    for kind in ("prompts", "responses"):
        there = {Path(name).stem for name in mine if f"/{kind}/" in name}
        assert there == session.turns.keys(), f"{kind} are not those of the turns"
    contexts = {Path(name).stem for name in mine if "/context/" in name}
    assert contexts <= session.chats.keys(), "a context of no chat"


def _state(sessions: Sessions) -> dict[str, object]:
    """Return all that is known of every chat and turn, by its name."""
    state: dict[str, object] = {}
    for session in sessions:
        assert not session.lost
        state[f"taste of {session.uid}"] = {
            id_: wire.encode(line) for id_, (line, _) in session.taste.items()
        }
        for chat in session.chats.values():
            state[f"chat {chat.id}"] = (
                session.uid, chat.title, chat.created, chat.used, chat.used_boot_s,
                chat.lifetime_s, chat.is_deleted, chat.turns, chat.demands,
            )  # fmt: skip
        for turn in session.turns.values():
            view = wire.encode(session.view(turn))
            state[f"turn {turn.id}"] = (turn.key, turn.digest, view, _told(session, turn))
            assert session.keys[turn.key] is turn
        assert len(session.keys) == len(session.turns)
    return state


def _told(session: Session, turn: Turn) -> list[bytes]:
    """Return what one hears who follows the turn from its beginning; no event may be missing."""
    reader = Everything()
    following.follow(session.files.journal, turn, reader, after=0)
    events = [msgspec.json.decode(line)["params"] for line in reader.heard]
    assert [event["seq"] for event in events] == [*range(1, turn.seq + 1)], "a gap in the events"
    assert events[-1]["type"] == "end"
    return reader.heard


class Everything:
    """A reader that is never too slow."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def follow(self, turn: str) -> None: ...

    def leave(self, turn: str) -> None: ...

    def deliver(self, line: bytes) -> bool:
        self.heard.append(line)
        return True

    tell = deliver
    is_gone = False

    def feed(self, step: Step) -> None:
        while step(2**20):
            pass


def _files(root: Path) -> dict[str, int]:
    """Return the files below a directory with their sizes; a link would be a strange file."""
    return {
        os.path.relpath(entry, root): entry.lstat().st_size
        for entry in root.rglob("*")
        if not entry.is_dir() or entry.is_symlink()
    }
