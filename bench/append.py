"""What it costs to keep a token and to tell of it, against a commit of SQLite's on a tmpfs."""

import os
import shutil
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from functools import partial
from itertools import count

from tests.harness import ram_directory

from bench.comparison import Comparison, Report, take_turns
from chat_rpc import methods
from chatd.chats.following import follow
from chatd.chats.quota import Quota
from chatd.chats.sessions import Sessions
from chatd.chats.turns import Step
from chatd.store.tmpfs import Store

ROUNDS = 11
APPENDS, TOGETHER = 2000, 50  # as many as a socket holds unread
TEXT = "token " * 100  # with its envelope about 0.7 KB
LIMIT = 0.5


class Follower:
    """A connection as chatd has it, without its loop: a line is written, and not waited for."""

    def __init__(self, out: socket.socket):
        self._out = out

    is_gone = False

    def feed(self, step: Step) -> None:
        raise AssertionError("nothing is there to catch up with")

    def follow(self, turn: str) -> None:
        pass

    def leave(self, turn: str) -> None:
        pass

    def deliver(self, line: bytes) -> bool:
        return self._out.send(line) == len(line)

    tell = deliver


def measure(rounds: int) -> Report:
    """Compare a delta that is journaled and sent with a row that is committed, and no more."""
    with ExitStack() as stack:
        home = ram_directory()
        stack.callback(shutil.rmtree, home)
        store = stack.enter_context(closing(Store(home)))
        quota = Quota(store, own_mount=False, store_bytes=2**30)
        session = Sessions(store, quota, 3600.0).of(os.getuid())
        here, there = socket.socketpair()
        stack.enter_context(closing(here))
        stack.enter_context(closing(there)).settimeout(0)
        turn = session.begin(methods.TurnStart(prompt="hi", key="k"), "digest")
        session.add_event(turn, "attempt", n=1)
        follow(session.files.journal, turn, Follower(here), after=turn.seq)

        rows = stack.enter_context(closing(sqlite3.connect(home / "db", isolation_level=None)))
        # its fastest that loses nothing with the process; events are found by turn and seq
        rows.execute("pragma journal_mode=wal")
        rows.execute("pragma synchronous=off")
        rows.execute(
            "create table event (turn text, seq integer, text text, primary key (turn, seq))"
        )
        numbers = count()

        def append() -> None:
            session.add_text(turn, TEXT)

        def commit() -> None:
            rows.execute("insert into event values (?, ?, ?)", (turn.id, next(numbers), TEXT))

        costs = take_turns(rounds, [partial(_cost, append, there), partial(_cost, commit, there)])
    return Report(
        [
            Comparison(
                benchmark="append",
                subject="chatd, kept and told",
                baseline="SQLite, committed",
                unit="µs",
                subject_costs=costs[0],
                baseline_costs=costs[1],
                limit=LIMIT,
            )
        ]
    )


def _cost(append: Callable[[], None], there: socket.socket) -> float:
    """Return the CPU of one append in µs; what was sent is read outside of it."""
    spent_ns = 0
    for _ in range(APPENDS // TOGETHER):
        begin_ns = time.thread_time_ns()
        for _ in range(TOGETHER):
            append()
        spent_ns += time.thread_time_ns() - begin_ns
        with suppress(BlockingIOError):
            while there.recv(2**20):
                pass
    return spent_ns / 1e3 / APPENDS
