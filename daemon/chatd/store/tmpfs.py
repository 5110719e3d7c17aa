"""The mount: is it RAM, how much of it is free, may it be swapped; and the lock on it."""

import fcntl
import os
import re
import secrets
from pathlib import Path

from chat_rpc import paths
from chat_rpc.methods import StoreStatus
from chatd.store import swap
from chatd.store.session import SessionFiles

SESSION = re.compile(r"session_(\d+)")
RESERVE = "reserve"
RESERVE_BYTES = 4 * 2**20


class StoreError(Exception):
    """The store cannot be used at all; the message says why and what to do."""


class Store:
    """The directory that holds all sessions; one daemon at a time has it open."""

    def __init__(self, root: Path, *, segment_bytes: int = 16 * 2**20):
        self.root = root
        if not root.is_dir():
            raise StoreError(f"{root} is not there: make the directory, on a tmpfs")
        self.mount = paths.mount_of(root)
        self.is_mount = os.path.ismount(root)
        if not self.mount.is_ram:
            raise StoreError(
                f"{root} is on {self.mount.filesystem}, and chatd keeps conversations in RAM only: "
                "give it a tmpfs"
            )
        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        self._directory = os.open(root, os.O_DIRECTORY | os.O_CLOEXEC)
        self._lock = os.open("lock", flags, 0o600, dir_fd=self._directory)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(self._lock)
            os.close(self._directory)
            raise StoreError(f"{root} is in use by another chatd") from exc
        self._segment_bytes = segment_bytes
        self._open: dict[int, SessionFiles] = {}
        self.epoch = self._read_epoch()
        self.keep_reserve()

    def session(self, uid: int) -> SessionFiles:
        """Return the files of `uid`, made on first use."""
        if uid not in self._open:
            self._open[uid] = SessionFiles(
                self._directory, f"session_{uid:d}", segment_bytes=self._segment_bytes
            )
        return self._open[uid]

    def uids(self) -> list[int]:
        """Return the users who have a session here."""
        names = (SESSION.fullmatch(name) for name in os.listdir(self._directory))
        return sorted(int(match[1]) for match in names if match)

    def status(self, used_bytes: int) -> StoreStatus:
        """Return what is told of the mount; how full it is by others is not a user's to know."""
        size = os.statvfs(self._directory)
        return StoreStatus(
            path=str(self.root),
            filesystem=self.mount.filesystem,
            used_bytes=used_bytes,
            size_bytes=size.f_blocks * size.f_frsize,
            may_swap=not self.mount.never_swaps and swap.reaches_disk(),
        )

    def keep_reserve(self) -> None:
        """Hold a few MiB back, so that a turn that is under way can be ended on a full mount."""
        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open(RESERVE, flags, 0o600, dir_fd=self._directory)
        try:
            os.posix_fallocate(file, 0, RESERVE_BYTES)
        except OSError:
            os.ftruncate(file, 0)  # there is no room for it now
        finally:
            os.close(file)

    def spend_reserve(self) -> None:
        """Give the reserve back to the mount: now the end of what is under way fits."""
        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open(RESERVE, flags, 0o600, dir_fd=self._directory)
        os.ftruncate(file, 0)
        os.close(file)

    def close(self) -> None:
        for files in self._open.values():
            files.close()
        os.close(self._lock)
        os.close(self._directory)

    def _read_epoch(self) -> str:
        """Return the name of this life of the store: it is gone when the tmpfs is."""
        try:
            return _read(self._directory, "epoch")
        except FileNotFoundError:
            epoch = secrets.token_hex(8)
            flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
            file = os.open("epoch.new", flags, 0o600, dir_fd=self._directory)
            os.write(file, epoch.encode("ascii"))
            os.close(file)
            os.rename("epoch.new", "epoch", src_dir_fd=self._directory, dst_dir_fd=self._directory)
            return epoch


def _read(directory: int, name: str) -> str:
    file = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=directory)
    with open(file, encoding="ascii") as text:
        return text.read()
