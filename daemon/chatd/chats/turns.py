"""What a turn and a chat are while chatd runs; texts go into the store when a turn ends."""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from chat_rpc import errors, methods, wire
from chatd.chats.demands import PLAIN, Demands
from chatd.store.draft import Draft
from chatd.store.journal import Place

UNDELETE_S = 3600.0
LETTERS = b"abcdefghijklmnopqrstuvwxyz234567" * 8  # for each byte: five random bits of it
FILES_BYTES = 64 * 2**20  # of all files that a model is shown at once: they are in the heap then


# tells about so many bytes more; False: there is nothing more to tell
Step = Callable[[int], bool]


class Reader(Protocol):
    """Somebody who follows turns and chats: a connection."""

    @property
    def is_gone(self) -> bool: ...

    def follow(self, turn: str) -> None:
        """Events of this turn will come."""

    def leave(self, turn: str) -> None:
        """No more events of this turn will come."""

    def deliver(self, line: bytes) -> bool:
        """Take what happens in a turn; False: there is no room for it now."""
        ...

    def tell(self, line: bytes) -> bool:
        """Take what happens to a chat; False: this reader is too slow, and was told so."""
        ...

    def feed(self, step: Step) -> None:
        """Call `step` soon, and again whenever there is room, until it returns False."""
        ...


@dataclass(slots=True)
class Texts:
    """What was said in a turn that has not ended."""

    prompt: str
    data: str
    system: str | None
    files: list[methods.File]
    reply: Draft
    demands: Demands = PLAIN
    feedback: str | None = None  # of a person, on the reply that this one makes anew


@dataclass(slots=True)
class Mark:
    """A person's thumb on a turn; `felt` are the numbers that are kept of it."""

    thumb: methods.Thumb
    felt: str
    place: Place


@dataclass(slots=True)
class SentFile:
    """A file that a user has sent, and how many turns have it."""

    file: methods.File
    boot_s: float  # when its last part came
    uses: int = 0
    is_begun: bool = False  # in the store
    is_whole: bool = False


@dataclass(slots=True)
class Turn:
    """One prompt and its reply."""

    id: str
    chat: str
    key: str
    digest: str
    created: float
    boot_s: float
    asked: str | None
    terminal: str | None  # where it was asked
    parent: str | None  # the turn before it; "" at the root; None: not known yet
    files: list[str]  # ids of what was sent with it
    begin: Place
    texts: Texts | None
    state: methods.State = "queued"
    seq: int = 0
    told_bytes: int = 0  # of its events in the journal
    attempts: int = 0
    has_thought: bool = False  # in its last attempt
    ending: methods.Ending | None = None
    stop: Place | None = None  # where the line after its last one begins
    is_checked: bool = False  # its text is not to be believed before its end
    refines: str | None = None  # the turn whose reply this one makes anew
    mark: Mark | None = None
    is_packed: bool = False
    is_damaged: bool = False
    readers: list[Reader] = field(default_factory=list)

    @property
    def has_ended(self) -> bool:
        return self.ending is not None


@dataclass(slots=True)
class Chat:
    """A conversation: its turns, oldest first, which are a tree (`tree`)."""

    id: str
    title: str
    created: float
    used: float
    used_boot_s: float
    lifetime_s: float
    is_deleted: bool = False
    demands: Demands = PLAIN  # of all replies to come
    is_gone: bool = False  # it is being destroyed
    turns: list[str] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)  # of the lines that are about the chat itself
    watchers: list[Reader] = field(default_factory=list)
    children: dict[str, list[str]] = field(default_factory=dict)  # "" has those at the root
    head: str = ""  # the turn from which it goes on
    selected: str = ""  # the head that was chosen last
    selected_boot_s: float = 0.0

    def ends_boot_s(self) -> float:
        """When it is destroyed, by CLOCK_BOOTTIME."""
        if self.is_gone:
            return 0.0
        return self.used_boot_s + (UNDELETE_S if self.is_deleted else self.lifetime_s)


def boot_s() -> float:
    """Return the seconds since the machine started, suspend included; nobody can set this clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def new_id() -> str:
    """Return 80 random bits as 16 small letters and digits."""
    return secrets.token_bytes(16).translate(LETTERS).decode("ascii")


def digest_of(params: methods.TurnStart | methods.Refine) -> str:
    """Return what tells two requests with one key apart."""
    asked = msgspec.structs.replace(params, wait=False)
    return hashlib.blake2b(wire.encode(asked), digest_size=16).hexdigest()


def joined(prompt: str, data: str) -> str:
    """Return the prompt with what was piped in after it."""
    return f"{prompt}\n\n{data}" if prompt and data else prompt or data


def interrupted(why: str) -> methods.Ending:
    failure = methods.Failure(errors.CutOff.code, errors.CutOff.kind, why)
    return methods.Ending(state="interrupted", error=failure)


def damaged() -> methods.Ending:
    kind = errors.StoreCorrupt
    failure = methods.Failure(kind.code, kind.kind, "the turn's record is damaged")
    return methods.Ending(state="failed", error=failure)
