"""A real tmpfs of a few MiB that others fill up, under a real chatd: by bytes and by files."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.conftest import StartServer
from tests.fakes.scripts import hash_reply
from tests.harness import Daemon, configured

from chat_rpc import aio, errors, methods

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can mount")

PAGE = 4096


class Mount:
    """A tmpfs in a mount namespace of its own; it outlives the daemons that are started in it."""

    def __init__(self, path: Path, options: str):
        script = f"mount -t tmpfs -o mode=700,{options} tmpfs {path} && echo && exec cat"
        path.mkdir(mode=0o700)
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"\n"
        self.wrapper = ["nsenter", "--mount", f"--target={self._holder.pid}"]
        self.path = Path(f"/proc/{self._holder.pid}/root{path}")
        self._ballast = self.path / "ballast"

    @contextmanager
    def full(self) -> Iterator[None]:
        """Leave no page to anybody else."""
        self.take_pages()
        try:
            yield
        finally:
            self._ballast.unlink()

    @contextmanager
    def out_of_files(self) -> Iterator[None]:
        taken: list[Path] = []
        with suppress(OSError):
            while True:
                path = self.path / f"file-{len(taken)}"
                path.touch()
                taken.append(path)
        try:
            yield
        finally:
            for path in taken:
                path.unlink()

    def take_pages(self) -> None:
        with open(self._ballast, "ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"x" * PAGE)

    def take_reserve(self) -> None:
        """Take what chatd holds back, too, as if it had been given up and others were quicker."""
        os.truncate(self.path / "reserve", 0)
        self.take_pages()

    def close(self) -> None:
        self._holder.communicate()


@pytest.fixture
def mount(ram: Path) -> Iterator[Mount]:
    mount = Mount(ram / "tmpfs", "size=16m,nr_inodes=400")
    yield mount
    mount.close()


@pytest.fixture
def chatd(ram: Path, mount: Mount, start_server: StartServer) -> Iterator[Daemon]:
    """A daemon in a store of its own, and a server that can speak for long."""
    server = start_server("--tokens", "100000", "--delay-s", "0.002")
    config = configured(("scripted", server), extra="[store]\nsegment_bytes = 4096\n")
    daemon = Daemon(ram, config, wrapper=mount.wrapper)
    yield daemon.start()
    daemon.stop()


def ask(prompt: str, model: str = "hash", *, wait: bool = True) -> methods.TurnStart:
    return methods.TurnStart(prompt=prompt, key=os.urandom(8).hex(), model=model, wait=wait)


async def texts(client: aio.Client) -> dict[str, list[tuple[str, str, methods.State]]]:
    """Return all that is kept: chats, prompts, replies, states."""
    page = await client.call(methods.CHATS, methods.Page())
    chats = [await client.call(methods.CHAT, methods.ChatGet(chat=c.chat)) for c in page.chats]
    return {c.chat: [(turn.prompt, turn.text, turn.state) for turn in c.turns] for c in chats}


async def test_on_a_full_mount_nothing_is_lost_and_what_runs_gets_its_end(
    chatd: Daemon, mount: Mount
) -> None:
    async with aio.connect(chatd.socket) as client:
        gone = (await client.call(methods.START, ask("to be wiped"))).chat
        hidden = (await client.call(methods.START, ask("to be deleted"))).chat
        for number in range(20):  # over several segments
            await client.call(methods.START, ask(f"question {number}"))
        slow = await client.call(methods.START, ask("it runs", "slow", wait=False))
        before = await texts(client)
        with mount.full():
            with pytest.raises(errors.StoreFull):
                await client.call(methods.START, ask("x" * 8 * PAGE))
            *_, end = [event async for event in client.events(slow.turn)]
            assert isinstance(end, methods.End)
            assert end.ending.error is not None
            assert end.ending.error.code == errors.StoreFull.code
            kept = await client.call(methods.GET, methods.TurnGet(turn=slow.turn))
            before[slow.chat] = [("it runs", kept.text, "failed")]
            await client.call(methods.DELETE, methods.ChatNamed(chat=hidden))
            await client.call(methods.WIPE, methods.Wipe(chat=gone))
            del before[hidden], before[gone]
            assert await texts(client) == before
            chatd.kill()
            chatd.start()
            async with aio.connect(chatd.socket) as again:
                assert await texts(again) == before
    async with aio.connect(chatd.socket) as client:
        reply = (await client.call(methods.START, ask("room again"))).reply
        assert reply is not None
        assert reply.text == hash_reply("room again")


async def test_an_end_without_room_is_told_when_it_is_kept_and_not_before(
    chatd: Daemon, mount: Mount
) -> None:
    async with aio.connect(chatd.socket) as client, aio.connect(chatd.socket) as other:
        started = await client.call(methods.START, ask("it stalls", "stall", wait=False))
        named, whole = methods.TurnNamed(turn=started.turn), methods.TurnGet(turn=started.turn)
        events = client.events(started.turn)
        while not isinstance(await anext(events), methods.Delta):
            pass
        waiting = asyncio.ensure_future(anext(events))
        with mount.full():
            with pytest.raises(errors.StoreFull):
                while True:  # what is left of the journal's last page
                    rename = methods.Rename(chat=started.chat, title="t" * 200)
                    await other.call(methods.RENAME, rename)
            mount.take_reserve()
            assert (await other.call(methods.CANCEL, named)).cancelled
            assert not (await other.call(methods.CANCEL, named)).cancelled, "it is over already"
            assert (await other.call(methods.GET, whole)).state == "running"
            assert not waiting.done()
        async with asyncio.timeout(10):
            end = await waiting
        assert isinstance(end, methods.End)
        assert end.ending.state == "cancelled"
        chatd.kill()
        chatd.start()
    async with aio.connect(chatd.socket) as client:
        assert (await client.call(methods.GET, whole)).state == "cancelled"


async def test_without_room_for_a_file_what_is_said_goes_on_in_those_that_are_there(
    chatd: Daemon,
    mount: Mount,
) -> None:
    async with aio.connect(chatd.socket) as client:
        with mount.out_of_files():
            with pytest.raises(errors.StoreFull):  # a session's directories cannot be made
                await client.call(methods.START, ask("too early"))
        await client.call(methods.START, ask("question"))
        with mount.out_of_files():
            for number in range(20):
                await client.call(methods.START, ask(f"question {number}"))
            before = await texts(client)
            chatd.kill()
            chatd.start()
            async with aio.connect(chatd.socket) as again:
                assert await texts(again) == before
    assert len(before) == 21
    assert all(turns[0][1] == hash_reply(turns[0][0]) for turns in before.values())
