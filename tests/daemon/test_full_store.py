"""A full store: what does not fit is refused, what was acknowledged stays, what runs gets its end.

Every call that writes in the store fails once, and from then on, with each of the errors that a
full mount has; the same script of all that a session does is run each time.
"""

import base64
import errno
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.fakes.full_store import Faults, faults
from tests.harness import ram_directory
from tests.homes import Home, heard

from chat_rpc import errors, methods, wire
from chat_rpc.methods import Ending, Said
from chatd.chats import compaction, conversations, records, sent
from chatd.chats.session import Session
from chatd.chats.turns import Chat, Turn, digest_of

BOUNDS = sent.Bounds(2**20, 2**20)
EVER = sys.maxsize
DONE = Ending(state="done", finish="stop")


@dataclass
class Kept:
    """What is kept of a chat; of each turn the prompt, the reply and the state."""

    title: str
    is_deleted: bool = False
    lifetime_s: float = 3600.0
    turns: list[tuple[str, str, str]] = field(default_factory=list)


class Script:
    """All that a session does, step by step, and a ledger of what was acknowledged."""

    def __init__(self, path: Path, fault: Faults):
        self.home = Home(path, segment_bytes=1500)
        self.fault = fault
        self.session = self.home.open()
        self.refused = 0
        self.ledger: dict[str, Kept] = {}
        self.running: dict[str, tuple[Turn, Ending]] = {}
        self.dying: set[str] = set()
        self.chats: dict[str, str] = {}

    def run(self) -> None:
        for step in (
            lambda: self.say("a", "first", ["one ", "two ", "three "]),
            lambda: self.say("a", "second", ["word "] * 30),
            lambda: self.say("canary-b", "canary", ["canary "] * 20),
            lambda: self.say("canary-b", "with a file", ["canary"], sent_too=b"canary " * 900),
            lambda: self.say("c", "third", ["x"] * 10),
            lambda: self.start("a", "it runs", ["so ", "far "]),
            lambda: self.change("a", conversations.rename, "Other", title="Other"),
            lambda: self.change("a", conversations.keep, 7200.0, lifetime_s=7200.0),
            lambda: self.change("c", conversations.delete, is_deleted=True),
            lambda: self.change("c", conversations.undelete, is_deleted=False),
            lambda: self.copy(lambda s: conversations.fork(s, self.chat("a"), None), "a"),
            lambda: self.copy(self.import_),
            lambda: self.say("c", "more", ["y" * 400] * 4),
            self.compact,
            lambda: self.wipe("canary-b"),
            lambda: self.say("d", "after", ["z" * 300] * 3),
            self.compact,
            self.restart,
            self.end_what_runs,
            lambda: self.say("a", "last", ["end"]),
            self.compact,
            self.restart,
        ):
            with self.fault.armed():
                try:
                    step()
                except errors.StoreFull:
                    self.refused += 1

    def chat(self, name: str, *, deleted: bool = False) -> Chat:
        """Return a chat; its beginning, or that it was brought back, may have been refused."""
        id_ = self.chats.get(name, "")
        if id_ not in self.ledger or self.ledger[id_].is_deleted is not deleted:
            raise errors.StoreFull("it was refused before")
        return self.session.chats[id_]

    def send(self, data: bytes) -> str:
        """Send a file in two parts."""
        parts = [base64.b64encode(part).decode() for part in (data[:10], data[10:])]
        first = methods.FileAdd(data=parts[0], done=False)
        file = sent.add(self.session, first, BOUNDS).file.file
        sent.add(self.session, methods.FileAdd(data=parts[1], file=file), BOUNDS)
        return file

    def start(self, name: str, prompt: str, texts: list[str], sent_too: bytes = b"") -> Turn:
        """Begin a turn and say something in it; a turn that cannot go on has to end."""
        chat = self.chat(name).id if name in self.chats else None
        files = [self.send(sent_too)] if sent_too else []
        params = methods.TurnStart(prompt=prompt, key=prompt, chat=chat, files=files)
        turn = self.session.begin(params, digest_of(params))
        self.chats[name] = turn.chat
        turns = self.ledger.setdefault(turn.chat, Kept(prompt)).turns
        turns.append((prompt, "", "queued"))
        self.running[turn.id] = (turn, Ending(state="failed"))
        self.session.add_event(turn, "attempt", n=1, model="m", backend="b")
        turns[-1] = (prompt, "", "running")
        self.session.files.write_context(turn.chat, b"{}" * 100)
        for text in texts:
            self.session.add_text(turn, text)
            turns[-1] = (prompt, turns[-1][1] + text, "running")
        return turn

    def say(self, name: str, prompt: str, texts: list[str], sent_too: bytes = b"") -> None:
        try:
            turn = self.start(name, prompt, texts, sent_too)
            self.running[turn.id] = (turn, DONE)
        finally:
            self.end_what_runs(but="it runs")

    def end_what_runs(self, but: str = "") -> None:
        for turn, ending in list(self.running.values()):
            turns = self.ledger[turn.chat].turns
            number = self.session.chats[turn.chat].turns.index(turn.id)
            prompt, text, _ = turns[number]
            if prompt != but:
                self.session.end(self.session.turns[turn.id], ending)
                turns[number] = (prompt, text, ending.state)
                del self.running[turn.id]

    def change(
        self, name: str, do: Callable[..., None], *arguments: object, **then: object
    ) -> None:
        chat = self.chat(name, deleted=do is conversations.undelete)
        do(self.session, chat, *arguments)
        self.ledger[chat.id] = replace(self.ledger[chat.id], **then)  # type: ignore[arg-type]

    def copy(self, make: Callable[[Session], Chat], name: str = "") -> None:
        chat = make(self.session)
        kept = Kept("Imported", turns=[("q1", "r1", "done"), ("q2", "r2", "done")])
        if name:
            original = self.ledger[self.chats[name]]
            turns = [turn for turn in original.turns if turn[2] == "done"]
            kept = Kept(f"{original.title} (2)", turns=turns)
        self.ledger[chat.id] = kept

    def import_(self, session: Session) -> Chat:
        said = [Said("user", "q1"), Said("assistant", "r1")]
        said += [Said("system", "s"), Said("user", "q2"), Said("assistant", "r2")]
        return conversations.import_(session, "Imported", said)

    def wipe(self, name: str) -> None:
        chat = self.chat(name)
        self.change(name, conversations.delete, is_deleted=True)
        self.dying.add(chat.id)
        del self.ledger[chat.id], self.chats[name]
        conversations.destroy(self.session, chat)
        sent.drop(self.session, sent.unused(self.session))

    def compact(self) -> None:
        for _ in compaction.compact(self.session):
            pass

    def restart(self) -> None:
        """Start again; where that needs room that is not there, once more when it is."""
        try:
            self.session = self.home.open()
        except errors.StoreFull:
            self.refused += 1
            self.fault.stop()
            self.session = self.home.open()
        for id_, (_, ending) in list(self.running.items()):
            self.running[id_] = (self.session.turns[id_], ending)

    def recover(self) -> None:
        """Room is back: what had to wait is done."""
        self.end_what_runs()
        for id_ in self.dying & set(self.session.chats):
            conversations.destroy(self.session, self.session.chats[id_])
        sent.drop(self.session, sent.unused(self.session))

    def check(self) -> None:
        """Demand that memory and ledger are one, and that the books are right."""
        assert seen(self.session) == self.ledger
        for turn in self.session.turns.values():
            assert all(self.session.content(file) == b"canary " * 900 for file in turn.files)
            told = [wire.decode_message(line).params for line in heard(self.session, turn.id)]
            numbers = [records.decode_stamp(params).seq for params in told]
            assert numbers == list(range(1, turn.seq + 1)), "a gap"
        files = [path for path in self.home.path.glob("session_1000/*/*") if path.is_file()]
        assert self.session.files.used_files == len(files)
        for path in files:
            assert b"canary" not in path.read_bytes() or not self.dying, path


