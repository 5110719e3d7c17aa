"""The mount: is it RAM, how much of it is free, may it be swapped; and the lock on it."""

import fcntl
import os
import re
import secrets
import stat
from contextlib import ExitStack, suppress
from pathlib import Path

from chat_rpc import paths
from chat_rpc.methods import StoreStatus
from chatd.store import swap
from chatd.store.own import erase_file, make_file, open_file, read_file
from chatd.store.session import SessionFiles

SESSION = re.compile(r"session_(0|[1-9][0-9]{0,9})")
EPOCH = re.compile(rb"[0-9a-f]{16}")
RESERVE_BYTES = 4 * 2**20
SPENT_BYTES = 2**16  # of the reserve at a time: others may take what is given back


class StoreError(Exception):
    """The store cannot be used at all; the message says why and what to do."""


class Store:
    """The directory that holds all sessions; one daemon at a time has it open."""

    def __init__(self, root: Path, *, segment_bytes: int = 16 * 2**20, must_be_mount: bool = False):
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
        if must_be_mount and not self.is_mount:
            raise StoreError(
                f"{root} is no mount of its own, as the system's chatd needs it: "
                "`systemctl start mnt-ai_tmpfs.mount` makes it one"
            )
        with ExitStack() as opened:
            self._directory = os.open(root, os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, self._directory)
            if not _is_safe(os.fstat(self._directory)):
                raise StoreError(f"others may rename what is in {root}: `chmod 700` it")
            lock = open_file(self._directory, "lock", os.O_CREAT | os.O_RDWR)
            opened.callback(os.close, lock)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                raise StoreError(f"{root} is in use by another chatd") from exc
            self.epoch = self._read_epoch()
            self._reserve = open_file(self._directory, "reserve", os.O_CREAT | os.O_RDWR)
            opened.callback(os.close, self._reserve)
            self._opened = opened.pop_all()
        self._segment_bytes = segment_bytes
        self._open: dict[int, SessionFiles] = {}
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
        with suppress(OSError):  # there is no room for it now
            os.posix_fallocate(self._reserve, 0, RESERVE_BYTES)

    def spend_reserve(self) -> bool:
        """Give some of the reserve back to the mount; False: there is nothing left of it."""
        size = os.fstat(self._reserve).st_size
        with suppress(OSError):
            os.ftruncate(self._reserve, max(0, size - SPENT_BYTES))
            return size > 0
        return False

    def close(self) -> None:
        for files in self._open.values():
            files.close()
        self._opened.close()

    def _read_epoch(self) -> str:
        """Return the name of this life of the store: it is gone when the tmpfs is."""
        epoch = read_file(self._directory, "epoch")
        if epoch is None or not EPOCH.fullmatch(epoch):
            epoch = secrets.token_hex(8).encode("ascii")
            erase_file(self._directory, "epoch")
            make_file(self._directory, "epoch", epoch)
        return epoch.decode("ascii")


def _is_safe(root: os.stat_result) -> bool:
    """Say whether only its owner, or root, can rename what is in a directory."""
    is_owned = root.st_uid in (0, os.geteuid())
    return is_owned and (not root.st_mode & 0o022 or bool(root.st_mode & stat.S_ISVTX))
