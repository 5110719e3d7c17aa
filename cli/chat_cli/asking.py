"""`chat ask`, which is also `chat WORDS`: one question, its answer to stdout."""

import os
import stat
import sys
from typing import Annotated

import msgspec
import typer

from chat_cli import link, output
from chat_rpc import errors, methods
from chat_rpc.client import Client, TurnEvent
from chat_rpc.wire import Fault

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
        self._turn = ""
        self._seq = 0
        self._last_char = "\n"

    def run(self, *, may_start: bool) -> None:
        """Ask and print; raises SystemExit unless the reply is a good one."""
        client = link.connect(may_start=may_start, quiet=self._quiet)
        while True:
            try:
                self._begin(client)
                ending = self._follow(client)
                break
            except errors.NotRunning:
                client = link.connect_again()
            except (KeyboardInterrupt, output.ClosedPipe):
                self._cancel(client)
                raise
        self._finish(client, ending)

    def _begin(self, client: Client) -> None:
        """Start the turn, or go on with it where the last connection was lost.

        The key makes a second start of one turn harmless.
        """
        if self._turn:
            params = methods.TurnAttach(turn=self._turn, after=self._seq)
            client.call(methods.ATTACH, params)
            return
        hello = client.send(methods.HELLO, methods.Nothing())
        start = client.send(methods.START, self._params)
        if not self._quiet:
            link.warn_of_skew(client.receive(methods.HELLO, hello))
        self._turn = client.receive(methods.START, start).turn

    def _follow(self, client: Client) -> methods.Ending:
        for event in client.events():
            if isinstance(event, methods.End):
                return event.ending
            self._take(event, may_wait=not client.is_idle())
        raise AssertionError("events() never ends by itself")

    def _take(self, event: TurnEvent, *, may_wait: bool) -> None:
        self._seq = event.seq
        if isinstance(event, methods.Delta):
            if not self._as_json:
                output.write(event.text, flush=not may_wait)
                self._last_char = event.text[-1:] or self._last_char
        elif isinstance(event, methods.Event) and event.kind == "queued" and not self._quiet:
            output.note(f"the model is busy; place {event.place} in the queue")

    def _cancel(self, client: Client) -> None:
        if self._turn:
            try:
                client.call(methods.CANCEL, methods.TurnNamed(turn=self._turn))
            except errors.RpcError:
                pass  # chatd is gone too; there is nothing left to stop

    def _finish(self, client: Client, ending: methods.Ending) -> None:
        if self._as_json:
            _print_json(_report(client.call(methods.GET, methods.TurnNamed(turn=self._turn))))
        elif self._last_char != "\n":
            output.write("\n")
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
