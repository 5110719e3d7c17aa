"""What one request and its answer cost in the server, against redis-server's PING."""

import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import cpu, servers
from bench.comparison import Comparison, Meaningless, Report, take_turns
from chat_rpc import methods, wire

ROUNDS = 11
REQUESTS = 16384
LIMITS: dict[int, float | None] = {1: None, 64: 2.5}  # by connections
NO_MODELS = "http://127.0.0.1:9/v1"  # nothing listens there, and nothing is asked


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load."""

    pid: int
    request: bytes
    connections: Sequence[socket.socket]

    def cost(self) -> float:
        """Return the server's CPU for one request, in seconds.

        All connections ask at once, and again when the last is answered: both servers get the
        same batches, which a generator that is always a little late for one of them cannot give.
        """
        before = cpu.of_process(self.pid)
        for _ in range(REQUESTS // len(self.connections)):
            for connection in self.connections:
                connection.sendall(self.request)
            for connection in self.connections:
                if connection.recv(4096)[-1:] != b"\n":
                    raise Meaningless("a request was not answered")
        return (cpu.of_process(self.pid) - before) / REQUESTS


def measure(rounds: int) -> Report:
    """Compare the CPU of the servers; the load and its generator are the same."""
    if shutil.which("redis-server") is None:
        return Report(notes=["ping: left out, for redis-server is not installed"])
    with ExitStack() as stack:
        chatd = stack.enter_context(servers.daemon(NO_MODELS))
        redis_pid, redis_socket = stack.enter_context(servers.redis())
        ping = wire.request(1, methods.PING.name, methods.Nothing())
        targets: list[Target] = []
        for number in LIMITS:
            for pid, path, request in (
                (redis_pid, redis_socket, b"*1\r\n$4\r\nPING\r\n"),
                (chatd.pid, chatd.socket, ping),
            ):
                connections = stack.enter_context(_connected(path, number))
                targets.append(Target(pid, request, connections))
        stack.enter_context(cpu.on_one([redis_pid, chatd.pid]))
        costs = take_turns(rounds, [target.cost for target in targets])
    return Report(
        [
            Comparison(
                benchmark="ping",
                subject=f"chatd, {number} connection{'s' * (number > 1)}",
                baseline="redis-server",
                unit="µs",
                subject_costs=[1e6 * cost for cost in costs[2 * index + 1]],
                baseline_costs=[1e6 * cost for cost in costs[2 * index]],
                limit=limit,
            )
            for index, (number, limit) in enumerate(LIMITS.items())
        ]
    )


@contextmanager
def _connected(path: Path, number: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        connections = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(number)]
        for connection in connections:
            connection.connect(str(path))
        yield connections
