"""The tmpfs: every file of a session is read and written here, and nowhere else.

session_{uid}/journal/000001.ndj is the source of truth: one JSON line an event, each after its
crc32.  prompts/ and responses/ hold the plain text of turns that have ended.
"""

import fcntl
import os
import re
import secrets
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from chat_rpc.errors import StoreFull
from chat_rpc.methods import StoreStatus

SESSION = re.compile(r"session_(\d+)")
JOURNAL = "000001.ndj"
Kind = Literal["prompts", "responses"]


class StoreError(Exception):
    """The store cannot be used at all; the message says why and what to do."""


class Store:
    """The directory that holds all sessions; one daemon at a time has it open."""

    def __init__(self, root: Path):
        self.root = root
        self.filesystem = filesystem_of(root)
        if self.filesystem not in ("tmpfs", "ramfs"):
            raise StoreError(
                f"{root} is on {self.filesystem}, and chatd keeps conversations in RAM only: "
                "give it a tmpfs"
            )
        self._lock = os.open(root / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(self._lock)
            raise StoreError(f"{root} is in use by another chatd") from exc
        self.epoch = self._read_epoch()
        self._open: dict[int, SessionFiles] = {}

    def session(self, uid: int) -> "SessionFiles":
        """Return the files of `uid`, made on first use."""
        if uid not in self._open:
            self._open[uid] = SessionFiles(self.root / f"session_{uid:d}")
        return self._open[uid]

    def uids(self) -> list[int]:
        """Return the users who have a session here."""
        names = (SESSION.fullmatch(name) for name in os.listdir(self.root))
        return sorted(int(match[1]) for match in names if match)

    def status(self) -> StoreStatus:
        size = os.statvfs(self.root)
        return StoreStatus(
            path=str(self.root),
            filesystem=self.filesystem,
            used_bytes=(size.f_blocks - size.f_bfree) * size.f_frsize,
            size_bytes=size.f_blocks * size.f_frsize,
        )

    def close(self) -> None:
        for files in self._open.values():
            files.close()
        os.close(self._lock)

    def _read_epoch(self) -> str:
        """Return the name of this life of the store: it is gone when the tmpfs is."""
        path = self.root / "epoch"
        try:
            return path.read_text("ascii")
        except FileNotFoundError:
            epoch = secrets.token_hex(8)
            draft = self.root / "epoch.new"
            draft.write_text(epoch, "ascii")
            draft.rename(path)
            return epoch


class SessionFiles:
    """One user's files."""

    def __init__(self, directory: Path):
        for part in (
            directory,
            *(directory / name for name in ("journal", "prompts", "responses")),
        ):
            part.mkdir(mode=0o700, exist_ok=True)
        self._directory = os.open(directory, os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._journal = os.open(
            f"journal/{JOURNAL}",
            os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC,
            0o600,
            dir_fd=self._directory,
        )
        self.end = os.fstat(self._journal).st_size

    def append(self, payload: bytes) -> int:
        """Write one JSON object to the journal and return where its line begins.

        When this returns, the line survives the death of the daemon.  Raises StoreFull, and then
        nothing of it was written.
        """
        begin = self.end
        line = b"%08x %b\n" % (zlib.crc32(payload), payload)
        try:
            written = os.write(self._journal, line)
        except OSError as exc:
            raise _full(exc) from exc
        if written < len(line):
            os.ftruncate(self._journal, begin)
            raise StoreFull("the RAM store is full")
        self.end += written
        return begin

    def read(self, begin: int, end: int | None = None) -> Iterator[bytes]:
        """Yield the payloads of the whole lines between two places of the journal."""
        rest, place = b"", begin
        stop = self.end if end is None else end
        while place < stop and (data := os.pread(self._journal, min(2**20, stop - place), place)):
            place += len(data)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                yield line[9:]

    def recover(self) -> Iterator[tuple[int, bytes]]:
        """Yield place and payload of every sound line; cut a torn tail off."""
        place = 0
        rest = b""
        read = 0
        while data := os.pread(self._journal, 2**20, read):
            read += len(data)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if is_sound(line):
                    yield place, line[9:]
                place += len(line) + 1
        if rest:
            os.ftruncate(self._journal, place)
        self.end = place

    def write_text(self, kind: Kind, turn: str, text: str) -> None:
        """Make the plain file of a turn's text, whole or not at all; an existing one stays."""
        if os.access(f"{kind}/{turn}.txt", os.F_OK, dir_fd=self._directory):
            return
        data = text.encode("utf-8", "surrogatepass")
        try:
            file = os.open(kind, os.O_TMPFILE | os.O_WRONLY, 0o600, dir_fd=self._directory)
        except OSError as exc:
            raise _full(exc) from exc
        try:
            while data:
                data = data[os.write(file, data) :]
            # src_dir_fd: without it os.link calls link(2), which does not follow /proc's links
            os.link(
                f"/proc/self/fd/{file}",
                f"{kind}/{turn}.txt",
                src_dir_fd=self._directory,
                dst_dir_fd=self._directory,
                follow_symlinks=True,
            )
        except FileExistsError:
            pass
        except OSError as exc:
            raise _full(exc) from exc
        finally:
            os.close(file)

    def read_text(self, kind: Kind, turn: str) -> str | None:
        """Return a turn's text, or None if the file was not made yet."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            file = os.open(f"{kind}/{turn}.txt", flags, dir_fd=self._directory)
        except FileNotFoundError:
            return None
        with open(file, encoding="utf-8", errors="surrogatepass", newline="") as text:
            return text.read()

    def close(self) -> None:
        os.close(self._journal)
        os.close(self._directory)


def filesystem_of(path: Path) -> str:
    """Return the type of the filesystem that holds `path`, as /proc/self/mountinfo names it."""
    device = os.stat(path).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            fields, _, rest = line.partition(" - ")
            if fields.split()[2] == number:
                return rest.split()[0]
    return "an unknown filesystem"


def is_sound(line: bytes) -> bool:
    """Say whether a journal line is whole: eight hex digits of crc32, a space, the payload."""
    try:
        return int(line[:8], 16) == zlib.crc32(line[9:])
    except ValueError:
        return False


def _full(exc: OSError) -> StoreFull:
    return StoreFull(f"the RAM store cannot be written: {exc.strerror}")
