"""Very many turns, their chats wiped as it goes: what chatd holds does not grow with them."""

import argparse
import asyncio
import itertools
import shutil
from collections import deque
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression
from typing import cast

import msgspec
import uvloop

from chat_rpc import methods, wire
from tests.campaigns import process
from tests.campaigns.report import Broken, Progress, as_text
from tests.harness import TROUBLE, Daemon, ModelServer, configured, ram_directory

CONNECTIONS, AT_ONCE = 4, 16  # turns under way on each connection
LIVING = 200  # chats that are kept before the oldest is wiped
AGAIN = 10  # each so manieth turn goes on with a chat
LIFETIME_S = 60.0
SEGMENT_BYTES = 2**20
STALL_S = 60.0
SLACK = 8  # descriptors and threads that one sample may have more than another
OWN_FILES = 3  # of the store: its lock, its epoch and its reserve


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--turns", type=int, default=1_000_000)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--expires", type=int, default=50, help="each so manieth chat expires")
    parser.add_argument("--growth-kb", type=float, default=1000, help="in the second half, at most")


def run(arguments: argparse.Namespace) -> Mapping[str, object]:
    home = ram_directory()
    try:
        with closing(ModelServer("bulk_server")) as server:
            extra = f"[store]\nsegment_bytes = {SEGMENT_BYTES}"
            daemon = Daemon(home, configured(("bulk", server), extra=extra)).start()
            try:
                return uvloop.run(_soak(daemon, arguments))
            finally:
                daemon.stop()
    finally:
        shutil.rmtree(home)


@dataclass(frozen=True)
class Sample:
    """What the daemon held after so many turns."""

    turns: int
    at_s: float
    cpu_s: float
    memory_bytes: int
    swap_bytes: int
    descriptors: int
    threads: int
    files: int
    stored_bytes: int
    segments: int

    @classmethod
    def take(cls, daemon: Daemon, turns: int) -> "Sample":
        sizes = _sizes(daemon.store)
        return cls(
            turns=turns,
            at_s=asyncio.get_running_loop().time(),
            cpu_s=process.cpu_s(daemon.pid),
            memory_bytes=process.memory_bytes(daemon.pid),
            swap_bytes=process.swap_bytes(daemon.pid),
            descriptors=process.descriptors(daemon.pid),
            threads=process.threads(daemon.pid),
            files=len(sizes),
            stored_bytes=sum(sizes.values()),
            segments=sum(name.endswith(".ndj") for name in sizes),
        )


class Asker(asyncio.Protocol):
    """One connection: it has AT_ONCE turns under way and wipes chats behind it.

    It is cheap, so that chatd is what is measured: an event that is not an end is not decoded.
    """

    def __init__(self, soak: "Soak"):
        self._soak = soak
        self._ids = itertools.count(1)
        self._rest = b""
        self._begun: dict[int, str] = {}  # requests, and the method of each
        self._chats: dict[str, str] = {}  # by turn
        self._idle: deque[str] = deque()  # chats without a running turn, oldest first
        self._out: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        for _ in range(AT_ONCE):
            self._start()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._soak.lose("a connection was lost")

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b'{"jsonrpc":"2.0","id"'):
                self._take_answer(wire.decode_message(line))
            elif line.startswith(b'{"jsonrpc":"2.0","method":"turn.end"'):
                self._take_end(wire.decode_message(line))
        self._flush()

    def _call(self, method: str, params: methods.Params) -> None:
        id_ = next(self._ids)
        self._begun[id_] = method
        self._out.append(wire.request(id_, method, params))

    def _flush(self) -> None:
        if self._out:
            self._transport.writelines(self._out)
            self._out.clear()

    def _start(self) -> None:
        number = self._soak.begin()
        if number is None:
            return
        chat = self._idle.pop() if self._idle and not number % AGAIN else None
        asked = methods.TurnStart(prompt=f"{number}", key=f"k{number}", model="short", chat=chat)
        self._call("turn.start", asked)

    def _take_answer(self, message: wire.Message) -> None:
        method = self._begun.pop(cast(int, message.id))
        if message.error is not None:
            self._soak.lose(f"{method} was answered {message.error}")
        elif method == "turn.start":
            started = msgspec.json.decode(cast(msgspec.Raw, message.result), type=methods.Started)
            self._chats[started.turn] = started.chat

    def _take_end(self, message: wire.Message) -> None:
        end = msgspec.json.decode(message.params, type=methods.End)
        chat = self._chats.pop(end.turn)
        if end.ending.state != "done":
            self._soak.lose(f"turn {end.turn} ended as {end.ending}")
        number = self._soak.end()
        if not self._soak.expires or number % self._soak.expires:
            self._idle.append(chat)
        else:
            self._call("chat.keep", methods.Keep(chat=chat, lifetime_s=LIFETIME_S))
        if len(self._idle) > LIVING // CONNECTIONS:
            self._destroy(self._idle.popleft(), number)
        self._start()

    def _destroy(self, chat: str, number: int) -> None:
        named = methods.ChatNamed(chat=chat)
        if not number % AGAIN:
            self._call("chat.delete", named)
            self._call("chat.undelete", named)
        self._call("chat.wipe", methods.Wipe(chat=chat))


