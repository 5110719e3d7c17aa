"""Turns while they run: what is held of them, what who comes late is told, at what speed."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.homes import Home

from chat_rpc import errors, methods, wire
from chat_rpc.client import TurnEvent
from chatd.chats import compaction, conversations, following
from chatd.chats.memory import running
from chatd.chats.session import Session
from chatd.chats.turns import Step, Turn, digest_of
from chatd.store import draft, journal

DONE = methods.Ending(state="done", finish="stop")


@pytest.fixture
def home(ram: Path) -> Iterator[Home]:
    home = Home(ram, segment_bytes=4096, bytes=2**27)
    yield home
    home.close()


@pytest.fixture
def session(home: Home) -> Session:
    return home.open()


def begin(session: Session, key: str = "k") -> Turn:
    params = methods.TurnStart(prompt="x", key=key)
    turn = session.begin(params, digest_of(params))
    session.add_event(turn, "attempt", n=1, model="m", backend="b")
    return turn


class Reader:
    """A reader with a step at a time; it keeps the events that it is told."""

    def __init__(self) -> None:
        self.is_gone = False
        self.is_clogged = False
        self.events: list[TurnEvent] = []
        self.follows = 0
        self._steps: list[Step] = []

    def follow(self, turn: str) -> None:
        self.follows += 1

    def leave(self, turn: str) -> None:
        self.follows -= 1

    def deliver(self, line: bytes) -> bool:
        if self.is_clogged:
            return False
        params = wire.decode_message(line).params
        self.events.append(msgspec.json.decode(params, type=TurnEvent))
        return True

    tell = deliver

    def feed(self, step: Step) -> None:
        self._steps.append(step)

    def take(self, room_bytes: int = 1) -> bool:
        """Take one step of each that there is; False when there is no more to take."""
        self._steps = [step for step in self._steps if step(room_bytes)]
        return bool(self._steps)

    def take_all(self) -> list[TurnEvent]:
        while self.take():
            pass
        return self.events


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("after", [0, 1, 7, 99])
def test_small_steps_tell_the_same_as_a_large_one(
    session: Session, after: int, *, is_packed: bool
) -> None:
    turn, other = begin(session), begin(session, "other")
    for number in range(12):
        session.add_text(turn, f"word {number} ")
        session.add_text(other, "others' ")
    session.end(turn, DONE)
    if is_packed:
        compaction.pack_turn(session, turn)
    large, small = Reader(), Reader()
    for reader in (large, small):
        following.follow(session.files.journal, turn, reader, after=after)
    assert not large.take(2**20)
    assert [event.seq for event in large.events] == list(range(after + 1, 15))
    assert small.take_all() == large.events
    assert (large.follows, small.follows) == (0, 0)


def test_what_comes_while_a_reader_catches_up_follows_in_order(session: Session) -> None:
    turn = begin(session)
    reader = Reader()
    following.follow(session.files.journal, turn, reader, after=0)
    for number in range(5):
        session.add_text(turn, f"{number} ")
        assert reader.take()
    reader.take_all()
    session.add_text(turn, "live")
    session.end(turn, DONE)
    assert [event.seq for event in reader.events] == list(range(1, turn.seq + 1))
    assert reader.follows == 0


def test_a_reader_that_attaches_once_more_is_told_in_order(session: Session) -> None:
    turn = begin(session)
    reader = Reader()
    following.follow(session.files.journal, turn, reader, after=turn.seq)
    session.add_text(turn, "one")
    following.follow(session.files.journal, turn, reader, after=0)
    session.add_text(turn, "two")
    reader.take_all()
    session.add_text(turn, "three")
    assert [event.seq for event in reader.events] == [2, 1, 2, 3, 4]
    assert reader.follows == 1


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_live_reader_that_falls_behind_is_told_the_rest_when_it_reads(
    session: Session, *, is_packed: bool
) -> None:
    turn = begin(session)
    reader = Reader()
    following.follow(session.files.journal, turn, reader, after=0)
    reader.take_all()
    for number in range(20):
        reader.is_clogged = number % 7 > 4
        if not reader.is_clogged:
            reader.take_all()
        session.add_text(turn, f"{number} ")
    reader.is_clogged = True
    session.end(turn, DONE)
    if is_packed:
        compaction.pack_turn(session, turn)
    reader.is_clogged = False
    assert [event.seq for event in reader.take_all()] == list(range(1, turn.seq + 1))
    assert reader.follows == 0


def test_a_turn_that_is_packed_or_destroyed_meanwhile_is_told_on_or_left(session: Session) -> None:
    turn = begin(session)
    for number in range(5):
        session.add_text(turn, f"{number} ")
    session.end(turn, DONE)
    reader, late = Reader(), Reader()
    following.follow(session.files.journal, turn, reader, after=0)
    following.follow(session.files.journal, turn, late, after=0)
    assert reader.take()
    compaction.pack_turn(session, turn)
    assert [event.seq for event in reader.take_all()] == list(range(1, turn.seq + 1))
    while not late.events:
        assert late.take()
    conversations.destroy(session, session.chats[turn.chat])
    assert [event.seq for event in late.take_all()] == [1, turn.seq]  # what is left is its end
    assert (reader.follows, late.follows) == (0, 0)


def test_a_line_that_is_damaged_under_a_reader_ends_what_it_is_told(
    home: Home, session: Session
) -> None:
    turn = begin(session)
    session.add_text(turn, "canary")
    session.end(turn, DONE)
    path = home.path / "session_1000" / "journal" / "000001.ndj"
    path.write_bytes(path.read_bytes().replace(b'"text":"canary', b'\'text":"canary'))
    reader = Reader()
    following.follow(session.files.journal, turn, reader, after=0)
    *_, end = reader.take_all()
    assert isinstance(end, methods.End)
    assert end.ending.error is not None
    assert end.ending.error.code == errors.StoreCorrupt.code
    assert reader.follows == 0


def test_thoughts_count_in_a_user_s_share(home: Home, session: Session) -> None:
    turn = begin(session)
    with pytest.raises(errors.StoreFull):
        for _ in range(200):
            session.add_event(turn, "think", text="x" * 2**20)


def test_many_short_turns_are_refused_ahead_of_time(session: Session) -> None:
    said = [methods.Said("user", "a"), methods.Said("assistant", "b")] * 20_000
    with pytest.raises(errors.StoreFull):
        conversations.import_(session, "", said)
    assert not session.chats


def test_a_chat_that_goes_takes_the_reply_that_was_coming_with_it(home: Home) -> None:
    session = home.open()
    turn = begin(session)
    session.add_text(turn, "x" * (draft.HELD_CHARS + 1))
    conversations.condemn(session, session.chats[turn.chat])
    session = home.open()
    assert not session.turns
    assert session.files.used_files == session.files.journal.files


# -- the text of a turn that runs ----------------------------------------------------------------

LONG = "ein Wort \U0001f600 "


def test_a_long_reply_is_the_same_text_in_the_heap_the_file_and_the_journal(home: Home) -> None:
    session = home.open()
    turn = begin(session)
    files = session.files.used_files
    text = ""
    for number in range(40_000):
        text += (piece := f"{LONG}{number}")
        session.add_text(turn, piece)
        if not number % 9999:
            assert session.view(turn).text == text
    assert session.files.used_files > files  # the draft counts
    held = running(turn).reply
    assert sum(map(len, held._held)) <= draft.HELD_CHARS
    session.end(turn, DONE)
    path = home.path / "session_1000" / "responses" / f"{turn.id}.txt"
    assert path.read_text() == session.view(turn).text == text
    used = session.files.used_bytes, session.files.used_files
    session = home.open()
    assert (session.files.used_bytes, session.files.used_files) == used
    path.unlink()
    assert session.view(session.turn(turn.id)).text == text


def test_a_new_attempt_voids_a_long_reply(session: Session) -> None:
    turn = begin(session)
    used = session.files.used_files
    session.add_text(turn, "x" * (draft.HELD_CHARS + 1))
    session.add_text(turn, "y")
    session.add_event(turn, "attempt", n=2)
    session.add_text(turn, "z")
    assert session.view(turn).text == "z"
    assert session.files.used_files == used + session.files.journal.files - 1
    session.end(turn, DONE)
    assert session.view(turn).text == "z"


def test_a_reply_whose_file_has_no_room_is_told_from_the_journal(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    turn = begin(session)
    monkeypatch.setattr(draft, "write_all", no_room)
    text = ""
    for _ in range(3):
        text += (piece := "x" * draft.HELD_CHARS)
        session.add_text(turn, piece)
        assert session.view(turn).text == text
    session.end(turn, DONE)
    assert session.view(turn).text == text


def test_a_draft_leaves_no_descriptor_behind(session: Session) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd")) - session.files.journal.files

    before = open_files()
    turn = begin(session)
    for _ in range(2):
        session.add_text(turn, "x" * (draft.HELD_CHARS + 1))
        assert open_files() == before + 1
        session.add_event(turn, "attempt", n=2)
        assert open_files() == before
    session.add_text(turn, "x" * (draft.HELD_CHARS + 1))
    session.end(turn, DONE)
    assert open_files() == before


def test_a_line_that_had_no_room_leaves_no_gap_behind_it(home: Home) -> None:
    session = home.open()
    turn = begin(session)
    session.add_text(turn, "kept")

    def no_room(payload: bytes) -> int:
        raise errors.StoreFull("full")

    append, session.files.journal.append = session.files.journal.append, no_room  # type: ignore[method-assign]  # a fault
    for _ in range(2):
        with pytest.raises(errors.StoreFull):
            session.add_text(turn, "lost")
        with pytest.raises(errors.StoreFull):
            session.add_event(turn, "attempt", n=2)
    session.files.journal.append = append  # type: ignore[method-assign]  # the end of it
    session.end(turn, DONE)
    before = session.view(turn)
    assert (before.text, before.attempts) == ("kept", 1)
    assert home.open().view(home.open().turn(turn.id)) == before


def test_readers_that_left_without_a_word_are_forgotten(session: Session) -> None:
    turn = begin(session)
    for _ in range(100):
        reader = Reader()
        following.follow(session.files.journal, turn, reader, after=turn.seq)
        following.listen(session.watchers, reader)
        reader.is_gone = True
    assert len(turn.readers) == len(session.watchers) == 1


# -- large turns ---------------------------------------------------------------------------------


def test_a_turn_with_many_lines_is_left_as_it_is_and_destroyed_in_pieces(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "PACKED_BYTES", 20_000)
    session = home.open()
    large, small = begin(session), begin(session, "small")
    session.add_text(small, "a few words")
    session.end(small, DONE)
    for _ in range(100):
        session.add_text(large, "canary " * 100)
    session.end(large, DONE)
    session = home.open()
    for _ in compaction.compact(session):
        pass
    large, small = session.turns[large.id], session.turns[small.id]
    assert not large.is_packed
    assert session.view(large).text == "canary " * 10_000
    conversations.destroy(session, session.chats[large.chat])
    for path in home.path.rglob("*"):
        assert not path.is_file() or b"canary" not in path.read_bytes(), path
    assert session.files.journal.files <= 2
    assert session.view(small).text == "a few words"


def test_a_closed_segment_is_looked_through_once(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        turn = begin(session, f"k{number}")
        session.add_text(turn, "words " * 100)
        session.end(turn, DONE)
    for _ in range(5):
        for _ in compaction.compact(session):
            pass
    assert len(session.files.journal.closed()) > 2

    def look(*places: object) -> None:
        raise AssertionError(places)

    monkeypatch.setattr(session.files.journal, "read", look)
    for _ in compaction.compact(session):
        pass


def test_a_segment_may_vanish_while_it_is_read(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "READ_BYTES", 1)  # then a page is read at once
    lines = session.files.journal
    payload = b'{"type":"x","s":"%b"}' % (b"x" * 1990)
    places = [lines.append(payload) for _ in range(5)]
    lines.erase([(place, len(payload)) for place in places[2:3]])
    for place, read in lines.read(places[0], places[3]):
        lines.erase([(place, len(read))])
    assert lines.files == 1
