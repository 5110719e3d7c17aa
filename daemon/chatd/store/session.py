"""One user's files: the journal, the plain texts and snapshots made from it, and what was sent.

Every name is made here, from ids that chatd itself has made; nothing of a path comes from the wire,
and no link is ever followed.
"""

import os
from contextlib import ExitStack, suppress
from typing import Literal

from chatd.store.draft import Draft
from chatd.store.journal import Journal
from chatd.store.own import erase_file, make_file, open_folder, read_file, size_of
from chatd.store.sent import SentFiles

Kind = Literal["prompts", "responses"]
FOLDERS = ("journal", "prompts", "responses", "context", "files")
PAGE = 4096


class SessionFiles:
    """The directory `session_{uid}`.  `used_bytes` and `used_files` are kept as it changes.

    Raises StoreFull where it cannot be made, StoreCorrupt where something else has its names.
    """

    def __init__(self, root: int, name: str, *, segment_bytes: int):
        with ExitStack() as opened:
            directory = _open(opened, root, name)
            self._folders = {folder: _open(opened, directory, folder) for folder in FOLDERS}
            self.journal = Journal(self._folders["journal"], segment_bytes=segment_bytes)
            opened.callback(self.journal.close)
            self._opened = opened.pop_all()
        self.nameless: set[SessionFiles] = set()  # of ephemeral turns
        self._text_bytes = 0
        self._text_files = 0
        self.sent = SentFiles(self._folders["files"], self.count)
        for folder in FOLDERS[1:]:
            for entry in os.listdir(self._folders[folder]):
                status = os.stat(entry, dir_fd=self._folders[folder], follow_symlinks=False)
                self.count(status.st_size, +1)

    @property
    def used_bytes(self) -> int:
        nameless = sum(files.journal.size_bytes for files in self.nameless)
        return self.journal.size_bytes + self._text_bytes + nameless

    @property
    def used_files(self) -> int:
        return self.journal.files + self._text_files + len(self.nameless)

    def draft(self, kind: Kind) -> Draft:
        """Return a text that may still grow; `keep` makes the plain file of it."""
        return Draft(self._folders[kind], self.count)

    def write_text(self, kind: Kind, turn: str, text: str) -> None:
        """Make the plain file of a turn's text, whole or not at all; an existing one stays.

        Raises StoreFull, StoreCorrupt.
        """
        folder, name = self._folders[kind], f"{turn}.txt"
        if size_of(folder, name) is None:
            self._make(folder, name, text.encode("utf-8", "surrogatepass"))

    def read_text(self, kind: Kind, turn: str) -> str | None:
        """Return a turn's text, or None if its file is not there."""
        data = read_file(self._folders[kind], f"{turn}.txt")
        with suppress(UnicodeDecodeError):  # damaged: the journal has it
            return None if data is None else data.decode("utf-8", "surrogatepass")
        return None

    def write_context(self, chat: str, snapshot: bytes) -> None:
        """Replace a chat's snapshot: what its model was shown last; raises StoreFull.

        A death in between leaves none, which the chat's next turn makes good.
        """
        self.erase_context(chat)
        self._make(self._folders["context"], f"{chat}.json", snapshot)

    def erase_texts(self, turn: str) -> None:
        """Overwrite and remove the plain files of a turn; raises StoreFull."""
        self._erase("prompts", f"{turn}.txt")
        self._erase("responses", f"{turn}.txt")

    def erase_context(self, chat: str) -> None:
        self._erase("context", f"{chat}.json")

    def close(self) -> None:
        self._opened.close()

    def _make(self, folder: int, name: str, data: bytes) -> None:
        make_file(folder, name, data)
        self.count(len(data), +1)

    def _erase(self, folder_name: str, name: str) -> None:
        folder = self._folders[folder_name]
        size = size_of(folder, name)
        if size is not None and erase_file(folder, name):
            self.count(size, -1)

    def count(self, size: int, sign: int) -> None:
        """Note that a file of this size has come or gone."""
        self._text_bytes += sign * -(-size // PAGE) * PAGE
        self._text_files += sign


def _open(opened: ExitStack, parent: int, name: str) -> int:
    folder = open_folder(parent, name)
    opened.callback(os.close, folder)
    return folder
