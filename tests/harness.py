"""Real processes for the tests: chatd, model servers and `chat`, and what must be left of them."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chat_rpc.client import Client

ROOT = Path(__file__).parents[1]
# what install.sh takes of a tree
INSTALLED_FROM = (
    *("install.sh", "install", "systemd", "requirements", "pyproject.toml", "README.md", "LICENSE"),
    *("daemon/chatd", "daemon/chat_rpc", "cli", "ui", "docs/man"),
)
BIN = Path(sys.executable).parent
CHAT = str(BIN / "chat")
DEADLINE_S = 30.0
TROUBLE = re.compile(r"Traceback|\bERROR\b|ResourceWarning|never awaited|never retrieved")


def wait_for(holds: Callable[[], bool], what: str, timeout_s: float = DEADLINE_S) -> None:
    """Return when `holds()`; for states of other processes, which nothing here can await."""
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {timeout_s:g} s"
        time.sleep(0.01)


def ram_directory() -> Path:
    """Return a new private directory on a tmpfs."""
    return Path(tempfile.mkdtemp(prefix="chatd-test-", dir="/dev/shm"))


def copy_tree(to: Path, tree: Path = ROOT) -> Path:
    """Copy what install.sh needs: somebody may be editing the tree meanwhile."""
    for name in INSTALLED_FROM:
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        if (tree / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(tree / name, to / name, ignore=ignored)
        else:
            shutil.copy2(tree / name, to / name)
    return to


@dataclass
class Daemon:
    """A chatd of its own.  `stop` demands a clean end; `kill`, then `start`: another life."""

    home: Path
    config: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    wrapper: Sequence[str] = ()
    expected_trouble: str | None = None  # a pattern of log lines that the test provokes
    passed: Sequence[int] = ()  # descriptors that it inherits

    def __post_init__(self) -> None:
        self.socket = self.home / "chatd.sock"
        self.store = self.home / "tmpfs"
        self.log = self.home / "chatd.log"
        self.store.mkdir(mode=0o700, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Daemon":
        with open(self.launch(), "rb") as ready:
            assert ready.readline() == b"READY\n", self.log.read_text()
        self._descriptors = self._client_sockets()
        return self

    def launch(self) -> int:
        """Start it, and return the pipe on which it will say READY."""
        config = self.home / "chatd.toml"
        config.write_text(self.config)
        reading, writing = os.pipe()
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                [
                    *self.wrapper, sys.executable, "-W", "default::ResourceWarning", "-m", "chatd",
                    "--socket", str(self.socket), "--store", str(self.store),
                    "--config", str(config), "--ready-fd", str(writing),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[writing, *self.passed],
                env={**os.environ, **self.environment},
                cwd="/",
            )  # fmt: skip
        os.close(writing)
        return reading

    @property
    def pid(self) -> int:
        """The daemon's own; strace has it as a child, and nsenter becomes it."""
        assert self._process is not None
        if self.wrapper and self.wrapper[0] == "strace":
            return children_of(self._process.pid)[0]
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def client(self) -> Client:
        return Client(self.socket)

    def kill(self) -> None:
        assert self._process is not None
        os.kill(self.pid, signal.SIGKILL)
        self._process.wait(DEADLINE_S)
        self._process = None

    def stop(self) -> None:
        """End it and demand: exit 0, no trouble in its log, no child, no connection left over."""
        if self._process is None:
            return
        try:
            wait_for(
                lambda: self._client_sockets() <= self._descriptors, "connections that are closed"
            )
            children = children_of(self.pid)
            os.kill(self.pid, signal.SIGTERM)
            status = self._process.wait(DEADLINE_S)
        finally:
            self._process.kill()
            self._process = None
        log = self.log.read_text()
        assert status == 0, f"chatd ended with {status}:\n{log}"
        wait_for(lambda: not any(map(is_alive, children)), "chatd's children end with it")
        for line in log.splitlines():
            expected = self.expected_trouble and re.search(self.expected_trouble, line)
            assert expected or not TROUBLE.search(line), f"trouble in the log:\n{log}"

    def _client_sockets(self) -> int:
        """Count the sockets that are open at its path: the listener and its clients."""
        with open(f"/proc/{self.pid}/net/unix", encoding="utf-8") as table:
            return sum(str(self.socket) in line for line in table)


class ModelServer:
    """One of tests/fakes as a process; it ends with the test, for its stdin closes."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        wrapper: Sequence[str] = (),
        python: str = sys.executable,
    ):
        self._python = [*wrapper, python]
        self._process = subprocess.Popen(
            [*self._python, "-m", f"tests.fakes.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert self._process.stdout is not None
        ready = self._process.stdout.readline().split()
        if ready[:1] != [b"READY"]:
            self.kill()
            raise AssertionError(f"{module} is not ready but said {ready}")
        self.port = int(ready[1])
        self.url = f"http://127.0.0.1:{self.port}/v1"

    @property
    def pid(self) -> int:
        return self._process.pid

    def counts(self, **wanted: int) -> dict[str, int | list[str]]:
        """Return what the server has seen; with `open_streams=0` and the like, once it is so."""
        query = "&".join(f"{name}={value}" for name, value in wanted.items())
        url = f"http://127.0.0.1:{self.port}/_counts?{query}"
        script = f"import urllib.request as r; print(r.urlopen({url!r}).read().decode())"
        counts: dict[str, int | list[str]] = json.loads(run([*self._python, "-c", script]).out)
        return counts

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(DEADLINE_S)


@dataclass(frozen=True)
class Ran:
    """What a command left."""

    status: int
    out: bytes
    err: str


def run(
    command: Sequence[str],
    *,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_s: float = DEADLINE_S * 2,
) -> Ran:
    """Run a command to its end; without `stdin` it reads /dev/null."""
    done = subprocess.run(
        list(command),
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        timeout=timeout_s,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())


def configured(*servers: tuple[str, ModelServer], extra: str = "", slots: int = 64) -> str:
    """Return a chatd.toml that knows these servers and looks for no others."""
    lines = ["[finding]", "enabled = false", extra]
    for name, server in servers:
        lines += ["[[servers]]", f'name = "{name}"', f'url = "{server.url}"', f"slots = {slots}"]
    return "\n".join(lines) + "\n"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def children_of(pid: int) -> list[int]:
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        children += map(int, (task / "children").read_text().split())
    return children


def is_alive(pid: int) -> bool:
    """Say whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def readlink(path: Path) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
