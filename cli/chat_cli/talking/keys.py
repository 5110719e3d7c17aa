"""The keyboard while no line is read: what is typed then is not shown, and waits."""

import termios
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unheard() -> Iterator[None]:
    """Have what is typed wait, unseen, for the next line; Ctrl-C is heard all the same."""
    before = termios.tcgetattr(0)
    quiet = [*before]
    quiet[3] = before[3] & ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(0, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSANOW, before)


@contextmanager
def heard() -> Iterator[None]:
    """Have the terminal echo lines meanwhile, for a program that asks or edits."""
    before = termios.tcgetattr(0)
    usual = [*before]
    usual[3] = before[3] | termios.ECHO | termios.ICANON
    termios.tcsetattr(0, termios.TCSADRAIN, usual)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
