"""Files that are sent with a question: taken in parts, shown to the model, gone with their chat."""

import base64
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.conftest import StartDaemon
from tests.harness import Daemon, ModelServer, configured
from tests.homes import Home, say

from chat_rpc import aio, errors, methods
from chatd.chats import compaction, context, conversations, request, sent, turns
from chatd.chats.session import Session
from chatd.chats.turns import digest_of

BOUNDS = sent.Bounds(2**20, 2**22)
PIXEL = b"\x89PNG\r\n\x1a\nno real picture\x00\xff"


@pytest.fixture
async def client(chatd: Daemon) -> AsyncIterator[aio.Client]:
    async with aio.connect(chatd.socket) as client:
        yield client


@pytest.fixture
def home(ram: Path) -> Iterator[Home]:
    home = Home(ram)
    yield home
    home.close()


def part(data: bytes, **how: object) -> methods.FileAdd:
    told = {"data": base64.b64encode(data).decode(), **how}
    return methods.FileAdd(**told)  # type: ignore[arg-type]  # passed through


async def send(client: aio.Client, data: bytes, **how: object) -> str:
    return (await client.call(methods.FILE, part(data, **how))).file


async def ask(client: aio.Client, prompt: str = "", **how: object) -> methods.Turn:
    """Have a whole turn."""
    asked = {"prompt": prompt, "key": os.urandom(8).hex(), "model": "hash", "wait": True, **how}
    started = await client.call(methods.START, methods.TurnStart(**asked))  # type: ignore[arg-type]  # passed through
    assert started.reply is not None
    return started.reply


def shown(server: ModelServer) -> str:
    """Return the hash of what the server was shown last."""
    seen = server.counts()["messages_seen"]
    assert isinstance(seen, list)
    return seen[-1]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# -- over the socket -------------------------------------------------------------------------------


async def test_a_text_stands_after_prompt_and_data_in_a_fence_with_its_name(
    client: aio.Client, scripted: ModelServer
) -> None:
    file = await send(client, "né\n".encode(), name="a b\nc.txt")
    turn = await ask(client, "What is it?", data="a list", files=[file])
    text = "What is it?\n\na list\n\na b c.txt:\n```\nné\n```"
    assert shown(scripted) == sha256(text)
    assert turn.files == [
        methods.File(file=file, name="a b\nc.txt", media="text/plain", size_bytes=4)
    ]
    exported = await client.call(methods.EXPORT, methods.ChatNamed(chat=turn.chat))
    assert exported.messages[0].content == text


async def test_no_fence_in_a_file_closes_its_own(client: aio.Client, scripted: ModelServer) -> None:
    file = await send(client, b"```\ncode\n````\n", name="a.md")
    await ask(client, "x", files=[file])
    assert shown(scripted) == sha256("x\n\na.md:\n`````\n```\ncode\n````\n`````")


async def test_an_image_is_shown_as_an_image(client: aio.Client, scripted: ModelServer) -> None:
    file = await send(client, PIXEL, name="dot.png", media="image/png")
    turn = await ask(client, "What is it?", files=[file])
    assert shown(scripted) == sha256("What is it?\n\n[image: dot.png]")
    address = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"
    assert scripted.counts()["images_seen"] == [sha256(address)]
    await ask(client, "And now?", chat=turn.chat)
    assert scripted.counts()["images_seen"] == [sha256(address)] * 2
    exported = await client.call(methods.EXPORT, methods.ChatNamed(chat=turn.chat))
    assert exported.messages[0].content == "What is it?\n\n[image: dot.png]"


async def test_a_file_alone_is_a_question_and_names_its_chat(client: aio.Client) -> None:
    turn = await ask(client, files=[await send(client, b"hello", name="stdin")])
    assert turn.state == "done"
    page = await client.call(methods.CHATS, methods.Page())
    assert [chat.title for chat in page.chats] == ["stdin"]


