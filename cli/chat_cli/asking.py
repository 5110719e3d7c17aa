"""`chat ask`, which is also `chat WORDS`: one question, its answer to stdout."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Literal, NoReturn

import msgspec
import typer

from chat_cli import arguments, files, link, output, question, report, terminals, views
from chat_cli.flags import (
    AsJson,
    AsLines,
    DryRun,
    Ephemeral,
    Extract,
    Files,
    GoOn,
    IsRaw,
    LeaveStdin,
    MaxTime,
    Models,
    Name,
    NoInput,
    NoStart,
    NoStream,
    Options,
    Priority,
    Quiet,
    RequireModel,
    System,
    Think,
    Usage,
    Verbose,
    Words,
    Yes,
)
from chat_cli.following import Connect, Following, Reply, View
from chat_rpc import errors, methods

GRACE_S = 2.0  # chatd keeps --max-time; so much later a chatd that does not is given up


def ask(
    words: Words = None,
    model: Models = None,
    system: System = None,
    file: Files = None,
    option: Options = None,
    *,
    leave_stdin: LeaveStdin = False,
    go_on: GoOn = 0,
    chat: Name = None,
    as_json: AsJson = False,
    as_lines: AsLines = False,
    extract: Extract = None,
    usage: Usage = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    dry_run: DryRun = False,
    is_raw: IsRaw = False,
    no_stream: NoStream = False,
    think: Think = None,
    max_time: MaxTime = None,
    ephemeral: Ephemeral = False,
    require_model: RequireModel = False,
    priority: Priority = None,
    no_input: NoInput = False,
    yes: Yes = False,
    no_start: NoStart = False,
) -> None:
    """Ask a model. The answer goes to stdout, everything else to stderr.

    What is piped in is put after the words; alone, it is the question.
    """
    here = terminals.terminal()
    _demand_one_chat(go_on, chat, here)
    limit_s = _seconds(max_time)
    asked = question.gather(words or [], file or [], leave_stdin=leave_stdin, quiet=quiet)
    models = model or []
    params = methods.TurnStart(
        prompt=asked.prompt,
        data=asked.data,
        key=question.new_key(),
        system=system,
        model=models[0] if models else None,
        models=models[1:],
        name=chat,
        last=(None, "terminal", "anywhere")[min(go_on, 2)],
        terminal=here,
        priority=question.priority(priority),
        options=question.options(arguments.pairs(option)),
        require_model=require_model,
        ephemeral=ephemeral,
        max_time_s=limit_s,
    )
    if dry_run:
        _show(params, asked.attached)
        return
    shown = Shown(
        form="json" if as_json else "jsonl" if as_lines else "raw" if is_raw else "text",
        wanted=views.Wanted(
            extract=extract, think=views.thinking(think), is_held=no_stream, quiet=quiet
        ),
        usage=usage,
        verbose=verbose,
    )
    way = link.Way(may_start=not no_start, quiet=quiet)
    raise SystemExit(answer(way, params, asked.attached, shown))


@dataclass(frozen=True)
class Shown:
    """In which form an answer is printed, and how much is told of it."""

    form: Literal["text", "raw", "json", "jsonl"] = "text"
    wanted: views.Wanted = views.PLAINLY
    usage: bool = False
    verbose: bool = False

    def view(self) -> View:
        match self.form:
            case "json":
                return views.Silent()
            case "jsonl":
                return views.Lines()
        return views.Text(views.sink(is_raw=self.form == "raw", wanted=self.wanted), self.wanted)


def answer(
    way: Connect, params: methods.TurnStart, attached: Sequence[files.Attached], shown: Shown
) -> int:
    """Ask, print the answer, and return the exit code; raises what kept it from being asked."""
    try:
        with _limits(params.max_time_s):
            if attached:
                with way() as client:
                    params.files = files.send(client, attached)
            reply = Following(way, shown.view(), Reply(asked=params.model)).run(params)
    except errors.RpcError as exc:
        _print_failure(exc, shown.form)
        raise
    if shown.form == "json":
        output.json(report.as_object(reply))
    return report.tell(reply, quiet=shown.wanted.quiet, usage=shown.usage, verbose=shown.verbose)


def _demand_one_chat(go_on: int, name: str | None, here: str | None) -> None:
    if go_on and name is not None:
        raise typer.BadParameter("-c and -C name different chats")
    if go_on == 1 and here is None:
        raise typer.BadParameter("-c needs a terminal, whose last chat it goes on in; try -C NAME")


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else question.seconds(text)
    except ValueError as exc:
        raise typer.BadParameter(f"--max-time {text}: {exc}") from None


@contextmanager
def _limits(max_time_s: float | None) -> Iterator[None]:
    """Have SIGTERM, and time that is over though chatd says nothing, end it in order."""

    def terminate(_: int, __: FrameType | None) -> NoReturn:
        raise output.Terminated

    def time_out(_: int, __: FrameType | None) -> NoReturn:
        raise errors.TimedOut(f"no answer within {max_time_s:g} s, and chatd did not say so")

    before = signal.signal(signal.SIGTERM, terminate)
    if max_time_s is not None:
        signal.signal(signal.SIGALRM, time_out)
        signal.setitimer(signal.ITIMER_REAL, max_time_s + GRACE_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGTERM, before)


def _show(params: methods.TurnStart, attached: Sequence[files.Attached]) -> None:
    """Print what would be sent: the request, and of files what they are."""
    request = msgspec.to_builtins(params)
    if attached:
        request["files"] = [
            {"name": file.name, "media": file.media, "size_bytes": len(file.data)}
            for file in attached
        ]
    output.json({"method": methods.START.name, "params": request})
    output.note("nothing was sent; to leave nothing behind, as with llm's -n, there is --ephemeral")


def _print_failure(exc: errors.RpcError, form: str) -> None:
    if form == "json":
        output.json(report.of_failure(exc))
    elif form == "jsonl":
        output.json({"type": "end", "ending": report.of_failure(exc)})
