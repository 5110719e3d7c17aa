"""Things planted under the store's names: refused or replaced, and never written through.

Links to what belongs to others, FIFOs, directories, sockets, wrong owners and modes: at every name
that chatd uses, before it starts and while it runs.
"""

import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.harness import ram_directory, run
from tests.homes import Home, say

from chat_rpc import errors, paths
from chatd.chats import compaction, conversations
from chatd.chats.session import Session
from chatd.logs import OwnFileHandler
from chatd.server import listen

STRANGER = 12345
ROOT = os.getuid() == 0

# {turn} and {chat} are the ids of the turn that is there
NAMES = (
    "lock",
    "epoch",
    "reserve",
    "session_1000",
    "session_1000/journal",
    "session_1000/prompts",
    "session_1000/responses",
    "session_1000/context",
    "session_1000/journal/000001.ndj",
    "session_1000/journal/000002.ndj",
    "session_1000/prompts/{turn}.txt",
    "session_1000/responses/{turn}.txt",
    "session_1000/context/{chat}.json",
)


@dataclass
class Victim:
    """A file and a directory of somebody else's, outside the store and on the same mount."""

    path: Path

    def __post_init__(self) -> None:
        self.path.mkdir(mode=0o777)
        self.folder = self.path / "folder"
        self.folder.mkdir()
        self.file = self.path / "file"
        self.file.write_text("mine")
        if ROOT:
            os.chown(self.file, STRANGER, STRANGER)
        self.own = self.path / "own"  # of the same user, as another session's journal is
        self.own.write_text("mine")
        self.before = self.look()

    def look(self) -> list[object]:
        facts: list[object] = [sorted(os.listdir(self.folder))]
        for file in (self.file, self.own):
            status = file.stat()
            facts += [status.st_mode, status.st_uid, status.st_mtime_ns, file.read_bytes()]
        return facts


def bind(path: Path, _: Victim) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.fspath(path))


def open_folder(path: Path, _: Victim) -> None:
    path.mkdir()
    path.chmod(0o777)


def open_file(path: Path, _: Victim) -> None:
    path.touch()
    path.chmod(0o666)


def stranger_s(path: Path, _: Victim) -> None:
    if path.suffix:
        path.touch(0o600)
    else:
        path.mkdir(mode=0o700)
    os.chown(path, STRANGER, STRANGER)


PLANTS: dict[str, Callable[[Path, Victim], object]] = {
    "symlink": lambda path, victim: path.symlink_to(victim.file),
    "symlink-to-folder": lambda path, victim: path.symlink_to(victim.folder),
    "dangling-symlink": lambda path, victim: path.symlink_to(victim.folder / "new"),
    "hard-link": lambda path, victim: path.hardlink_to(victim.file),
    "hard-link-to-own": lambda path, victim: path.hardlink_to(victim.own),
    "fifo": lambda path, victim: os.mkfifo(path, 0o600),
    "socket": bind,
    "folder": lambda path, victim: path.mkdir(mode=0o700),
    "open-folder": open_folder,
    "open-file": open_file,
    **({"stranger-s": stranger_s} if ROOT else {}),
}


@pytest.fixture
def victim() -> Iterator[Victim]:
    path = ram_directory()
    yield Victim(path / "victim")
    shutil.rmtree(path)


def plant(home: Home, name: str, kind: str, victim: Victim, ids: dict[str, str]) -> None:
    path = home.path / name.format(**ids)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    PLANTS[kind](path, victim)


def live(session: Session) -> None:
    """Do everything that touches files: read, write, rotate, pack, snapshot, destroy."""
    for turn in list(session.turns.values()):
        session.view(turn)
    turn = session.turn(say(session, "more", ["word " * 100] * 6))
    session.files.write_context(turn.chat, b"{}")
    for _ in compaction.compact(session):
        pass
    for chat in list(session.chats.values()):
        conversations.destroy(session, chat)


