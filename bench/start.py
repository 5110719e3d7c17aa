"""`chat` from its start to its end, beside Python's own bare start, and beside `llm`."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import launcher
from tests.harness import ModelServer, run

from bench import cpu, llm, servers
from bench.comparison import Comparison, Meaningless, Report, take_turns

ROUNDS = 21
MODEL = "slow"
TOKENS = 20
TOKEN_S = 0.002  # so that each token is an event of its own, as from a real model
ASK = ("-0", "hi")
LIMITS = {"chat -0 hi": 1.5, "chat --help": 8.0, "chat list": 8.0}
COMMANDS = {"chat -0 hi": ASK, "chat --help": ("--help",), "chat list": ("list",)}
PASS = "python -c pass"


def measure(rounds: int, chat: Path | None = None) -> Report:
    """Compare whole processes, by what wait4 says of each; `chat` None: as install.sh starts it."""
    script = ("--script", MODEL, "--models", MODEL, "--tokens", str(TOKENS))
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory()))
        chat = chat or launcher.write(home)
        model_server = ModelServer("model_server", *script, "--delay-s", str(TOKEN_S))
        stack.enter_context(closing(model_server))
        chatd = stack.enter_context(servers.daemon(model_server.url))
        environment = {**os.environ, "CHATD_SOCKET": str(chatd.socket), "HOME": str(home)}
        _check([str(chat), *ASK], environment)
        own = _beside_python(rounds, chat, environment)
        others, notes = _beside_llm(rounds, chat, environment, home, model_server.url)
    return Report([*own, *others], notes)


def _beside_python(rounds: int, chat: Path, environment: Mapping[str, str]) -> list[Comparison]:
    python = _interpreter(chat)
    commands = [(python, "-c", "pass"), *((str(chat), *c) for c in COMMANDS.values())]
    measures = [partial(cpu.of_command, command, environment) for command in commands]
    baseline, *costs = take_turns(rounds, measures)
    return [
        _compared(name, PASS, subject, baseline, LIMITS[name])
        for name, subject in zip(COMMANDS, costs, strict=True)
    ]


def _beside_llm(
    rounds: int, chat: Path, environment: Mapping[str, str], home: Path, url: str
) -> tuple[list[Comparison], list[str]]:
    try:
        ask_llm = [llm.command(), "-m", MODEL, "hi"]
    except Meaningless as exc:
        return [], [f"start: not beside llm: {exc}"]
    theirs = {**environment, **llm.environment(home, url, MODEL)}
    _check(ask_llm, theirs)
    pairs: list[tuple[Sequence[str], Mapping[str, str]]] = [
        ([str(chat), *ASK], environment), (ask_llm, theirs),
    ]  # fmt: skip
    walls: list[list[float]] = [[], []]
    measures = [partial(_kept, walls[n], *pair) for n, pair in enumerate(pairs)]
    own, other = take_turns(rounds, measures)
    own_wall, other_wall = (taken[-rounds:] for taken in walls)
    name = f"llm {llm.VERSION}, hi"
    return [
        _compared("chat -0 hi", name, own, other),
        _compared("the same, wall", f"{name}, wall", own_wall, other_wall),
    ], []


def _kept(walls: list[float], command: Sequence[str], environment: Mapping[str, str]) -> float:
    cpu_s, wall_s = cpu.cpu_and_wall(command, environment)
    walls.append(wall_s)
    return cpu_s


def _compared(
    subject: str,
    baseline: str,
    subject_costs: Sequence[float],
    baseline_costs: Sequence[float],
    limit: float | None = None,
) -> Comparison:
    return Comparison(
        benchmark="start",
        subject=subject,
        baseline=baseline,
        unit="ms",
        subject_costs=[1e3 * cost for cost in subject_costs],
        baseline_costs=[1e3 * cost for cost in baseline_costs],
        limit=limit,
    )


def _check(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Ask once and look at the answer: a fast failure is no result."""
    ran = run(list(command), env=environment)
    if ran.out.split() != [b"%d" % number for number in range(TOKENS)]:
        raise Meaningless(f"{' '.join(command)} answered {ran.out!r} {ran.err}")


def _interpreter(chat: Path) -> str:
    with open(chat, "rb") as script:
        first = script.readline()
    if not first.startswith(b"#!") or b"python" not in first:
        raise Meaningless(f"{chat} does not begin with the Python that runs it")
    return first.removeprefix(b"#!").split()[0].decode()
