"""Fixtures: what a test starts ends with it, and must end well."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chat_rpc import methods
from tests.harness import CHAT, Daemon, ModelServer, Ran, configured, ram_directory, run

StartDaemon = Callable[..., Daemon]
StartServer = Callable[..., ModelServer]
RunChat = Callable[..., Ran]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees this machine's chatd, home or keys."""
    for name in list(os.environ):
        if name.startswith(("CHATD_", "OPENAI_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def ram() -> Iterator[Path]:
    """A private directory on a tmpfs, with a short name."""
    directory = ram_directory()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def start_daemon(ram: Path) -> Iterator[StartDaemon]:
    """Starts daemons; each must end well when the test is over."""
    started: list[Daemon] = []

    def start(config: str = "[finding]\nenabled = false\n", **options: object) -> Daemon:
        home = ram / f"d{len(started)}"
        home.mkdir(mode=0o700)
        daemon = Daemon(home, config, **options)  # type: ignore[arg-type]  # passed through
        started.append(daemon)
        return daemon.start()

    yield start
    for daemon in started:
        daemon.stop()


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Starts model servers of tests/fakes."""
    started: list[ModelServer] = []

    def start(*arguments: str, module: str = "model_server") -> ModelServer:
        if module == "model_server":
            arguments = ("--port", "0", *arguments)
        server = ModelServer(module, *arguments)
        started.append(server)
        return server

    yield start
    for server in started:
        server.close()


@pytest.fixture
def scripted(start_server: StartServer) -> ModelServer:
    """A model server that answers as the script says that its model's name names."""
    return start_server()


@pytest.fixture
def chatd(start_daemon: StartDaemon, scripted: ModelServer) -> Daemon:
    """A daemon that knows the scripted server."""
    return start_daemon(configured(("scripted", scripted)))


@pytest.fixture
def warm(chatd: Daemon) -> Daemon:
    """A daemon that has imported all that it ever will."""
    with chatd.client() as client:
        client.call(methods.MODELS, methods.Nothing())
    return chatd


@pytest.fixture
def chat(chatd: Daemon) -> RunChat:
    """Runs `chat` against that daemon."""

    def run_chat(*arguments: str, stdin: bytes | None = None) -> Ran:
        return run([CHAT, *arguments], stdin=stdin, env={"CHATD_SOCKET": str(chatd.socket)})

    return run_chat
