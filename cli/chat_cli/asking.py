"""`chat ask`, which is also `chat WORDS`: one question, its answer to stdout."""

import os
import stat
import sys
from contextlib import suppress
from typing import Annotated

import msgspec
import typer

from chat_cli import link, output
from chat_rpc import client, errors, methods
from chat_rpc.wire import Fault

SAYS_OTHER = (
    "chatd was restarted, and the model now says something else than above; "
    "its whole reply: chat show (turn {turn})"
)

Words = Annotated[list[str] | None, typer.Argument(metavar="[WORDS]...", show_default=False)]
Model = Annotated[
    str | None, typer.Option("-m", "--model", metavar="NAME", help="Ask this model (see models).")
]
System = Annotated[
    str | None, typer.Option("-s", "--system", metavar="TEXT", help="Tell the model how to be.")
]
LeaveStdin = Annotated[
    bool, typer.Option("-0", "--no-stdin", help="Leave stdin alone, as in a `while read` loop.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object when it is done.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing on stderr but errors.")]
NoStart = Annotated[bool, typer.Option("--no-start", help="Do not start chatd if none runs.")]


def ask(
    words: Words = None,
    model: Model = None,
    system: System = None,
    *,
    leave_stdin: LeaveStdin = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    no_start: NoStart = False,
) -> None:
    """Ask a model. The answer goes to stdout, everything else to stderr.

    What is piped in is put after the words; alone, it is the question.
    """
    prompt, data = _question(words or [], leave_stdin=leave_stdin)
    params = methods.TurnStart(
        prompt=prompt,
        data=data,
        key=os.urandom(16).hex(),
        system=system,
        model=model,
        priority="interactive" if sys.stdout.isatty() else "normal",
    )
    asking = Asking(params, as_json=as_json, quiet=quiet)
    try:
        asking.run(may_start=not no_start)
    except errors.RpcError as exc:
        if as_json:
            failure = {"code": exc.code, "kind": exc.kind, "message": exc.message}
            _print_json({"state": "failed", "error": failure})
        raise


class Asking:
    """One question on its way: printed as it is answered, followed through a lost connection."""

    def __init__(self, params: methods.TurnStart, *, as_json: bool, quiet: bool):
        self._params = params
        self._as_json = as_json
        self._quiet = quiet
        self._may_start = True
        self._client: client.Client | None = None
        self._turn = ""
        self._last_char = "\n"
        self._printed: list[str] = []
        self._expected = ""  # what was printed of an attempt that is void, and must come again

    def run(self, *, may_start: bool) -> None:
        """Ask and print; raises SystemExit unless the reply is a good one."""
        self._may_start = may_start
        try:
            for event in client.ask(self._connect, self._params):
                if isinstance(event, methods.Started):
                    self._turn = event.turn
                elif isinstance(event, methods.End):
                    self._finish(event.ending)
                else:
                    self._take(event)
        except (KeyboardInterrupt, output.CannotWrite, output.ClosedPipe):
            self._cancel()
            raise

    def _connect(self) -> client.Client:
        is_first = self._client is None
        self._client = link.connect(may_start=self._may_start, quiet=self._quiet or not is_first)
        if is_first and not self._quiet:
            with suppress(errors.NotRunning):  # it is stopping: asking it will tell, and wait
                link.warn_of_skew(self._client.call(methods.HELLO, methods.Nothing()))
        return self._client

    def _take(self, event: methods.Delta | methods.Event) -> None:
        if isinstance(event, methods.Delta):
            if not self._as_json:
                self._print(event.text)
        elif isinstance(event, methods.Event) and event.kind == "attempt":
            self._expected = "".join(self._printed) + self._expected
            self._printed.clear()
        elif isinstance(event, methods.Event) and event.kind == "queued" and not self._quiet:
            output.note(f"the model is busy; place {event.place} in the queue")

    def _print(self, text: str) -> None:
        """Print more of the reply; of a new attempt only what is not there already.

        Raises CutOff when the new attempt says something else than what was printed.
        """
        if self._expected:
            same = min(len(text), len(self._expected))
            if text[:same] != self._expected[:same]:
                raise errors.CutOff(SAYS_OTHER.format(turn=self._turn))
            self._printed.append(text[:same])
            text, self._expected = text[same:], self._expected[same:]
        if text:
            output.write(text, flush=self._client is None or self._client.is_idle())
            self._printed.append(text)
            self._last_char = text[-1]

    def _cancel(self) -> None:
        if self._turn and self._client is not None:
            try:
                self._client.call(methods.CANCEL, methods.TurnNamed(turn=self._turn))
            except errors.RpcError:
                pass  # chatd is gone too; there is nothing left to stop

    def _finish(self, ending: methods.Ending) -> None:
        assert self._client is not None  # noqa: S101  # the ending came over it
        if self._as_json:
            turn = self._client.call(methods.GET, methods.TurnGet(turn=self._turn))
            _print_json(_report(turn))
        elif self._last_char != "\n":
            output.write("\n")
        if self._expected and ending.state == "done":
            raise errors.CutOff(SAYS_OTHER.format(turn=self._turn))
        if not self._quiet:
            self._tell(ending)
        if ending.error is not None:
            failure = ending.error
            output.note(f"{failure.message} ({failure.kind}; turn {self._turn})")
            raise SystemExit(errors.from_fault(Fault(failure.code, failure.message)).exit)

    def _tell(self, ending: methods.Ending) -> None:
        if ending.demo and ending.state == "done":
            output.note(
                "answered by the built-in demo model of a few MB: it may be wrong. "
                "Start a real model server and chatd finds it (chat models)"
            )
        if ending.mismatch:
            output.note(f"answered by {ending.model}, which is not the model that was asked")


def _question(words: list[str], *, leave_stdin: bool) -> tuple[str, str]:
    """Return prompt and piped data; raises SystemExit(2) if there is neither."""
    prompt = " ".join(words)
    piped = "" if leave_stdin or sys.stdin is None or sys.stdin.isatty() else _read_stdin()
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError:
        raise errors.InvalidParams("the words are not UTF-8 text") from None
    if not prompt.strip() and not piped.strip():
        output.note('nothing to ask; try: chat "What is tmpfs?"   or: chat --help')
        raise SystemExit(2)
    return (prompt, piped) if prompt.strip() else (piped, "")


def _read_stdin() -> str:
    """Return what is piped in; a character device such as /dev/null is read too, and is empty."""
    if stat.S_ISDIR(os.fstat(0).st_mode):
        raise errors.InvalidParams("stdin is a directory")
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as exc:
        raise errors.InvalidParams(
            f"stdin is not UTF-8 text (byte {exc.start}); nothing was asked"
        ) from None


def _report(turn: methods.Turn) -> dict[str, object]:
    """Return a turn as `--json` shows it: flat, and without what the person typed."""
    report: dict[str, object] = {
        "turn": turn.turn,
        "chat": turn.chat,
        "text": turn.text,
        "asked": turn.asked,
    }
    ending = msgspec.to_builtins(turn.ending) if turn.ending else {"state": turn.state}
    return report | ending


def _print_json(value: object) -> None:
    output.line(msgspec.json.encode(value).decode())
