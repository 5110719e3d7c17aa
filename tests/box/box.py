"""A machine of its own: a real systemd as PID 1 of a container made from the host's own files.

It needs root, cgroups, overlayfs and nothing from the network; what is written in it stays in RAM
and ends with it.  It is no security border: what runs in it has the rights of root.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from chat_rpc.client import Client
from tests.box import cgroups
from tests.harness import Ran, children_of, wait_for

ROOT_SH = Path(__file__).with_name("root.sh")
SYSTEMD = Path("/lib/systemd/systemd")
NAMESPACES = ["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup"]
TOOLS = ("unshare", "nsenter", "setpriv", "mount", "systemctl")
BOOT_S, POWEROFF_S, COMMAND_S = 30.0, 20.0, 60.0
SOCKET = Path("/run/chatd/chatd.sock")
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "SYSTEMD_PAGER": "",
}


def missing() -> str | None:
    """Return in one line why no box can be had here, or None."""
    if os.geteuid() != 0:
        return f"uid {os.geteuid()} is not root"
    for tool in TOOLS:
        if not shutil.which(tool):
            return f"{tool} is not installed"
    if not SYSTEMD.exists():
        return "systemd is not installed"
    if not re.search(r"\boverlay$", Path("/proc/filesystems").read_text(), re.MULTILINE):
        return "the kernel has no overlayfs"
    if not cgroups.hierarchies():
        return "no cgroups that may be written to"
    tried = subprocess.run(["unshare", *NAMESPACES, "--fork", "true"], capture_output=True)
    return tried.stderr.decode().strip().splitlines()[-1] if tried.returncode else None


@cache
def why_not() -> str | None:
    """Return in one line why no systemd can be booted here, or None: it was tried."""
    if reason := missing():
        return reason
    try:
        with Box():
            return None
    except (OSError, AssertionError, subprocess.SubprocessError) as exc:
        said = str(exc).strip() or type(exc).__name__
        return f"it did not come up: {said.splitlines()[-1]}"


class Box:
    """`with Box() as box: box.do("systemctl", "start", "chatd")`.

    It dies with the thread that entered it, however that ends.
    """

    def __init__(self, binds: Sequence[tuple[Path, str]] = ()):
        self.name = f"{cgroups.PREFIX}-{os.getpid()}-{os.urandom(2).hex()}"
        self._binds = binds
        self._groups: list[Path] = []
        self._said: IO[bytes] = tempfile.TemporaryFile()
        self._process: subprocess.Popen[bytes] | None = None
        self.leader = 0  # its PID 1, as this machine sees it

    def __enter__(self) -> Self:
        cgroups.remove(cgroups.left_over())
        try:
            self._boot()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Power it off; systemd must end by itself, and leave nothing behind."""
        try:
            self.run("systemctl", "poweroff")
            assert self._process is not None
            self._process.wait(POWEROFF_S)
        finally:
            self._kill()

    def run(
        self,
        *command: str,
        user: str | None = None,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = COMMAND_S,
    ) -> Ran:
        """Run a command in it to its end, as root or as `user`; without `stdin` it reads none."""
        done = subprocess.run(
            self.command(*command, user=user, env=env),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr.decode())

    def do(self, *command: str, user: str | None = None, timeout_s: float = COMMAND_S) -> str:
        """Run a command that must succeed; returns what it says."""
        ran = self.run(*command, user=user, timeout_s=timeout_s)
        said = ran.out.decode()
        assert ran.status == 0, f"{shlex.join(command)}: status {ran.status}\n{said}{ran.err}"
        return said

    def command(
        self, *command: str, user: str | None = None, env: Mapping[str, str] | None = None
    ) -> list[str]:
        """Return the command that runs this one in the box."""
        enter = ["nsenter", "--target", str(self.leader), "--all", "--", "env", "-i"]
        home = f"/home/{user}" if user else "/root"
        enter += [f"{name}={value}" for name, value in {**ENVIRONMENT, "HOME": home}.items()]
        enter += [f"{name}={value}" for name, value in (env or {}).items()]
        if user:
            enter += ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--"]
        return [*enter, *command]

    def show(self, unit: str, name: str) -> str:
        """Return one property of a unit."""
        return self.do("systemctl", "show", "--value", "--property", name, unit).strip()

    def path(self, inside: str | Path) -> Path:
        """Return where a file of the box is for this process, its sockets too."""
        return Path(f"/proc/{self.leader}/root", str(inside).lstrip("/"))

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def client(self, socket: Path = SOCKET) -> Client:
        return Client(self.path(socket))

    def _boot(self) -> None:
        found = cgroups.hierarchies()
        self._groups = [hierarchy.ours / self.name for hierarchy in found]
        for group in self._groups:
            group.mkdir()
        join = "".join(f"echo $$ >{shlex.quote(str(each))}/cgroup.procs\n" for each in self._groups)
        # setpriv ends unshare when this thread is gone, and unshare then its child, the PID 1
        become = "exec setpriv --pdeathsig KILL unshare --fork --kill-child=KILL"
        mounted = " ".join(f"{each.mount.name}:{each.options}" for each in found)
        self._process = subprocess.Popen(
            [
                *("sh", "-euc", f'{join}{become} "$@"', "box", *NAMESPACES, "--", str(ROOT_SH)),
                self.name,
                "" if any(each.is_whole for each in found) else mounted,
                *(part for source, target in self._binds for part in (str(source), target)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=self._said,
        )
        wait_for(self._is_booted, "a box that boots", BOOT_S)

    def _is_booted(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            self._said.seek(0)
            raise AssertionError(f"the box ended: {self._said.read().decode()}")
        for child in children_of(self._process.pid):
            if Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                self.leader = child
        if not self.leader or not self.path("/run/systemd/private").exists():
            return False
        state = self.run("systemctl", "is-system-running").out.strip()
        return state in (b"running", b"degraded")

    def _kill(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
        cgroups.remove(self._groups)
        self._said.close()
