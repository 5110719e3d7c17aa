"""Servers that die, are not there or want a key; tests/cli/test_faults.py has the other faults."""

from pathlib import Path

import pytest
from tests.conftest import StartDaemon, StartServer
from tests.harness import configured

from chat_rpc import aio, errors, methods


async def test_a_server_that_dies_in_mid_reply_cuts_it_off(
    start_daemon: StartDaemon, start_server: StartServer
) -> None:
    server = start_server()
    daemon = start_daemon(configured(("mortal", server)))
    async with aio.connect(daemon.socket) as client:
        asked = methods.TurnStart(prompt="x", key="k", model="stall")
        started = await client.call(methods.START, asked)
        said = ""
        async for event in client.events(started.turn):
            if isinstance(event, methods.Delta):
                said += event.text
                server.kill()
            elif isinstance(event, methods.End):
                assert event.ending.error is not None
                assert event.ending.error.code == errors.CutOff.code
        kept = await client.call(methods.GET, methods.TurnGet(turn=started.turn))
        assert kept.text == said != ""


async def test_a_server_that_is_not_there_is_named(
    start_daemon: StartDaemon, start_server: StartServer
) -> None:
    server = start_server()
    daemon = start_daemon(configured(("gone", server), extra="[engine]\nenabled = false"))
    server.kill()
    async with aio.connect(daemon.socket) as client:
        with pytest.raises(errors.ServerUnreachable):
            asked = methods.TurnStart(prompt="x", key="k", wait=True)
            await client.call(methods.START, asked)
        probed = await client.call(methods.PROBE, methods.Nothing())
        assert [(s.backend, s.usable) for s in probed.servers] == [("gone", False)]
        assert "does not answer" in probed.servers[0].note


async def test_a_key_is_read_from_its_file_and_shown_nowhere(
    start_daemon: StartDaemon, start_server: StartServer, ram: Path
) -> None:
    secret = "sk-secret-canary"
    (ram / "key").write_text(f"{secret}\n")
    server = start_server("--require-key", secret)
    config = configured(("locked", server)) + f'api_key_file = "{ram / "key"}"\n'
    daemon = start_daemon(config)
    async with aio.connect(daemon.socket) as client:
        asked = methods.TurnStart(prompt="x", key="k", model="hash", wait=True)
        started = await client.call(methods.START, asked)
        assert started.reply is not None
        assert started.reply.state == "done"
    assert secret not in daemon.log.read_text()


async def test_a_wrong_key_is_told_by_name_of_the_server(
    start_daemon: StartDaemon, start_server: StartServer
) -> None:
    server = start_server("--require-key", "sk-other")
    daemon = start_daemon(configured(("locked", server)))
    async with aio.connect(daemon.socket) as client:
        probed = await client.call(methods.PROBE, methods.Nothing())
        assert probed.servers[0].note == "locked wants an API key (HTTP 401)"