class Soak:
    """How far it is."""

    def __init__(self, turns: int, expires: int):
        self.expires = expires
        self._turns = turns
        self._begun = 0
        self.done = 0
        self.is_over = False
        self._fault: str | None = None
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def begin(self) -> int | None:
        """Return the number of the turn to begin, or None if there are enough."""
        if self._begun == self._turns:
            return None
        self._begun += 1
        return self._begun

    def end(self) -> int:
        self.done += 1
        for turns, future in self._waiting:
            if self.done >= turns and not future.done():
                future.set_result(None)
        return self.done

    def lose(self, why: str) -> None:
        if self._fault is None and not self.is_over:
            self._fault = why
            for _, future in self._waiting:
                if not future.done():
                    future.set_exception(Broken(why))

    async def until(self, turns: int) -> None:
        """Wait until so many turns have ended; raises Broken when something went wrong."""
        if self._fault is not None:
            raise Broken(self._fault)
        if self.done < turns:
            future = asyncio.get_running_loop().create_future()
            self._waiting = [(turns, future)]
            async with asyncio.timeout(STALL_S):
                await future


async def _soak(daemon: Daemon, options: argparse.Namespace) -> Mapping[str, object]:
    soak = Soak(options.turns, options.expires)
    progress = Progress("turns", options.turns)
    loop = asyncio.get_running_loop()
    connections = [
        await loop.create_unix_connection(lambda: Asker(soak), str(daemon.socket))
        for _ in range(CONNECTIONS)
    ]
    samples = []
    for number in range(1, options.samples + 1):
        await soak.until(options.turns * number // options.samples)
        samples.append(Sample.take(daemon, soak.done))
        _look_for_trouble(daemon)
        await _visit(daemon)
        progress.show(soak.done)
    soak.is_over = True
    for transport, _ in connections:
        transport.close()
    with daemon.client() as client:
        client.call(methods.WIPE, methods.Wipe(all=True))
    end = Sample.take(daemon, soak.done)
    figures = _figures(samples, end)
    _judge(samples, end, options.growth_kb, figures)
    return figures


async def _visit(daemon: Daemon) -> None:
    """Watch all chats, and leave without a word."""
    _, writer = await asyncio.open_unix_connection(str(daemon.socket))
    writer.write(wire.request(1, "chat.watch", methods.Watch()))
    await writer.drain()
    writer.transport.abort()


def _figures(samples: list[Sample], end: Sample) -> dict[str, object]:
    first, last = samples[0], samples[-1]
    half = samples[len(samples) // 2 :]
    turns, seconds = last.turns - first.turns, last.at_s - first.at_s
    return {
        "turns": last.turns,
        "turns/s": round(turns / seconds),
        "daemon's CPU, µs a turn": round(1e6 * (last.cpu_s - first.cpu_s) / turns),
        "memory, MB, first, middle, last": [
            round(sample.memory_bytes / 1e6, 1) for sample in (first, half[0], last)
        ],
        "slope in the second half, bytes/1000 turns": round(1000 * _slope(half)),
        "slope in the second half, MB/h": round(_slope(half) * turns / seconds * 3600 / 1e6, 2),
        "swap, bytes, most": max(sample.swap_bytes for sample in samples),
        "descriptors, first and last": [first.descriptors, last.descriptors],
        "threads, first and last": [first.threads, last.threads],
        "files, first, most, last, after the wipe": [
            first.files, max(sample.files for sample in samples), last.files, end.files,
        ],
        "stored, MB, first, most, last, after the wipe": [
            round(size / 1e6, 2)
            for size in (
                first.stored_bytes,
                max(sample.stored_bytes for sample in samples),
                last.stored_bytes,
                end.stored_bytes,
            )
        ],
        "segments, most": max(sample.segments for sample in samples),
    }  # fmt: skip


def _judge(
    samples: list[Sample], end: Sample, growth_kb: float, figures: Mapping[str, object]
) -> None:
    """Raise Broken if anything grew."""
    middle = len(samples) // 2
    early, late = samples[:middle], samples[middle:]
    turns = late[-1].turns - late[0].turns
    promises = {
        "the memory grew": _slope(late) * turns <= 1000 * growth_kb,
        "descriptors were lost": _most(late, "descriptors") <= _most(early, "descriptors") + SLACK,
        "threads were lost": _most(late, "threads") <= _most(early, "threads") + SLACK,
        "the journal grew": _most(late, "segments") <= 2 * _most(early, "segments"),
        "something was left in the store": (end.files, end.segments) == (OWN_FILES + 1, 1),
    }
    if broken := [what for what, is_kept in promises.items() if not is_kept]:
        raise Broken(f"{', '.join(broken)}\n{as_text('soak', figures)}")


def _slope(samples: list[Sample]) -> float:
    """Return the bytes of memory that a turn costs for ever."""
    memory = [sample.memory_bytes for sample in samples]
    return linear_regression([sample.turns for sample in samples], memory).slope


def _most(samples: list[Sample], name: str) -> int:
    return max(int(getattr(sample, name)) for sample in samples)


def _look_for_trouble(daemon: Daemon) -> None:
    """Raise Broken if the log tells of any; it is begun anew now and then."""
    for line in daemon.log.read_text().splitlines():
        if TROUBLE.search(line):
            raise Broken(f"trouble in the log: {line}")


def _sizes(store: Path) -> dict[str, int]:
    """Return the sizes of the store's files, by name."""
    sizes: dict[str, int] = {}
    for path in store.rglob("*"):
        with suppress(FileNotFoundError):  # it went meanwhile
            if path.is_file():
                sizes[path.name] = path.stat().st_size
    return sizes
