"""The command: verbs against bare words, and every failure's exit code."""

import shlex
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from chat_cli import output
from chat_cli.slips import is_near
from chat_cli.verbs import VERBS, Verb
from chat_rpc import __version__, dumps, errors

if TYPE_CHECKING:
    from typer import TyperException


def main() -> NoReturn:
    dumps.forbid_cores()
    output.set_up()
    output.leave(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    return ended(lambda: _run(list(arguments)))


def ended(command: Callable[[], int]) -> int:
    """Run what a command does, say what kept it from its end, and return the exit code."""
    try:
        return command()
    except errors.NoSuchMethod as exc:
        output.note("this chatd does not know that: it is older than chat, and should be restarted")
        return exc.exit
    except errors.RpcError as exc:
        output.note(exc.message)
        return exc.exit
    except UnicodeEncodeError:  # in what was to be sent: printing never raises it
        output.note("an argument is not UTF-8 text")
        return errors.InvalidParams.exit
    except output.CannotWrite as exc:
        output.note(str(exc))
        return output.CANNOT_WRITE
    except output.ClosedPipe:
        return output.CLOSED_PIPE
    except KeyboardInterrupt:
        return output.INTERRUPTED
    except output.Terminated:
        return output.TERMINATED
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 1


def _run(arguments: list[str]) -> int:
    first = arguments[0] if arguments else ""
    if first in ("--version", "-V"):
        output.line(f"chat {__version__}")
        return 0
    if first in ("-h", "--help"):
        from chat_cli import manual

        output.line(manual.overview())
        return 0
    if first == "--complete":
        from chat_cli import candidates

        candidates.tell(*arguments[1:2])
        return 0
    if first in VERBS:
        return _run_verb(VERBS[first], arguments[1:])
    _hint_at_verb(arguments)
    return _run_verb(VERBS["ask"], arguments)


def _run_verb(verb: Verb, arguments: list[str]) -> int:
    import typer

    from chat_cli import apps

    try:
        status: int | None = apps.of(verb)(
            arguments, prog_name=f"chat {verb.name}", standalone_mode=False
        )
    except typer.TyperException as exc:
        _explain(exc, verb, arguments)
        return exc.exit_code
    except errors.NoSuchChat as exc:  # `good morning` has been read as `good ID`
        output.note(exc.message)
        _tell_how_to_ask(verb, arguments)
        return exc.exit
    return status or 0


def _explain(exc: "TyperException", verb: Verb, arguments: list[str]) -> None:
    """Tell what is wrong with a command line, where it is explained, and how to ask instead."""
    import typer

    read = getattr(exc, "ctx", None)  # as far as to a command
    if exc.message == "Missing command." and read is not None:
        output.tell(f"{read.get_help()}\n")
        return
    is_our_own = isinstance(exc, typer.BadParameter) and exc.param is None
    output.note(exc.message if is_our_own else exc.format_message())
    output.note(f"see: {read.command_path if read is not None else f'chat {verb.name}'} -h")
    _tell_how_to_ask(verb, arguments)


def _tell_how_to_ask(verb: Verb, arguments: list[str]) -> None:
    if arguments and verb.name != "ask":
        words = shlex.join([verb.name, *arguments])
        output.note(f"{verb.name!r} is a command; to ask a model: chat -- {words}")


def _hint_at_verb(arguments: list[str]) -> None:
    if len(arguments) == 1 or (arguments[1:2] and arguments[1].startswith("-")):
        for verb in VERBS:
            if is_near(arguments[0], verb):
                output.note(f"asked the model; the command is: chat {verb}")