async def test_asked_again_its_files_are_sent_again_and_edited_they_are_not(
    client: aio.Client,
) -> None:
    turn = await ask(client, "x", files=[await send(client, b"hello")])
    assert (await ask(client, instead_of=turn.turn)).files == turn.files
    assert (await ask(client, "y", instead_of=turn.turn)).files == []
    file = turn.files[0].file
    assert (await ask(client, "y", instead_of=turn.turn, files=[file])).files == turn.files


async def test_a_file_comes_in_parts_and_a_character_may_be_in_two(
    client: aio.Client, scripted: ModelServer
) -> None:
    whole = "aé日" * 1000
    data = whole.encode()
    file = await send(client, data[:2], done=False)
    with pytest.raises(errors.InvalidParams, match="not whole yet"):
        await ask(client, "x", files=[file])
    for begin in range(2, len(data), 1000):
        more = part(data[begin : begin + 1000], file=file, done=False)
        await client.call(methods.FILE, more)
    added = await client.call(methods.FILE, part(b"", file=file))
    assert added.size_bytes == len(data)
    with pytest.raises(errors.InvalidParams, match="whole already"):
        await client.call(methods.FILE, part(b"more", file=file))
    await ask(client, files=[file])
    assert shown(scripted) == sha256(f"file:\n```\n{whole}\n```")


async def test_what_cannot_be_used_is_refused_and_leaves_nothing(
    start_daemon: StartDaemon,
) -> None:
    daemon = start_daemon("[finding]\nenabled = false\n[limits]\nfile_bytes = 10000\n")
    async with aio.connect(daemon.socket) as client:
        limits = await client.call(methods.LIMITS, methods.Nothing())
        assert (limits.file_bytes, limits.file_part_bytes) == (10_000, 2 * 2**20)
        assert limits.files_per_turn == 64
        for params, word in (
            (part(b"a\xffb"), r"UTF-8 \(byte 1\)"),
            (part(b"x", media="application/pdf"), "only text"),
            (part(b"x" * 10_001), "larger than"),
            (methods.FileAdd(data="no base64!"), "base64"),
            (methods.FileAdd(data="A" * 2_800_000), "a part has"),
        ):
            with pytest.raises(errors.InvalidParams, match=word):
                await client.call(methods.FILE, params)
        file = await send(client, b"x" * 6000, done=False)
        with pytest.raises(errors.InvalidParams, match="larger than"):
            await client.call(methods.FILE, part(b"x" * 6000, file=file))
        with pytest.raises(errors.NotSent):
            await client.call(methods.FILE, part(b"x", file=file))
        with pytest.raises(errors.NotSent):
            await ask(client, "x", files=[file])
    assert list(daemon.store.glob("session_*/files/*")) == []


async def test_a_whole_file_outlives_a_kill_and_one_that_still_came_does_not(
    chatd: Daemon, scripted: ModelServer
) -> None:
    async with aio.connect(chatd.socket) as client:
        whole = await send(client, b"hello")
        coming = await send(client, b"canary", done=False)
    chatd.kill()
    chatd.start()
    assert [path.stem for path in chatd.store.glob("session_*/files/*")] == [whole]
    async with aio.connect(chatd.socket) as client:
        with pytest.raises(errors.NotSent):
            await client.call(methods.FILE, part(b"more", file=coming))
        turn = await ask(client, "x", files=[whole])
    chatd.kill()
    chatd.start()
    async with aio.connect(chatd.socket) as client:
        await ask(client, "y", chat=turn.chat)
        again = (await client.call(methods.CHAT, methods.ChatGet(chat=turn.chat))).turns[0]
        assert again == turn
    seen = scripted.counts()["messages_seen"]
    assert isinstance(seen, list)
    assert seen.count(sha256("x\n\nfile:\n```\nhello\n```")) == 2


async def test_a_turn_that_a_kill_cut_short_is_asked_again_with_its_files(
    chatd: Daemon, scripted: ModelServer
) -> None:
    async with aio.connect(chatd.socket) as client:
        file = await send(client, PIXEL, media="image/png")
        asked = methods.TurnStart(prompt="x", key="k", model="stall", files=[file])
        started = await client.call(methods.START, asked)
        async for event in client.events(started.turn):
            if isinstance(event, methods.Delta):
                break
    chatd.kill()
    chatd.start()
    scripted.counts(requests=2)
    async with aio.connect(chatd.socket) as client:
        await client.call(methods.CANCEL, methods.TurnNamed(turn=started.turn))
    seen = scripted.counts()["images_seen"]
    assert isinstance(seen, list)
    assert len(seen) == 2
    assert len(set(seen)) == 1


