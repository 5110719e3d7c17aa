"""Where chatd's socket and a user's runtime directory are; nothing is connected here.

$XDG_RUNTIME_DIR is not read: cron, su and sudo lack it or carry another user's.
"""

import os
import stat
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from chat_rpc import errors

SYSTEM_SOCKET = Path("/run/chatd/chatd.sock")
SYSTEM_UNIT = Path("/etc/systemd/system/sockets.target.wants/chatd.socket")
SYSTEM_STORE = Path("/mnt/ai_tmpfs")
SYSTEM_CONFIG = Path("/etc/chatd/chatd.toml")
LOGIND = Path("/run/user")


class Owner(Enum):
    """Who decides where the socket is."""

    ENVIRONMENT = "CHATD_SOCKET"
    SYSTEM = "the system's chatd"
    USER = "the user's own chatd"


class Place(NamedTuple):
    """A socket, or with USER the sockets to try in turn."""

    owner: Owner
    sockets: tuple[Path, ...]


class Mount(NamedTuple):
    """What /proc/self/mountinfo tells of a filesystem."""

    filesystem: str
    options: frozenset[str]

    @property
    def is_ram(self) -> bool:
        return self.filesystem in ("tmpfs", "ramfs")

    @property
    def never_swaps(self) -> bool:
        return self.filesystem == "ramfs" or "noswap" in self.options


def find() -> Place:
    """Return where this process should look for chatd."""
    if named := os.environ.get("CHATD_SOCKET"):
        return Place(Owner.ENVIRONMENT, (Path(named),))
    # lexists: a socket that may not be entered (EACCES) is still the system's
    if os.path.lexists(SYSTEM_SOCKET) or os.path.lexists(SYSTEM_UNIT):
        return Place(Owner.SYSTEM, (SYSTEM_SOCKET,))
    return Place(Owner.USER, tuple(socket_in(runtime) for runtime in runtimes()))


def runtimes() -> list[Path]:
    """Return the runtime directories that a user's own chatd may be in, best first."""
    uid = os.getuid()
    logind = LOGIND / str(uid)
    fallback = Path(f"/dev/shm/chatd-{uid}")
    return [logind, fallback] if is_private(logind) else [fallback]


def make_runtime() -> Path | None:
    """Return the runtime directory for a new chatd, made if need be; None if none will do."""
    for runtime in runtimes():
        with suppress(OSError):
            runtime.mkdir(mode=0o700)
        if is_private(runtime) and mount_of(runtime).filesystem == "tmpfs":
            return runtime
    return None


def is_held_by_systemd(runtime: Path) -> bool:
    """Say whether the user's systemd is to hold the socket in `runtime`."""
    wanted = Path.home() / ".config/systemd/user/sockets.target.wants/chatd.socket"
    manager = runtime / "systemd/private"
    return runtime.parent == LOGIND and os.path.lexists(wanted) and manager.exists()


def mount_of(path: Path) -> Mount:
    """Return the mount that holds `path`; of several on one place, the last is on top."""
    device = os.stat(path).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    found = Mount("an unknown filesystem", frozenset())
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            fields, _, rest = line.partition(" - ")
            if fields.split()[2] == number:
                filesystem, _, options = rest.split()[:3]
                found = Mount(filesystem, frozenset(options.split(",")))
    return found


def socket_in(runtime: Path) -> Path:
    return runtime / "chatd" / "chatd.sock"


def store_in(runtime: Path) -> Path:
    return runtime / "chatd" / "tmpfs"


def user_config() -> Path:
    """Return the chatd.toml of a user's own daemon."""
    return _config_home() / "chatd" / "chatd.toml"


def person_config() -> Path:
    """Return the person's own config.toml, which chatd does not read."""
    return _config_home() / "chat" / "config.toml"


def templates() -> Path:
    """Return the directory of the person's templates."""
    return _config_home() / "chat" / "templates"


def is_private(directory: Path) -> bool:
    """Say whether this is the caller's own directory, no link, closed to everybody else."""
    try:
        status = os.lstat(directory)
    except OSError:
        return False
    mine = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    return mine and not status.st_mode & 0o077


def open_own(path: Path, flags: int) -> int:
    """Open a plain file of the caller's own, made if need be; raises NotPermitted.

    A link of either kind, a FIFO or another's file is refused, and nothing has been done to it.
    """
    safe = os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        file = os.open(path, flags | safe, 0o600)
    except OSError as exc:
        raise errors.NotPermitted(f"{path} cannot be opened: {exc.strerror}") from exc
    status = os.fstat(file)
    if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and status.st_nlink == 1:
        return file
    os.close(file)
    raise errors.NotPermitted(f"{path} is not a plain file of your own")


def _config_home() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
