"""`chat --complete KIND`: what can stand on a command line, for the shells' completion.

It is asked at each press of a key: it starts no chatd, waits for none and never says what is wrong.
"""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from types import FrameType
from typing import NoReturn

from chat_cli import manual, output
from chat_rpc import errors, methods, paths, person, templates
from chat_rpc.client import Client

PATIENCE_S = 1.0
SHOWN = 200  # chats
ID_CHARS = 8
TITLE_CHARS = 50
_PLAIN = re.compile(r"[\w.+-]+")

Candidates = Iterator[tuple[str, str]]


def tell(kind: str = "") -> None:
    """Print a line each: what can be typed, a tab, and what it is."""
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
    with suppress(errors.RpcError, OSError):
        for value, about in KINDS.get(kind, _none)():
            output.line(f"{value}\t{' '.join(about.split())[:TITLE_CHARS]}")


def _give_up(_: int, __: FrameType | None) -> NoReturn:
    os._exit(0)


def _connect() -> Client:
    for socket in paths.find().sockets:
        with suppress(errors.NotRunning):
            return Client(socket)
    raise errors.NotRunning("")


def _chats(*, deleted: bool = False) -> Candidates:
    with _connect() as client:
        page = client.call(methods.CHATS, methods.Page(limit=SHOWN, deleted=deleted))
    for chat in page.chats:
        if _PLAIN.fullmatch(chat.title) and not deleted:
            yield chat.title, output.count(chat.turns, "turn")
        else:
            yield chat.chat[:ID_CHARS], chat.title


def _deleted() -> Candidates:
    return _chats(deleted=True)


def _models() -> Candidates:
    yield from person.load().aliases.items()
    with _connect() as client:
        for model in client.call(methods.MODELS, methods.Nothing()).models:
            yield model.model, model.backend


def _templates() -> Candidates:
    for name in templates.names():
        with suppress(errors.RpcError):
            yield name, templates.load(name).front.summary


def _profiles() -> Candidates:
    for name, profile in person.load().checks.items():
        yield name, f"{output.count(len(profile.checks), 'check')} of yours"


def _checks() -> Candidates:
    with suppress(errors.BadSettings):
        yield from _profiles()
    lines = manual.TOPICS["checks"]().splitlines()
    for line, about in pairwise(lines):
        if found := re.match(r"  (\w[\w-]*)(:?)", line):
            yield found[1] + found[2], about.strip()


def _topics() -> Candidates:
    return ((topic, "") for topic in manual.TOPICS)


def _settings() -> Candidates:
    mine = person.load()
    for name in person.Person.__struct_fields__:
        inner = getattr(mine, name)
        yield from ((f"{name}.{key}", "") for key in (inner if isinstance(inner, dict) else ()))
        yield name, ""


def _none() -> Candidates:
    return iter(())


KINDS: dict[str, Callable[[], Candidates]] = {
    "chats": _chats,
    "deleted": _deleted,
    "models": _models,
    "templates": _templates,
    "checks": _checks,
    "profiles": _profiles,
    "topics": _topics,
    "settings": _settings,
}
