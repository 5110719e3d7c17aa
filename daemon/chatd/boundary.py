"""The one place where a bug stops: it is logged, and becomes an internal error for the caller."""

import logging
from types import TracebackType

from chat_rpc import errors


class boundary:  # used as a word: `with boundary(log, ...)`
    """Lets RpcError through, and turns every other exception into InternalError.

    A class, for contextlib's way costs a third of a ping.
    """

    __slots__ = ("_fields", "_log", "_what")

    def __init__(self, log: logging.Logger, what: str, **fields: object):
        self._log = log
        self._what = what
        self._fields = fields

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(exc, Exception) and not isinstance(exc, errors.RpcError):
            raise stopped(exc, self._log, self._what, **self._fields) from exc


def stopped(exc: Exception, log: logging.Logger, what: str, **fields: object) -> errors.RpcError:
    """Return the error that the caller gets; a bug is logged.

    For `dispatch`, whose `except Exception` costs nothing until there is one; elsewhere use the
    word.  `fields` are for the journal: uid, turn, method.
    """
    if isinstance(exc, errors.RpcError):
        return exc
    log.error("%s failed", what, exc_info=exc, extra=fields)
    return errors.InternalError("internal error; chatd's log tells where")
