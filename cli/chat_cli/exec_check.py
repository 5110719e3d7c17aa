"""`exec` checks: a program that judges a reply, run as the user and never by chatd.

The reply is on its stdin and nowhere else: not in a file, an argument or the environment.
"""

import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from chat_rpc import methods

REASON_CHARS = 800  # the end of what it said on stderr


def words(command: object) -> list[str]:
    """Return the words of a command line, or of a list of them; none where it is neither."""
    if isinstance(command, str):
        with suppress(ValueError):
            return shlex.split(command)
    elif isinstance(command, list) and all(isinstance(word, str) for word in command):
        return [*command]
    return []


def run(argv: Sequence[str], text: str, timeout_s: float) -> tuple[methods.Word, str]:
    """Return verdict and reason: exit 0 is a pass, 1 a fail, all else an error."""
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=0,  # so that its children end with it
        )
    except (OSError, ValueError) as exc:
        return "error", f"{argv[0]} cannot be run: {getattr(exc, 'strerror', None) or exc}"
    with process:
        try:
            _, said = process.communicate(text.encode("utf-8", "replace"), timeout_s)
        except subprocess.TimeoutExpired:
            return "error", f"{argv[0]} was not done in {timeout_s:g} s"
        finally:
            _kill_group(process.pid)
    return _verdict(process.returncode, argv[0], said.decode("utf-8", "replace").strip())


def _verdict(status: int, name: str, said: str) -> tuple[methods.Word, str]:
    reason = said[-REASON_CHARS:]
    if status == 0:
        return "pass", reason
    if status == 1:
        return "fail", reason or f"{name} says no"
    how = f"signal {-status}" if status < 0 else f"exit {status}"
    return "error", f"{name} ended with {how}{f': {reason}' if reason else ''}"


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