@pytest.mark.parametrize("kind", PLANTS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_running", [False, True], ids=["before", "while-it-runs"])
def test_what_is_planted_is_never_written_through(
    ram: Path, victim: Victim, name: str, kind: str, *, is_running: bool
) -> None:
    home = Home(ram, segment_bytes=1000)
    session = home.open()
    turn = session.turn(say(session, "question", ["answer"]))
    session.files.write_context(turn.chat, b"{}")
    if not is_running:
        home.close()
    plant(home, name, kind, victim, {"turn": turn.id, "chat": turn.chat})
    refused: errors.RpcError | None = None
    try:
        live(session if is_running else home.open())
    except (errors.StoreCorrupt, errors.StoreFull) as exc:
        refused = exc
    finally:
        home.close()
    assert victim.look() == victim.before
    if not is_running and refused is not None:
        assert Path(name).name.format(turn=turn.id, chat=turn.chat) in refused.message


def start(home: Path) -> tuple[int, str]:
    """Start a chatd that should refuse; returns its status and what it said."""
    command = [sys.executable, "-m", "chatd", "--store", str(home), "--socket", f"{home}/sock"]
    ran = run(command, timeout_s=20)
    return ran.status, ran.err


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lock", "fifo"),
        ("epoch", "folder"),
        ("session_1000", "symlink-to-folder"),
        ("session_1000", "open-folder"),
        *([("session_1000", "stranger-s")] if ROOT else []),
        *([("session_1000/journal/000001.ndj", "stranger-s")] if ROOT else []),
        ("session_1000/journal/000001.ndj", "hard-link-to-own"),
        ("session_1000/journal/000001.ndj", "fifo"),
        ("sock", "folder"),
        ("sock.new", "folder"),
    ],
)
def test_chatd_says_in_a_line_what_is_planted_and_ends_with_73(
    ram: Path, victim: Victim, name: str, kind: str
) -> None:
    home = Home(ram)
    say(home.open(), "question", ["answer"])
    home.close()
    plant(home, name, kind, victim, {})
    status, said = start(ram)
    assert status == 73, said
    *log, line = said.splitlines()
    assert line.startswith("chatd: ")
    assert str(ram / name) in line
    assert all(" INFO " in line for line in log)
    assert victim.look() == victim.before


def test_a_store_that_others_can_rename_in_is_refused(ram: Path) -> None:
    ram.chmod(0o777)
    status, said = start(ram)
    assert (status, said) == (73, f"chatd: others may rename what is in {ram}: `chmod 700` it\n")


HARMLESS = ["symlink", "dangling-symlink", "hard-link", "hard-link-to-own", "fifo", "socket"]


@pytest.mark.parametrize("kind", HARMLESS)
@pytest.mark.parametrize("name", ["chatd.sock", "chatd.sock.new"])
def test_what_stands_where_the_socket_should_be_is_replaced(
    ram: Path, victim: Victim, name: str, kind: str
) -> None:
    PLANTS[kind](ram / name, victim)
    with listen(ram / "chatd.sock"), socket.socket(socket.AF_UNIX) as client:
        client.connect(os.fspath(ram / "chatd.sock"))
    assert os.listdir(ram) == ["chatd.sock"]
    assert (ram / "chatd.sock").stat().st_mode & 0o777 == 0o600
    assert victim.look() == victim.before


@pytest.mark.parametrize("kind", [kind for kind in HARMLESS if kind != "socket"])
@pytest.mark.parametrize("name", ["start.lock", "chatd.log"])
def test_chat_opens_nothing_that_is_planted_for_its_lock_or_log(
    ram: Path, victim: Victim, name: str, kind: str
) -> None:
    PLANTS[kind](ram / name, victim)
    with pytest.raises(errors.NotPermitted, match=re.escape(name)):
        os.close(paths.open_own(ram / name, os.O_RDWR | os.O_APPEND))
    with pytest.raises(errors.NotPermitted, match=re.escape(name)):
        OwnFileHandler(ram / name)
    assert victim.look() == victim.before
