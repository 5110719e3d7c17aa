"""`chat ask`, which is also `chat WORDS`: one question, its answer to stdout."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Literal, NoReturn

import msgspec

from chat_cli import files, link, output, question, report, views
from chat_cli.arguments import taking
from chat_cli.flags import Flags
from chat_cli.following import Connect, Following, Reply, View
from chat_rpc import errors, methods

GRACE_S = 2.0  # chatd keeps --max-time; so much later a chatd that does not is given up


@taking(Flags)
def ask(flags: Flags) -> None:
    """Ask a model. The answer goes to stdout, everything else to stderr.

    What is piped in is put after the words; alone, it is the question.

    \b
      chat "What is tmpfs?"
      git diff | chat "Review this. One line per finding."
      chat -C deploy "what failed?" <build.log
      chat --schema "name, age int" -f cv.txt | jq -r .name
      chat "Write a haiku" --check lines:3 --tries 5
    """
    asked = question.of(flags)
    if flags.dry_run:
        _show(asked.params, asked.attached)
        return
    way = link.Way(may_start=not flags.no_start, quiet=flags.quiet)
    shown = _shown(flags, asked)
    raise SystemExit(answer(way, asked.params, asked.attached, shown))


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


def _shown(flags: Flags, asked: question.Question) -> Shown:
    return Shown(
        form=(
            "json"
            if flags.as_json
            else "jsonl"
            if flags.as_lines
            else "raw"
            if flags.is_raw
            else "text"
        ),
        wanted=views.Wanted(
            extract=asked.extract,
            think=views.thinking(asked.think),
            is_held=flags.no_stream or asked.is_checked,
            print_failed=flags.print_failed,
            quiet=flags.quiet,
        ),
        usage=flags.usage,
        verbose=flags.verbose,
    )


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
