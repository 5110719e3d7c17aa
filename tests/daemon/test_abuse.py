"""Clients that are many, slow, silent, greedy or gone: the others are answered all the while."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from tests.campaigns import process
from tests.conftest import StartDaemon
from tests.fakes.scripts import hash_reply
from tests.harness import Daemon, ModelServer, configured, wait_for
from tests.raw import PING, PONG, all_closed, answer, connected, ping

from chat_rpc import errors, methods

QUIET = "[finding]\nenabled = false\n[limits]\n"
MIB = 2**20
LINE_BYTES = 4 * MIB  # by default


# -- descriptors -----------------------------------------------------------------------------------


def test_more_clients_than_descriptors_are_told_so_and_the_others_go_on(
    start_daemon: StartDaemon, scripted: ModelServer
) -> None:
    extra = "[store]\nsegment_bytes = 4096"
    daemon = start_daemon(
        configured(("scripted", scripted), extra=extra),
        wrapper=("sh", "-c", 'ulimit -n 200; exec "$@"', "sh"),
    )
    with all_closed() as clients:
        said = []
        for _ in range(400):
            clients.append(connected(daemon))
            with suppress(BrokenPipeError):  # it was refused already
                clients[-1].sendall(PING)
            said.append(answer(clients[-1]))
        served = said.count(PONG)
        refused = [json.loads(line)["error"]["code"] for line in said if line not in (PONG, b"")]
        assert served == 200 - 64
        assert set(refused) == {errors.TooManyConnections.code}
        journal = daemon.store / f"session_{os.getuid()}" / "journal"
        for number in range(10):  # there are descriptors for the model and for new segments
            asked = {"prompt": "x" * 2000, "key": f"k{number}", "model": "hash", "wait": True}
            line = {"jsonrpc": "2.0", "id": 1, "method": "turn.start", "params": asked}
            clients[0].sendall(json.dumps(line).encode() + b"\n")
            assert json.loads(answer(clients[0]))["result"]["reply"]["state"] == "done"
        assert len(list(journal.iterdir())) > 3
    wait_for(lambda: process.descriptors(daemon.pid) < 100, "they are gone", timeout_s=1)
    with connected(daemon) as client:
        ping(client)


def test_without_a_descriptor_who_connects_waits_and_nothing_spins(warm: Daemon) -> None:
    daemon = warm
    daemon.expected_trouble = "cannot accept connections now"
    with all_closed() as clients, connected(daemon) as first:
        ping(first)
        limits = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        soft = 1 + max(int(name) for name in os.listdir(f"/proc/{daemon.pid}/fd"))
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (soft, limits[1]))
        clients += [connected(daemon) for _ in range(100)]
        for client in clients:
            client.sendall(PING)
        before = process.cpu_s(daemon.pid)
        for _ in range(100):
            ping(first)
            time.sleep(0.01)  # a second, to see what it does of itself
        assert process.cpu_s(daemon.pid) - before < 0.5
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limits)
        began = time.monotonic()
        assert [answer(client) for client in clients] == [PONG] * 100
        assert time.monotonic() - began < 1
    assert daemon.log.read_text().count("cannot accept") == 1


# -- many, and silent ------------------------------------------------------------------------------


def test_ten_thousand_idle_connections_cost_little_and_stop_nobody(
    start_daemon: StartDaemon,
) -> None:
    count = 10_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 200:
        pytest.skip(f"may open {hard} files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    many = f"connections = {count + 10}\nconnections_per_user = {count + 10}\n"
    daemon = start_daemon(QUIET + many)
    try:
        with all_closed() as clients, connected(daemon) as first:
            ping(first)
            before = process.memory_bytes(daemon.pid)
            for _ in range(count):
                clients.append(connected(daemon))
                clients[-1].sendall(PING)
            assert all(answer(client) == PONG for client in clients)
            each = (process.memory_bytes(daemon.pid) - before) / count
            assert each < 6000, f"{each:.0f} bytes for a connection"
            assert max(ping(first) for _ in range(50)) < 1
            with daemon.client() as client:
                stats = client.call(methods.STATS, methods.Nothing())
            assert stats.connections == count + 2
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_who_never_ends_the_first_line_is_closed_in_time(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(QUIET + "first_line_s = 1\nconnections_per_user = 1000\n")
    with all_closed() as clients, connected(daemon) as first:
        ping(first)
        clients += [connected(daemon) for _ in range(600)]
        for byte in PING[:-1]:  # all but its end, a byte at a time
            for client in clients[:300]:
                with suppress(BrokenPipeError):  # it was slower than a second
                    client.send(bytes([byte]))
            ping(first)
        wait_for(lambda: process.descriptors(daemon.pid) < 100, "they are closed", timeout_s=5)
        assert not any(answer(client) for client in clients)
        ping(first)


def test_who_sends_a_byte_at_a_time_is_answered_in_the_end(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(QUIET)
    with all_closed() as clients, connected(daemon) as first:
        clients += [connected(daemon) for _ in range(200)]
        for byte in PING:
            for client in clients:
                client.send(bytes([byte]))
            ping(first)
        assert [answer(client) for client in clients] == [PONG] * 200


# -- half there, and gone --------------------------------------------------------------------------


def test_who_ends_its_side_early_is_told_all_of_its_turn(
    start_daemon: StartDaemon, scripted: ModelServer
) -> None:
    daemon = start_daemon(configured(("scripted", scripted)))
    with connected(daemon) as client:
        asked = {"prompt": "hello", "key": "k", "model": "hash"}
        line = {"jsonrpc": "2.0", "id": 1, "method": "turn.start", "params": asked}
        client.sendall(json.dumps(line).encode() + b"\n")
        client.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: client.recv(65536), b""))
    messages = [json.loads(line) for line in said.splitlines()]
    deltas = [m["params"]["text"] for m in messages if m.get("method") == "turn.delta"]
    assert "".join(deltas) == hash_reply("hello")
    assert messages[-1]["method"] == "turn.end"


STALLED = """
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"turn.attach","params":{"turn":"%s"}}\\n{"par'
               % sys.argv[2].encode())
