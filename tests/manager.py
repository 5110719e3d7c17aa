"""Plays systemd for a chatd: passes it the socket, and hears what it tells."""

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.harness import DEADLINE_S, Daemon

# becomes the daemon, with the descriptor of its first argument as number 3
AS_A_SERVICE = (
    "import os, sys; fd = int(sys.argv[1]); fd == 3 or (os.dup2(fd, 3), os.close(fd));"
    "os.environ['LISTEN_PID'] = str(os.getpid());"
    "os.execv(sys.argv[2], sys.argv[2:])"
)


class Manager:
    """One unit of a service and its socket, in a directory of its own."""

    def __init__(self, home: Path):
        self.home = home
        self.socket = home / "chatd.sock"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(self.socket))
        self.listener.listen(64)
        self._hearing = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._hearing.bind(str(home / "notify"))
        self._hearing.settimeout(DEADLINE_S)
        self._daemon: Daemon | None = None

    def daemon(
        self, config: str, environment: Mapping[str, str] | None = None, **options: Any
    ) -> Daemon:
        """Return the service, not started yet."""
        told = {"NOTIFY_SOCKET": str(self.home / "notify")}
        passed = {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "chatd.socket"}
        number = self.listener.fileno()
        self._daemon = Daemon(
            self.home,
            config,
            {**told, **passed, **(environment or {})},
            wrapper=[sys.executable, "-c", AS_A_SERVICE, str(number)],
            passed=[number],
            **options,
        )
        return self._daemon

    def hear(self) -> dict[str, str]:
        """Return the next message, its lines by name."""
        lines = self._hearing.recv(65536).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def hear_within(self, timeout_s: float) -> dict[str, str]:
        """Return the next message; raises TimeoutError."""
        self._hearing.settimeout(timeout_s)
        try:
            return self.hear()
        finally:
            self._hearing.settimeout(DEADLINE_S)

    def hear_until(self, name: str, value: str = "") -> list[dict[str, str]]:
        """Return the messages up to the one in which the line `name` contains `value`."""
        heard = [self.hear()]
        while name not in heard[-1] or value not in heard[-1][name]:
            heard.append(self.hear())
        return heard

    def forget(self) -> None:
        """Drop what was told and not heard."""
        self._hearing.settimeout(0)
        try:
            while True:
                self._hearing.recv(65536)
        except BlockingIOError:
            self._hearing.settimeout(DEADLINE_S)

    def close(self) -> None:
        """End what the test has not stopped, because it failed."""
        if self._daemon is not None and self._daemon.is_running:
            self._daemon.kill()
        self.listener.close()
        self._hearing.close()


def environment_of(pid: int) -> set[str]:
    """Return the names of the variables that a process was started with."""
    raw = Path(f"/proc/{pid}/environ").read_bytes()
    return {os.fsdecode(entry.partition(b"=")[0]) for entry in raw.split(b"\0") if entry}
