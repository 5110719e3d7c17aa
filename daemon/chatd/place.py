"""Where this daemon keeps its socket and store; made here, with the rights that they need."""

import os
from dataclasses import dataclass
from pathlib import Path

from chat_rpc import paths
from chatd.store.tmpfs import StoreError


@dataclass(frozen=True, slots=True)
class Place:
    """The paths of a daemon."""

    socket: Path
    store: Path
    runtime: Path  # for the engine's socket


def system() -> Place:
    """Return the system daemon's place: systemd has made it, and says which runtime directory."""
    runtime = os.environ.get("RUNTIME_DIRECTORY") or paths.SYSTEM_SOCKET.parent
    return Place(paths.SYSTEM_SOCKET, paths.SYSTEM_STORE, Path(runtime))


def user() -> Place:
    """Return a user's own place, made if need be; raises StoreError where there is no tmpfs."""
    runtime = paths.make_runtime()
    if runtime is None:
        tried = ", ".join(str(runtime) for runtime in paths.runtimes())
        raise StoreError(f"there is no private directory on a tmpfs for you (tried {tried})")
    place = paths.store_in(runtime)
    for directory in (place.parent, place):
        directory.mkdir(mode=0o700, exist_ok=True)
        if not paths.is_private(directory):
            raise StoreError(f"{directory} is not your own directory, closed to others")
    return Place(paths.socket_in(runtime), place, place.parent)
