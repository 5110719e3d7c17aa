"""Checked turns with a real engine and the demo model behind it: what comes of them, as it is."""

import argparse
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

import uvloop

from chat_rpc import aio, methods
from chat_rpc.checks import Check
from tests.campaigns.report import Progress
from tests.harness import ROOT, Daemon, ModelServer, configured, free_port, ram_directory

MODEL = ROOT / "daemon" / "chatd" / "backends" / "demo.gguf"
QUESTIONS = ROOT / "daemon" / "demo" / "dev.toml"
SCHEMA = {
    "type": "object",
    "required": ["answer"],
    "properties": {"answer": {"type": "string", "maxLength": 120}},
    "additionalProperties": False,
}
RUBRIC = "It answers the question."

# the demo model follows no instruction: what a repair says is no help to it
SCENARIOS: Mapping[str, Mapping[str, object]] = {
    "words:..20": {"checks": [Check(type="words", value="..20")]},
    "words:..20, the best of 3": {"checks": [Check(type="words", value="..20")], "best_of": 3},
    "contains:chat": {"checks": [Check(type="contains", value="chat")]},
    "one-of:yes,no": {"checks": [Check(type="one-of", value="yes,no")]},
    "a schema": {"checks": [Check(type="schema", value=SCHEMA)]},
    "a judge, hard": {"checks": [Check(type="judge", value=RUBRIC, severity="hard")]},
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--items", type=int, default=60, help="of each scenario")


def run(arguments: argparse.Namespace) -> Mapping[str, object]:
    home = ram_directory()
    server = ModelServer("llama_server", str(MODEL), "--port", str(free_port()))
    daemon = Daemon(home, configured(("real", server), slots=4)).start()
    try:
        return uvloop.run(_run(daemon.socket, arguments.items))
    finally:
        daemon.stop()
        server.close()
        shutil.rmtree(home)


async def _run(path: Path, items: int) -> Mapping[str, object]:
    figures: dict[str, object] = {}
    async with aio.connect(path) as client:
        for name, fields in SCENARIOS.items():
            progress = Progress(name, items)
            turns = []
            for number, question in enumerate(_questions(items)):
                turns.append(await _ask(client, f"{name}/{number}", question, fields))
                progress.show(number + 1)
            figures[name] = _told(turns)
    return figures


async def _ask(
    client: aio.Client, key: str, question: str, fields: Mapping[str, object]
) -> methods.Turn:
    options = {"max_tokens": 120, "temperature": 0.7}
    params = methods.TurnStart(prompt=question, key=str(abs(hash(key))), options=options, **fields)  # type: ignore[arg-type]
    started = await client.call(methods.START, params)
    async for _ in client.events(started.turn):
        pass
    return await client.call(methods.GET, methods.TurnGet(turn=started.turn, tried=True))


def _told(turns: list[methods.Turn]) -> str:
    count = len(turns)
    first = sum(_passes(turn.tried[0]) for turn in turns if turn.tried)
    done = sum(turn.state == "done" for turn in turns)
    errors = sum(_code(turn) == 5002 for turn in turns)
    calls = sum(turn.attempts for turn in turns)
    tokens = sum(u.completion_tokens for t in turns if t.ending and (u := t.ending.usage))
    return (
        f"{count} turns: {first / count:.0%} at once, {done / count:.0%} in the end, "
        f"{errors} could not be checked; {calls / count:.2f} calls and {tokens / count:.0f} tokens"
    )


def _passes(tried: methods.Tried) -> bool:
    return tried.verdict is not None and tried.verdict.verdict == "pass"


def _code(turn: methods.Turn) -> int:
    return turn.ending.error.code if turn.ending and turn.ending.error else 0


def _questions(count: int) -> list[str]:
    groups = tomllib.loads(QUESTIONS.read_text())
    questions = [text for group in groups.values() for texts in group.values() for text in texts]
    return [questions[number % len(questions)] for number in range(count)]
