"""The last lines of the log about each user, for that user; they are ids, sizes and times."""

import logging
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from chat_rpc.methods import LogLine, LogPage

KEPT = 1000  # of each user

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
LEVELS: dict[int, Level] = {
    logging.DEBUG: "DEBUG",
    logging.INFO: "INFO",
    logging.WARNING: "WARNING",
}


@dataclass(slots=True)
class Lines:
    """Of one user, counted apart: how much is logged of others is told to nobody."""

    last: int = 0
    kept: deque[LogLine] = field(default_factory=lambda: deque(maxlen=KEPT))


class Ring(logging.Handler):
    """Keeps the records that carry a uid."""

    def __init__(self) -> None:
        super().__init__()
        self._of_user: dict[int, Lines] = {}

    def emit(self, record: logging.LogRecord) -> None:
        uid = getattr(record, "uid", None)
        if not isinstance(uid, int):
            return
        lines = self._of_user.setdefault(uid, Lines())
        lines.last += 1
        line = LogLine(
            n=lines.last,
            time=record.created,
            level=LEVELS.get(record.levelno, "ERROR"),
            logger=record.name,
            message=self.format(record),
        )
        lines.kept.append(line)

    def page(self, uid: int, after: int, limit: int) -> LogPage:
        """Return the lines above `after`; all of them, if it is of an earlier daemon."""
        lines = self._of_user.get(uid, Lines())
        after = 0 if after > lines.last else after
        page = list(islice((line for line in lines.kept if line.n > after), limit))
        return LogPage(page, page[-1].n if page else after)
