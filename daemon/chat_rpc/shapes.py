"""What crosses the socket more than once: turns, how they end, and what they say on their way.

`methods` has what single methods take and give, and names all of these too.
"""

from typing import Any, Literal

from msgspec import Struct

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]

ENDED: frozenset[State] = frozenset({"done", "failed", "cancelled", "interrupted"})


# -- what several methods give ---------------------------------------------------------------


class Usage(Struct):
    """Tokens as the model server counted them; 0 where it did not."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Timings(Struct, kw_only=True):
    """Milliseconds from the start of the turn: to a slot, to the first token, to the end."""

    queued_ms: int = 0
    first_ms: int = 0
    total_ms: int = 0


class Failure(Struct):
    """Why a turn is not `done`: a line of the error table, and a sentence for a person."""

    code: int
    kind: str
    message: str


class Ending(Struct, kw_only=True):
    """How a turn ended; all but `state` may be empty when it never reached a model."""

    state: State
    finish: str | None = None  # the model server's own word: stop, length, ...
    model: str | None = None  # the model that answered, as its server names it
    backend: str | None = None
    demo: bool = False
    mismatch: bool = False  # another model answered than the one that was asked
    usage: Usage | None = None
    timings: Timings | None = None
    dropped_turns: int = 0  # the oldest ones of the chat, which did not fit the model's context
    error: Failure | None = None


class Turn(Struct, kw_only=True):
    """One prompt and its reply, so far."""

    turn: str
    chat: str
    state: State
    seq: int  # the last event
    created: float
    prompt: str
    data: str = ""
    system: str | None = None
    asked: str | None = None  # the model that was asked for
    text: str = ""
    attempts: int = 0  # how often a model was asked; the text is the last attempt's
    ending: Ending | None = None


# -- what a turn says while it happens: notifications, and lines of the journal ---------------


class Delta(Struct, tag_field="type", tag="delta", omit_defaults=True):
    """`turn.delta`: more of the reply."""

    turn: str
    seq: int
    text: str


class Event(Struct, tag_field="type", tag="event", omit_defaults=True, kw_only=True):
    """`turn.event`: a step.  `queued` has place, `attempt` n, model and backend, `think` text."""

    turn: str
    seq: int
    kind: Literal["queued", "attempt", "think", "check", "verify", "refine"]
    place: int | None = None
    n: int | None = None
    model: str | None = None
    backend: str | None = None
    text: str | None = None


class End(Struct, tag_field="type", tag="end", omit_defaults=True):
    """`turn.end`: the last word of a turn."""

    turn: str
    seq: int
    ending: Ending


ChatEventKind = Literal["made", "turn", "renamed", "kept", "deleted", "undeleted", "gone"]


class ChatEvent(Struct, tag_field="type", tag="chat", omit_defaults=True, kw_only=True):
    """`chat.event`: a watched chat has changed; `turn` is the one that began or ended."""

    chat: str
    kind: ChatEventKind
    title: str
    turn: str | None = None


class Lagged(Struct):
    """`stream.lagged`: this reader was too slow and hears no more of chats; watch again."""


# -- system ----------------------------------------------------------------------------------


class Limits(Struct, kw_only=True):
    """What chatd accepts from one connection or one user."""

    line_bytes: int
    unanswered_requests: int
    connections_per_user: int
    connections: int
    first_line_s: float
    unread_bytes: int


class Hello(Struct, kw_only=True):
    """Who answers.  `epoch` changes when the RAM store was lost."""

    protocol: int
    version: str
    epoch: str
    features: list[str]
    limits: Limits
    uid: int


class Pong(Struct):
    """chatd is alive."""

    pong: bool = True


class StoreStatus(Struct, kw_only=True):
    """The tmpfs below the store; `used_bytes` is the caller's own share."""

    path: str
    filesystem: str
    used_bytes: int
    size_bytes: int
    may_swap: bool = False  # to a disk, in the clear: the mount has no `noswap`


class Status(Struct, kw_only=True):
    """The daemon as this user may see it: counts are the user's own."""

    version: str
    pid: int
    uid: int
    uptime_s: float
    socket: str
    store: StoreStatus
    chats: int
    turns: int
    running: int
    queued: int
    engine: Literal["stopped", "running", "missing"]


# -- admin, for root and the group chatd-admin: never a text, never an id -----------------------


class UserStats(Struct, kw_only=True):
    """What one user holds."""

    uid: int
    chats: int
    turns: int
    unfinished: int
    used_bytes: int
    used_files: int


class Stats(Struct, kw_only=True):
    """The whole daemon."""

    uptime_s: float
    connections: int
    queued: int
    store: StoreStatus
    users: list[UserStats]


class Reloaded(Struct, kw_only=True):
    """Sections of chatd.toml; both lists are empty when nothing in it is new."""

    changed: list[str]
    waiting: list[str]


class Discovered(Struct):
    """An OpenRPC document; see https://open-rpc.org."""

    openrpc: str
    info: dict[str, str]
    methods: list[dict[str, Any]]  # Any: JSON Schema
    components: dict[str, Any]
