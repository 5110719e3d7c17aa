"""The person's settings, and a copy of them that the fast start can read: it has no TOML.

The copy lies on the tmpfs, holds for one state of config.toml, and has no word of a conversation.
"""

import os
from contextlib import suppress

import msgspec

from chat_cli.plain import SETTINGS, stamp_of
from chat_rpc import paths, person
from chat_rpc.person import Person


def load() -> Person:
    """Read the person's settings, and see that the next plain question need not."""
    before = stamp_of(os.fsencode(paths.person_config()))
    me = person.load()
    if before and not (os.environ.get("CHAT_MODEL") or os.environ.get("CHAT_SYSTEM")):
        with suppress(OSError):  # then `chat` starts slower
            _copy(me, before)
    return me


def _copy(me: Person, stamp: str) -> None:
    runtime = paths.make_runtime()
    if runtime is None:
        return
    copy = {
        "stamp": stamp,
        "is_plain": not me.options and me.think in (None, "hide"),  # the rest is not for it
        "model": me.model,
        "system": me.system,
        "aliases": me.aliases,
    }
    data = msgspec.json.encode(copy)
    path = runtime / os.fsdecode(SETTINGS)
    if path.exists() and path.read_bytes() == data:
        return
    new = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    new.replace(path)
