"""What systemd and chatd tell each other: the socket, readiness, the watchdog; else nothing."""

import asyncio
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

NAME = "chatd.socket"  # FileDescriptorName= of the unit
PASSED = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
LOOK_S = 5.0  # between two looks whether the figures have changed


class WrongSocket(Exception):
    """systemd passed something else than the socket of chatd."""


def listener() -> socket.socket | None:
    """Return the listening socket that systemd passed, None if it passed nothing.

    Children are not told of it.  Raises WrongSocket.
    """
    try:
        passed: dict[int, str] = _library().listen_fds_with_names()
    except (ValueError, OSError) as exc:  # there are not as many as it says
        raise WrongSocket("systemd's LISTEN_FDS cannot be understood") from exc
    finally:
        for name in PASSED:
            os.environ.pop(name, None)
    if not passed:
        return None
    ours = [descriptor for descriptor, name in passed.items() if name == NAME]
    if len(passed) != 1 or not ours:
        raise WrongSocket(f"systemd should pass one socket, with FileDescriptorName={NAME}")
    listening = socket.socket(fileno=ours[0])
    if listening.family != socket.AF_UNIX or not _is_listening(listening):
        listening.close()
        raise WrongSocket(f"what systemd passes as {NAME} is no Unix socket that listens")
    return listening


def tell(*lines: str) -> None:
    """Send systemd a message, such as READY=1; nothing where there is none."""
    with suppress(OSError):  # it restarts itself just now; it learns the rest later
        _library().notify("\n".join(lines))


def tell_reloading() -> None:
    """Say that the settings are being read again; READY=1 must follow."""
    tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


async def keep_telling(figures: Callable[[], str]) -> None:
    """For ever: tell how things are, and feed the watchdog, which sees so that the loop runs."""
    watchdog_s = _watchdog_s()
    told = None
    while True:
        lines = [] if watchdog_s is None else ["WATCHDOG=1"]
        if (status := figures()) != told:
            lines.append(f"STATUS={status}")
            told = status
        if lines:
            tell(*lines)
        await asyncio.sleep(LOOK_S if watchdog_s is None else min(LOOK_S, watchdog_s / 2))


def _watchdog_s() -> float | None:
    """Return how often systemd wants to hear of this process."""
    of_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return (
        int(os.environ["WATCHDOG_USEC"]) / 1e6 if of_us and "WATCHDOG_USEC" in os.environ else None
    )


def _is_listening(found: socket.socket) -> bool:
    return found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


@cache
def _library() -> Any:  # systemd-python has no types
    try:
        return import_module("systemd.daemon")
    except ImportError:
        return import_module("chatd.standin")
