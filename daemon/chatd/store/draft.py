"""The plain file of a text that is still coming: without a name, its last part in the heap."""

import os
from collections.abc import Callable

from chat_rpc.errors import StoreFull
from chatd.store.own import failure, name_file, write_all

HELD_CHARS = 65536


class Draft:
    """A text as it grows.  The heap has its last HELD_CHARS, whatever its length.

    It is a second copy of what the journal has, so a lack of room costs it and nothing else.
    """

    def __init__(self, folder: int, count: Callable[[int, int], None]):
        self._folder = folder
        self._count = count  # is told the sizes of files that come and go
        self._file: int | None = None
        self._size_bytes = 0
        self._held: list[str] = []
        self._held_chars = 0
        self._is_lost = False

    def add(self, text: str) -> None:
        self._held.append(text)
        self._held_chars += len(text)
        if self._held_chars > HELD_CHARS:
            self._spill()

    def text(self) -> str | None:
        """Return all of it, or None where there was no room for it."""
        if self._is_lost:
            return None
        spilled = os.pread(self._file, self._size_bytes, 0) if self._file is not None else b""
        return spilled.decode("utf-8", "surrogatepass") + "".join(self._held)

    def keep(self, turn: str) -> None:
        """Make it the file of this turn, whole or not at all; an existing one stays.

        Raises StoreFull.
        """
        name = f"{turn}.txt"
        if os.access(name, os.F_OK, dir_fd=self._folder, follow_symlinks=False):
            self.drop()  # recovery has found it
            return
        self._spill()
        if self._file is None:
            raise StoreFull("the RAM store has no room for a text file")
        try:
            name_file(self._file, self._folder, name)
        except OSError as exc:
            self.drop()
            raise failure(exc, self._folder, name) from exc
        else:
            self._close()

    def drop(self) -> None:
        """Forget all of it: it begins anew, or is not wanted any more."""
        self._held.clear()
        self._held_chars = 0
        self._is_lost = False
        if self._file is not None:
            self._count(self._size_bytes, -1)
            self._close()

    def _spill(self) -> None:
        """Move what the heap has into the file."""
        data = "".join(self._held).encode("utf-8", "surrogatepass")
        self._held.clear()
        self._held_chars = 0
        if self._is_lost:
            return
        try:
            if self._file is None:
                flags = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
                self._file = os.open(".", flags, 0o600, dir_fd=self._folder)
                self._count(0, +1)
            write_all(self._file, data)
        except OSError:
            self.drop()
            self._is_lost = True
        else:
            self._count(self._size_bytes, -1)
            self._size_bytes += len(data)
            self._count(self._size_bytes, +1)

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file = None
        self._size_bytes = 0
