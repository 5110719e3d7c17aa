"""The app: verbs against bare words, and every failure's exit code."""

import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

import typer

from chat_cli import output
from chat_cli.asking import ask
from chat_cli.conversations import list_, show
from chat_cli.knowing import models, status
from chat_rpc import __version__, dumps, errors

HELP = """Ask local models from the shell. Conversations stay in RAM.

\b
  chat "What is tmpfs?"            ask; the answer goes to stdout
  git diff | chat "review this"    what is piped in comes after the words
  chat -m NAME -s "Be brief" ...   choose the model, tell it how to be
  chat -- list my files            words that begin with a command's name

Exit codes: 0 good, 1 other, 2 usage, 3 failed a check, 4 cut off, 5 a check could not
run, 65 bad input, 66 no such conversation, 69 no model server, 70 a bug, 73 cannot write,
75 busy, 77 not allowed, 78 chatd is too old, 79 chatd is not running, 124 out of time,
130 Ctrl-C, 141 closed pipe.
"""

app = typer.Typer(
    name="chat",
    help=HELP,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
VERBS: dict[str, Callable[..., None]] = {
    "ask": ask,
    "list": list_,
    "show": show,
    "models": models,
    "status": status,
}
for _name, _command in VERBS.items():
    app.command(_name)(_command)


def main() -> NoReturn:
    dumps.forbid_cores()
    output.set_up()
    output.leave(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        return _run(list(arguments))
    except errors.RpcError as exc:
        output.note(exc.message)
        return exc.exit
    except output.CannotWrite as exc:
        output.note(str(exc))
        return output.CANNOT_WRITE
    except output.ClosedPipe:
        return output.CLOSED_PIPE
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 1


def _run(arguments: list[str]) -> int:
    first = arguments[0] if arguments else ""
    if first in ("--version", "-V"):
        output.line(f"chat {__version__}")
        return 0
    is_command = first in VERBS or first in ("-h", "--help")
    if not is_command:
        _hint_at_verb(arguments)
        arguments = ["ask", *arguments]
    try:
        status: int | None = app(arguments, prog_name="chat", standalone_mode=False)
    except typer.TyperException as exc:
        output.note(exc.message)
        if first in VERBS and first != "ask" and len(arguments) > 1:
            words = " ".join(arguments)
            output.note(f"{first!r} is a command; to ask a model: chat -- {words}")
        else:
            output.note("see: chat --help")
        return exc.exit_code
    return status or 0


def _hint_at_verb(arguments: list[str]) -> None:
    if len(arguments) == 1 or (arguments[1:2] and arguments[1].startswith("-")):
        for verb in VERBS:
            if _is_near(arguments[0], verb):
                output.note(f"asked the model; the command is: chat {verb}")


def _is_near(word: str, verb: str) -> bool:
    """Say whether one letter more, less, other or swapped with its neighbour makes them equal."""
    if abs(len(word) - len(verb)) > 1 or min(len(word), len(verb)) < 3:
        return False
    begin = next((i for i, (a, b) in enumerate(zip(word, verb, strict=False)) if a != b), None)
    if begin is None:
        return True
    rest, other = word[begin:], verb[begin:]
    return (
        rest[1:] == other[1:]
        or rest[1:] == other
        or rest == other[1:]
        or (rest[:2] == other[1::-1] and rest[2:] == other[2:])
    )
