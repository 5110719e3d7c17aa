"""`systemctl restart` under load, in a box: no connection is refused, and no turn is lost."""

import argparse
import secrets
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chat_rpc import errors, methods
from chat_rpc.client import Client, ask
from tests.box.box import missing
from tests.box.machine import Machine, fetch_wheels
from tests.campaigns.ledger import Question, demand
from tests.campaigns.report import Broken, Progress

SLOW_ONES = 4  # of so many clients one has turns that take a second, for a stop to wait for
SLOW_TEXT = "".join(f"{number} " for number in range(20))
BETWEEN_S = 0.3


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--restarts", type=int, default=50)
    parser.add_argument("--clients", type=int, default=8)


def run(arguments: argparse.Namespace) -> Mapping[str, object]:
    """Restart the service of a new machine so often."""
    if reason := missing():
        raise Broken(f"no systemd can be booted here: {reason}")
    with tempfile.TemporaryDirectory() as wheels, Machine(fetch_wheels(Path(wheels))) as machine:
        return restart(machine, arguments.restarts, arguments.clients)


def restart(machine: Machine, restarts: int, clients: int) -> Mapping[str, object]:
    """Restart chatd so often while these clients ask; returns figures or raises Broken."""
    crowd = [Asker(machine, number) for number in range(clients)]
    is_over = threading.Event()
    took_s: list[float] = []
    pids = {machine.pid}
    progress = Progress("restart", restarts)
    with ThreadPoolExecutor(clients) as pool:
        working = [pool.submit(asker.run, is_over) for asker in crowd]
        try:
            for number in range(restarts):
                began_s = time.monotonic()
                machine.restart()
                took_s.append(time.monotonic() - began_s)
                pids.add(machine.pid)
                is_over.wait(BETWEEN_S)
                progress.show(number + 1)
        finally:
            is_over.set()
        for each in working:
            each.result()
    demand(len(pids) == restarts + 1, "every restart brings another process", len(pids))
    questions = [question for asker in crowd for question in asker.questions]
    _check(machine, questions)
    longest_s = max(wait_s for asker in crowd for wait_s in asker.waits_s)
    return {
        "restarts": restarts,
        "clients": clients,
        "connections": sum(asker.connections for asker in crowd),
        "refused": 0,
        "turns asked": len(questions),
        "lost": 0,
        "asked again after a stop": sum(question.attempts > 1 for question in questions),
        "longest wait of a quick turn": f"{longest_s:.2f} s",
        "longest restart": f"{max(took_s):.2f} s",
    }


def _check(machine: Machine, questions: list[Question]) -> None:
    """Demand that chatd has every turn, as it was told."""
    with machine.client() as client:
        for question in questions:
            question.compare(client.call(methods.GET, methods.TurnGet(turn=question.turn)))


class Asker:
    """One client: a connection for each turn, and the next turn when that has ended."""

    def __init__(self, machine: Machine, number: int):
        self.connections = 0
        self.questions: list[Question] = []
        self.waits_s: list[float] = []
        self._machine = machine
        self._model = "slow" if number % SLOW_ONES == 0 else "hash"
        self._client: Client | None = None

    def run(self, is_over: threading.Event) -> None:
        while not is_over.is_set():
            self._ask()

    def _ask(self) -> None:
        question = Question(
            methods.TurnStart(
                prompt=self._machine.prompt(), key=secrets.token_hex(8), model=self._model
            )
        )
        began_s = time.monotonic()
        for event in ask(self._connect, question.params):
            if isinstance(event, methods.Started):
                question.acknowledge(event)
            else:
                question.hear(event, len(question.events) + 1)
        if self._client is not None:
            self._client.close()
        demand(question.is_done, "every turn is done", question.ending)
        if self._model == "hash":
            question.judge()
            self.waits_s.append(time.monotonic() - began_s)
        else:
            demand(question.text == SLOW_TEXT, "a reply is whole", question.turn)
        self.questions.append(question)

    def _connect(self) -> Client:
        try:
            self._client = self._machine.client()
        except errors.NotRunning as exc:
            raise Broken(f"a connection was refused: {exc}") from exc
        self.connections += 1
        return self._client
