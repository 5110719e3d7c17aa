"""A reader that does not read while a model says much: nobody else waits, nothing is lost."""

import argparse
import ctypes
import hashlib
import math
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

import msgspec

from chat_rpc import methods, wire
from chat_rpc.client import TURN_EVENTS, TurnEvent
from tests.campaigns import process
from tests.campaigns.report import Broken, Progress
from tests.fakes import bulk_server
from tests.harness import Daemon, ModelServer, configured, ram_directory

LOOK_S = 0.02
TIMEOUT_S = 60.0
RECEIVED_BYTES, TAIL_BYTES = 2**20, 4096
LAST = b'"turn.end"'  # is in the last line
CLONE_NEWNS = 0x00020000


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--megabytes", type=int, default=300, help="that the model says in a turn")
    parser.add_argument("--rounds", type=int, default=5, help="of a turn without and one with it")
    parser.add_argument("--growth-mb", type=float, default=16, help="the daemon's, at most")
    parser.add_argument("--slower", type=float, default=1.1, help="the model may be by this factor")


def run(arguments: argparse.Namespace) -> Mapping[str, object]:
    megabytes = arguments.megabytes
    with (
        _mounted(5 * megabytes + 100) as home,
        closing(ModelServer("bulk_server", "--megabytes", str(megabytes))) as server,
    ):
        config = configured(("bulk", server), extra=f"[store]\nbytes = {2**33}")
        daemon = Daemon(home, config).start()
        try:
            return _Campaign(daemon, server, megabytes).run(arguments)
        finally:
            daemon.stop()


class _Reader:
    """A client with one turn.  What it reads is decoded later, so that reading takes no time."""

    def __init__(self) -> None:
        self.seq = 0
        self._text = hashlib.sha256()

    @property
    def digest(self) -> str:
        return self._text.hexdigest()

    def attach(self, client: socket.socket, turn: str) -> None:
        params = methods.TurnAttach(turn=turn, after=self.seq)
        client.sendall(wire.request(1, methods.ATTACH.name, params))

    def read(self, client: socket.socket, most_bytes: float = math.inf) -> bool:
        """Take what comes, or about so much of it; say whether the turn has ended."""
        chunks, tail, size = [], b"", 0
        while LAST not in tail and size < most_bytes:
            if not (chunk := client.recv(RECEIVED_BYTES)):
                raise Broken("chatd closed the connection of a reader")
            chunks.append(chunk)
            size += len(chunk)
            tail = tail[-TAIL_BYTES:] + chunk[-TAIL_BYTES:]
        *lines, _ = b"".join(chunks).split(b"\n")
        return [self._take(wire.decode_message(line)) for line in lines][-1]

    def _take(self, message: wire.Message) -> bool:
        """Note a message; True if it is the turn's end."""
        if message.error is not None:
            raise Broken(f"a reader was answered {message.error}")
        if message.method not in TURN_EVENTS:
            return False  # the answer
        event = msgspec.json.decode(message.params, type=TurnEvent)
        if event.seq != self.seq + 1:
            raise Broken(f"event {event.seq} came after {self.seq}")
        self.seq = event.seq
        if isinstance(event, methods.Delta):
            self._text.update(event.text.encode())
        elif isinstance(event, methods.End):
            if event.ending.state != "done":
                raise Broken(f"the turn ended as {event.ending}")
            return True
        return False


class _Watch:
    """Looks at the daemon all the while: its memory, and how long a ping takes."""

    def __init__(self, daemon: Daemon):
        self._daemon = daemon
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.before_bytes = process.memory_bytes(daemon.pid)
        self.most_bytes = 0
        self.pings_s: list[float] = []

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def growth_bytes(self) -> int:
        return self.most_bytes - self.before_bytes

    def _look(self) -> None:
        with self._daemon.client() as client:
            while not self._over.wait(LOOK_S):
                began = time.monotonic()
                client.call(methods.PING, methods.Nothing())
                self.pings_s.append(time.monotonic() - began)
                self.most_bytes = max(self.most_bytes, process.memory_bytes(self._daemon.pid))


class _Campaign:
    def __init__(self, daemon: Daemon, server: ModelServer, megabytes: int):
        self._daemon = daemon
        self._server = server
        self._megabytes = megabytes
        self._digest = bulk_server.digest(megabytes)
        self._send_ms: dict[bool, list[int]] = {False: [], True: []}

    def run(self, options: argparse.Namespace) -> Mapping[str, object]:
        rounds = options.rounds
        progress = Progress("turns", 2 * rounds)
        self._turn(model="short", is_stalled=False)
        with _Watch(self._daemon) as watch:
            for number in range(2 * rounds):
                self._turn(model="long", is_stalled=number % 2 == 1)
                progress.show(number + 1)
        alone, stalled = (median(self._send_ms[is_stalled]) for is_stalled in (False, True))
        figures = {
            "megabytes a turn": self._megabytes,
            "turns": 2 * rounds,
            "memory grew, MB": round(watch.growth_bytes / 1e6, 1),
            "the model's time, ms, no stalled reader": self._send_ms[False],
            "the model's time, ms, a stalled reader": self._send_ms[True],
            "ratio of the medians": round(stalled / alone, 3),
            "stalled readers that had all, byte for byte": rounds,
            "a ping, ms, median": round(1000 * median(watch.pings_s), 1),
            "a ping, ms, longest": round(1000 * max(watch.pings_s), 1),
        }
        if watch.growth_bytes > options.growth_mb * 1e6:
            raise Broken(f"the daemon grew too much: {figures}")
        if stalled > options.slower * alone:
            raise Broken(f"a stalled reader slowed the model: {figures}")
        return figures

    def _turn(self, *, model: str, is_stalled: bool) -> None:
        """One turn that a client reads as it comes, and maybe another one when it is over."""
        reader, late = _Reader(), _Reader()
        with self._daemon.client() as client:
            key = os.urandom(8).hex()
            # its reply has the same piece many times
            asked = methods.TurnStart(prompt="x", key=key, model=model, without=["no-loop"])
            turn = client.call(methods.START, asked).turn
        with self._connect() as first, self._connect() as second:
            reader.attach(first, turn)
            if is_stalled:
                late.attach(second, turn)
            reader.read(first)
            if model == "long":
                self._check(reader)
                self._send_ms[is_stalled].append(int(str(self._server.counts()["send_ms"])))
            if is_stalled:  # now it reads half of it, and attaches again
                late.read(second, self._megabytes * 10**6 / 2)
        if is_stalled:
            with self._connect() as again:
                late.attach(again, turn)
                late.read(again)
            self._check(late)
        with self._daemon.client() as client:
            client.call(methods.WIPE, methods.Wipe(all=True))

    def _check(self, reader: _Reader) -> None:
        if reader.digest != self._digest:
            raise Broken("a reader was told another text than the model sent")

    def _connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(TIMEOUT_S)
        client.connect(str(self._daemon.socket))
        return client


@contextmanager
def _mounted(megabytes: int) -> Iterator[Path]:
    """A tmpfs of its own for root, in a mount namespace that ends with this process."""
    home = ram_directory()
    if os.getuid() == 0:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS):
            raise OSError(ctypes.get_errno(), "unshare")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "none", str(home)]
        subprocess.run(mount, check=True)
    try:
        yield home
    finally:
        if os.getuid() == 0:
            subprocess.run(["umount", str(home)], check=True)
        shutil.rmtree(home)
