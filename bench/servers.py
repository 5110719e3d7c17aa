"""The processes that are measured, or that others are measured against, from start to end."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness import DEADLINE_S, ROOT, Daemon, ram_directory, wait_for

from chat_rpc import methods

CONFIG = """
[finding]
enabled = false
[[servers]]
name = "bench"
url = "{url}"
"""


@contextmanager
def daemon(url: str) -> Iterator[Daemon]:
    """A chatd that knows the model server at `url`; it must end well."""
    with _home() as home:
        chatd = Daemon(home, CONFIG.format(url=url)).start()
        try:
            with chatd.client() as client:
                client.call(methods.MODELS, methods.Nothing())  # ends when its imports have
            yield chatd
        finally:
            chatd.stop()


@contextmanager
def redis() -> Iterator[tuple[int, Path]]:
    """A redis-server that saves nothing: its pid and its socket."""
    with _home() as home:
        socket = home / "redis.sock"
        process = subprocess.Popen(
            [
                "redis-server", "--port", "0", "--unixsocket", str(socket),
                "--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", str(home),
            ],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_for(socket.exists, "redis-server's socket")
            yield process.pid, socket
        finally:
            process.terminate()
            process.wait(DEADLINE_S)


class Helper:
    """A module of this package as a process: it answers each line that it is told with a line."""

    def __init__(self, module: str, *arguments: str):
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"bench.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        self.ready = self._hear()

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, line: str) -> str:
        """Say a line and return the answer."""
        print(line, file=self._process.stdin, flush=True)
        return self._hear()

    def close(self) -> None:
        """Close its stdin, upon which it ends."""
        self._process.communicate(timeout=DEADLINE_S)

    def _hear(self) -> str:
        if self._process.stdout is None or not (line := self._process.stdout.readline()):
            raise RuntimeError(f"{self._process.args!r} has ended")
        return line.strip()


@contextmanager
def _home() -> Iterator[Path]:
    home = ram_directory()
    try:
        yield home
    finally:
        shutil.rmtree(home)
