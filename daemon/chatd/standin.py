"""Stands in for systemd-python, which takes a compiler to install: what chatd uses of it."""

import os
import socket

FIRST_FD = 3


def notify(status: str) -> bool:
    """Send `status` to systemd; False: none is there to read it."""
    if not (path := os.environ.get("NOTIFY_SOCKET")):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as systemd:
        systemd.connect("\0" + path[1:] if path.startswith("@") else path)
        systemd.sendall(status.encode("utf-8"))
    return True


def listen_fds_with_names() -> dict[int, str]:
    """Return the descriptors that systemd passed to this process, and their names."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    passed = range(FIRST_FD, FIRST_FD + int(os.environ.get("LISTEN_FDS", "0")))
    for descriptor in passed:
        os.set_inheritable(descriptor, False)  # noqa: FBT003  # it has no name
    return dict(zip(passed, names, strict=True))
