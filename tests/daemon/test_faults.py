"""What a model server does wrong is never a good reply, and what was said is kept."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import StartDaemon, StartServer
from tests.harness import Daemon, ModelServer, configured, ram_directory

from chat_rpc import aio, errors, methods

QUICK = "[limits]\ntoken_s = 0.5\nfirst_token_s = 5\n"

FAULTS: list[tuple[str, type[errors.RpcError], bool]] = [
    # script, error, whether text came before it
    ("cut", errors.CutOff, True),
    ("eof", errors.CutOff, True),
    ("nofinish", errors.CutOff, True),
    ("length", errors.CutOff, True),
    ("stall", errors.Stalled, True),
    ("comments", errors.Stalled, True),
    ("empty", errors.ChecksFailed, False),
    ("html", errors.NotTheProtocol, False),
    ("garbage", errors.NotTheProtocol, False),
    ("binary", errors.NotTheProtocol, False),
    ("huge-event", errors.NotTheProtocol, False),
    ("error-mid-stream", errors.ServerError, True),
    ("e401", errors.ServerError, False),
    ("e429", errors.Overloaded, False),
    ("e500", errors.ServerError, False),
    ("redirect", errors.ServerError, False),
]


@pytest.fixture(scope="module")
def faulty() -> Iterator[tuple[Daemon, ModelServer]]:
    """One daemon and one server for all faults: none may spoil the next."""
    home = ram_directory()
    server = ModelServer("model_server", "--port", "0")
    daemon = Daemon(home, configured(("faulty", server), extra=QUICK)).start()
    yield daemon, server
    daemon.stop()
    server.close()
    shutil.rmtree(home)


@pytest.mark.parametrize(("script", "error", "has_text"), FAULTS, ids=[f[0] for f in FAULTS])
async def test_a_server_s_fault_is_told_as_what_it_is(
    faulty: tuple[Daemon, ModelServer],
    script: str,
    error: type[errors.RpcError],
    *,
    has_text: bool,
) -> None:
    daemon, server = faulty
    async with aio.connect(daemon.socket) as client:
        asked = methods.TurnStart(prompt="secret words", key=script, model=script, wait=True)
        with pytest.raises(errors.RpcError) as failure:
            await client.call(methods.START, asked)
        assert type(failure.value) is error, failure.value
        assert "secret" not in failure.value.message
        assert failure.value.turn is not None
        kept = await client.call(methods.GET, methods.TurnGet(turn=failure.value.turn))
    assert bool(kept.text) is has_text
    assert kept.state == "failed"
    assert server.counts()["elsewhere_requests"] == 0


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
