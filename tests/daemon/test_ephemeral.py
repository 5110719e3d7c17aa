"""Ephemeral questions: answered like any other, and then there is nothing of them."""

import asyncio
import base64
import os
import signal
from contextlib import nullcontext
from pathlib import Path

import pytest
from tests.conftest import StartDaemon
from tests.fakes.scripts import REASONING, hash_reply
from tests.harness import Daemon, ModelServer, configured, wait_for
from tests.homes import Home
from tests.raw import connected, ping

from chat_rpc import aio, errors, methods, wire
from chatd.chats import ephemeral

LONG = 300_000  # bytes: more than the heap holds of a reply


def asked(prompt: str = "canary", model: str = "hash", **how: object) -> methods.TurnStart:
    told = {"prompt": prompt, "key": os.urandom(8).hex(), "model": model, "ephemeral": True, **how}
    return methods.TurnStart(**told)  # type: ignore[arg-type]  # passed through


def canaries(daemon: Daemon) -> list[Path]:
    files = [path for path in daemon.store.rglob("*") if path.is_file()]
    words = (b"canary", hash_reply("canary").encode())
    return [path for path in files if any(word in path.read_bytes() for word in words)]


def nameless(daemon: Daemon) -> list[str]:
    """Return the files without a name that the daemon has open in its store."""
    names = [os.readlink(each) for each in Path(f"/proc/{daemon.pid}/fd").iterdir()]
    return [name for name in names if name.startswith(str(daemon.store)) and "(deleted)" in name]


async def first_delta(client: aio.Client, turn: str) -> None:
    async for event in client.events(turn):
        if isinstance(event, methods.Delta):
            return


async def test_it_is_told_like_any_other_and_is_nowhere(chatd: Daemon) -> None:
    async with aio.connect(chatd.socket) as client:
        started = await client.call(methods.START, asked())
        events = [event async for event in client.events(started.turn)]
        text = "".join(event.text for event in events if isinstance(event, methods.Delta))
        assert text == hash_reply("canary")
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert isinstance(events[-1], methods.End)
        assert events[-1].ending.state == "done"
        assert (await client.call(methods.CHATS, methods.Page())).chats == []
        assert (await client.call(methods.PROMPTS, methods.Recent())).prompts == []
        assert (await client.call(methods.SEARCH, methods.Search(words="canary"))).found == []
        assert (await client.call(methods.STATUS, methods.Nothing())).turns == 0
        for method, params in (
            (methods.GET, methods.TurnGet(turn=started.turn)),
            (methods.ATTACH, methods.TurnAttach(turn=started.turn)),
        ):
            with pytest.raises(errors.NoSuchTurn):
                await client.call(method, params)  # type: ignore[misc]  # of two methods
        with pytest.raises(errors.NoSuchChat):
            await client.call(methods.CHAT, methods.ChatGet(chat=started.chat))
    assert canaries(chatd) == []
    assert nameless(chatd) == []


async def test_with_wait_it_is_answered_whole(chatd: Daemon) -> None:
    async with aio.connect(chatd.socket) as client:
        params = asked(model="reasoning", system="Be brief.", wait=True)
        reply = (await client.call(methods.START, params)).reply
        assert reply is not None
        assert (reply.text, reply.thought) == (hash_reply("canary"), REASONING)
        with pytest.raises(errors.CutOff):
            await client.call(methods.START, asked(model="length", wait=True))
    assert canaries(chatd) == []
    assert nameless(chatd) == []


