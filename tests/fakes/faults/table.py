"""One line a fault: what the server does, and what must come of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.fakes.answers import FIRST, Script

ANSWER: Final = "canary-first canary-second canary-third"  # of the replies that are whole


@dataclass(frozen=True)
class Fault:
    """`out` is what is on stdout then, `says` a pattern of the one line on stderr; "": no line.

    Where a check is asked for, its own line comes before that one.
    """

    does: str
    exit: int
    says: str
    out: str
    script: Script
    flags: tuple[str, ...] = ()


FAULTS: Final[dict[str, Fault]] = {}


def fault(
    name: str, does: str, exit_: int, says: str, *, out: str = "", flags: tuple[str, ...] = ()
) -> Callable[[Script], Script]:
    """Put a script into the table."""

    def add(script: Script) -> Script:
        FAULTS[name] = Fault(does, exit_, says, out, script, flags)
        return script

    return add


def cut(name: str, does: str, exit_: int, says: str) -> Callable[[Script], Script]:
    """Put a script into the table that breaks off after the first words, which are printed."""
    return fault(name, does, exit_, says, out=FIRST)


def good(name: str, does: str, says: str = "") -> Callable[[Script], Script]:
    """Put a script into the table that is odd, and its answer whole all the same."""
    return fault(name, does, 0, says, out=ANSWER)
