"""One user who asks without end: the others are answered all the while, and see nothing of it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.campaigns import secrecy
from tests.harness import Daemon
from tests.raw import all_closed, connected, ping

from chat_rpc import errors, methods
from chatd import inference, scheduler

OTHER_UID = 12345
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")


def test_a_user_has_so_many_turns_under_way_and_no_more(warm: Daemon) -> None:
    with warm.client() as client:
        started = [
            client.call(methods.START, methods.TurnStart(prompt="x", key=f"k{n}", model="stall"))
            for n in range(inference.UNFINISHED_TURNS)
        ]
        more = methods.TurnStart(prompt="x", key="more", model="stall")
        with pytest.raises(errors.Overloaded):
            client.call(methods.START, more)
        client.call(methods.WIPE, methods.Wipe(chat=started[-1].chat))
        assert client.call(methods.START, more).turn
        client.call(methods.WIPE, methods.Wipe(all=True))


async def test_who_waits_far_behind_is_told_no_place_until_it_is_near() -> None:
    queue = scheduler.Scheduler()
    told: list[tuple[int, int]] = []

    async def ask(number: int) -> None:
        async with queue.slot("url", 1, 0, lambda place: told.append((number, place))):
            pass

    async with asyncio.TaskGroup() as group, queue.slot("url", 1, 0, lambda _: None):
        for number in range(1, 101):
            group.create_task(ask(number))
        await asyncio.sleep(0)
        assert told == [(number, number) for number in range(1, 101)]
        told.clear()
    near = range(1, scheduler.TOLD + 1)
    assert told[: scheduler.TOLD] == [(1 + place, place) for place in near]
    assert len(told) < 100 * scheduler.TOLD
    assert (100, 1) in told


FLOOD = """
import os, selectors, socket, sys
path, request, uid = sys.argv[1], sys.argv[2].encode() + b"\\n", int(sys.argv[3])
os.setgid(uid)
os.setuid(uid)
many = selectors.DefaultSelector()
for _ in range(256):
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    many.register(client, selectors.EVENT_READ | selectors.EVENT_WRITE, [b"", 0])
sent = 0
while True:
    for key, events in many.select():
        rest, unanswered = key.data
        if events & selectors.EVENT_READ:
            more = key.fileobj.recv(65536)
            assert more, "the connection was closed"
            *lines, rest = (rest + more).split(b"\\n")
            unanswered -= sum(line.startswith(b'{"jsonrpc":"2.0","id":1') for line in lines)
        if events & selectors.EVENT_WRITE and not unanswered:
            numbers = range(sent, sent + 32)
            key.fileobj.sendall(b"".join(request.replace(b"NUMBER", b"%d" % n) for n in numbers))
            unanswered, sent = 32, sent + 32
            if sent == 256 * 32:
                print("all are asking", flush=True)
        key.data[:] = rest, unanswered
"""


@contextmanager
def flood(daemon: Daemon, request: dict[str, object]) -> Iterator[None]:
    """Another user asks as fast as it can, over all the connections that one user may have."""
    for path in (daemon.home.parent, daemon.home):
        path.chmod(0o711)
    daemon.socket.chmod(0o666)
    line = json.dumps({"jsonrpc": "2.0", "id": 1, **request})
    child = subprocess.Popen(
        [sys.executable, "-c", FLOOD, str(daemon.socket), line, str(OTHER_UID)],
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline()
        yield
        assert child.poll() is None
    finally:
        child.kill()
        child.communicate()


def test_many_who_attach_to_long_turns_do_not_stop_another(warm: Daemon) -> None:
    with warm.client() as caller:
        first = caller.call(methods.START, methods.TurnStart(prompt="x", key="k", model="stall"))
        said = [methods.Said("user", "x" * 999), methods.Said("assistant", "x" * 999)] * 1000
        for _ in range(4):  # lines of others, to be passed over
            caller.call(methods.IMPORT, methods.Import(messages=said))
        caller.call(methods.CANCEL, methods.TurnNamed(turn=first.turn))
    attach = {"jsonrpc": "2.0", "id": 1, "method": "turn.attach", "params": {"turn": first.turn}}
    with all_closed() as clients, connected(warm) as other:
        clients += [connected(warm) for _ in range(50)]
        for client in clients:
            client.sendall((json.dumps(attach) + "\n").encode() * 40)
        assert max(ping(other) for _ in range(20)) < 0.5


@needs_root
@pytest.mark.parametrize(
    "request_",
    [
        {"method": "system.ping"},
        {
            "method": "turn.start",
            "params": {"prompt": "x", "key": "kNUMBER", "model": "hash"},
        },
    ],
    ids=["pings", "turns"],
)
def test_a_user_who_floods_chatd_does_not_stop_another(
    warm: Daemon, request_: dict[str, object]
) -> None:
    with connected(warm) as client, flood(warm, request_):
        took = [ping(client) for _ in range(50)]
    assert max(took) < 2


@needs_root
def test_what_is_another_user_s_is_answered_as_what_never_was(warm: Daemon) -> None:
    warm.home.parent.chmod(0o711)
    secrecy.compare(warm, 390)
