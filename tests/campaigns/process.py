"""What the kernel tells of a process: its memory, descriptors, threads and CPU."""

import os
from pathlib import Path


def memory_bytes(pid: int) -> int:
    """Return what a process has in memory for itself: neither files nor what is shared."""
    return _status(pid, "RssAnon")


def peak_bytes(pid: int) -> int:
    """Return the most that it had in memory, since its start or since this was reset."""
    return _status(pid, "VmHWM")


def reset_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")


def swap_bytes(pid: int) -> int:
    return _status(pid, "VmSwap")


def threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu_s(pid: int) -> float:
    """Return the seconds of CPU that the threads of a process have used."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text("ascii").split()[0]) for thread in threads) / 1e9


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)
