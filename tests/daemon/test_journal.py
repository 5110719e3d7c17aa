"""The journal: what was written is there, a damaged line costs only its turn, space comes back."""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.harness import ram_directory
from tests.homes import Home, heard, say

from chat_rpc import errors, methods
from chatd.chats import compaction, conversations
from chatd.chats.session import Session
from chatd.chats.turns import digest_of
from chatd.store.journal import READ_BYTES, Journal

OpenSession = Callable[[], Session]


@pytest.fixture
def folder() -> Iterator[int]:
    path = ram_directory()
    descriptor = os.open(path, os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)
    shutil.rmtree(path)


def payload(number: int, size: int = 0) -> bytes:
    return b'{"type":"x","n":%d,"s":"%b"}' % (number, b"s" * size)


def test_lines_come_back_in_order_over_many_segments(folder: int) -> None:
    journal = Journal(folder, segment_bytes=300)
    places = [journal.append(payload(n)) for n in range(100)]
    assert places == sorted(set(places))
    assert journal.files > 10
    assert [line for _, line in journal.read(0)] == [payload(n) for n in range(100)]
    middle = [line for _, line in journal.read(places[40], places[60])]
    assert middle == [payload(n) for n in range(40, 60)]
    journal.close()
    again = Journal(folder, segment_bytes=300)
    assert [line for _, line, sound in again.recover() if sound] == [payload(n) for n in range(100)]
    again.close()


def test_what_is_erased_is_gone_from_the_file_and_other_places_stay(folder: int) -> None:
    journal = Journal(folder, segment_bytes=10_000)
    places = [journal.append(payload(n)) for n in range(10)]
    journal.erase([(places[3], len(payload(3))), (places[7], len(payload(7)))])
    assert [line for _, line in journal.read(0)] == [payload(n) for n in (0, 1, 2, 4, 5, 6, 8, 9)]
    raw = os.pread(os.open("000001.ndj", os.O_RDONLY, dir_fd=folder), 10_000, 0)
    assert payload(3) not in raw
    assert payload(4) in raw
    journal.close()


def test_a_line_that_is_erased_while_half_of_it_is_read_is_not_told(folder: int) -> None:
    journal = Journal(folder, segment_bytes=2**24)
    first, long, last = payload(1), payload(2, 3 * READ_BYTES), payload(3)
    places = [journal.append(each) for each in (first, long, last)]
    reading = journal.read(places[0])
    assert next(reading) == (places[0], first)
    journal.erase([(places[1], len(long))])
    assert list(reading) == [(places[2], last)]
    journal.close()


def test_an_empty_segment_is_removed(folder: int) -> None:
    journal = Journal(folder, segment_bytes=50)
    places = [journal.append(payload(n)) for n in range(4)]
    journal.erase([(place, len(payload(0))) for place in places[:2]])
    assert journal.files == len(os.listdir(folder)) < 4
    journal.close()


def test_a_torn_tail_is_cut_off_wherever_it_was_torn(folder: int) -> None:
    journal = Journal(folder, segment_bytes=10_000)
    for number in range(3):
        journal.append(payload(number))
    journal.close()
    file = os.open("000001.ndj", os.O_RDWR, dir_fd=folder)
    whole = os.pread(file, 10_000, 0)
    for size in range(len(whole) + 1):
        os.ftruncate(file, 0)
        os.pwrite(file, whole[:size], 0)
        again = Journal(folder, segment_bytes=10_000)
        lines = [line for _, line, sound in again.recover() if sound]
        assert lines == [payload(n) for n in range(len(lines))]
        assert len(lines) >= whole[:size].count(b"\n")
        again.append(payload(7))
        assert [line for _, line in again.read(0)] == [*lines, payload(7)]
        again.close()
    os.close(file)


# -- sessions over a journal -----------------------------------------------------------------------


@pytest.fixture
def home(ram: Path) -> Iterator[Home]:
    home = Home(ram)
    yield home
    home.close()


def fill(session: Session, turns: int = 12) -> dict[str, methods.Turn]:
    chance = random.Random(turns)
    ids = []
    for number in range(turns):
        words = [f"{chance.random()} é日 " for _ in range(chance.randrange(20))]
        ids.append(say(session, f"prompt {number}", words))
    return {id_: session.view(session.turn(id_)) for id_ in ids}