def seen(session: Session) -> dict[str, Kept]:
    """Return what a caller can see, the order of turns included."""
    return {
        chat.id: Kept(chat.title, chat.is_deleted, chat.lifetime_s, [
            (view.prompt, view.text, view.state)
            for view in (session.view(session.turns[id_]) for id_ in chat.turns)
        ])
        for chat in session.chats.values()
    }  # fmt: skip


def run(fault: Faults) -> Script:
    path = ram_directory()
    try:
        before = len(os.listdir("/proc/self/fd"))
        with faults(fault):
            script = Script(path, fault)
            script.run()
            fault.stop()
            script.recover()
            script.check()
            script.say("e", "room again", ["yes"])
            script.session = script.home.open()
            script.check()
            script.home.close()
        assert len(os.listdir("/proc/self/fd")) == before, "descriptors are left open"
        return script
    finally:
        shutil.rmtree(path)


def test_the_script_does_everything_where_there_is_room() -> None:
    script = run(Faults(EVER, EVER))
    assert script.refused == 0
    assert len(script.ledger) == 6


@pytest.mark.parametrize(
    ("error", "is_short"),
    [(errno.ENOSPC, False), (errno.EDQUOT, False), (errno.ENOSPC, True)],
    ids=["ENOSPC", "EDQUOT", "short"],
)
@pytest.mark.parametrize("is_for_ever", [False, True], ids=["once", "from-then-on"])
def test_whatever_write_fails_nothing_acknowledged_is_lost_and_nothing_half_done(
    error: int, *, is_short: bool, is_for_ever: bool
) -> None:
    total = run(Faults(EVER, EVER)).fault.calls
    refused = [
        run(Faults(first, EVER if is_for_ever else first, error, is_short=is_short)).refused
        for first in range(1, total + 1)
    ]
    assert sum(map(bool, refused)) > total / 4, "faults are seen"
