"""The way to chatd: find it, start a user's own if there is none, say what is wrong."""

import fcntl
import os
import sys
from contextlib import suppress
from pathlib import Path

from chat_cli import output
from chat_rpc import __version__, errors, methods, paths
from chat_rpc.client import Client

START_TIMEOUT_S = 30.0
LOG_BYTES = 2**20  # of the last lives of chatd; its end is shown when it does not come up


def connect(*, may_start: bool = True, quiet: bool = False) -> Client:
    """Return a connection; raises NotRunning or NotPermitted with what to do about it."""
    place = paths.find()
    try:
        return _first(place.sockets)
    except errors.NotPermitted as exc:
        if place.owner is paths.Owner.SYSTEM:
            from chat_cli import people  # with pwd, which nobody else needs

            me = people.name_of(os.getuid())
            raise errors.NotPermitted(
                f"{exc.message}; members of the group chatd may: ask the administrator for "
                f"`usermod -aG chatd {me}`, then log in anew"
            ) from exc
        raise
    except errors.NotRunning as exc:
        if place.owner is paths.Owner.ENVIRONMENT:
            raise errors.NotRunning(
                f"no chatd at {place.sockets[0]}, which CHATD_SOCKET names"
            ) from exc
        if place.owner is paths.Owner.SYSTEM:
            from chat_cli import unit  # with subprocess, which nobody else needs

            raise errors.NotRunning(unit.why_not_running()) from exc
        if not may_start:
            raise errors.NotRunning("chatd is not running") from exc
    return _start(place.sockets, quiet=quiet)


class Way:
    """Connects as often as need be; the first time it says what is odd about chatd."""

    def __init__(self, *, may_start: bool = True, quiet: bool = False):
        self._may_start = may_start
        self._quiet = quiet

    def __call__(self) -> Client:
        client = connect(may_start=self._may_start, quiet=self._quiet)
        if not self._quiet:
            self._quiet = True
            with suppress(errors.NotRunning):  # it is stopping: asking it will tell, and wait
                warn_of_skew(client.call(methods.HELLO, methods.Nothing()))
        return client


def warn_of_skew(hello: methods.Hello) -> None:
    """Say so when command and daemon are not of one version."""
    if hello.version != __version__:
        output.note(
            f"this is chat {__version__}, and chatd is {hello.version}: "
            "it should be restarted, or chat updated"
        )


def _first(sockets: tuple[Path, ...]) -> Client:
    failure: errors.NotRunning | None = None
    for socket in sockets:
        try:
            return Client(socket)
        except errors.NotRunning as exc:
            failure = exc
    raise failure or errors.NotRunning("there is no place for a socket")


def _start(sockets: tuple[Path, ...], *, quiet: bool) -> Client:
    """Start the user's own chatd; of many that try at once, one does and the others wait."""
    runtime = paths.make_runtime()
    if runtime is None:
        tried = " or ".join(str(runtime) for runtime in paths.runtimes())
        raise errors.NotPermitted(
            f"{tried} must be your own directory, closed to others and on a tmpfs"
        )
    home = runtime / "chatd"
    home.mkdir(mode=0o700, exist_ok=True)
    if not paths.is_private(home):
        raise errors.NotPermitted(f"{home} must be your own directory, closed to others")
    with open(paths.open_own(home / "start.lock", os.O_RDWR)) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(errors.NotRunning):
            return _first(sockets)
        if paths.is_held_by_systemd(runtime):
            _start_unit(runtime)
        else:
            if not quiet:
                output.note("starting chatd, once; it keeps conversations in RAM")
            _spawn(home / "chatd.log")
    client = _first(sockets)
    if client.call(methods.STATUS, methods.Nothing()).store.may_swap and not quiet:
        output.note(
            "this machine swaps to a disk that is not encrypted, so what is in RAM may get there; "
            "`swapoff -a` or zram keep it off"
        )
    return client


def _start_unit(runtime: Path) -> None:
    """Have the user's systemd listen: a second chatd beside its own would have another store."""
    import subprocess

    started = subprocess.run(
        ["systemctl", "--user", "start", "chatd.socket"],
        env={**os.environ, "XDG_RUNTIME_DIR": os.fspath(runtime)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=START_TIMEOUT_S,
    )
    if started.returncode != 0:
        raise errors.NotRunning(
            "your chatd is a unit of systemd, which cannot start it; "
            "`systemctl --user status chatd.socket chatd` tells more"
        )


def _spawn(log: Path) -> None:
    """Run chatd apart from this process and return when it serves; its log is on the tmpfs."""
    import select
    import subprocess

    reading, writing = os.pipe()
    with open(paths.open_own(log, os.O_RDWR | os.O_APPEND), "ab") as errors_to:
        size = os.fstat(errors_to.fileno()).st_size
        if size > LOG_BYTES:
            errors_to.truncate(0)
            size = 0
        child = subprocess.Popen(
            [sys.executable, "-I", "-m", "chatd", "--ready-fd", str(writing)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors_to,
            pass_fds=[writing],
            cwd="/",
            start_new_session=True,
        )
    os.close(writing)
    with open(reading, "rb") as ready:
        timed_out = not select.select([ready], [], [], START_TIMEOUT_S)[0]
        if not timed_out and ready.readline():
            return
    if timed_out:
        child.terminate()
    status = child.wait()
    why = f"not ready in {START_TIMEOUT_S:g} s" if timed_out else f"status {status}"
    said = log.read_bytes()[size:].decode("utf-8", "replace").strip().splitlines()[-5:]
    raise errors.NotRunning("\n".join([f"chatd could not be started ({why})", *said]))
