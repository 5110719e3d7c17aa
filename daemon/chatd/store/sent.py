"""The files that a user has sent: their bytes, and behind them a note of what they are.

While one still comes it is ID.part, and no later daemon goes on with it; when it is whole it
becomes ID.bin in one step.
"""

import os
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress

from chat_rpc.errors import RpcError, StoreFull
from chatd.store.own import erase_file, failure, full, open_file, read_file, size_of, write_all

NAME = re.compile(r"([a-z2-7]{16})\.(part|bin)")
LENGTH = struct.Struct(">I")


class SentFiles:
    """The directory `files` of a session."""

    def __init__(self, folder: int, count: Callable[[int, int], None]):
        self._folder = folder
        self._count = count  # is told the sizes of files that come and go

    def add(self, id_: str, data: bytes, *, is_new: bool) -> None:
        """Append to a file that still comes; raises StoreFull, and then nothing was added."""
        flags = os.O_CREAT | os.O_EXCL if is_new else 0
        file = open_file(self._folder, f"{id_}.part", os.O_WRONLY | os.O_APPEND | flags)
        try:
            size = os.fstat(file).st_size
            if is_new:
                self._count(0, +1)
            self._append(file, size, data)
        finally:
            os.close(file)

    def finish(self, id_: str, note: bytes) -> None:
        """Say that a file is whole; raises StoreFull."""
        self.add(id_, note + LENGTH.pack(len(note)), is_new=False)
        try:
            folder = self._folder
            os.rename(f"{id_}.part", f"{id_}.bin", src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as exc:
            raise failure(exc, self._folder, f"{id_}.bin") from exc

    def read(self, id_: str, size_bytes: int) -> bytes | None:
        """Return the bytes of a file, or None if they are not there."""
        data = read_file(self._folder, f"{id_}.bin") or read_file(self._folder, f"{id_}.part")
        return None if data is None or len(data) < size_bytes else data[:size_bytes]

    def erase(self, id_: str) -> None:
        """Overwrite and remove a file; raises StoreFull."""
        for name in (f"{id_}.part", f"{id_}.bin"):
            size = size_of(self._folder, name)
            if size is not None and erase_file(self._folder, name):
                self._count(size, -1)

    def recover(self) -> Iterator[tuple[str, bytes]]:
        """Yield id and note of all whole files; what was not whole is erased."""
        for match in map(NAME.fullmatch, os.listdir(self._folder)):
            if match is None:
                continue
            if match[2] == "part":
                with suppress(StoreFull):  # the next daemon tries again
                    self.erase(match[1])
            else:
                yield match[1], self._note(f"{match[1]}.bin")

    def _note(self, name: str) -> bytes:
        """Return the note of a file; empty if it is damaged."""
        try:
            file = open_file(self._folder, name, os.O_RDONLY)
        except RpcError:
            return b""
        try:
            end = os.fstat(file).st_size - LENGTH.size
            (length,) = LENGTH.unpack(os.pread(file, LENGTH.size, max(0, end)))
            return os.pread(file, length, end - length) if length <= end else b""
        except (OSError, struct.error):
            return b""
        finally:
            os.close(file)

    def _append(self, file: int, size: int, data: bytes) -> None:
        self._count(size, -1)
        try:
            write_all(file, data)
        except OSError as exc:
            with suppress(OSError):
                os.ftruncate(file, size)
            raise full(exc) from exc
        finally:
            self._count(os.fstat(file).st_size, +1)
