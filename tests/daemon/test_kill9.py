"""Promise 3: what chatd has sent or acknowledged survives `kill -9` of the daemon."""

import asyncio
import random
from dataclasses import dataclass, field

import pytest
from tests.conftest import StartDaemon, StartServer
from tests.harness import Daemon, configured

from chat_rpc import aio, errors, methods

KILLS = 50
STREAMS = 8
TOKENS = "400"


@dataclass
class Received:
    """What one client has got of one turn."""

    turn: str = ""
    text: str = ""
    seq: int = 0
    ending: methods.Ending | None = None


@dataclass
class Round:
    """All clients of one life of the daemon."""

    clients: list[Received] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)


async def stream(daemon: Daemon, round_: Round, key: str) -> None:
    """Ask, and take what comes until the daemon is gone."""
    got = Received()
    round_.clients.append(got)
    try:
        async with aio.connect(daemon.socket) as client:
            asked = methods.TurnStart(prompt=key, key=key, model="slow")
            got.turn = (await client.call(methods.START, asked)).turn
            async for event in client.events(got.turn):
                assert event.seq == got.seq + 1, "a gap"
                got.seq = event.seq
                if isinstance(event, methods.Delta):
                    got.text += event.text
                    round_.heard.set()
                elif isinstance(event, methods.End):
                    got.ending = event.ending
    except errors.NotRunning:
        pass  # killed: what was received before is what counts


@pytest.mark.timeout(600)
async def test_each_client_has_a_prefix_of_what_is_kept_after_kill_9(
    start_daemon: StartDaemon, start_server: StartServer
) -> None:
    server = start_server("--tokens", TOKENS, "--delay-s", "0.002")
    daemon = start_daemon(configured(("slow", server)))
    chance = random.Random(9)
    everything: list[Received] = []
    for life in range(KILLS):
        round_ = Round()
        async with asyncio.TaskGroup() as group:
            for number in range(STREAMS):
                group.create_task(stream(daemon, round_, f"{life}.{number}"))
            async with asyncio.timeout(30):
                await round_.heard.wait()
            await asyncio.sleep(chance.uniform(0, 0.15))  # a random place in the reply
            daemon.kill()
        everything += round_.clients
        daemon.start()
        async with aio.connect(daemon.socket) as client:
            for got in round_.clients:
                if got.turn:
                    await check(client, got)
    received = [got for got in everything if got.turn]
    assert len(received) >= KILLS * STREAMS * 0.9
    async with aio.connect(daemon.socket) as client:
        for got in received:  # and after all the later lives
            await check(client, got)


async def check(client: aio.Client, got: Received) -> None:
    """What was received is a prefix of what is kept, once the next daemon has asked again."""
    if got.ending is None:
        await client.call(methods.ATTACH, methods.TurnAttach(turn=got.turn, after=got.seq))
        async for _ in client.events(got.turn):
            pass
    kept = await client.call(methods.GET, methods.TurnNamed(turn=got.turn))
    assert kept.state == "done"
    assert kept.text.startswith(got.text)
    assert len(kept.text.split()) == int(TOKENS)
    assert kept.seq >= got.seq
    if got.ending is not None:
        assert kept.ending == got.ending


async def test_a_key_that_was_acknowledged_is_known_after_kill_9(
    start_daemon: StartDaemon, start_server: StartServer
) -> None:
    server = start_server()
    daemon = start_daemon(configured(("scripted", server)))
    asked = methods.TurnStart(prompt="x", key="k", model="hash", wait=True)
    async with aio.connect(daemon.socket) as client:
        first = await client.call(methods.START, asked)
        epoch = (await client.call(methods.HELLO, methods.Nothing())).epoch
    daemon.kill()
    daemon.start()
    async with aio.connect(daemon.socket) as client:
        again = await client.call(methods.START, asked)
        assert (await client.call(methods.HELLO, methods.Nothing())).epoch == epoch
    assert (again.turn, again.replayed, again.reply) == (first.turn, True, first.reply)
    assert server.counts()["requests"] == 1


async def test_a_torn_tail_is_cut_off_and_the_journal_goes_on(
    start_daemon: StartDaemon, start_server: StartServer
) -> None:
    server = start_server()
    daemon = start_daemon(configured(("scripted", server)))
    async with aio.connect(daemon.socket) as client:
        asked = methods.TurnStart(prompt="x", key="1", model="hash", wait=True)
        first = await client.call(methods.START, asked)
    daemon.kill()
    journal = next(daemon.store.glob("session_*/journal/*.ndj"))
    journal.write_bytes(journal.read_bytes() + b'deadbeef {"type":"delta","turn":"')
    for key in ("2", "3"):
        daemon.start()
        async with aio.connect(daemon.socket) as client:
            asked = methods.TurnStart(prompt="x", key=key, model="hash", wait=True)
            await client.call(methods.START, asked)
            kept = await client.call(methods.GET, methods.TurnNamed(turn=first.turn))
            assert kept == first.reply
        daemon.kill()
    daemon.start()
