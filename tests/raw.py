"""Bare connections to chatd, for what no client of ours would send or do."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

from chat_rpc import methods
from tests.harness import DEADLINE_S, Daemon, ram_directory

PING = b'{"jsonrpc":"2.0","id":1,"method":"system.ping"}\n'
PONG = b'{"jsonrpc":"2.0","id":1,"result":{"pong":true}}\n'
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


def connected(daemon: Daemon) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(daemon.socket))  # without a timeout it waits for its turn
    client.settimeout(20)
    return client


def answer(client: socket.socket) -> bytes:
    """Return one line, or nothing where the connection was closed."""
    data = b""
    try:
        while not data.endswith(b"\n") and (more := client.recv(65536)):
            data += more
    except ConnectionResetError:
        pass
    return data


def ping(client: socket.socket) -> float:
    """Return how long an answer takes."""
    began = time.monotonic()
    client.sendall(PING)
    assert answer(client) == PONG
    return time.monotonic() - began


@contextmanager
def all_closed() -> Iterator[list[socket.socket]]:
    clients: list[socket.socket] = []
    try:
        yield clients
    finally:
        for client in clients:
            client.close()
