"""One user's files: the journal, and the plain texts and snapshots that are made from it.

Every name is made here, from ids that chatd itself has made; nothing of a path comes from the wire,
and no link is ever followed.
"""

import os
from contextlib import suppress
from typing import Literal

from chatd.store.draft import Draft, write_all
from chatd.store.journal import Journal, full

Kind = Literal["prompts", "responses"]
FOLDERS = ("journal", "prompts", "responses", "context")
PAGE = 4096
WIPED_BYTES = 2**20  # at once
FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class SessionFiles:
    """The directory `session_{uid}`.  `used_bytes` and `used_files` are kept as it changes."""

    def __init__(self, root: int, name: str, *, segment_bytes: int):
        self._directory = _folder(root, name)
        self._folders = {folder: _folder(self._directory, folder) for folder in FOLDERS}
        self.journal = Journal(self._folders["journal"], segment_bytes=segment_bytes)
        self._text_bytes = 0
        self._text_files = 0
        for folder in FOLDERS[1:]:
            for entry in os.listdir(self._folders[folder]):
                status = os.stat(entry, dir_fd=self._folders[folder], follow_symlinks=False)
                self._count(status.st_size, +1)

    @property
    def used_bytes(self) -> int:
        return self.journal.size_bytes + self._text_bytes

    @property
    def used_files(self) -> int:
        return self.journal.files + self._text_files

    def draft(self, kind: Kind) -> Draft:
        """Return a text that may still grow; `keep` makes the plain file of it."""
        return Draft(self._folders[kind], self._count)

    def write_text(self, kind: Kind, turn: str, text: str) -> None:
        """Make the plain file of a turn's text, whole or not at all; an existing one stays."""
        draft = self.draft(kind)
        draft.add(text)
        draft.keep(turn)

    def read_text(self, kind: Kind, turn: str) -> str | None:
        """Return a turn's text, or None if its file is not there."""
        try:
            file = os.open(
                f"{turn}.txt",
                os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC,
                dir_fd=self._folders[kind],
            )
        except OSError:
            return None
        with open(file, encoding="utf-8", errors="surrogatepass", newline="") as text:
            return text.read()

    def write_context(self, chat: str, snapshot: bytes) -> None:
        """Replace a chat's snapshot: what its model was shown last."""
        folder, name = self._folders["context"], f"{chat}.json"
        before = _size(folder, name)
        flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            file = os.open(f"{name}.new", flags, 0o600, dir_fd=folder)
        except OSError as exc:
            raise full(exc) from exc
        try:
            write_all(file, snapshot)
            os.rename(f"{name}.new", name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as exc:
            with suppress(OSError):
                os.unlink(f"{name}.new", dir_fd=folder)
            raise full(exc) from exc
        finally:
            os.close(file)
        if before is not None:
            self._count(before, -1)
        self._count(len(snapshot), +1)

    def erase_texts(self, turn: str) -> None:
        """Overwrite and remove the plain files of a turn."""
        self._erase("prompts", f"{turn}.txt")
        self._erase("responses", f"{turn}.txt")

    def erase_context(self, chat: str) -> None:
        self._erase("context", f"{chat}.json")

    def close(self) -> None:
        self.journal.close()
        for folder in (*self._folders.values(), self._directory):
            os.close(folder)

    def _erase(self, folder_name: str, name: str) -> None:
        folder = self._folders[folder_name]
        size = _size(folder, name)
        if size is None:
            return
        try:
            file = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        except OSError:
            file = None  # a planted link: it goes, and what it points to stays
        if file is not None:
            with suppress(OSError):  # the unlink below is what counts
                for begin in range(0, size, WIPED_BYTES):
                    write_all(file, bytes(min(WIPED_BYTES, size - begin)))
                os.ftruncate(file, 0)
            os.close(file)
        os.unlink(name, dir_fd=folder)
        self._count(size, -1)

    def _count(self, size: int, sign: int) -> None:
        self._text_bytes += sign * -(-size // PAGE) * PAGE
        self._text_files += sign


def _folder(parent: int, name: str) -> int:
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    return os.open(name, FOLDER, dir_fd=parent)


def _size(folder: int, name: str) -> int | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
    except FileNotFoundError:
        return None
