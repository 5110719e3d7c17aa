"""Files and directories that are chatd's alone; whatever else stands under their names is refused.

Chatd's own is what belongs to it, is closed to others, has one name and is no link or device.
"""

import errno
import os
import stat
from contextlib import suppress

from chat_rpc.errors import RpcError, StoreCorrupt, StoreFull

WIPED_BYTES = 2**20  # at once
SAFE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # the last, so that no FIFO makes us wait
PLANTED = {errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO, errno.EEXIST}


def open_folder(parent: int, name: str) -> int:
    """Open a directory, made if need be; raises StoreFull, StoreCorrupt."""
    try:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent)
        folder = os.open(name, os.O_DIRECTORY | SAFE, dir_fd=parent)
    except OSError as exc:
        raise failure(exc, parent, name) from exc
    return _checked(folder, stat.S_IFDIR, parent, name)


def open_file(folder: int, name: str, flags: int) -> int:
    """Open a file; raises StoreFull, StoreCorrupt."""
    try:
        file = os.open(name, flags | SAFE, 0o600, dir_fd=folder)
    except OSError as exc:
        raise failure(exc, folder, name) from exc
    return _checked(file, stat.S_IFREG, folder, name)


def read_file(folder: int, name: str) -> bytes | None:
    """Return what is in a file, or None if it is not there or not chatd's own."""
    try:
        with open(open_file(folder, name, os.O_RDONLY), "rb") as file:
            return file.read()
    except (RpcError, OSError):
        return None


def make_file(folder: int, name: str, data: bytes) -> None:
    """Make a file, whole or not at all; raises StoreFull, StoreCorrupt if the name is taken."""
    file = -1
    try:
        file = os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=folder)
        write_all(file, data)
        name_file(file, folder, name)
    except OSError as exc:
        raise failure(exc, folder, name) from exc
    finally:
        if file >= 0:
            os.close(file)


def name_file(file: int, folder: int, name: str) -> None:
    """Give a name to a file that has none; raises OSError."""
    # src_dir_fd: without it os.link calls link(2), which does not follow /proc's links
    draft = f"/proc/self/fd/{file}"
    os.link(draft, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)


def erase_file(folder: int, name: str) -> bool:
    """Overwrite and remove a file; of what is not chatd's own, only the name.

    False: nothing of that name could be removed.  Raises StoreFull.
    """
    with suppress(RpcError, OSError):  # the unlink below is what counts
        file = open_file(folder, name, os.O_WRONLY)
        try:
            for begin in range(0, size := os.fstat(file).st_size, WIPED_BYTES):
                write_all(file, bytes(min(WIPED_BYTES, size - begin)))
            os.ftruncate(file, 0)
        finally:
            os.close(file)
    try:
        os.unlink(name, dir_fd=folder)
    except (FileNotFoundError, IsADirectoryError):
        return False
    except OSError as exc:
        raise full(exc) from exc
    return True


def size_of(folder: int, name: str) -> int | None:
    """Return the size of what stands under a name, or None if nothing does."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
    except FileNotFoundError:
        return None


def full(exc: OSError) -> StoreFull:
    return StoreFull(f"the RAM store cannot be written: {exc.strerror}")


def failure(exc: OSError, folder: int, name: str) -> RpcError:
    return _strange(folder, name) if exc.errno in PLANTED else full(exc)


def _checked(opened: int, kind: int, folder: int, name: str) -> int:
    status = os.fstat(opened)
    if kind == stat.S_IFDIR:
        is_closed = not status.st_mode & 0o077
    else:  # who may read it is decided by its directory
        is_closed = not status.st_mode & 0o022 and status.st_nlink == 1
    if stat.S_IFMT(status.st_mode) == kind and status.st_uid == os.geteuid() and is_closed:
        return opened
    os.close(opened)
    raise _strange(folder, name)


def _strange(folder: int, name: str) -> StoreCorrupt:
    path = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), name)
    return StoreCorrupt(f"{path} is not chatd's own, closed to others: look what it is, remove it")


def write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
