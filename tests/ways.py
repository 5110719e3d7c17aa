"""The two ways to run `chat`, side by side, and a tap that hears what each says to chatd.

The first is what install.sh installs, on this tree; SLOW is the same without the fast start.
"""

import re
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from chat_rpc import methods
from tests.harness import Daemon, Ran, run

SLOW = [sys.executable, "-I", "-c", "from chat_cli.main import main; main()"]
KEY = re.compile(rb'"key":"[0-9a-f]{32}"')
TURN = re.compile(r"turn [a-z0-9]{16}")


def both(
    launcher: Sequence[str], daemon: Daemon, *arguments: str, stdin: bytes | None = None
) -> tuple[Ran, Ran]:
    env = {"CHATD_SOCKET": str(daemon.socket)}
    ran = [run([*way, *arguments], stdin=stdin, env=env) for way in (launcher, SLOW)]
    return masked(ran[0]), masked(ran[1])


def masked(ran: Ran) -> Ran:
    return Ran(ran.status, ran.out, TURN.sub("turn ID", ran.err))


def newest(daemon: Daemon) -> methods.Chat:
    """Return the chat that was used last."""
    with daemon.client() as client:
        chat = client.call(methods.CHATS, methods.Page(limit=1)).chats[0]
        return client.call(methods.CHAT, methods.ChatGet(chat=chat.chat))


@dataclass
class Tap:
    """A socket between `chat` and chatd that remembers what `chat` said."""

    path: Path
    target: Path
    said: bytes = b""
    _listener: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_UNIX))

    def __post_init__(self) -> None:
        self._listener.bind(str(self.path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        with near, socket.socket(socket.AF_UNIX) as far:
            far.connect(str(self.target))
            back = threading.Thread(target=_pour, args=(far, near))
            back.start()
            while data := near.recv(65536):
                self.said += data
                far.sendall(data)
            far.shutdown(socket.SHUT_WR)
            back.join()


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # `chat` has left
        while data := source.recv(65536):
            sink.sendall(data)
