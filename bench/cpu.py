"""CPU time, as the kernel counts it, and where it is spent."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.comparison import Meaningless

STILL_S = 0.002  # a process that used no CPU for this long has nothing left to do


def of_command(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Run a command to its end and return the seconds of CPU that it and its children used."""
    return cpu_and_wall(command, environment)[0]


def cpu_and_wall(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """The same, and how long it took: on a busy machine that says little."""
    nowhere = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
    ]
    began = time.perf_counter()
    pid = os.posix_spawn(command[0], list(command), environment, file_actions=nowhere)
    _, status, usage = os.wait4(pid, 0)
    wall_s = time.perf_counter() - began
    if status:
        raise Meaningless(f"{' '.join(command)}: status {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime, wall_s


def of_process(pid: int) -> float:
    """Return the seconds of CPU that the threads of a process have used, once it is idle.

    The kernel brings the count of a running thread up to date only now and then, hence the wait.
    """
    before, now = -1, _scheduled_ns(pid)
    while now != before:
        time.sleep(STILL_S)
        before, now = now, _scheduled_ns(pid)
    return now / 1e9


@contextmanager
def on_one(pids: Sequence[int]) -> Iterator[None]:
    """Put these processes and this one on one CPU, where none interrupts another.

    Under SCHED_BATCH a thread that wakes does not preempt: who runs goes on until it must wait.
    So a server always finds all the requests that were sent together, however busy the machine is.
    """
    everywhere = os.sched_getaffinity(0)
    one = {max(everywhere)}
    for pid in (*pids, 0):
        os.sched_setaffinity(pid, one)
        os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))
    try:
        yield
    finally:
        for pid in (*pids, 0):
            os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))
            os.sched_setaffinity(pid, everywhere)


def _scheduled_ns(pid: int) -> int:
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text("ascii").split()[0]) for thread in threads)
