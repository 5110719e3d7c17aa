"""How much of the store one user, and all of them, may fill; asked before anything is taken."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from chat_rpc.errors import StoreFull
from chatd.store.session import SessionFiles
from chatd.store.tmpfs import RESERVE_BYTES, Store

MIB = 2**20
TURN_FILES = 2


@dataclass(frozen=True, slots=True)
class Share:
    """Bytes and files."""

    bytes: int
    files: int


class Quota:
    """The shares, fixed at start: of the whole mount, or in user mode of what others left free."""

    def __init__(self, store: Store, *, own_mount: bool, store_bytes: int):
        size = os.statvfs(store.root)
        if own_mount:
            total = Share(size.f_blocks * size.f_frsize, size.f_files)
            part = 0.25
        else:
            mine = [store.session(uid) for uid in store.uids()]
            free = size.f_bavail * size.f_frsize + sum(files.used_bytes for files in mine)
            files_free = size.f_favail + sum(files.used_files for files in mine)
            total = Share(min(free, store_bytes), files_free)
            part = 0.80
        self.all = Share(int(total.bytes * 0.80) - RESERVE_BYTES, int(total.files * 0.80))
        self.user = Share(
            min(int(total.bytes * part), self.all.bytes),
            min(int(total.files * part), self.all.files),
        )

    def check(
        self,
        files: SessionFiles,
        everybody: Iterable[SessionFiles],
        *,
        more_bytes: int,
        more_files: int = TURN_FILES,
    ) -> None:
        """Raise StoreFull unless a turn, or so many files, of so many bytes have room."""
        self.check_user(files, more_bytes=more_bytes, more_files=more_files)
        used = [(other.used_bytes, other.used_files) for other in everybody]
        if (
            sum(size for size, _ in used) + more_bytes > self.all.bytes
            or sum(count for _, count in used) + more_files > self.all.files
        ):
            raise StoreFull(
                "the RAM store is full; old chats end by themselves, `chat list` shows when"
            )

    def check_user(
        self, files: SessionFiles, *, more_bytes: int, more_files: int = TURN_FILES
    ) -> None:
        """The cheap half of `check`: this user's own share."""
        if (
            files.used_bytes + more_bytes > self.user.bytes
            or files.used_files + more_files > self.user.files
        ):
            raise StoreFull(
                f"your share of the RAM store, {self.user.bytes // MIB} MiB, is full; "
                "old chats make room when they end"
            )