def test_compaction_changes_nothing_that_can_be_seen(home: Home) -> None:
    session = home.open()
    before = fill(session)
    told = {id_: heard(session, id_) for id_ in before}
    rest = {id_: heard(session, id_, after=5) for id_ in before}
    files = session.files.journal.files
    for _ in compaction.compact(session):
        assert {id_: session.view(session.turn(id_)) for id_ in before} == before
    assert session.files.journal.files < files
    for _ in range(2):
        assert {id_: session.view(session.turn(id_)) for id_ in before} == before
        assert {id_: heard(session, id_) for id_ in before} == told
        assert {id_: heard(session, id_, after=5) for id_ in before} == rest
        session = home.open()


def test_compaction_leaves_the_turns_of_a_chat_in_their_order(home: Home) -> None:
    session = home.open()
    first = say(session, "first", ["a " * 600] * 2)
    chat = session.turn(first).chat
    said = [first, *(say(session, f"then {n}", ["b"], chat) for n in range(3))]
    compaction.pack_turn(session, session.turn(first))
    session = home.open()
    assert session.chats[chat].turns == said


def test_a_death_between_the_two_steps_of_compaction_harms_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = home.open()
    before = fill(session)

    class Death(Exception):
        pass

    def die(*_: object) -> None:
        raise Death

    monkeypatch.setattr(session.files.journal, "erase", die)
    for id_ in before:
        with pytest.raises(Death):
            compaction.pack_turn(session, session.turn(id_))
    session = home.open()
    assert {id_: session.view(session.turn(id_)) for id_ in before} == before


