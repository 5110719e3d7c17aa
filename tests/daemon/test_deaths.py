"""Deaths at the worst moments: what stands half done in the store, the next daemon makes good."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import StartDaemon, StartServer
from tests.harness import configured
from tests.homes import Home, say

from chat_rpc import aio, methods, wire
from chatd.chats import compaction, conversations, sent
from chatd.chats.records import ChatDeleted
from chatd.chats.session import Session
from chatd.chats.turns import boot_s, digest_of
from chatd.store import journal
from chatd.store.journal import Journal, Segment


class Death(BaseException):
    """The daemon is killed."""


@pytest.fixture
def home(ram: Path) -> Iterator[Home]:
    home = Home(ram)
    yield home
    home.close()


def die_at(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Die in the middle of the write of that number that is not at the journal's end."""
    left = count
    write = journal._write_at

    def write_or_die(segment: Segment, data: bytes, offset: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            write(segment, data[: len(data) // 2], offset)
            raise Death
        write(segment, data, offset)

    monkeypatch.setattr(journal, "_write_at", write_or_die)


def everything(session: Session) -> list[methods.Turn]:
    return [session.view(turn) for turn in session.turns.values()]


def test_a_wipe_that_a_death_cuts_short_is_ended_by_the_next_daemon(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    count = 0
    while True:
        count += 1
        session = home.open()
        for chat in list(session.chats.values()):
            conversations.destroy(session, chat)
        say(session, "this stays", ["all ", "of it"])
        kept = everything(session)
        turn = session.turn(say(session, "canary", ["canary-reply ", "of two"]))
        chat = session.chats[turn.chat]
        packed = session.turn(say(session, "canary-packed", ["canary-too"], chat=chat.id))
        compaction.pack_turn(session, packed)
        conversations.rename(session, chat, "canary-title")
        with monkeypatch.context() as patch:
            die_at(patch, count)
            try:
                conversations.destroy(session, chat)
            except Death:
                pass
            else:
                break
        assert everything(home.open()) == kept
        for path in home.path.rglob("*"):
            assert not path.is_file() or b"canary" not in path.read_bytes(), (count, path)
    assert count > 8, "every line was one of them"
    assert not capsys.readouterr().err, "no damage is logged"


def test_a_move_that_a_death_cuts_short_is_no_damage(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    count = 0
    while True:
        count += 1
        session = home.open()
        turn = session.turn(say(session, f"prompt {count}", ["a ", "reply é"]))
        before = everything(session)
        with monkeypatch.context() as patch:
            die_at(patch, count)
            try:
                compaction.pack_turn(session, turn)
            except Death:
                pass
            else:
                break
        assert everything(home.open()) == before
    assert count > 4, "every line was one of them"
    assert not capsys.readouterr().err, "no damage is logged"


def test_a_turn_that_a_death_cuts_short_is_there_with_its_chat_or_not_at_all(home: Home) -> None:
    session = home.open()
    path = home.path / "session_1000" / "journal" / "000001.ndj"
    params = methods.TurnStart(prompt="What is tmpfs?", key="k")
    turn = session.begin(params, digest_of(params))
    whole = path.read_bytes()
    seen = set()
    for size in range(len(whole)):
        home.close()
        path.write_bytes(whole[:size])
        session = home.open()
        titles = [chat.title for chat in session.chats.values()]
        assert (titles, list(session.turns)) in (([], []), (["What is tmpfs?"], [turn.id])), size
        again = home.open()
        assert [chat.title for chat in again.chats.values()] == titles
        seen.add(len(titles))
    assert seen == {0, 1}
    home.close()
    path.write_bytes(whole[:-9])  # the chat's line is torn
    session = home.open()
    say(session, "another", ["word"], chat=turn.chat)
    session.end(session.turn(turn.id), methods.Ending(state="done"))
    compaction.pack_turn(session, session.turn(turn.id))  # now its line is the last
    assert home.open().chats[turn.chat].title == "What is tmpfs?"


@pytest.mark.parametrize("prompt", ["", "What is tmpfs?"])
@pytest.mark.parametrize("name", [None, "work"])
def test_a_new_chat_whose_own_line_a_death_cut_off_has_its_title_all_the_same(
    home: Home, prompt: str, name: str | None
) -> None:
    session = home.open()
    part = methods.FileAdd(data="YQ==", name="notes.txt")
    file = sent.add(session, part, sent.Bounds(2**20, 2**20)).file.file
    params = methods.TurnStart(prompt=prompt, key="k", files=[file], name=name)
    turn = session.begin(params, digest_of(params))
    title = session.chats[turn.chat].title
    assert title == (name or prompt or "notes.txt")
    home.close()
    path = home.path / "session_1000" / "journal" / "000001.ndj"
    path.write_bytes(path.read_bytes()[:-9])
    assert home.open().chats[turn.chat].title == title


async def test_a_turn_of_a_deleted_chat_is_not_asked_again(
    start_daemon: StartDaemon, start_server: StartServer
) -> None:
    server = start_server()
    daemon = start_daemon(configured(("scripted", server)))
    async with aio.connect(daemon.socket) as client:
        asked = methods.TurnStart(prompt="x", key="k", model="stall")
        started = await client.call(methods.START, asked)
        async for event in client.events(started.turn):
            if isinstance(event, methods.Delta):
                break
    daemon.kill()
    folder = os.open(daemon.store / f"session_{os.getuid()}" / "journal", os.O_DIRECTORY)
    written = Journal(folder, segment_bytes=2**20)  # chat.delete, and then there was no time left
    written.append(wire.encode(ChatDeleted(chat=started.chat, boot_s=boot_s())))
    written.close()
    os.close(folder)
    daemon.start()
    async with aio.connect(daemon.socket) as client:
        await client.call(methods.UNDELETE, methods.ChatNamed(chat=started.chat))
        async with asyncio.timeout(10):
            await client.call(methods.START, asked)
            ends = [e async for e in client.events(started.turn) if isinstance(e, methods.End)]
    assert ends[0].ending.state == "cancelled"
