"""Plain sockets to chatd, for what no client of ours would send."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.harness import Daemon

PING = b'{"jsonrpc":"2.0","id":1,"method":"system.ping"}\n'
PONG = b'{"jsonrpc":"2.0","id":1,"result":{"pong":true}}\n'


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
