"""Turns beside one another: asked again, chosen, and what is then the conversation."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.fakes.scripts import REASONING, hash_reply
from tests.harness import Daemon, ModelServer
from tests.homes import Home, say

from chat_rpc import aio, errors, methods, wire
from chatd.chats import compaction, conversations, tree
from chatd.chats.records import ChatMade, ChatRecord, TurnMade
from chatd.chats.session import Session
from chatd.chats.turns import digest_of


@pytest.fixture
async def client(chatd: Daemon) -> AsyncIterator[aio.Client]:
    async with aio.connect(chatd.socket) as client:
        yield client


@pytest.fixture
def home(ram: Path) -> Iterator[Home]:
    home = Home(ram)
    yield home
    home.close()


async def ask(client: aio.Client, prompt: str = "", **how: object) -> methods.Turn:
    """Have a whole turn."""
    asked = {"prompt": prompt, "key": os.urandom(8).hex(), "model": "hash", "wait": True, **how}
    started = await client.call(methods.START, methods.TurnStart(**asked))  # type: ignore[arg-type]  # passed through
    assert started.reply is not None
    return started.reply


async def turns(client: aio.Client, chat: str, *, all_: bool = False) -> list[methods.Turn]:
    return (await client.call(methods.CHAT, methods.ChatGet(chat=chat, all=all_))).turns


async def select(client: aio.Client, turn: methods.Turn) -> None:
    await client.call(methods.SELECT, methods.Select(chat=turn.chat, turn=turn.turn))


def prompts(said: list[methods.Turn]) -> list[str]:
    return [turn.prompt for turn in said]


# -- over the socket -------------------------------------------------------------------------------


async def test_asked_again_it_is_the_same_question_beside_the_first(client: aio.Client) -> None:
    before = await ask(client, "before")
    first = await ask(client, "one", chat=before.chat, data="a list", system="Be brief.")
    again = await ask(client, instead_of=first.turn)
    assert (again.prompt, again.data, again.system) == ("one", "a list", "Be brief.")
    assert [turn.turn for turn in await turns(client, before.chat)] == [before.turn, again.turn]
    both = [first.turn, again.turn]
    whole = await turns(client, before.chat, all_=True)
    assert [(turn.turn, turn.siblings) for turn in whole] == [
        (before.turn, []),
        (first.turn, both),
        (again.turn, both),
    ]


async def test_asked_again_without_a_model_it_is_the_model_that_was_asked(
    client: aio.Client,
) -> None:
    first = await ask(client, "one", model="echo")
    assert (await ask(client, instead_of=first.turn, model=None)).asked == "echo"
    assert (await ask(client, instead_of=first.turn, model="hash")).asked == "hash"


async def test_an_edited_question_keeps_the_system_prompt_and_nothing_else(
    client: aio.Client,
) -> None:
    first = await ask(client, "one", data="a list", system="Be brief.")
    edited = await ask(client, "two", instead_of=first.turn)
    assert (edited.prompt, edited.data, edited.system) == ("two", "", "Be brief.")
    assert (await ask(client, "3", instead_of=first.turn, system="Be long.")).system == "Be long."


async def test_the_model_is_shown_the_way_to_the_question_and_nothing_beside_it(
    client: aio.Client, scripted: ModelServer
) -> None:
    one = await ask(client, "one")
    two = await ask(client, "two", chat=one.chat)
    await ask(client, "three", chat=one.chat)
    before = scripted.counts()["messages_seen"]
    assert isinstance(before, list)
    await ask(client, "other", instead_of=two.turn)
    seen = scripted.counts()["messages_seen"]
    assert isinstance(seen, list)
    shown = ["one", hash_reply("one"), "other"]
    assert seen[len(before) :] == [hashlib.sha256(text.encode()).hexdigest() for text in shown]


async def test_a_chosen_turn_is_gone_on_from_with_the_newest_that_came_after_it(
    chatd: Daemon,
) -> None:
    async with aio.connect(chatd.socket) as client:
        one = await ask(client, "one")
        two = await ask(client, "two", chat=one.chat)
        await ask(client, "three", chat=one.chat)
        other = await ask(client, "other", instead_of=two.turn)
        assert prompts(await turns(client, one.chat)) == ["one", "other"]
        await select(client, two)
        assert prompts(await turns(client, one.chat)) == ["one", "two", "three"]
        line = (await client.call(methods.CHATS, methods.Page())).chats[0]
        assert line.turns == 3
    chatd.kill()
    chatd.start()
    async with aio.connect(chatd.socket) as client:
        assert prompts(await turns(client, one.chat)) == ["one", "two", "three"]
        await ask(client, "four", chat=one.chat)
        assert prompts(await turns(client, one.chat)) == ["one", "two", "three", "four"]
        await select(client, other)
        await ask(client, "five", chat=one.chat)
    chatd.kill()
    chatd.start()
    async with aio.connect(chatd.socket) as client:
        assert prompts(await turns(client, one.chat)) == ["one", "other", "five"]


async def test_who_watches_hears_that_another_turn_was_chosen(client: aio.Client) -> None:
    one = await ask(client, "one")
    await ask(client, instead_of=one.turn)
    await client.call(methods.WATCH, methods.Watch())
    await select(client, one)
    async with asyncio.timeout(10):
        async for event in client.chat_events():
            assert (event.kind, event.turn) == ("selected", one.turn)
            break


async def test_an_export_and_a_fork_are_the_way_and_a_fork_may_leave_it(
    client: aio.Client,
) -> None:
    one = await ask(client, "one")
    two = await ask(client, "two", chat=one.chat)
    await ask(client, "other", instead_of=two.turn)
    exported = await client.call(methods.EXPORT, methods.ChatNamed(chat=one.chat))
    assert [said.content for said in exported.messages if said.role == "user"] == ["one", "other"]
    forked = await client.call(methods.FORK, methods.Fork(chat=one.chat))
    assert prompts(await turns(client, forked.chat.chat, all_=True)) == ["one", "other"]
    forked = await client.call(methods.FORK, methods.Fork(chat=one.chat, turn=two.turn))
    assert prompts(await turns(client, forked.chat.chat, all_=True)) == ["one", "two"]
    assert all(not turn.siblings for turn in await turns(client, forked.chat.chat))


async def test_words_are_found_beside_the_way_too(client: aio.Client) -> None:
    one = await ask(client, "fjord")
    await ask(client, "other", instead_of=one.turn)
    found = (await client.call(methods.SEARCH, methods.Search(words="fjord"))).found
    assert [hit.turn for hit in found] == [one.turn]


async def test_what_a_chat_does_not_have_cannot_be_chosen_or_asked_again(
    client: aio.Client,
) -> None:
    one = await ask(client, "one")
    elsewhere = await ask(client, "elsewhere")
    for turn in (elsewhere.turn, one.turn[:5], "x"):
        with pytest.raises(errors.NoSuchTurn):
            await client.call(methods.SELECT, methods.Select(chat=one.chat, turn=turn))
    with pytest.raises(errors.NoSuchTurn):
        await ask(client, instead_of="x")
    with pytest.raises(errors.InvalidParams, match="empty"):
        await ask(client, chat=one.chat)
    assert len(await turns(client, one.chat, all_=True)) == 1


async def test_what_the_model_thought_last_is_with_its_turn(chatd: Daemon) -> None:
    async with aio.connect(chatd.socket) as client:
        turn = await ask(client, "one", model="reasoning")
        assert turn.thought == REASONING
        assert (await ask(client, "one")).thought == ""
    chatd.kill()
    chatd.start()
    async with aio.connect(chatd.socket) as client:
        got = await client.call(methods.GET, methods.TurnGet(turn=turn.turn))
        assert got == turn


# -- in the store ----------------------------------------------------------------------------------


def beside(session: Session, turn: str, prompt: str) -> str:
    """Make a whole turn in the place of another; returns its id."""
    params = methods.TurnStart(prompt=prompt, key=f"b-{prompt}", instead_of=turn)
    made = session.begin(params, digest_of(params))
    session.add_event(made, "attempt", n=1, model="m", backend="b")
    session.add_text(made, "word " * 50)
    session.end(made, methods.Ending(state="done", finish="stop", model="m"))
    return made.id


def grown(home: Home) -> tuple[Session, str, list[str]]:
    """Make a chat of five turns, two ways apart after the first; returns it and the turns."""
    session = home.open()
    first = say(session, "1", ["word "] * 50)
    chat = session.turn(first).chat
    second, third = (say(session, str(n), ["word "] * 50, chat) for n in (2, 3))
    other = beside(session, second, "2'")
    return session, chat, [first, second, third, other, say(session, "3'", ["word "] * 50, chat)]


def path(session: Session, chat: str) -> list[str]:
    return [turn.id for turn in tree.path(session, session.chats[chat])]


def views(session: Session, ids: list[str]) -> list[methods.Turn]:
    return [session.view(session.turn(id_)) for id_ in ids]


def test_compaction_and_another_start_leave_the_tree_as_it_is(home: Home) -> None:
    session, chat, ids = grown(home)
    conversations.select(session, session.chats[chat], ids[2])
    seen = views(session, ids)
    assert path(session, chat) == ids[:3]
    for _ in range(3):
        for id_ in (ids[0], ids[3]):  # moved to the end, out of their order
            compaction.pack_turn(session, session.turn(id_))
        compaction.write_chat(session, session.chats[chat])
        for _ in compaction.compact(session):
            pass
        assert (path(session, chat), views(session, ids)) == (ids[:3], seen)
        session = home.open()
        assert (path(session, chat), views(session, ids)) == (ids[:3], seen)
    new = say(session, "4", ["x"], chat)
    compaction.write_chat(session, session.chats[chat])
    assert path(home.open(), chat) == [*ids[:3], new]


def test_a_chat_of_a_time_without_trees_is_one_line_of_turns(home: Home) -> None:
    session = home.open()
    journal = session.files.journal
    old: list[TurnMade | ChatRecord] = [
        ChatMade(chat="c" * 16, created=1.0, boot_s=1.0, title="old"),
        *(
            TurnMade(
                turn=letter * 16, chat="c" * 16, key=letter, digest="", created=1.0,
                boot_s=2.0 + number, prompt=letter,
            )
            for number, letter in enumerate("xyz")
        ),
    ]  # fmt: skip
    journal.append_all(wire.encode(record) for record in [old[0], old[3], old[1], old[2]])
    session = home.open()
    assert path(session, "c" * 16) == ["x" * 16, "y" * 16, "z" * 16]
    for letter in "xyz":
        session.end(session.turn(letter * 16), methods.Ending(state="done"))
    new = beside(session, "y" * 16, "new")
    assert path(session, "c" * 16) == ["x" * 16, new]
    compaction.pack_turn(session, session.turn("x" * 16))
    assert path(home.open(), "c" * 16) == ["x" * 16, new]


def test_a_turn_whose_first_line_is_lost_takes_none_of_the_others_along(home: Home) -> None:
    session, chat, ids = grown(home)
    lost, rest = ids[3], [ids[0], ids[4]]
    seen = [session.said(session.turn(id_)) for id_ in rest]
    files = list(home.path.glob("session_1000/journal/*"))
    home.close()
    for file in files:
        line = f'"type":"turn","turn":"{lost}"'.encode()
        file.write_bytes(file.read_bytes().replace(line, line.replace(b"type", b"tyPe")))
    session = home.open()
    with pytest.raises(errors.StoreCorrupt):
        session.turn(lost)
    assert path(session, chat)[-1] == ids[4]
    assert path(session, chat)[0] == ids[0]
    assert [session.said(session.turn(id_)) for id_ in rest] == seen


def test_wiping_a_chat_takes_what_stands_beside_its_way_too(home: Home) -> None:
    session, chat, ids = grown(home)
    beside(session, ids[0], "canary")
    conversations.select(session, session.chats[chat], ids[0])
    assert conversations.destroy(session, session.chats[chat]) == 6
    for file in home.path.rglob("*"):
        assert not file.is_file() or b"canary" not in file.read_bytes(), file
    assert home.open().turns == {}
