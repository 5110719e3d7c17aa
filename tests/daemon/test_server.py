"""The socket: what hostile or clumsy clients send is answered rightly, and harms nobody else."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import StartDaemon
from tests.harness import Daemon, wait_for

from chat_rpc import errors, methods

LIMITS = """
[finding]
enabled = false
[limits]
line_bytes = 65536
connections_per_user = 5
first_line_s = 0.5
unread_bytes = 65536
"""


@pytest.fixture
def daemon(start_daemon: StartDaemon) -> Daemon:
    return start_daemon(LIMITS)


@pytest.fixture
def raw(daemon: Daemon) -> Iterator[socket.socket]:
    with connected(daemon) as client:
        yield client


def connected(daemon: Daemon) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(str(daemon.socket))
    return client


def read_line(client: socket.socket) -> dict[str, Any]:
    data = b""
    while not data.endswith(b"\n"):
        more = client.recv(65536)
        assert more, "the connection was closed"
        data += more
    answer: dict[str, Any] = json.loads(data)
    return answer


def is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


PING = b'{"jsonrpc":"2.0","id":1,"method":"system.ping"}\n'


@pytest.mark.parametrize(
    ("line", "code", "id_"),
    [
        (b"nonsense", -32700, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"system.ping"', -32700, None),
        (b"\xff\xfe", -32700, None),
        (b"[" * 50_000, -32700, None),
        (b'{"jsonrpc":"1.0","id":1,"method":"system.ping"}', -32600, None),
        (b'{"id":1,"method":"system.ping"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":{},"method":"system.ping"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600, None),
        (b"7", -32600, None),
        (b'{"jsonrpc":"2.0","id":"a","method":"no.such"}', -32601, "a"),
        (b'{"jsonrpc":"2.0","id":2,"method":"system.ping","params":{"x":1}}', -32602, 2),
        (b'{"jsonrpc":"2.0","id":2,"method":"turn.get","params":{}}', -32602, 2),
        (b'{"jsonrpc":"2.0","id":2,"method":"turn.get","params":{"turn":7}}', -32602, 2),
    ],
)
def test_a_bad_line_is_answered_and_the_next_one_works(
    raw: socket.socket, line: bytes, code: int, id_: object
) -> None:
    raw.sendall(line + b"\n")
    answer = read_line(raw)
    assert (answer["error"]["code"], answer["id"]) == (code, id_)
    raw.sendall(PING)
    assert read_line(raw)["result"] == {"pong": True}


def test_what_was_typed_does_not_come_back_in_an_error(raw: socket.socket) -> None:
    for params in (
        b'{"secret words":1}',
        b'{"prompt":"x","key":"k","priority":"secret words"}',
        b'{"prompt":"x","key":"secret words"}',
        b'{"prompt":{"secret words":1},"key":"k"}',
    ):
        raw.sendall(b'{"jsonrpc":"2.0","id":1,"method":"turn.start","params":' + params + b"}\n")
        error = read_line(raw)["error"]
        assert error["code"] == -32602
        assert "secret" not in error["message"]


def test_a_notification_is_not_answered(raw: socket.socket) -> None:
    raw.sendall(b'{"jsonrpc":"2.0","method":"system.ping"}\n')
    raw.sendall(b'{"jsonrpc":"2.0","method":"no.such"}\n' + PING)
    assert read_line(raw)["id"] == 1


def test_requests_that_come_together_are_answered_in_order(raw: socket.socket) -> None:
    raw.sendall(b"".join(PING.replace(b"1,", b"%d," % n, 1) for n in range(100)))
    got = b""
    while got.count(b"\n") < 100:
        got += raw.recv(65536)
    assert [json.loads(line)["id"] for line in got.splitlines()] == list(range(100))


def test_a_request_may_come_byte_by_byte(raw: socket.socket) -> None:
    for byte in PING:
        raw.sendall(bytes([byte]))
    assert read_line(raw)["result"] == {"pong": True}


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_that_is_too_long_is_an_error_and_the_end(raw: socket.socket, end: bytes) -> None:
    try:
        raw.sendall(b"x" * 70_000 + end + PING)
    except BrokenPipeError:
        pass  # refused before all of it was sent
    answer = read_line(raw)
    assert answer["error"]["code"] == errors.MessageTooLarge.code
    assert is_closed(raw)


def test_who_says_nothing_is_sent_away(raw: socket.socket) -> None:
    assert is_closed(raw)


def test_one_user_has_so_many_connections_and_no_more(daemon: Daemon) -> None:
    with ExitStack() as open_:
        for _ in range(5):
            client = open_.enter_context(connected(daemon))
            client.sendall(PING)
            read_line(client)
        with connected(daemon) as sixth:
            assert read_line(sixth)["error"]["code"] == errors.TooManyConnections.code
            assert is_closed(sixth)
    wait_for(lambda: daemon._client_sockets() <= daemon._descriptors, "places are free again")
    with connected(daemon) as client:
        client.sendall(PING)
        assert read_line(client)["result"] == {"pong": True}


def test_the_user_is_the_kernel_s_word(daemon: Daemon) -> None:
    with daemon.client() as client:
        assert client.call(methods.HELLO, methods.Nothing()).uid == os.getuid()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
def test_another_user_sees_nothing_of_mine(daemon: Daemon) -> None:
    with daemon.client() as client:
        asked = methods.TurnStart(prompt="mine", key="k", wait=True)
        with pytest.raises(errors.RpcError) as failure:
            client.call(methods.START, asked)
        mine = failure.value.turn
    for path in (daemon.home.parent, daemon.home):
        path.chmod(0o711)
    daemon.socket.chmod(0o666)
    script = f"""
import os, socket, sys
os.setgid(12345); os.setuid(12345)
client = socket.socket(socket.AF_UNIX)
client.connect({str(daemon.socket)!r})
for turn in ({mine!r}, "nonexistent12345"):
    client.sendall(b'{{"jsonrpc":"2.0","id":1,"method":"turn.get","params":{{"turn":"%s"}}}}\\n'
                   % turn.encode())
    sys.stdout.write(client.recv(65536).decode())
client.sendall(b'{{"jsonrpc":"2.0","id":1,"method":"chat.list"}}\\n')
sys.stdout.write(client.recv(65536).decode())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    theirs, nobodys, chats = done.stdout.splitlines()
    assert theirs == nobodys
    assert json.loads(theirs)["error"]["code"] == errors.NoSuchTurn.code
    assert json.loads(chats)["result"]["chats"] == []


def test_a_second_daemon_does_not_take_the_first_one_s_store(daemon: Daemon) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "chatd",
            "--socket", str(daemon.home / "other.sock"), "--store", str(daemon.store),
        ],
        capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 73
    assert b"in use by another chatd" in done.stderr


def test_a_store_on_a_disk_is_refused(daemon: Daemon, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "chatd",
            "--socket", str(daemon.home / "other.sock"), "--store", str(tmp_path),
        ],
        capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 73
    assert b"RAM only" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_daemon_whose_socket_is_gone_ends(daemon: Daemon) -> None:
    daemon.expected_trouble = "is gone"
    pid = daemon.pid
    daemon.socket.unlink()
    assert daemon._process is not None
    assert daemon._process.wait(15) == 0
    daemon._process = None
    assert not os.path.exists(f"/proc/{pid}")