async def test_wipe_destroys_the_files_of_a_chat_and_all_that_lie_unused(
    client: aio.Client, chatd: Daemon
) -> None:
    def canaries() -> int:
        return sum(
            b"canary" in path.read_bytes() for path in chatd.store.rglob("*") if path.is_file()
        )

    turn = await ask(client, "x", files=[await send(client, b"canary one")])
    await send(client, b"canary two")
    await send(client, b"canary three", done=False)
    assert canaries() > 2
    await client.call(methods.WIPE, methods.Wipe(chat=turn.chat))
    assert canaries() == 2
    await client.call(methods.WIPE, methods.Wipe(all=True))
    assert canaries() == 0


async def test_the_demo_is_not_asked_about_files(
    start_daemon: StartDaemon,
) -> None:
    daemon = start_daemon()
    async with aio.connect(daemon.socket) as client:
        file = await send(client, b"hello")
        with pytest.raises(errors.DemoDeclined, match="files"):
            await ask(client, "What is tmpfs?", files=[file], model="demo")


async def test_a_share_is_filled_by_files_too_and_they_are_refused_ahead_of_time(
    start_daemon: StartDaemon, scripted: ModelServer
) -> None:
    daemon = start_daemon(configured(("scripted", scripted), extra="[store]\nbytes = 8388608"))
    async with aio.connect(daemon.socket) as client:
        before = (await client.call(methods.STATUS, methods.Nothing())).store.used_bytes
        files = []
        with pytest.raises(errors.StoreFull):
            for _ in range(20):
                files.append(await send(client, b"x" * 2**20))
        used = (await client.call(methods.STATUS, methods.Nothing())).store.used_bytes
        assert before + len(files) * 2**20 <= used <= before + len(files) * (2**20 + 8192)
        turn = await ask(client, "x", data="y" * 1000)
        await client.call(methods.WIPE, methods.Wipe(chat=turn.chat))


# -- in the store ----------------------------------------------------------------------------------


def say_with(session: Session, prompt: str, files: list[str], chat: str | None = None) -> str:
    """Make a whole turn with files; returns its id."""
    params = methods.TurnStart(prompt=prompt, key=f"f-{prompt}", files=files, chat=chat)
    turn = session.begin(params, digest_of(params))
    session.add_event(turn, "attempt", n=1, model="m", backend="b")
    session.add_text(turn, "reply")
    session.end(turn, methods.Ending(state="done", finish="stop", model="m"))
    return turn.id


def files(home: Home) -> int:
    return len(list(home.path.glob("session_1000/files/*")))


def counted(session: Session) -> tuple[int, int]:
    return session.files.used_bytes, session.files.used_files


def test_a_file_of_two_chats_goes_with_the_second(home: Home) -> None:
    session = home.open()
    file = sent.add(session, part(b"canary"), BOUNDS).file.file
    first = session.turn(say_with(session, "one", [file]))
    copy = conversations.fork(session, session.chats[first.chat], None)
    assert session.view(session.turn(copy.turns[0])).files == session.view(first).files
    conversations.destroy(session, session.chats[first.chat])
    session = home.open()
    assert session.content(file) == b"canary"
    conversations.destroy(session, session.chats[copy.id])
    assert files(home) == 0
    assert session.sent == {}


