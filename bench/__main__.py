"""`python -m bench`: run benchmarks and print what they found."""

import argparse
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from bench import append, checks, ping, relay, start, table
from bench.comparison import Meaningless, Report

QUICK_ROUNDS = 3
ROUNDS = {
    "start": start.ROUNDS,
    "ping": ping.ROUNDS,
    "relay": relay.ROUNDS,
    "append": append.ROUNDS,
    "checks": checks.ROUNDS,
}


def main() -> int:
    """Return 0; 1 when a limit was missed; 2 when there is nothing to tell."""
    arguments = _parser().parse_args()
    for name in [name for name in os.environ if name.startswith(("CHATD_", "OPENAI_", "XDG_"))]:
        del os.environ[name]  # what is measured must not see this machine's chatd or its keys
    measures: dict[str, Callable[[int], Report]] = {
        "start": lambda rounds: start.measure(rounds, arguments.chat),
        "ping": ping.measure,
        "relay": relay.measure,
        "append": append.measure,
        "checks": checks.measure,
    }
    reports = []
    for name in [arguments.benchmark] if arguments.benchmark else ROUNDS:
        rounds = QUICK_ROUNDS if arguments.quick else arguments.rounds or ROUNDS[name]
        print(f"{name}: {rounds} rounds", file=sys.stderr)
        try:
            reports.append(measures[name](rounds))
        except Meaningless as exc:
            print(f"{name}: {exc}", file=sys.stderr)
            return 2
    show = table.as_json if arguments.json else table.as_text
    print(show(reports, _machine()))
    return 0 if all(each.is_met for report in reports for each in report.comparisons) else 1


def _machine() -> str:
    cpus, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    return f"Python {platform.python_version()}, {cpus} CPUs, load {load:.1f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure the CPU of chatd and chat beside other programs; exit 1 if a limit "
        "is missed. See bench/README.md.",
    )
    parser.add_argument("benchmark", nargs="?", choices=list(ROUNDS), help="only this one")
    how_long = parser.add_mutually_exclusive_group()
    how_long.add_argument("--rounds", type=_rounds, metavar="N", help="pairs to measure")
    how_long.add_argument("--quick", action="store_true", help=f"as --rounds {QUICK_ROUNDS}")
    parser.add_argument("--json", action="store_true", help="print every number, as JSON")
    parser.add_argument(
        "--chat", type=Path, metavar="PATH", help="the launcher to start, in place of install.sh's"
    )
    return parser


def _rounds(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    sys.exit(main())
