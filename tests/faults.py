"""What `chat` makes of each fault of a model server, and docs/faults.md: python -m tests.faults."""

import re
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fakes.answers import FIRST
from tests.fakes.faults import FAULTS
from tests.fakes.faults.servers import SERVERS
from tests.fakes.faults.table import ANSWER
from tests.harness import CHAT, ROOT, Daemon, ModelServer, configured, ram_directory, run

PAGE: Final = ROOT / "docs" / "faults.md"
PROMPT: Final = "canary-prompt"
QUICK = "[limits]\ntoken_s = 1\nfirst_token_s = 3\n"
HEAD = ("case", "the server", "exit", "printed", "`chat` says")
PRINTED = {"": "nothing", FIRST: "the first words", ANSWER: "the whole answer"}

INTRODUCTION = """\
# Faults of model servers

<!-- made by python -m tests.faults from real runs: do not edit -->

What a model server can do wrong, or oddly, and what comes of it. Each line is a run of `chat`
against a real chatd and a scripted server called `faulty`, which listens at PORT and has 3 s for
its first token and 1 s for each other. `exit` is the exit code, `printed` what is on stdout; the
last column is all that is on stderr: one line that says the cause, and never a word of the prompt
or the reply; where a check was asked for, what it found comes before it. `tests/cli/test_faults.py`
runs them all, and compares.
"""


@dataclass(frozen=True)
class Outcome:
    """What a run left; numbers that differ from run to run have names instead."""

    exit: int
    out: str
    err: str


class Faulty:
    """One chatd and one scripted server for all faults: none may spoil the next."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            self._nobody = str(unused.getsockname()[1])
        self.server = ModelServer("model_server", "--port", "0")
        self._port = str(self.server.port)
        servers = "".join(
            f'[[servers]]\nname = "{name}"\nurl = "{self._filled(server.url)}"\n'
            for name, server in SERVERS.items()
        )
        self.daemon = Daemon(home, configured(("faulty", self.server), extra=QUICK) + servers)

    def outcome(self, case: str) -> Outcome:
        """Ask the case's model, or its server."""
        environment = {"CHATD_SOCKET": str(self.daemon.socket)}
        flags = FAULTS[case].flags if case in FAULTS else ()
        ran = run([CHAT, "-0", *flags, "-m", case, PROMPT], env=environment)
        err = ran.err.replace(self._port, "PORT").replace(self._nobody, "PORT")
        err = re.sub(r"\bturn \w+", "turn ID", err)
        return Outcome(ran.status, ran.out.decode(), re.sub(r"\bin [89]\d s", "in 90 s", err))

    def _filled(self, url: str) -> str:
        return url.format(port=self._port, nobody=self._nobody)


@contextmanager
def faulty() -> Iterator[Faulty]:
    home = ram_directory()
    world = Faulty(home)
    world.daemon.start()
    try:
        yield world
        world.daemon.stop()
    finally:
        world.server.close()
        shutil.rmtree(home)


def row(case: str, outcome: Outcome) -> str:
    """Return the case's line on the page."""
    if case in SERVERS:
        does = f"is {SERVERS[case].is_}"
    else:
        does = FAULTS[case].does + "".join(
            f" (`{' '.join(flags)}`)" for flags in [FAULTS[case].flags] if flags
        )
    printed = PRINTED.get(outcome.out.rstrip("\n"), PRINTED.get(outcome.out[:-1], "what it sent"))
    said = outcome.err.strip().replace("\nchat: ", "; ").removeprefix("chat: ")
    cells = (f"`{case}`", does, str(outcome.exit), printed, said)
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def main() -> None:
    rows = [
        "| case | the server | exit | printed | `chat` says |",
        "| --- | --- | --- | --- | --- |",
    ]
    with faulty() as world:
        for case in (*SERVERS, *FAULTS):
            rows.append(row(case, world.outcome(case)))
            sys.stderr.write(f"{rows[-1]}\n")
    PAGE.write_text("\n".join([INTRODUCTION, *rows]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
