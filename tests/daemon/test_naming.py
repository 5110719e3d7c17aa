"""Which chat a question belongs to: named by title or id, made by name, or the last one used."""

import os
from collections.abc import AsyncIterator

import pytest
from tests.harness import Daemon

from chat_rpc import aio, errors, methods


@pytest.fixture
async def client(chatd: Daemon) -> AsyncIterator[aio.Client]:
    async with aio.connect(chatd.socket) as client:
        yield client


async def ask(client: aio.Client, prompt: str, **how: object) -> str:
    """Have a whole turn; returns its chat."""
    key = os.urandom(8).hex()
    asked = {"prompt": prompt, "key": key, "model": "hash", "wait": True, **how}
    started = await client.call(methods.START, methods.TurnStart(**asked))  # type: ignore[arg-type]  # passed through
    return started.chat


async def lines(client: aio.Client, *, deleted: bool = False) -> dict[str, str]:
    page = await client.call(methods.CHATS, methods.Page(deleted=deleted))
    return {chat.title: chat.chat for chat in page.chats}


async def test_a_chat_is_named_by_its_title_its_id_or_a_beginning_of_that(
    client: aio.Client,
) -> None:
    chat = await ask(client, "What is tmpfs?")
    for name in (chat, chat[:4], "What is tmpfs?"):
        got = await client.call(methods.CHAT, methods.ChatGet(chat=name))
        assert got.chat == chat
        assert await ask(client, "more", chat=name) == chat
    for name in ("What is", "what is tmpfs?", "What is tmpfs? "):
        with pytest.raises(errors.NoSuchChat):
            await client.call(methods.CHAT, methods.ChatGet(chat=name))


async def test_a_title_goes_before_the_beginning_of_an_id(client: aio.Client) -> None:
    first = await ask(client, "one")
    second = await ask(client, "two")
    await client.call(methods.RENAME, methods.Rename(chat=second, title=first[:3]))
    assert (await client.call(methods.CHAT, methods.ChatGet(chat=first[:3]))).chat == second
    await client.call(methods.RENAME, methods.Rename(chat=second, title=first))
    assert (await client.call(methods.CHAT, methods.ChatGet(chat=first))).chat == first


async def test_a_name_that_means_several_chats_is_refused_with_their_ids_and_no_title(
    client: aio.Client,
) -> None:
    chats = [await ask(client, "canary"), await ask(client, "canary")]
    for params in (methods.ChatGet(chat="canary"), methods.Wipe(chat="canary")):
        method = methods.CHAT if isinstance(params, methods.ChatGet) else methods.WIPE
        with pytest.raises(errors.NoSuchChat) as caught:
            await client.call(method, params)  # type: ignore[misc]  # of two methods
        assert all(chat in caught.value.message for chat in chats)
        assert "canary" not in caught.value.message
    with pytest.raises(errors.NoSuchChat):
        await ask(client, "more", name="canary")


async def test_a_name_makes_a_chat_once_and_goes_on_with_it_after_a_kill(chatd: Daemon) -> None:
    async with aio.connect(chatd.socket) as client:
        chat = await ask(client, "one", name="essay")
        assert await ask(client, "two", name="essay") == chat
        assert await lines(client) == {"essay": chat}
    chatd.kill()
    chatd.start()
    async with aio.connect(chatd.socket) as client:
        assert await ask(client, "three", name="essay") == chat
        assert await ask(client, "four", name=chat) == chat
        assert await ask(client, "five", name=chat[:3]) != chat


async def test_a_deleted_chat_has_no_name_any_more_and_gets_it_back(client: aio.Client) -> None:
    old = await ask(client, "one", name="essay")
    await client.call(methods.DELETE, methods.ChatNamed(chat="essay"))
    assert await lines(client) == {}
    assert await lines(client, deleted=True) == {"essay": old}
    new = await ask(client, "two", name="essay")
    assert new != old
    await client.call(methods.UNDELETE, methods.ChatNamed(chat="essay"))
    assert await lines(client, deleted=True) == {}
    with pytest.raises(errors.NoSuchChat):
        await client.call(methods.CHAT, methods.ChatGet(chat="essay"))


async def test_the_list_of_deleted_chats_comes_in_pages_too(client: aio.Client) -> None:
    chats = {await ask(client, f"q{number}") for number in range(3)}
    for chat in chats:
        await client.call(methods.DELETE, methods.ChatNamed(chat=chat))
    seen: set[str] = set()
    after = None
    for _ in range(3):
        params = methods.Page(limit=1, after=after, deleted=True)
        page = await client.call(methods.CHATS, params)
        seen.add(page.chats[0].chat)
        after = page.next
    assert seen == chats
    assert after is None


async def test_the_last_chat_of_a_terminal_is_its_own_and_survives_a_kill(chatd: Daemon) -> None:
    async with aio.connect(chatd.socket) as client:
        here = await ask(client, "one", terminal="10.5")
        there = await ask(client, "two", terminal="11.6")
        nowhere = await ask(client, "three")
    chatd.kill()
    chatd.start()
    async with aio.connect(chatd.socket) as client:
        assert await ask(client, "more", last="anywhere") == nowhere
        assert await ask(client, "more", last="terminal", terminal="10.5") == here
        assert await ask(client, "more", last="terminal", terminal="11.6") == there
        assert await ask(client, "more", chat=there, terminal="10.5") == there
        assert await ask(client, "more", last="terminal", terminal="10.5") == there
        await client.call(methods.DELETE, methods.ChatNamed(chat=there))
        assert await ask(client, "more", last="terminal", terminal="10.5") == here
        assert await ask(client, "more", last="anywhere") == here


async def test_without_a_last_chat_there_is_a_word_of_what_to_do(client: aio.Client) -> None:
    with pytest.raises(errors.NoSuchChat, match="begins one"):
        await ask(client, "x", last="anywhere")
    await ask(client, "one", terminal="10.5")
    with pytest.raises(errors.NoSuchChat, match="-C NAME"):
        await ask(client, "x", last="terminal", terminal="10.6")
    with pytest.raises(errors.InvalidParams, match="terminal"):
        await ask(client, "x", last="terminal")
    assert list(await lines(client)) == ["one"]


@pytest.mark.parametrize(
    "ways",
    [
        {"chat": "a", "name": "b"},
        {"chat": "a", "last": "anywhere"},
        {"name": "a", "last": "terminal", "terminal": "1.1"},
    ],
)
async def test_two_ways_to_say_which_chat_are_one_too_many(
    client: aio.Client, ways: dict[str, str]
) -> None:
    with pytest.raises(errors.InvalidParams, match="give one of them"):
        await ask(client, "x", **ways)


async def test_a_page_of_a_terminal_s_chats_cannot_begin_after_another_s(
    client: aio.Client,
) -> None:
    await ask(client, "one", terminal="10.5")
    other = await ask(client, "two", terminal="10.6")
    with pytest.raises(errors.NoSuchChat):
        await client.call(methods.CHATS, methods.Page(terminal="10.5", after=other))
