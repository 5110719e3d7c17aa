"""A bare connection to chatd: bytes go in, what comes back is parsed by the standard library."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

from chat_rpc import methods
from tests.harness import DEADLINE_S, Daemon, ram_directory

ALONE = "[finding]\nenabled = false\n[engine]\nenabled = false\n"


@contextmanager
def own_daemon(config: str = ALONE) -> Iterator[Daemon]:
    """A daemon for all tests of a module; it must end well, as the fixtures' must."""
    home = ram_directory()
    daemon = Daemon(home, config).start()
    try:
        yield daemon
    finally:
        daemon.stop()
        rmtree(home)


@contextmanager
def daemon_with_two_chats() -> Iterator[Daemon]:
    """Such a daemon, in which chat.search finds `tmpfs` twice."""
    said = [methods.Said("user", "What is tmpfs?"), methods.Said("assistant", "RAM.")]
    with own_daemon() as daemon, daemon.client() as client:
        for title in ("one", "two"):
            client.call(methods.IMPORT, methods.Import(messages=said, title=title))
        yield daemon


def exchange(path: Path, *lines: bytes) -> list[Any]:
    """Send lines, say that no more will come, and return every answer until the end."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE_S)
        client.connect(str(path))
        client.sendall(b"".join(line + b"\n" for line in lines))
        client.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as answers:
            return [json.loads(line) for line in answers]


def without_words(answer: Any) -> Any:
    """Return an answer with the code in place of an error: its words are for people."""
    if isinstance(answer, list):
        return sorted(map(without_words, answer), key=lambda each: str(each["id"]))
    if "error" in answer:
        answer["error"] = answer["error"]["code"]
    return answer
