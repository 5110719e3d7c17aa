"""Core dumps of the process that calls: they would write conversations to a disk."""

import resource  # and nothing that takes longer to load: the fast start of `chat` loads this

PR_SET_DUMPABLE = 4


def forbid_cores() -> None:
    """Have the kernel write no core dump; costs a tenth of a millisecond.

    The limit is 1 byte, because 0 is ignored where dumps are piped to a program.
    """
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    except ValueError:
        pass  # it is 0 already, and only root may raise it


def forbid_tracing() -> None:
    """Have no other process of the same user read this one's memory; root still can.

    It forbids core dumps too, whatever the limit is. An exec undoes it, and so each process calls
    it for itself; after it the process's files in /proc are root's.
    """
    import ctypes  # 1.5 ms: `chat` does without

    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
