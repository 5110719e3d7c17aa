"""stdin: what is piped in, read to its end as text; no word of it stays anywhere but in memory."""

import os
import select
import stat
import sys

from chat_cli import output
from chat_rpc import errors

PATIENCE_S = 2.0  # then a person is told what is waited for
INLINE_BYTES = 2**20  # more goes by file.add, for a line of the wire has an end


def is_there() -> bool:
    """Say whether stdin is something that can be read to its end: no terminal, and not closed.

    A character device such as /dev/null is read too, and is empty.
    """
    return sys.stdin is not None and not sys.stdin.isatty()


def read(*, told: bool) -> bytes:
    """Return all of stdin; `told`: say what is waited for when nothing comes."""
    if stat.S_ISDIR(os.fstat(0).st_mode):
        raise errors.InvalidParams("stdin is a directory")
    if told and not select.select([0], [], [], PATIENCE_S)[0]:
        tell_of_silence()
    try:
        return sys.stdin.buffer.read()
    except OSError as exc:
        raise errors.InvalidParams(f"stdin cannot be read: {exc.strerror}") from None


def tell_of_silence() -> None:
    output.note("waiting for stdin, which is open and silent; -0 leaves it alone")


def text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise errors.InvalidParams(
            f"stdin is not UTF-8 text (byte {exc.start}); nothing was asked"
        ) from None
