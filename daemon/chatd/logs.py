"""Logging, configured in one place: ids, sizes and times, and never the text of an exception."""

import fcntl
import logging
import logging.config
import os
import stat
import sys
import traceback
from collections.abc import Iterator
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import TextIO

from chat_rpc import paths
from chatd import journald
from chatd.config import Logging
from chatd.ring import Ring

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
JOURNAL_FORMAT = "%(name)s: %(message)s"  # the journal knows when, and how bad it is
STDERR = 2
SILENCED = ("openai", "httpx2", "httpcore2", "asyncio")

RING = Ring()  # what `system.logs` tells

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class TextFreeFormatter(logging.Formatter):
    """Prints where an exception came from and its type, but not its message.

    str() of a KeyError, an OSError or a validation error may hold what a user typed.
    """

    def formatException(self, ei: ExcInfo) -> str:
        lines = ["Traceback, its messages left out:\n", *_places(ei[1])]
        return "".join(lines).rstrip()


class PriorityFormatter(TextFreeFormatter):
    """Begins each line with its priority, as systemd's journal reads it from stderr."""

    def format(self, record: logging.LogRecord) -> str:
        priority = journald.priority_of(record.levelno)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


class Console(logging.StreamHandler[TextIO]):
    """stderr.  Where it is a file that grows, such as the one that `chat` gives chatd on the tmpfs,
    it is begun anew at `file_bytes`: a turn is a line, and that file is RAM.
    """

    def __init__(self, file_bytes: int):
        super().__init__()
        self._file_bytes = file_bytes
        self._grows = bool(fcntl.fcntl(STDERR, fcntl.F_GETFL) & os.O_APPEND) and stat.S_ISREG(
            os.fstat(STDERR).st_mode
        )

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        if self._grows and os.fstat(STDERR).st_size > self._file_bytes:
            os.ftruncate(STDERR, 0)


def _places(exc: BaseException | None) -> Iterator[str]:
    """Yield where an exception came from, with those inside it and before it."""
    while exc is not None:
        yield from traceback.format_tb(exc.__traceback__)
        yield f"{type(exc).__module__}.{type(exc).__qualname__}\n"
        if isinstance(exc, BaseExceptionGroup):
            for part in exc.exceptions:
                yield "in which was:\n"
                yield from _places(part)
        exc = exc.__cause__ or (None if exc.__suppress_context__ else exc.__context__)
        if exc is not None:
            yield "which came after:\n"


class OwnFileHandler(RotatingFileHandler):
    """Writes to a file of chatd's own, and through no link that was planted in its place."""

    def _open(self) -> TextIOWrapper:
        return open(
            paths.open_own(Path(self.baseFilename), os.O_WRONLY | os.O_APPEND),
            "a",
            encoding=self.encoding,
        )


def log_what_ends_us() -> None:
    """Have an exception that ends the process logged like any other: where, and not what."""
    sys.excepthook = lambda kind, exc, traceback: logging.getLogger("chatd").critical(
        "chatd ends", exc_info=(kind, exc, traceback)
    )


def configure(settings: Logging) -> None:
    """Send chatd's logs to stderr and, when configured, to a rotating file.

    Calling it again replaces what an earlier call did, so that no line is ever printed twice.
    """
    os.environ.pop("OPENAI_LOG", None)  # it would print whole requests
    handlers: dict[str, dict[str, object]] = {
        "console": _console(settings),
        "ring": {"()": lambda: RING, "formatter": "bare"},
    }
    if settings.file is not None:
        handlers["file"] = {
            "()": OwnFileHandler,
            "formatter": "plain",
            "filename": os.fspath(settings.file),
            "maxBytes": settings.file_bytes,
            "backupCount": settings.file_backups,
            "encoding": "utf-8",
        }
    loggers: dict[str, dict[str, object]] = {
        name: {"level": "WARNING", "propagate": True} for name in SILENCED
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "plain": {"()": TextFreeFormatter, "format": FORMAT},
                "bare": {"()": TextFreeFormatter},
                "journal": {"()": TextFreeFormatter, "format": JOURNAL_FORMAT},
                "priority": {"()": PriorityFormatter, "format": JOURNAL_FORMAT},
            },
            "handlers": handlers,
            "root": {"level": "WARNING", "handlers": list(handlers)},
            "loggers": loggers,
        }
    )
    set_levels(settings)


def set_levels(settings: Logging) -> None:
    """Set the levels of chatd's loggers, and nothing else."""
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("chatd.")]:
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.getLogger("chatd").setLevel(settings.level)
    for name, level in settings.levels.items():
        logging.getLogger(name).setLevel(level)


def _console(settings: Logging) -> dict[str, object]:
    """Return how to log to stderr, or to the journal that it goes to."""
    if not journald.has_stderr():
        return {"()": Console, "formatter": "plain", "file_bytes": settings.file_bytes}
    if journald.library() is not None:
        return {"()": journald.Journal, "formatter": "journal"}
    return {"()": "logging.StreamHandler", "formatter": "priority"}