def test_what_a_death_in_compaction_left_is_erased_with_its_chat(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = home.open()
    turn = session.turn(say(session, "canary-prompt", ["canary", "-reply"]))
    monkeypatch.setattr(session.files.journal, "erase", lambda _: None)  # death comes before it
    compaction.pack_turn(session, turn)
    session = home.open()
    conversations.destroy(session, session.chats[turn.chat])
    assert home.open().turns == {}
    for path in home.path.rglob("*"):
        assert not path.is_file() or b"canary" not in path.read_bytes(), path


def test_a_segment_that_a_death_left_empty_is_removed(
    folder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(folder, segment_bytes=50)
    places = [journal.append(payload(n)) for n in range(4)]
    monkeypatch.setattr(journal, "_drop_if_empty", lambda _: None)  # death comes before it
    journal.erase([(place, len(payload(0))) for place in places[:2]])
    files = journal.files
    journal.close()
    again = Journal(folder, segment_bytes=50)
    assert [line for _, line, _ in again.recover()] == [payload(2), payload(3)]
    assert again.files == len(os.listdir(folder)) == files - 1
    again.close()


def test_the_turns_of_a_chat_keep_their_order_when_only_some_are_packed(home: Home) -> None:
    session = home.open()
    first = session.turn(say(session, "first", ["one"]))
    second = session.turn(say(session, "second", ["two"], chat=first.chat))
    compaction.pack_turn(session, first)
    assert home.open().chats[first.chat].turns == [first.id, second.id]


def test_destroying_a_chat_leaves_no_byte_of_it(home: Home) -> None:
    session = home.open()
    keep = say(session, "this stays", ["all ", "of it"])
    gone = say(session, "canary-prompt", ["canary", "-reply"])
    packed = say(session, "canary-packed", ["canary", "-packed-reply"])
    compaction.pack_turn(session, session.turn(packed))
    for turn in (gone, packed):
        conversations.destroy(session, session.chats[session.turn(turn).chat])
    with pytest.raises(errors.NoSuchTurn):
        session.turn(gone)
    for path in home.path.rglob("*"):
        assert not path.is_file() or b"canary" not in path.read_bytes(), path
    session = home.open()
    assert [turn.id for turn in session.turns.values()] == [keep]
    assert session.view(session.turn(keep)).text == "all of it"


def test_used_space_comes_back_when_chats_are_deleted_as_it_goes(home: Home) -> None:
    session = home.open()
    sizes = []
    for number in range(300):
        turn = say(session, f"q{number}", ["word "] * 20)
        if number >= 10:
            oldest = next(iter(session.chats.values()))
            conversations.destroy(session, oldest)
        for _ in compaction.compact(session):
            pass
        sizes.append(session.files.used_bytes)
        assert session.view(session.turn(turn)).text == "word " * 20
    assert max(sizes[100:]) < 2 * max(sizes[20:100])
    assert len(session.turns) == 10


def with_journal(home: Home, files: dict[Path, bytes]) -> Session:
    """Open a session that has these files as its journal, and no texts but those in it."""
    home.close()
    for kind in ("journal", "prompts", "responses"):
        for path in home.path.glob(f"session_1000/{kind}/*"):
            path.unlink()
    for path, content in files.items():
        path.write_bytes(content)
    return home.open()


def count_lost(session: Session, before: dict[str, methods.Turn]) -> int:
    """Count the turns that are not as they were; none that has ended may have another text."""
    lost = 0
    for id_, turn in before.items():
        try:
            found = session.view(session.turn(id_))
        except errors.RpcError:
            lost += 1
        else:
            if found != turn:
                assert found.ending is None, "it will be asked again"
                assert turn.text.startswith(found.text)
                lost += 1
    return lost


@pytest.fixture
def written(home: Home) -> tuple[dict[str, methods.Turn], dict[Path, bytes]]:
    """Turns, and the journal that they have made."""
    before = fill(home.open(), 5)
    return before, {path: path.read_bytes() for path in home.path.glob("session_1000/journal/*")}


def test_a_byte_that_is_flipped_costs_at_most_its_turn_and_never_tells_a_wrong_text(
    home: Home, written: tuple[dict[str, methods.Turn], dict[Path, bytes]]
) -> None:
    before, files = written
    chance = random.Random(5)
    for path, content in files.items():
        for offset in range(len(content)):
            data = bytearray(content)
            data[offset] ^= 1 << chance.randrange(8)
            session = with_journal(home, {**files, path: bytes(data)})
            assert count_lost(session, before) <= 1, (path, offset)


def test_a_file_that_is_cut_off_anywhere_never_tells_a_wrong_text(
    home: Home, written: tuple[dict[str, methods.Turn], dict[Path, bytes]]
) -> None:
    before, files = written
    for path, content in files.items():
        for size in range(len(content)):
            session = with_journal(home, {**files, path: content[:size]})
            assert count_lost(session, before) < len(before), (path, size)


def test_a_full_share_is_refused_ahead_of_time_and_what_runs_gets_its_end(ram: Path) -> None:
    home = Home(ram, bytes=8 * 2**20, segment_bytes=2**16)
    session = home.open()
    params = methods.TurnStart(prompt="x", key="k")
    turn = session.begin(params, digest_of(params))
    session.add_event(turn, "attempt", n=1)
    with pytest.raises(errors.StoreFull):
        for _ in range(100_000):
            session.add_text(turn, "word " * 100)
    session.end(turn, methods.Ending(state="failed"))
    with pytest.raises(errors.StoreFull):
        say(session, "another", ["word"])
    conversations.destroy(session, session.chats[turn.chat])
    for _ in compaction.compact(session):
        pass
    say(session, "another", ["word"])
    home.close()


def test_a_chat_ends_by_its_own_clock_and_not_by_the_wall_s(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = home.open()
    kept, used, old = (say(session, name, ["x"]) for name in ("kept", "used", "old"))
    chats = {
        name: session.turn(id_).chat for name, id_ in (("kept", kept), ("used", used), ("old", old))
    }
    conversations.keep(session, session.chats[chats["kept"]], 7200.0)
    now = 0.0

    def later() -> float:
        return real() + now

    from chatd.chats import turns

    real = turns.boot_s
    for module in (conversations, turns):
        monkeypatch.setattr(module, "boot_s", later)
    monkeypatch.setattr("time.time", lambda: 4e9)  # the wall clock jumps by decades
    list(conversations.expire(session))
    assert len(session.chats) == 3
    now = 3500.0
    monkeypatch.setattr("chatd.chats.session.boot_s", later)
    say(session, "again", ["x"], chat=chats["used"])
    now = 3700.0
    list(conversations.expire(session))
    assert set(session.chats) == {chats["kept"], chats["used"]}
    now = 7300.0
    list(conversations.expire(session))
    assert set(session.chats) == set()
    home.open()


def test_links_that_are_planted_in_a_session_are_not_followed(home: Home, tmp_path: Path) -> None:
    session = home.open()
    target = tmp_path / "target"
    target.write_text("mine")
    params = methods.TurnStart(prompt="x", key="k")
    turn = session.begin(params, digest_of(params))
    for kind in ("prompts", "responses"):
        (home.path / "session_1000" / kind / f"{turn.id}.txt").symlink_to(target)
    session.add_text(turn, "a reply")
    session.end(turn, methods.Ending(state="done"))
    assert target.read_text() == "mine"
    assert session.view(turn).text == "a reply"
    conversations.destroy(session, session.chats[turn.chat])
    assert target.read_text() == "mine"


def test_a_session_directory_that_is_a_link_is_refused(ram: Path, tmp_path: Path) -> None:
    (ram / "session_1000").symlink_to(tmp_path)
    home = Home(ram)
    with pytest.raises(errors.StoreCorrupt, match="session_1000 is not chatd's own"):
        home.open()
    home.close()
