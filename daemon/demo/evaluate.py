"""Asks a demo model, through the engine that chatd itself uses, and counts its answers.

    python -m demo.evaluate [--model FILE] [--json] [--show]

Of the held-out questions (paraphrases.toml) it prints sums only, `--show` or not.
"""

import argparse
import http.client
import json
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from chatd.backends.demo import CONTEXT, DECLINE, FILE, OPTIONS
from demo.corpus import HERE, load, read_toml

HELD_OUT, DEV = HERE / "paraphrases.toml", HERE / "dev.toml"
TIMEOUT_S = 30
CHANGES = re.compile(
    r"\bchat (ask|batch|import|export|save|restore|fork|edit|retry|rename|rm|undelete|keep|wipe"
    r"|good|bad|refine|memory|taste|open|ui|config|admin|doctor|completion)\b"
    r"|\b(sudo|rm|kill|systemctl|apt|pip|curl|wget|docker|ollama (run|pull|serve|rm))\b"
)


@dataclass(frozen=True)
class Question:
    text: str
    intent: str | None  # None: out of scope


@dataclass(frozen=True)
class Asked:
    question: Question
    reply: str

    @property
    def is_declined(self) -> bool:
        return DECLINE in self.reply


@dataclass(frozen=True)
class Figures:
    inside: int
    right: int
    declined: int
    wrong: int
    outside: int
    outside_declined: int
    naming_a_change: int  # answers with a command that changes anything


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("engine", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(str(self._path))


def evaluate(model: Path, questions: Path) -> Figures:
    """Ask every question of a file and return the sums."""
    return count(ask_all(model, read_questions(questions)))


def read_questions(path: Path) -> list[Question]:
    """Read lists of questions: those named after an intent are in scope, all others out of it."""
    return list(_walk(read_toml(str(path)), set(read_toml("intents.toml")["intents"])))


def ask_all(model: Path, questions: list[Question]) -> list[Asked]:
    with running(model) as connection:
        return [Asked(q, ask(connection, q.text)) for q in questions]


def count(asked: list[Asked]) -> Figures:
    answers = load().answers
    inside = [(a, answers[a.question.intent]) for a in asked if a.question.intent]
    outside = [a for a in asked if not a.question.intent]
    right = sum(a.reply == answer for a, answer in inside)
    declined = sum(a.is_declined for a, _ in inside)
    return Figures(
        inside=len(inside),
        right=right,
        declined=declined,
        wrong=len(inside) - right - declined,
        outside=len(outside),
        outside_declined=sum(a.is_declined for a in outside),
        naming_a_change=sum(bool(CHANGES.search(a.reply)) for a in asked),
    )


def ask(connection: http.client.HTTPConnection, text: str) -> str:
    """Ask as chatd does: the question alone, with its options."""
    body = {"messages": [{"role": "user", "content": text}], **OPTIONS}
    connection.request(
        "POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"}
    )
    reply = json.loads(connection.getresponse().read())
    return str(reply["choices"][0]["message"]["content"])


@contextmanager
def running(model: Path) -> Iterator[http.client.HTTPConnection]:
    """Run the engine's child with `model` and connect to it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "engine.sock"
        child = subprocess.Popen(
            [sys.executable, "-m", "chatd.backends.engine_child", model, path, "1", str(CONTEXT)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        with child:  # its end closes stdin, which ends the child
            if child.stdout is None or not child.stdout.readline().startswith(b"READY"):
                raise RuntimeError(f"the engine did not start with {model}")
            connection = _Connection(path)
            try:
                yield connection
            finally:
                connection.close()
                child.terminate()


def _walk(
    table: Mapping[str, object], intents: set[str], intent: str | None = None
) -> Iterator[Question]:
    for name, value in table.items():
        below = name if name in intents else intent
        if isinstance(value, Mapping):
            yield from _walk(value, intents, below)
        elif isinstance(value, list):
            yield from (Question(str(text), below) for text in value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=FILE)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--dev", action="store_true", help="the development set alone")
    parser.add_argument("--show", action="store_true", help="what went wrong in it")
    options = parser.parse_args()
    dev = ask_all(options.model, read_questions(DEV))
    figures = {"dev": count(dev)}
    if not options.dev:
        figures["held out"] = evaluate(options.model, HELD_OUT)
    if options.json:
        print(json.dumps({name: asdict(f) for name, f in figures.items()}))
        return
    for name, f in figures.items():
        print(
            f"{name}: {f.right} right, {f.declined} declined, {f.wrong} wrong of {f.inside};"
            f" out of scope {f.outside_declined} of {f.outside} declined;"
            f" {f.naming_a_change} answers name a command that changes anything"
        )
    if options.show:
        _show(dev)


def _show(asked: list[Asked]) -> None:
    answers = load().answers
    for a in asked:
        intent = a.question.intent
        if a.reply != (answers[intent] if intent else DECLINE):
            print(f"  {intent or '-'}: {a.question.text} -> {a.reply[:70]}")


if __name__ == "__main__":
    main()
