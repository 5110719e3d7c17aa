"""An answer from its question to the exit code, in the form that is wanted."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Literal, NoReturn

from chat_cli import files, output, report, views
from chat_cli.following import Connect, Following, Reply, View
from chat_rpc import errors, methods
from chat_rpc.client import Known

GRACE_S = 2.0  # chatd keeps --max-time; so much later a chatd that does not is given up


@dataclass(frozen=True)
class Shown:
    """In which form an answer is printed, and how much is told of it."""

    form: Literal["text", "raw", "json", "jsonl"] = "text"
    wanted: views.Wanted = views.PLAINLY
    usage: bool = False
    verbose: bool = False
    printed: str = ""  # what somebody has printed of it already

    def view(self) -> View:
        match self.form:
            case "json":
                return views.Silent()
            case "jsonl":
                return views.Lines()
        sink = views.sink(is_raw=self.form == "raw", printed=self.printed)
        return views.Text(sink, self.wanted, printed=self.printed)


def answer(
    way: Connect,
    params: methods.TurnStart,
    attached: Sequence[files.Attached],
    shown: Shown,
    *,
    known: Known | None = None,
) -> int:
    """Ask, print the answer, and return the exit code; raises what kept it from being asked."""
    with _told(shown), _limits(params.max_time_s):
        if attached:
            with way() as client:
                params.files = files.send(client, attached)
        reply = Reply(turn=known.turn if known else "", asked=params.model)
        following = Following(way, shown.view(), reply, language=shown.wanted.extract)
        following.run(params, known=known)
    return _finish(reply, shown)


def refined(way: Connect, params: methods.Refine, shown: Shown) -> int:
    """Have an answer made anew, and print it as `answer` does."""
    with _told(shown), _limits(None):
        following = Following(way, shown.view(), Reply(asked=params.model))
        reply = following.run(params, methods.REFINE)
    return _finish(reply, shown)


def _finish(reply: Reply, shown: Shown) -> int:
    if shown.form == "json":
        output.json(report.as_object(reply))
    return report.tell(reply, quiet=shown.wanted.quiet, usage=shown.usage, verbose=shown.verbose)


@contextmanager
def _told(shown: Shown) -> Iterator[None]:
    """Have a program told in its own form what kept the question from being asked."""
    try:
        yield
    except errors.RpcError as exc:
        if shown.form == "json":
            output.json(report.of_failure(exc))
        elif shown.form == "jsonl":
            output.json({"type": "end", "ending": report.of_failure(exc)})
        raise


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