print(flush=True)
sys.stdin.read()
"""


def test_a_client_that_is_stopped_or_killed_leaves_nothing_behind(
    start_daemon: StartDaemon, scripted: ModelServer
) -> None:
    daemon = start_daemon(configured(("scripted", scripted)))
    with daemon.client() as client:
        asked = methods.TurnStart(prompt="x", key="k", model="slow")
        turn = client.call(methods.START, asked).turn
        before = daemon._client_sockets()
        children = [
            subprocess.Popen(
                [sys.executable, "-c", STALLED, str(daemon.socket), turn],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for _ in range(5)
        ]
        for child in children:
            assert child.stdout is not None
            child.stdout.readline()
            child.send_signal(signal.SIGSTOP)
        last = None
        for event in client.events():
            if isinstance(last := event, methods.End):
                break
        assert isinstance(last, methods.End)
        assert last.ending.state == "done"
        assert daemon._client_sockets() == before + 5
        for child in children:
            child.kill()
            child.communicate()
        wait_for(lambda: daemon._client_sockets() == before, "they are closed", timeout_s=2)


# -- greedy ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"[" + b"[]," * (LINE_BYTES // 3 - 10) + b"[]]", errors.InvalidRequest.code),
        (b"[" * 100_000 + b"]" * 100_000, errors.ParseError.code),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, errors.ParseError.code),
        (
            PING[:-2] + b',"params":{"x":' + b"[" * 1000 + b"]" * 1000 + b"}}",
            errors.ParseError.code,
        ),
        (PING[:-2] + b',"params":{' + b'"x":0,' * 600_000 + b'"x":0}}', errors.InvalidParams.code),
        (b"x" * 200_000_000, errors.MessageTooLarge.code),
    ],
    ids=["a wide batch", "deep arrays", "deep objects", "deep params", "one key", "200 MB"],
)
def test_a_huge_or_deep_line_costs_no_memory_and_no_time(
    warm: Daemon, line: bytes, code: int
) -> None:
    with connected(warm) as client, connected(warm) as other:
        ping(other)
        process.reset_peak(warm.pid)
        before = process.peak_bytes(warm.pid)
        with suppress(BrokenPipeError):  # it was refused before it had all come
            client.sendall(line + b"\n")
        assert ping(other) < 0.5
        assert json.loads(answer(client))["error"]["code"] == code
        assert process.peak_bytes(warm.pid) - before <= 2 * LINE_BYTES + MIB


def test_answers_that_nobody_reads_are_not_made(warm: Daemon) -> None:
    with warm.client() as client, all_closed() as clients:
        said = [methods.Said("user", "x" * MIB), methods.Said("assistant", "y")]
        chat = client.call(methods.IMPORT, methods.Import(messages=said)).chat.chat
        before = process.peak_bytes(warm.pid)
        greedy, other = connected(warm), connected(warm)
        clients += [greedy, other]
        line = b'{"jsonrpc":"2.0","id":1,"method":"chat.get","params":["%b"]}\n' % chat.encode()
        greedy.sendall(line * 200)
        assert ping(other) < 1
        assert process.peak_bytes(warm.pid) - before < 32 * MIB
        greedy.shutdown(socket.SHUT_WR)
        with greedy.makefile("rb") as answers:
            assert sum(1 for _ in answers) == 200
        client.call(methods.WIPE, methods.Wipe(all=True))
