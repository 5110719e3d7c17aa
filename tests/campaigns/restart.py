"""`systemctl restart` under load, in a box: no connection is refused, and no turn is lost."""

import argparse
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from chat_rpc import errors, methods
from chat_rpc.client import Client, ask
from tests.box.box import missing
from tests.box.machine import Machine, fetch_wheels
from tests.campaigns.ledger import Question, demand
from tests.campaigns.report import Broken, Progress

LONG_ONES = 4  # of so many clients one has turns that a stop has to wait for
TOKENS_A_SECOND = 20  # of the model `slow`
ENOUGH_S = 1.0  # what a turn needs beside `stop_s` to end between two restarts, at least
STOP_S = 5.0  # chatd's, which lets turns go on so long


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--restarts", type=int, default=50)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument(
        "--turn-s",
        type=int,
        default=1,
        help=f"how long every {LONG_ONES}th client's turns take; over {STOP_S:g}, a stop does not "
        "wait for their end, and the next chatd asks again",
    )
    parser.add_argument(
        "--pause-s", type=float, default=0.0, help="how long a client waits after an answer"
    )


def run(arguments: argparse.Namespace) -> Mapping[str, object]:
    """Restart the service of a new machine so often."""
    if reason := missing():
        raise Broken(f"no systemd can be booted here: {reason}")
    tokens = arguments.turn_s * TOKENS_A_SECOND
    between_s = max(0.3, arguments.turn_s - STOP_S + ENOUGH_S)
    with (
        tempfile.TemporaryDirectory() as wheels,
        Machine(fetch_wheels(Path(wheels)), "--tokens", str(tokens)) as machine,
    ):
        load = Load(arguments.clients, tokens, arguments.pause_s)
        return restart(machine, arguments.restarts, load, between_s)


@dataclass(frozen=True)
class Load:
    """What goes on meanwhile."""

    clients: int = 8
    tokens: int = TOKENS_A_SECOND  # of a long turn
    pause_s: float = 0.0


def restart(
    machine: Machine, restarts: int, load: Load, between_s: float = 0.3
) -> Mapping[str, object]:
    """Restart chatd so often while these clients ask; returns figures or raises Broken."""
    took_s: list[float] = []
    pids = {machine.pid}
    progress = Progress("restart", restarts)

    def restart_all() -> None:
        for number in range(restarts):
            began_s = time.monotonic()
            machine.restart()
            took_s.append(time.monotonic() - began_s)
            pids.add(machine.pid)
            time.sleep(between_s)  # there is nothing to wait for: the load goes on
            progress.show(number + 1)

    figures = under_load(machine, restart_all, load)
    demand(len(pids) == restarts + 1, "every restart brings another process", len(pids))
    return {
        "restarts": restarts,
        **figures,
        "longest restart": f"{max(took_s):.2f} s",
        "restarts that took": f"{sorted(took_s)[len(took_s) // 2]:.2f} s in the median",
    }


def under_load(
    machine: Machine, work: Callable[[], None], load: Load = Load()
) -> Mapping[str, object]:
    """Do `work` while clients ask; returns figures, or raises Broken if one was let down."""
    crowd = [Asker(machine, number, load) for number in range(load.clients)]
    is_over = threading.Event()
    with ThreadPoolExecutor(load.clients) as pool:
        asking = [pool.submit(asker.run, is_over) for asker in crowd]
        try:
            work()
        finally:
            is_over.set()
        for each in asking:
            each.result()
    questions = [question for asker in crowd for question in asker.questions]
    with machine.client() as client:
        for question in questions:
            get = methods.TurnGet(turn=question.turn, tried=True)
            question.compare(client.call(methods.GET, get))
    return {
        "clients": load.clients,
        "connections": sum(asker.connections for asker in crowd),
        "refused": 0,  # or else Broken was raised
        "turns asked": len(questions),
        "lost": 0,
        "asked again after a stop": sum(question.attempts > 1 for question in questions),
        "longest wait of a quick turn": f"{max(asker.wait_s for asker in crowd):.2f} s",
    }


class Asker:
    """One client: a connection for each turn, and the next turn when that has ended."""

    def __init__(self, machine: Machine, number: int, load: Load):
        self.connections = 0
        self.wait_s = 0.0  # the longest
        self.questions: list[Question] = []
        self._machine = machine
        self._is_quick = bool(number % LONG_ONES)
        self._long_text = "".join(f"{number} " for number in range(load.tokens))
        self._pause_s = load.pause_s
        self._client: Client | None = None

    def run(self, is_over: threading.Event) -> None:
        while not is_over.is_set():
            began_s = time.monotonic()
            self._ask("hash" if self._is_quick else "slow")
            if self._is_quick:
                self.wait_s = max(self.wait_s, time.monotonic() - began_s)
            is_over.wait(self._pause_s)

    def _ask(self, model: str) -> None:
        prompt = self._machine.prompt()
        asked = methods.TurnStart(prompt=prompt, key=secrets.token_hex(8), model=model)
        question = Question(asked, prompt)
        for event in ask(self._connect, question.params):
            if isinstance(event, methods.Started):
                question.acknowledge(event)
            else:
                question.hear(event, len(question.events) + 1)
        if self._client is not None:
            self._client.close()
        demand(question.is_done, "every turn is done", question.ending)
        if self._is_quick:
            question.judge()
        else:
            demand(question.text == self._long_text, "a reply is whole", question.turn)
        self.questions.append(question)

    def _connect(self) -> Client:
        try:
            self._client = self._machine.client()
        except errors.NotRunning as exc:
            raise Broken(f"a connection was refused: {exc}") from exc
        self.connections += 1
        return self._client
