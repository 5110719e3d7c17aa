"""What a handler works with: the parts of the daemon, and who is calling."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from msgspec import Struct

from chat_rpc.methods import Finding, Limits, Reloaded
from chatd.backends.pool import Pool
from chatd.chats.sessions import Sessions
from chatd.chats.turns import Reader
from chatd.inference import Inference
from chatd.scheduler import Scheduler
from chatd.verifier.apart import Verifier


class Peer(Reader, Protocol):
    """The connection that calls: a reader of turns, whose user the kernel has told."""

    @property
    def uid(self) -> int: ...

    @property
    def is_admin(self) -> bool: ...

    @property
    def endings(self) -> dict[str, Callable[[], None]]:
        """What to do when this connection follows a turn no more: of its ephemeral ones."""
        ...


class Then(NamedTuple):
    """An answer, and what to do once it was sent."""

    result: Struct
    do: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the daemon."""

    sessions: Sessions
    pool: Pool
    scheduler: Scheduler
    inference: Inference
    verifier: Verifier
    limits: Limits
    socket: Path
    began_s: float  # of the monotonic clock
    connections: Callable[[], int]
    stop: Callable[[], None]
    reload: Callable[[], Reloaded]
    look_at_settings: Callable[[], Finding]
