"""What is another user's: the answer is that of names which never were, to the byte."""

import argparse
import itertools
import os
import random
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import median

from chat_rpc import methods, wire
from chat_rpc.client import Client
from chatd.chats.turns import new_id
from tests.campaigns.report import Broken, Progress
from tests.harness import Daemon, ram_directory

NOSY_UID = 12345
CHATS = 20  # that each of the two users has
KINDS: Mapping[str, str] = {  # of names, and the params that take them
    "turn": "turn",
    "turn in its place": "instead_of",
    "chat": "chat",
    "title": "chat",
    "file": "file",
    "list of files": "files",
}
WITH_A_CHAT = ("chat.fork", "chat.select")  # their turn is looked for in a chat of the caller's
OTHERS: Mapping[str, Mapping[str, object]] = {  # what a method wants beside an id
    "chat.rename": {"title": "x"},
    "chat.keep": {"lifetime_s": 60},
    "chat.select": {"turn": "x"},
    "file.add": {"data": ""},
    "turn.feedback": {"thumb": "good"},
    "turn.refine": {"feedback": "x", "key": "k"},
    "turn.verdict": {"n": 1, "check": "x", "verdict": "pass"},
    "turn.start": {"prompt": "x", "key": "k"},
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pairs", type=int, default=10_000, help="of a call for each of the two")
    parser.add_argument("--differ", type=float, default=0.05, help="the medians may by this share")


def run(arguments: argparse.Namespace) -> Mapping[str, object]:
    if os.getuid() != 0:
        raise Broken("this needs root, to be another user")
    home = ram_directory()  # another user passes through it
    daemon = Daemon(home, "[finding]\nenabled = false\n").start()
    try:
        theirs, nobodys = compare(daemon, arguments.pairs)
    finally:
        daemon.stop()
        shutil.rmtree(home)
    all_theirs, all_nobodys = (list(itertools.chain(*each.values())) for each in (theirs, nobodys))
    differ = _differ(all_theirs, all_nobodys)
    figures: dict[str, object] = {
        "pairs of calls": arguments.pairs,
        "methods": ", ".join(theirs),
        "median, µs, another user's": round(1e6 * median(all_theirs), 2),
        "median, µs, nobody's": round(1e6 * median(all_nobodys), 2),
        "they differ by": f"{differ:.2%}",
        "the most that one method's differ by": (
            f"{max(_differ(theirs[name], nobodys[name]) for name in theirs):.2%}"
        ),
    }
    if differ > arguments.differ:
        raise Broken(f"time tells whose it is: {figures}")
    return figures


def compare(daemon: Daemon, pairs: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Call all methods with ids of another user's and with nobody's; return the seconds of each.

    Raises Broken when an answer differs.
    """
    mine = _make_chats(daemon)
    with _another_user(daemon):
        _make_chats(daemon)
        nosy = socket.socket(socket.AF_UNIX)
        nosy.connect(str(daemon.socket))
    calls = _methods()
    theirs: dict[str, list[float]] = {name: [] for name, _ in calls}
    nobodys: dict[str, list[float]] = {name: [] for name, _ in calls}
    progress = Progress("pairs", pairs)
    with nosy:
        for number, (name, kind) in zip(range(pairs), itertools.cycle(calls), strict=False):
            chat = random.choice(mine)
            both = [(theirs, _name_of(chat, kind)), (nobodys, new_id())]
            answers = [
                _ask(nosy, name, _params(name, kind, id_), times[name])
                for times, id_ in (both if number % 2 else reversed(both))
            ]
            if answers[0] != answers[1] or b'"error"' not in answers[0]:
                raise Broken(f"{name} tells whose a {kind} is: {answers}")
            progress.show(number + 1)
    return theirs, nobodys


def _differ(times: list[float], others: list[float]) -> float:
    return abs(median(times) / median(others) - 1)


def _methods() -> list[tuple[str, str]]:
    """Return all methods that take a name of something, with the kinds of it."""
    return [
        (name, kind)
        for name, method in methods.METHODS.items()
        for kind, param in KINDS.items()
        if param in method.params.__struct_fields__ and not (kind == "turn" and name in WITH_A_CHAT)
    ]


def _name_of(chat: methods.Chat, kind: str) -> str:
    """Return how its owner would name a chat, or what is in it."""
    turn = chat.turns[0]
    names = {"chat": chat.chat, "title": chat.title, "file": turn.files[0].file}
    return names.get(kind.removeprefix("list of ").removesuffix("s"), turn.turn)


def _params(name: str, kind: str, id_: str) -> Mapping[str, object]:
    named: object = [id_] if kind.startswith("list") else id_
    return {KINDS[kind]: named, **OTHERS.get(name, {})}


def _ask(client: socket.socket, name: str, params: object, times: list[float]) -> bytes:
    line = wire.request(1, name, params)
    began = time.perf_counter()
    client.sendall(line)
    answer = client.recv(65536)
    times.append(time.perf_counter() - began)
    return answer


def _make_chats(daemon: Daemon) -> list[methods.Chat]:
    """Give whoever calls some chats of one turn each, with a file; no model is there to ask."""
    with Client(daemon.socket) as client:
        return [_make_chat(client, new_id()) for _ in range(CHATS)]


def _make_chat(client: Client, title: str) -> methods.Chat:
    file = client.call(methods.FILE, methods.FileAdd(data="")).file
    asked = methods.TurnStart(
        prompt="a question", key=title, name=title, files=[file], model="no such model"
    )
    started = client.call(methods.START, asked)
    while not isinstance(event := next(client.events()), methods.End):
        assert event.turn == started.turn  # of the turn before nothing is left
    return client.call(methods.CHAT, methods.ChatGet(chat=started.chat))


@contextmanager
def _another_user(daemon: Daemon) -> Iterator[None]:
    """Be another user for a while: the kernel tells chatd the effective uid of who connects."""
    daemon.home.chmod(0o711)
    daemon.socket.chmod(0o666)
    os.seteuid(NOSY_UID)
    try:
        yield
    finally:
        os.seteuid(0)
