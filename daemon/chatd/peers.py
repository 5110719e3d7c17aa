"""Who is at the other end of a connection, and whether still, as the kernel tells it."""

import grp
import select
import socket
import struct
from contextlib import suppress
from pathlib import Path

PEER = struct.Struct("3i")
SO_PEERGROUPS = 59
MAX_GROUPS = 256
OVERFLOW_UID = 65534  # unless the administrator has changed it


def uid_of(client: socket.socket) -> int:
    """Return the user of the process that connected."""
    return _credentials(client)[1]


def is_hung_up(descriptor: int) -> bool:
    """Say whether the peer has closed its socket, and not only its sending side."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))


def groups_of(client: socket.socket) -> set[int]:
    """Return the groups of the process that connected, its own and its supplementary ones."""
    groups = {_credentials(client)[2]}
    with suppress(OSError):  # ERANGE: in more groups than Python can ask for
        raw = client.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, 4 * MAX_GROUPS)
        groups.update(number for (number,) in struct.iter_unpack("i", raw))
    return groups


def group_id(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def overflow_uid() -> int:
    try:
        return int(Path("/proc/sys/kernel/overflowuid").read_text("ascii"))
    except OSError:  # hidden by systemd's ProcSubset=
        return OVERFLOW_UID


def _credentials(client: socket.socket) -> tuple[int, int, int]:
    """Return process, user and group of who connected."""
    raw = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size)
    process, user, group = PEER.unpack(raw)
    return process, user, group
