"""`chat doctor`: what is wrong and what would mend it, as far as a person's own eyes see.

What chatd finds about itself and the machine comes from `system.doctor`.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from chat_cli import link, output, traces
from chat_rpc import __version__, errors, methods, paths, person, templates
from chat_rpc.client import Client
from chat_rpc.methods import Finding

PATIENCE_S = 20.0  # for all answers together: model servers are looked at meanwhile

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one finding a line.")]


def doctor(
    *,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only what is not good.")] = False,
) -> int:
    """Look for what is wrong, and say what would mend it.

    It looks at chatd, its socket and store, at model servers, your settings, and at programs that
    may keep copies of what you ask. It changes nothing, starts nothing and shows no text. Exits
    with 1 if something is bad; a warning is not.

    \b
      chat doctor
      chat doctor --json | jq -r 'select(.state != "good").do'
    """
    is_bad = False
    for finding in findings():
        is_bad = is_bad or finding.state == "bad"
        if not (quiet and finding.state == "good"):
            _tell(finding, as_json=as_json)
    return int(is_bad)


def findings() -> Iterator[Finding]:
    """Yield what is found, best known first."""
    try:
        client = link.connect(may_start=False)
    except errors.RpcError as exc:
        yield _without_chatd(exc)
    else:
        with client:
            yield from _answers(client)
    yield _settings()
    yield from traces.findings()


def _answers(client: Client) -> Iterator[Finding]:
    """Yield what chatd tells; where it does not answer, or is none, that is bad."""

    def give_up(_: int, __: FrameType | None) -> NoReturn:
        raise errors.TimedOut(f"chatd does not answer at {client.path}")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
    try:
        yield from _of_chatd(client)
    except (errors.TimedOut, errors.NotRunning, errors.NotChatd) as exc:
        do = "`chat logs` and chatd's own log may tell why; restart it"
        yield Finding(name="chatd", state="bad", says=exc.message, do=do)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _without_chatd(exc: errors.RpcError) -> Finding:
    """Return why nobody answers; that a user's own chatd has not been started is no fault."""
    place = paths.find()
    if place.owner is not paths.Owner.USER or isinstance(exc, errors.NotPermitted):
        return Finding(name="chatd", state="bad", says=exc.message)
    if not any(map(_may_hold_store, paths.runtimes())):
        tried = " or ".join(map(str, paths.runtimes()))
        return Finding(
            name="chatd",
            state="bad",
            says=f"there is no place for it: {tried} is not yours alone, or not on a tmpfs",
            do="make it your own directory, closed to others, on a tmpfs",
        )
    left = [socket for socket in place.sockets if socket.exists()]
    if left:
        return Finding(
            name="chatd",
            state="warning",
            says=f"it does not run, and a socket is left behind: {left[0]}",
            do="nothing: the next `chat` starts chatd, which takes its place",
        )
    return Finding(name="chatd", state="good", says="it does not run; the next `chat` starts it")


def _may_hold_store(runtime: Path) -> bool:
    place = runtime if runtime.exists() else runtime.parent
    with suppress(OSError):
        return paths.mount_of(place).is_ram and (place != runtime or paths.is_private(runtime))
    return False


def _of_chatd(client: Client) -> Iterator[Finding]:
    hello = client.call(methods.HELLO, methods.Nothing())
    yield Finding(name="chatd", state="good", says=f"{hello.version} answers at {client.path}")
    if hello.version != __version__:
        yield Finding(
            name="version",
            state="warning",
            says=f"this is chat {__version__}, and chatd is {hello.version}",
            do="restart chatd, or update chat",
        )
    with suppress(errors.NoSuchMethod):  # an older chatd
        yield from client.call(methods.DOCTOR, methods.Nothing()).findings


def _settings() -> Finding:
    """Return whether the person's settings and templates can be used."""
    try:
        mine = person.load()
        for name in templates.names():
            templates.load(name, mine.templates.get(name))
    except errors.RpcError as exc:
        do = "chat config edit, or correct the template"
        return Finding(name="settings", state="bad", says=exc.message, do=do)
    return Finding(name="settings", state="good", says="config.toml and templates can be used")


def _tell(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        output.json(finding)
    elif sys.stdout.isatty():
        output.line(f"{finding.state:7}  {finding.name}: {finding.says}")
        if finding.do and finding.state != "good":
            output.line(f"{'':9}do: {finding.do}")
    else:
        cells = (finding.state, finding.name, finding.says, finding.do)
        output.line("\t".join(" ".join(cell.split()) for cell in cells))
