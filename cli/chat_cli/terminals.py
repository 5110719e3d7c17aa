"""Which terminal this process belongs to; the fast path asks too, so only built-in modules."""

from posix import getsid

# /proc/PID/stat after the name in parentheses, counted from 0
_TTY, _STARTED = 4, 19


def terminal() -> str | None:
    """Return the session and when its leader started, `1234.567`; None without a terminal.

    A number of a session comes again one day; together with the time it does not.
    """
    try:
        if _fields("self")[_TTY] == "0":
            return None
        session = getsid(0)
        return f"{session}.{_fields(str(session))[_STARTED]}"
    except OSError:  # the leader has ended, or is of another PID namespace
        return None


def _fields(process: str) -> list[str]:
    with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(") ")[2].split()
