"""Whole conversations over the socket: renamed, kept, deleted, forked, searched, wiped."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.conftest import StartDaemon, StartServer
from tests.fakes.gguf_models import write_counter
from tests.fakes.scripts import hash_reply
from tests.harness import Daemon, configured, free_port

from chat_rpc import aio, errors, methods
from chat_rpc.methods import Said


@pytest.fixture
async def client(chatd: Daemon) -> AsyncIterator[aio.Client]:
    async with aio.connect(chatd.socket) as client:
        yield client


async def say(
    client: aio.Client, prompt: str, chat: str | None = None, system: str | None = None
) -> str:
    """Have a whole turn; returns its chat."""
    asked = methods.TurnStart(
        prompt=prompt, key=os.urandom(8).hex(), model="hash", chat=chat, system=system, wait=True
    )
    return (await client.call(methods.START, asked)).chat


async def titles(client: aio.Client) -> list[str]:
    return [chat.title for chat in (await client.call(methods.CHATS, methods.Page())).chats]


async def test_a_chat_gets_another_title_and_keeps_it(client: aio.Client, chatd: Daemon) -> None:
    chat = await say(client, "one")
    changed = await client.call(methods.RENAME, methods.Rename(chat=chat[:5], title="Better"))
    assert changed.chat.title == "Better"
    chatd.kill()
    chatd.start()
    async with aio.connect(chatd.socket) as again:
        assert await titles(again) == ["Better"]


async def test_a_deleted_chat_is_gone_until_it_is_brought_back(client: aio.Client) -> None:
    chat = await say(client, "one")
    turn = (await client.call(methods.CHAT, methods.ChatGet(chat=chat))).turns[0].turn
    await client.call(methods.DELETE, methods.ChatNamed(chat=chat))
    assert await titles(client) == []
    with pytest.raises(errors.NoSuchChat):
        await client.call(methods.CHAT, methods.ChatGet(chat=chat))
    with pytest.raises(errors.NoSuchTurn):
        await client.call(methods.GET, methods.TurnGet(turn=turn))
    await client.call(methods.UNDELETE, methods.ChatNamed(chat=chat))
    assert await titles(client) == ["one"]


async def test_a_fork_goes_its_own_way(client: aio.Client) -> None:
    chat = await say(client, "one")
    await say(client, "two", chat)
    first = (await client.call(methods.CHAT, methods.ChatGet(chat=chat))).turns[0]
    forked = await client.call(methods.FORK, methods.Fork(chat=chat, turn=first.turn))
    await say(client, "other", forked.chat.chat)
    copy = await client.call(methods.CHAT, methods.ChatGet(chat=forked.chat.chat))
    assert [(turn.prompt, turn.text) for turn in copy.turns] == [
        ("one", hash_reply("one")),
        ("other", hash_reply("other")),
    ]
    original = await client.call(methods.CHAT, methods.ChatGet(chat=chat))
    assert [turn.prompt for turn in original.turns] == ["one", "two"]


async def test_what_is_exported_can_be_imported(client: aio.Client, chatd: Daemon) -> None:
    chat = await say(client, "one", system="Be brief.")
    await say(client, "two", chat)
    exported = await client.call(methods.EXPORT, methods.ChatNamed(chat=chat))
    assert [said.role for said in exported.messages] == [
        "system", "user", "assistant", "user", "assistant",
    ]  # fmt: skip
    imported = await client.call(
        methods.IMPORT, methods.Import(title="Back", messages=exported.messages)
    )
    again = await client.call(methods.EXPORT, methods.ChatNamed(chat=imported.chat.chat))
    assert again.messages == exported.messages
    chatd.kill()
    chatd.start()
    async with aio.connect(chatd.socket) as other:
        named = methods.ChatNamed(chat=imported.chat.chat)
        assert (await other.call(methods.EXPORT, named)).messages == exported.messages


async def test_each_system_prompt_is_exported_where_it_changed(client: aio.Client) -> None:
    chat = await say(client, "one")
    for prompt, system in (("two", "Be brief."), ("three", None), ("four", "Be long.")):
        await say(client, prompt, chat, system)
    exported = await client.call(methods.EXPORT, methods.ChatNamed(chat=chat))
    said = [said.content for said in exported.messages if said.role != "assistant"]
    assert said == ["one", "Be brief.", "two", "three", "Be long.", "four"]
    imported = await client.call(methods.IMPORT, methods.Import(messages=exported.messages))
    again = await client.call(methods.EXPORT, methods.ChatNamed(chat=imported.chat.chat))
    assert again.messages == exported.messages


@pytest.mark.parametrize(
    "said",
    [
        [Said("assistant", "x")],
        [Said("user", "x")],
        [Said("user", "x"), Said("user", "y")],
        [Said("user", "x"), Said("assistant", "y"), Said("user", "z")],
        [Said("user", "x"), Said("system", "y"), Said("assistant", "z")],
    ],
)
async def test_messages_that_do_not_take_turns_are_refused(
    client: aio.Client, said: list[Said]
) -> None:
    with pytest.raises(errors.InvalidParams):
        await client.call(methods.IMPORT, methods.Import(messages=said))
    assert await titles(client) == []


async def test_words_are_found_in_prompts_and_replies(client: aio.Client) -> None:
    chat = await say(client, "What about Fjords?")
    await say(client, "other")
    found = (await client.call(methods.SEARCH, methods.Search(words="fjORDS"))).found
    assert [(hit.chat, "Fjords" in hit.text) for hit in found] == [(chat, True)]
    reply = hash_reply("other").split()[2]
    found = (await client.call(methods.SEARCH, methods.Search(words=reply))).found
    assert [hit.title for hit in found] == ["other"]
    assert (await client.call(methods.SEARCH, methods.Search(words="nowhere"))).found == []


async def test_a_kept_chat_ends_later(client: aio.Client) -> None:
    chat = await say(client, "one")
    before = (await client.call(methods.CHATS, methods.Page())).chats[0].ends
    kept = await client.call(methods.KEEP, methods.Keep(chat=chat, lifetime_s=7 * 86400))
    assert 5 * 86400 < kept.chat.ends - before < 7 * 86400


async def test_wipe_destroys_at_once_and_tells_what_it_cannot_reach(
    client: aio.Client, chatd: Daemon
) -> None:
    chat = await say(client, "canary-one")
    await say(client, "two")
    started = await client.call(
        methods.START,
        methods.TurnStart(prompt="canary-running", key="r", model="stall", chat=chat),
    )
    wiped = await client.call(methods.WIPE, methods.Wipe(chat=chat))
    assert (wiped.chats, wiped.turns) == (1, 2)
    assert wiped.not_reached == ["the memory of the model server scripted"]
    assert await titles(client) == ["two"]
    with pytest.raises(errors.NoSuchTurn):
        await client.call(methods.GET, methods.TurnGet(turn=started.turn))
    for path in chatd.store.rglob("*"):
        assert not path.is_file() or b"canary" not in path.read_bytes(), path
    everything = await client.call(methods.WIPE, methods.Wipe(all=True))
    assert everything.chats == 1
    assert await titles(client) == []
    for params in (methods.Wipe(), methods.Wipe(chat=chat, all=True)):
        with pytest.raises(errors.InvalidParams):
            await client.call(methods.WIPE, params)


async def test_wipe_names_every_server_that_was_asked_and_not_the_last_alone(
    start_daemon: StartDaemon, start_server: StartServer
) -> None:
    servers = [start_server("--models", model) for model in ("stall", "hash")]
    daemon = start_daemon(configured(("one", servers[0]), ("two", servers[1])))
    async with aio.connect(daemon.socket) as client:
        asked = methods.TurnStart(prompt="x", key="k")
        started = await client.call(methods.START, asked)
        async for event in client.events(started.turn):
            if isinstance(event, methods.Delta):
                break
        daemon.kill()
        daemon.config = configured(("two", servers[1]))
        daemon.start()
    async with aio.connect(daemon.socket) as client:
        asked = methods.TurnStart(prompt="x", key="k", wait=True)
        assert (await client.call(methods.START, asked)).replayed
        wiped = await client.call(methods.WIPE, methods.Wipe(all=True))
    memory = "the memory of the model server"
    assert wiped.not_reached == [f"{memory} one", f"{memory} two"]


async def test_who_watches_a_chat_hears_what_others_say_in_it(
    client: aio.Client, chatd: Daemon
) -> None:
    chat = await say(client, "one")
    async with aio.connect(chatd.socket) as other:
        snapshot = (await other.call(methods.WATCH, methods.Watch(chat=chat))).chat
        assert snapshot is not None
        assert [turn.prompt for turn in snapshot.turns] == ["one"]
        await say(client, "two", chat)
        turn = (await client.call(methods.CHAT, methods.ChatGet(chat=chat))).turns[1]
        async with asyncio.timeout(10):
            text = ""
            async for event in other.events(turn.turn):
                if isinstance(event, methods.Delta):
                    text += event.text
        assert text == turn.text == hash_reply("two")


async def test_a_long_chat_is_cut_to_the_context_and_says_so(
    start_daemon: StartDaemon, start_server: StartServer, tmp_path: Path
) -> None:
    counter = tmp_path / "counter.gguf"
    write_counter(counter, 3)
    server = start_server(str(counter), "--port", str(free_port()), module="llama_server")
    daemon = start_daemon(configured(("llama", server)))
    async with aio.connect(daemon.socket) as client:
        asked = methods.TurnStart(prompt="0 " + "word " * 400, key="k0", wait=True)
        started = await client.call(methods.START, asked)
        for number in range(1, 4):
            asked = methods.TurnStart(
                prompt=f"{number} " + "word " * 400, key=f"k{number}", chat=started.chat, wait=True
            )
            started = await client.call(methods.START, asked)
        assert started.reply is not None
        assert started.reply.ending is not None
        assert started.reply.ending.dropped_turns > 0
        whole = await client.call(methods.CHAT, methods.ChatGet(chat=started.chat))
        assert len(whole.turns) == 4
    snapshot = json.loads(next(daemon.store.glob("session_*/context/*.json")).read_text())
    assert snapshot["dropped_turns"] == started.reply.ending.dropped_turns
    assert snapshot["messages"][-1]["content"].startswith("3 word")
