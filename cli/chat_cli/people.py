"""The names of users, as people know them; what they may do, chatd knows."""

import pwd
from contextlib import suppress


def name_of(uid: int) -> str:
    """Return a user's name; the number of one who has none."""
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)
