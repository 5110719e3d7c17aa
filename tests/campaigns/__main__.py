"""`python -m tests.campaigns NAME`: run a campaign; status 1 when a promise was broken."""

import argparse
import os
import sys
from importlib import import_module

from tests.campaigns.report import Broken, as_text

# each has `add_options(parser)` and `run(arguments)`, which returns its figures or raises Broken
CAMPAIGNS = ("kill", "fuzz", "soak", "readers", "secrecy", "restart", "loop", "engine", "repeats")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns", description="Long campaigns; see docs/reliability.md."
    )
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    modules = {name: import_module(f"tests.campaigns.{name}") for name in CAMPAIGNS}
    for name, module in modules.items():
        module.add_options(names.add_parser(name, help=module.__doc__, description=module.__doc__))
    arguments = parser.parse_args()
    for name in [name for name in os.environ if name.startswith(("CHATD_", "OPENAI_", "XDG_"))]:
        del os.environ[name]  # a campaign must not meet this machine's chatd
    try:
        figures = modules[arguments.name].run(arguments)
    except Broken as exc:
        print(f"{arguments.name}: BROKEN: {exc}", file=sys.stderr)
        return 1
    print(as_text(arguments.name, figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
