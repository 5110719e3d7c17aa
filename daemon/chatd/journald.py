"""systemd's journal: is stderr it, and lines for it with fields to look for."""

import logging
import os
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

STDERR = 2
FIELDS = ("uid", "turn", "method")  # in `extra` of a call; CHATD_UID and so on in the journal
PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
DEBUG = 7


def has_stderr() -> bool:
    """Say whether stderr goes to the journal: systemd tells the device and inode of its stream."""
    stream = os.environ.get("JOURNAL_STREAM")
    if stream is None:
        return False
    status = os.fstat(STDERR)
    return stream == f"{status.st_dev}:{status.st_ino}"


def priority_of(level: int) -> int:
    """Return syslog's number for a level of Python's."""
    return next((priority for least, priority in PRIORITIES if level >= least), DEBUG)


@cache
def library() -> Any:  # systemd-python has no types
    """Return the library that writes to the journal, None where it is not installed."""
    try:
        return import_module("systemd.journal")
    except ImportError:
        return None


class Journal(logging.Handler):
    """Writes lines with fields.

    The library's own handler also writes the arguments of a line and the text of an exception,
    which may be what a user typed.
    """

    def emit(self, record: logging.LogRecord) -> None:
        found = {name: getattr(record, name, None) for name in FIELDS}
        with suppress(OSError):  # there is no journal just now, and nowhere else to say so
            library().send(
                self.format(record),
                PRIORITY=str(priority_of(record.levelno)),
                SYSLOG_IDENTIFIER="chatd",
                LOGGER=record.name,
                CODE_FILE=record.pathname,
                CODE_LINE=record.lineno,
                CODE_FUNC=record.funcName,
                **{
                    f"CHATD_{name.upper()}": str(value)
                    for name, value in found.items()
                    if value not in (None, "")
                },
            )
