"""Promise 3: what chatd has sent or acknowledged survives `kill -9` of the daemon."""

import argparse

import pytest
from tests.campaigns import kill
from tests.conftest import StartDaemon, StartServer
from tests.harness import configured

from chat_rpc import aio, methods


@pytest.mark.timeout(300)
def test_nothing_that_was_acknowledged_is_lost_by_kills_at_any_moment() -> None:
    figures = kill.run(argparse.Namespace(kills=40, callers=8, seed=0))
    assert all(figures[f"kills, {aim}"] for aim in kill.AIMS)
    assert figures["turns acknowledged"] == figures["turns asked"]


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
            kept = await client.call(methods.GET, methods.TurnGet(turn=first.turn))
            assert kept == first.reply
        daemon.kill()
    daemon.start()