def test_a_file_that_nobody_uses_goes_after_an_hour_also_after_a_death(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = home.open()
    used = sent.add(session, part(b"used"), BOUNDS).file.file
    sent.add(session, part(b"unused"), BOUNDS)
    say_with(session, "one", [used])
    empty = counted(session)
    assert sent.unused(session, for_s=sent.UNUSED_S) == []
    session = home.open()
    assert counted(session) == empty
    later = turns.boot_s() + sent.UNUSED_S + 1
    monkeypatch.setattr(sent, "boot_s", lambda: later)
    sent.drop(session, sent.unused(session, for_s=sent.UNUSED_S))
    assert files(home) == 1
    assert session.content(used) == b"used"


def test_a_damaged_note_costs_an_unused_file_and_no_other(home: Home) -> None:
    session = home.open()
    used = sent.add(session, part(b"used"), BOUNDS).file.file
    sent.add(session, part(b"unused"), BOUNDS)
    turn = say_with(session, "one", [used])
    seen = context.messages(session, session.turn(turn))
    home.close()
    for path in home.path.glob("session_1000/files/*"):
        path.write_bytes(path.read_bytes()[:-3] + b"\xff\xff\xff")
    session = home.open()
    assert context.messages(session, session.turn(turn)) == seen
    assert [each.file.size_bytes for each in sent.unused(session, for_s=sent.UNUSED_S)] == [0]


def test_a_file_that_is_lost_fails_what_needs_it_and_nothing_else(home: Home) -> None:
    session = home.open()
    file = sent.add(session, part(b"lost"), BOUNDS).file.file
    turn = session.turn(say_with(session, "one", [file]))
    other = session.turn(say(session, "two", ["reply"]))
    for path in home.path.glob("session_1000/files/*"):
        path.unlink()
    session = home.open()
    with pytest.raises(errors.StoreCorrupt):
        context.messages(session, session.turn(turn.id))
    assert context.messages(session, session.turn(other.id))[0]["content"] == "two"
    conversations.destroy(session, session.chats[turn.chat])


def test_compaction_leaves_the_files_where_they_are(home: Home) -> None:
    session = home.open()
    file = sent.add(session, part(b"hello"), BOUNDS).file.file
    turn = session.turn(say_with(session, "one", [file]))
    before = session.view(turn)
    compaction.pack_turn(session, turn)
    assert session.view(turn) == before
    session = home.open()
    assert session.view(session.turn(turn.id)) == before
    assert session.content(file) == b"hello"


def test_an_image_counts_in_the_context_by_what_it_costs_and_not_by_its_bytes(home: Home) -> None:
    session = home.open()
    picture = part(secrets.token_bytes(500_000), media="image/jpeg")
    first = say_with(session, "one", [sent.add(session, picture, BOUNDS).file.file])
    chat = session.turn(first).chat
    second = session.turn(say(session, "two", ["x"], chat))
    messages = context.messages(session, second)
    assert context.fit(messages, 4096)[1] == 0
    assert context.fit(messages, 1024)[1] == 1
    assert len(context.snapshot("m", messages, 0)) < 1000, "the snapshot names it by its id"


def test_a_file_that_is_named_again_and_again_fills_no_heap(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (context, request):
        monkeypatch.setattr(module, "FILES_BYTES", 25_000)
    session = home.open()
    file = sent.add(session, part(b"x" * 10_000, name="a.txt"), BOUNDS).file.file
    with pytest.raises(errors.InvalidParams, match="together"):
        say_with(session, "too much", [file] * 3)
    last = say_with(session, "0", [file])
    chat = session.turn(last).chat
    for number in range(1, 9):
        last = say_with(session, str(number), [file], chat)
    shown = [m["content"] for m in context.messages(session, session.turn(last))[::2]]
    assert shown[:7] == [f"{number}\n\n[file, shown before: a.txt]" for number in range(7)]
    assert all("x" * 10_000 in content for content in shown[7:])


def test_what_was_refused_or_destroyed_leaves_the_count_as_it_was(home: Home) -> None:
    session = home.open()
    before = counted(session)
    with pytest.raises(errors.InvalidParams):
        sent.add(session, part(b"\xff" * 5000), BOUNDS)
    assert counted(session) == before
    sent.add(session, part(b"x" * 5000), BOUNDS)
    coming = sent.add(session, part(b"x" * 5000, done=False), BOUNDS)
    sent.add(session, part(b"x" * 5000, file=coming.file.file, done=False), BOUNDS)
    assert counted(session)[1] == before[1] + 2
    sent.drop(session, sent.unused(session))
    assert counted(session) == before