def test_however_long_it_is_no_file_with_a_name_has_a_word_of_it(ram: Path) -> None:
    home = Home(ram)
    user = home.open()
    before = user.files.used_bytes, user.files.used_files
    session = ephemeral.begin(user)
    turn = session.begin(asked(), "digest")
    session.add_event(turn, "attempt", n=1, model="m", backend="b")
    for _ in range(LONG // 10):
        session.add_text(turn, "canary-is ")
    assert user.files.used_bytes > before[0] + 2 * LONG, "it counts in its user's share"
    assert session.view(turn).text == "canary-is " * (LONG // 10)
    session.end(turn, methods.Ending(state="done"))
    assert session.view(turn).text == "canary-is " * (LONG // 10)
    files = [path for path in home.path.rglob("*") if path.is_file()]
    assert files
    assert not any(b"canary" in path.read_bytes() for path in files)
    ephemeral.end(session)
    assert (user.files.used_bytes, user.files.used_files) == before
    home.close()


async def test_it_is_nobody_elses_not_even_its_users_on_another_connection(
    chatd: Daemon,
) -> None:
    async with aio.connect(chatd.socket) as client, aio.connect(chatd.socket) as other:
        started = await client.call(methods.START, asked(model="stall"))
        await first_delta(client, started.turn)
        named = methods.TurnNamed(turn=started.turn)
        with pytest.raises(errors.NoSuchTurn):
            await other.call(methods.CANCEL, named)
        with pytest.raises(errors.NoSuchTurn):
            await other.call(methods.GET, methods.TurnGet(turn=started.turn))
        with pytest.raises(errors.NoSuchTurn):
            await client.call(methods.ATTACH, methods.TurnAttach(turn=started.turn))
        assert (await client.call(methods.CANCEL, named)).cancelled


@pytest.mark.parametrize("wait", [False, True])
async def test_it_ends_with_its_connection_and_frees_the_model(
    chatd: Daemon, scripted: ModelServer, *, wait: bool
) -> None:
    async with aio.connect(chatd.socket) as client:
        start = asyncio.create_task(client.call(methods.START, asked(model="stall", wait=wait)))
        await asyncio.to_thread(scripted.counts, open_streams=1)
    with pytest.raises(errors.NotRunning) if wait else nullcontext():
        await start
    assert (await asyncio.to_thread(scripted.counts, open_streams=0))["disconnects_seen"] == 1
    wait_for(lambda: not nameless(chatd), "its files are closed")


async def test_after_a_kill_it_is_not_asked_again(chatd: Daemon, scripted: ModelServer) -> None:
    async with aio.connect(chatd.socket) as client:
        started = await client.call(methods.START, asked(model="stall"))
        await first_delta(client, started.turn)
        chatd.kill()
        assert canaries(chatd) == []
    chatd.start()
    with chatd.client() as again:
        again.call(methods.MODELS, methods.Nothing())
        assert again.call(methods.STATUS, methods.Nothing()).turns == 0
    assert scripted.counts()["requests"] == 1


async def test_a_daemon_that_stops_says_so_to_who_waits_for_it(
    start_daemon: StartDaemon, scripted: ModelServer
) -> None:
    daemon = start_daemon(configured(("scripted", scripted), extra="[limits]\nstop_s = 0\n"))
    async with aio.connect(daemon.socket) as client:
        started = await client.call(methods.START, asked(model="stall"))
        await first_delta(client, started.turn)
        os.kill(daemon.pid, signal.SIGTERM)
        events = [event async for event in client.events(started.turn)]
    wait_for(lambda: not daemon.is_running, "it ends")
    daemon.start()
    assert isinstance(events[-1], methods.End)
    assert events[-1].ending.state == "interrupted"
    assert events[-1].ending.error is not None
    assert events[-1].ending.error.code == errors.Draining.code


async def test_what_was_sent_for_it_goes_with_it(chatd: Daemon) -> None:
    async with aio.connect(chatd.socket) as client:

        async def send() -> str:
            part = methods.FileAdd(data=base64.b64encode(b"canary").decode())
            return (await client.call(methods.FILE, part)).file

        alone = await send()
        await client.call(methods.START, asked("x", files=[alone], wait=True))
        assert canaries(chatd) == []
        shared = await send()
        kept = methods.TurnStart(prompt="x", key="k", model="hash", files=[shared], wait=True)
        chat = (await client.call(methods.START, kept)).chat
        await client.call(methods.START, asked("x", files=[shared], wait=True))
        assert len(canaries(chatd)) == 1
        await client.call(methods.WIPE, methods.Wipe(chat=chat))
        assert canaries(chatd) == []


async def test_to_wipe_everything_ends_what_runs_of_them(chatd: Daemon) -> None:
    async with aio.connect(chatd.socket) as client, aio.connect(chatd.socket) as other:
        started = await client.call(methods.START, asked(model="stall"))
        await first_delta(client, started.turn)
        await other.call(methods.WIPE, methods.Wipe(all=True))
        events = [event async for event in client.events(started.turn)]
        assert isinstance(events[-1], methods.End)
        assert events[-1].ending.state == "cancelled"


@pytest.mark.parametrize(
    "way",
    [
        {"chat": "x"},
        {"name": "x"},
        {"last": "anywhere"},
        {"instead_of": "x"},
    ],
)
async def test_it_is_in_no_chat_and_asking_for_one_is_refused(
    chatd: Daemon, way: dict[str, str]
) -> None:
    async with aio.connect(chatd.socket) as client:
        with pytest.raises(errors.InvalidParams, match="no chat"):
            await client.call(methods.START, asked(**way))
    assert nameless(chatd) == []


async def test_a_thousand_of_them_leave_the_daemon_as_it_was(chatd: Daemon) -> None:
    async with aio.connect(chatd.socket) as client:
        await client.call(methods.START, asked(wait=True))
        used = (await client.call(methods.STATUS, methods.Nothing())).store.used_bytes
        for _ in range(20):
            await asyncio.gather(*(client.call(methods.START, asked(wait=True)) for _ in range(50)))
        wait_for(lambda: not nameless(chatd), "they are closed")
        assert (await client.call(methods.STATUS, methods.Nothing())).store.used_bytes == used


def test_a_slow_reader_is_told_all_of_it(chatd: Daemon, scripted: ModelServer) -> None:
    with connected(chatd) as client, connected(chatd) as other:
        params = wire.encode(asked("x" * 3_000_000, model="echo"))
        client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"turn.start","params":%b}\n' % params)
        scripted.counts(requests=1)
        scripted.counts(open_streams=0)  # it has ended, and most of it is unread
        ping(other)
        length, line = 0, b""
        with client.makefile("rb") as lines:
            while b"turn.end" not in line:
                line = lines.readline()
                length += line.count(b"x")
        assert length >= 3_000_000
        wait_for(lambda: not nameless(chatd), "its files are closed")
