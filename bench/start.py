"""`chat` from its start to its end, against the bare start of the interpreter that runs it."""

import os
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from tests.harness import CHAT, ModelServer, run

from bench import cpu, servers
from bench.comparison import Comparison, Meaningless, Report, take_turns

ROUNDS = 15
LIMIT = 9.0
TOKENS = 20
TOKEN_S = 0.002  # so that each token is an event of its own, as from a real model
ASK = ("-0", "hi")
COMMANDS = {"chat -0 hi": ASK, "chat --help": ("--help",), "chat list": ("list",)}


def measure(rounds: int, chat: Path = Path(CHAT)) -> Report:
    """Compare whole processes, by what wait4 says of each."""
    python = _interpreter(chat)
    script = ("--script", "slow", "--models", "slow", "--tokens", str(TOKENS))
    with ExitStack() as stack:
        model_server = ModelServer("model_server", *script, "--delay-s", str(TOKEN_S))
        stack.enter_context(closing(model_server))
        chatd = stack.enter_context(servers.daemon(model_server.url))
        environment = {**os.environ, "CHATD_SOCKET": str(chatd.socket)}
        _check(chat, environment)
        commands = [(python, "-c", "pass"), *((str(chat), *c) for c in COMMANDS.values())]
        measures = [partial(cpu.of_command, command, environment) for command in commands]
        baseline, *costs = take_turns(rounds, measures)
    comparisons = [
        Comparison(
            benchmark="start",
            subject=name,
            baseline="python -c pass",
            unit="ms",
            subject_costs=[1e3 * cost for cost in subject],
            baseline_costs=[1e3 * cost for cost in baseline],
            limit=LIMIT if COMMANDS[name] == ASK else None,
        )
        for name, subject in zip(COMMANDS, costs, strict=True)
    ]
    return Report(comparisons)


def _check(chat: Path, environment: dict[str, str]) -> None:
    """Ask once and look at the answer: a fast failure is no result."""
    ran = run([str(chat), *ASK], env=environment)
    if ran.out.split() != [b"%d" % number for number in range(TOKENS)]:
        raise Meaningless(f"{chat} {' '.join(ASK)} answered {ran.out!r} {ran.err}")


def _interpreter(chat: Path) -> str:
    with open(chat, "rb") as launcher:
        first = launcher.readline()
    if not first.startswith(b"#!") or b"python" not in first:
        raise Meaningless(f"{chat} does not begin with the Python that runs it")
    return first.removeprefix(b"#!").split()[0].decode()
