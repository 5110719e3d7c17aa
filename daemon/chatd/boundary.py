"""The one place where a bug stops: it is logged, and becomes an internal error for the caller."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from chat_rpc import errors


@contextmanager
def boundary(log: logging.Logger, what: str) -> Iterator[None]:
    """Let RpcError through, and turn every other exception into InternalError."""
    try:
        yield
    except errors.RpcError:
        raise
    except Exception as exc:
        log.exception("%s failed", what)
        raise errors.InternalError("internal error; chatd's log tells where") from exc
