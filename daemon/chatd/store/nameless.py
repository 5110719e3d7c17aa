"""The files of one ephemeral turn: they lie where its user's do, and none of them has a name.

What has no name is gone when it is closed, and when chatd dies.
"""

import os
from collections.abc import Iterator

from chatd.store.draft import Draft
from chatd.store.journal import Journal, Segment
from chatd.store.own import failure
from chatd.store.session import Kind, SessionFiles

FLAGS = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC


class NamelessFiles(SessionFiles):
    """They are counted as their user's; what was sent is the user's too."""

    def __init__(self, user: SessionFiles):
        self._user = user
        self._folders = user._folders  # of the same class
        self.sent = user.sent
        self.journal = NamelessJournal(self._folders["responses"], segment_bytes=2**31)
        user.nameless.add(self)

    @property
    def used_bytes(self) -> int:
        return self._user.used_bytes

    @property
    def used_files(self) -> int:
        return self._user.used_files

    def draft(self, kind: Kind) -> Draft:
        return NamelessDraft(self._folders[kind], self._user.count)

    def write_text(self, kind: Kind, turn: str, text: str) -> None:
        """Do nothing: the journal has it."""

    def read_text(self, kind: Kind, turn: str) -> str | None:
        return None

    def write_context(self, chat: str, snapshot: bytes) -> None:
        """Do nothing: no turn comes after this one."""

    def close(self) -> None:
        self._user.nameless.discard(self)
        self.journal.close()


class NamelessJournal(Journal):
    """Of one turn; nothing in it is erased, for it goes as a whole."""

    def _numbers(self) -> Iterator[int]:
        return iter(())

    def _open(self, number: int, flags: int) -> None:
        try:
            file = os.open(".", FLAGS, 0o600, dir_fd=self._directory)
        except OSError as exc:
            raise failure(exc, self._directory, ".") from exc
        self._segments[number] = Segment(number, file, 0)
        self._look()


class NamelessDraft(Draft):
    """A text that never gets its name."""

    def keep(self, turn: str) -> None:
        self.drop()
