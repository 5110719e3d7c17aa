"""Turns over the real socket: asked once, streamed, followed, stopped, kept."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.conftest import StartDaemon
from tests.fakes.scripts import hash_reply
from tests.harness import Daemon, ModelServer, configured

from chat_rpc import aio, errors, methods
from chat_rpc.client import TurnEvent


@pytest.fixture
async def client(chatd: Daemon) -> AsyncIterator[aio.Client]:
    async with aio.connect(chatd.socket) as client:
        yield client


def ask(prompt: str, *, model: str = "hash", key: str = "k", **more: object) -> methods.TurnStart:
    return methods.TurnStart(prompt=prompt, key=key, model=model, **more)  # type: ignore[arg-type]


async def whole(client: aio.Client, turn: str) -> tuple[str, methods.End]:
    """Follow a turn to its end; its events must come without gap."""
    text, last = "", 0
    async for event in client.events(turn):
        assert event.seq == last + 1
        last = event.seq
        if isinstance(event, methods.Delta):
            text += event.text
        elif isinstance(event, methods.End):
            return text, event
    raise AssertionError("no end came")


async def test_the_reply_is_streamed_and_kept(client: aio.Client, chatd: Daemon) -> None:
    started = await client.call(methods.START, ask("What is tmpfs?"))
    text, end = await whole(client, started.turn)
    assert text == hash_reply("What is tmpfs?")
    assert end.ending.state == "done"
    assert end.ending.finish == "stop"
    assert end.ending.usage is not None
    assert end.ending.usage.completion_tokens == len(text.split())
    kept = await client.call(methods.GET, methods.TurnGet(turn=started.turn))
    assert (kept.text, kept.prompt, kept.state, kept.seq) == (
        text,
        "What is tmpfs?",
        "done",
        end.seq,
    )
    session = next(chatd.store.glob("session_*"))
    assert (session / "responses" / f"{started.turn}.txt").read_text() == text
    assert (session / "prompts" / f"{started.turn}.txt").read_text() == "What is tmpfs?"


async def test_fifty_turns_at_once_are_never_mixed_up(client: aio.Client) -> None:
    async def one(number: int) -> None:
        prompt = f"question {number}"
        started = await client.call(methods.START, ask(prompt, key=f"k{number}"))
        text, _ = await whole(client, started.turn)
        assert text == hash_reply(prompt)

    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(one(number))


async def test_one_key_makes_one_turn(client: aio.Client, scripted: ModelServer) -> None:
    first = await client.call(methods.START, ask("once", wait=True))
    again = await client.call(methods.START, ask("once", wait=True))
    assert (again.turn, again.replayed, first.replayed) == (first.turn, True, False)
    assert again.reply == first.reply
    assert scripted.counts()["requests"] == 1


async def test_a_key_is_not_for_two_requests(client: aio.Client) -> None:
    await client.call(methods.START, ask("once", wait=True))
    with pytest.raises(errors.KeyReused):
        await client.call(methods.START, ask("twice", wait=True))


async def test_a_replayed_turn_is_told_from_its_beginning(client: aio.Client) -> None:
    started = await client.call(methods.START, ask("hello"))
    first = await whole(client, started.turn)
    await client.call(methods.START, ask("hello"))
    assert await whole(client, started.turn) == first


async def test_attach_tells_the_rest_and_no_more(client: aio.Client, chatd: Daemon) -> None:
    started = await client.call(methods.START, ask("hello"))
    text, end = await whole(client, started.turn)
    async with aio.connect(chatd.socket) as other:
        rest: list[TurnEvent] = []
        for after in range(end.seq):
            await other.call(methods.ATTACH, methods.TurnAttach(turn=started.turn, after=after))
            rest = [event async for event in other.events(started.turn)]
            assert [event.seq for event in rest] == list(range(after + 1, end.seq + 1))
        said = "".join(event.text for event in rest if isinstance(event, methods.Delta))
        assert text.endswith(said)


async def test_two_readers_hear_the_same(client: aio.Client, chatd: Daemon) -> None:
    started = await client.call(methods.START, ask("x", model="slow"))
    async with aio.connect(chatd.socket) as other:
        await other.call(methods.ATTACH, methods.TurnAttach(turn=started.turn))
        assert await whole(other, started.turn) == await whole(client, started.turn)


async def test_a_lost_connection_does_not_stop_the_turn(chatd: Daemon) -> None:
    async with aio.connect(chatd.socket) as client:
        started = await client.call(methods.START, ask("x", model="slow"))
    async with aio.connect(chatd.socket) as client:
        await client.call(methods.ATTACH, methods.TurnAttach(turn=started.turn))
        _, end = await whole(client, started.turn)
    assert end.ending.state == "done"


async def test_cancel_keeps_what_was_said_and_frees_the_slot(
    client: aio.Client, scripted: ModelServer
) -> None:
    started = await client.call(methods.START, ask("x", model="stall"))
    said = ""
    async for event in client.events(started.turn):
        if isinstance(event, methods.Delta):
            said += event.text
            cancelled = await client.call(methods.CANCEL, methods.TurnNamed(turn=started.turn))
            assert cancelled.cancelled
        elif isinstance(event, methods.End):
            assert event.ending.state == "cancelled"
            assert event.ending.error is not None
            assert event.ending.error.code == errors.Cancelled.code
    counts = await asyncio.to_thread(scripted.counts, open_streams=0)
    assert counts["disconnects_seen"] == 1
    kept = await client.call(methods.GET, methods.TurnGet(turn=started.turn))
    assert kept.text == said != ""
    again = await client.call(methods.CANCEL, methods.TurnNamed(turn=started.turn))
    assert not again.cancelled


async def test_a_turn_can_be_cancelled_in_the_moment_of_its_start(client: aio.Client) -> None:
    for number in range(20):
        started = await client.call(methods.START, ask("x", model="stall", key=f"k{number}"))
        await client.call(methods.CANCEL, methods.TurnNamed(turn=started.turn))
        _, end = await whole(client, started.turn)
        assert end.ending.state == "cancelled"


async def test_wait_is_one_blocking_call(client: aio.Client) -> None:
    started = await client.call(methods.START, ask("hello", wait=True))
    assert started.reply is not None
    assert started.reply.text == hash_reply("hello")


async def test_wait_raises_why_the_turn_failed_and_names_it(client: aio.Client) -> None:
    with pytest.raises(errors.CutOff) as failure:
        await client.call(methods.START, ask("x", model="nofinish", wait=True))
    assert failure.value.turn is not None
    kept = await client.call(methods.GET, methods.TurnGet(turn=failure.value.turn))
    assert kept.state == "failed"


async def test_a_chat_goes_on(client: aio.Client) -> None:
    first = await client.call(methods.START, ask("one", key="1", system="Be brief.", wait=True))
    second = await client.call(methods.START, ask("two", key="2", chat=first.chat[:6], wait=True))
    assert second.chat == first.chat
    chat = await client.call(methods.CHAT, methods.ChatGet(chat=first.chat))
    assert [turn.prompt for turn in chat.turns] == ["one", "two"]
    assert chat.title == "one"


async def test_the_model_is_shown_the_whole_chat(client: aio.Client, scripted: ModelServer) -> None:
    first = await client.call(methods.START, ask("one", key="1", system="Be brief.", wait=True))
    assert len(scripted.counts()["messages_seen"]) == 2  # type: ignore[arg-type]  # a list
    await client.call(methods.START, ask("two", key="2", chat=first.chat, wait=True))
    assert len(scripted.counts()["messages_seen"]) == 2 + 4  # type: ignore[arg-type]  # a list


async def test_thinking_is_told_apart_from_the_reply(client: aio.Client) -> None:
    started = await client.call(methods.START, ask("x", model="reasoning"))
    thoughts = ""
    text = ""
    async for event in client.events(started.turn):
        if isinstance(event, methods.Event) and event.kind == "think":
            thoughts += event.text or ""
        elif isinstance(event, methods.Delta):
            text += event.text
    assert thoughts
    assert text
    assert thoughts not in text


async def test_another_model_s_answer_is_marked(client: aio.Client) -> None:
    started = await client.call(methods.START, ask("x", model="wrong-model", wait=True))
    assert started.reply is not None
    assert started.reply.ending is not None
    assert started.reply.ending.mismatch
    assert started.reply.ending.model != "wrong-model"


async def test_characters_that_are_split_between_packets_arrive_whole(client: aio.Client) -> None:
    started = await client.call(methods.START, ask("x", model="split-utf8", wait=True))
    assert started.reply is not None
    assert "\ufffd" not in started.reply.text
    assert not started.reply.text.isascii()


async def test_chats_are_listed_in_pages_last_used_first(client: aio.Client) -> None:
    for number in range(7):
        await client.call(methods.START, ask(f"q{number}", key=f"k{number}", wait=True))
    titles: list[str] = []
    after: str | None = None
    while True:
        page = await client.call(methods.CHATS, methods.Page(limit=3, after=after))
        titles += [chat.title for chat in page.chats]
        after = page.next
        if after is None:
            break
    assert titles == [f"q{number}" for number in reversed(range(7))]


@pytest.mark.parametrize(
    ("method", "params", "error"),
    [
        (methods.GET, methods.TurnGet(turn="nope"), errors.NoSuchTurn),
        (methods.CANCEL, methods.TurnNamed(turn="nope"), errors.NoSuchTurn),
        (methods.ATTACH, methods.TurnAttach(turn="../../etc"), errors.NoSuchTurn),
        (methods.CHAT, methods.ChatGet(chat="nope"), errors.NoSuchChat),
        (methods.CHATS, methods.Page(limit=0), errors.InvalidParams),
        (methods.START, ask("", wait=True), errors.InvalidParams),
        (methods.START, ask("  \n", wait=True), errors.InvalidParams),
        (methods.START, ask("x", key="no spaces"), errors.InvalidParams),
        (methods.START, ask("x", chat="nope"), errors.NoSuchChat),
        (methods.START, ask("x", model="nope", wait=True), errors.NoSuchModel),
    ],
)
async def test_what_cannot_be_done_says_so(
    client: aio.Client,
    method: methods.Method[methods.Params, methods.Params],
    params: methods.Params,
    error: type[errors.RpcError],
) -> None:
    with pytest.raises(error):
        await client.call(method, params)


async def test_the_queue_tells_places_and_every_turn_gets_its_slot(
    start_daemon: StartDaemon, scripted: ModelServer
) -> None:
    daemon = start_daemon(configured(("narrow", scripted), slots=1))
    async with aio.connect(daemon.socket) as client:
        turns = [
            (await client.call(methods.START, ask(f"q{n}", key=f"k{n}", model="slow"))).turn
            for n in range(3)
        ]
        places = []
        async for event in client.events(turns[2]):
            if isinstance(event, methods.Event) and event.kind == "queued":
                places.append(event.place)
        assert places == [2, 1]
        for turn in turns[:2]:
            assert (await whole(client, turn))[1].ending.state == "done"


async def test_who_waits_in_the_queue_can_be_cancelled(
    start_daemon: StartDaemon, scripted: ModelServer
) -> None:
    daemon = start_daemon(configured(("narrow", scripted), slots=1))
    async with aio.connect(daemon.socket) as client:
        stalled, queued, last = [
            (await client.call(methods.START, ask(f"q{n}", key=f"k{n}", model=model))).turn
            for n, model in enumerate(("stall", "hash", "hash"))
        ]
        await client.call(methods.CANCEL, methods.TurnNamed(turn=queued))
        assert (await whole(client, queued))[1].ending.state == "cancelled"
        await client.call(methods.CANCEL, methods.TurnNamed(turn=stalled))
        assert (await whole(client, last))[0] == hash_reply("q2")
