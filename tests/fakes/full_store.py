"""A store that has no room: calls that write fail in chatd's store modules, and nowhere else."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chatd.store import journal, own, sent, tmpfs

WRITES = (
    "pwrite",
    "write",
    "ftruncate",
    "link",
    "unlink",
    "rename",
    "mkdir",
    "posix_fallocate",
    "open",
)
MAKES = os.O_CREAT | os.O_TMPFILE & ~os.O_DIRECTORY


class Faults:
    """While `armed`, calls that write are counted; from `first` to `last` they fail.

    With `is_short` they write half of their data, and a file can be cut: so it is on a mount that
    has become full.
    """

    def __init__(self, first: int, last: int, error: int = errno.ENOSPC, *, is_short: bool = False):
        self.calls = 0
        self._first, self._last = first, last
        self._error = error
        self._is_short = is_short
        self._is_armed = False

    def __getattr__(self, name: str) -> Any:  # whatever `os` has
        real = getattr(os, name)
        return self._faulty(name, real) if name in WRITES else real

    def stop(self) -> None:
        """There is room again."""
        self._first = self._last + 1

    @contextmanager
    def armed(self) -> Iterator[None]:
        self._is_armed = True
        try:
            yield
        finally:
            self._is_armed = False

    def _faulty(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if not self._is_armed or (name == "open" and not arguments[1] & MAKES):
                return real(*arguments, **named)
            self.calls += 1
            if not self._first <= self.calls <= self._last:
                return real(*arguments, **named)
            if self._is_short and name == "ftruncate":
                return real(*arguments)
            if self._is_short and name in ("pwrite", "write") and len(arguments[1]) > 1:
                file, data, *offset = arguments
                return real(file, data[: len(data) // 2], *offset)
            raise OSError(self._error, os.strerror(self._error))

        return call


@contextmanager
def faults(fault: Faults) -> Iterator[None]:
    """Let chatd's store see `fault` in place of `os`."""
    modules = (journal, own, sent, tmpfs)
    for module in modules:
        module.os = fault  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module in modules:
            module.os = os  # type: ignore[attr-defined]
