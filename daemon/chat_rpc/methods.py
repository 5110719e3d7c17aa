"""The contract on one page: every method of chatd, what it takes and what it gives.

docs/protocol.md is made from this file and errors.py.  Times are Unix seconds, durations
milliseconds, sizes bytes.  Results only ever gain fields; clients ignore those they do not know.
"""

from typing import Annotated, Generic, Literal, TypeVar

from msgspec import Meta, Struct

P = TypeVar("P", bound=Struct)
R = TypeVar("R", bound=Struct)

Key = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.:-]{1,64}\Z")]
Id = Annotated[str, Meta(min_length=1, max_length=64)]
State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
Priority = Literal["interactive", "normal", "batch"]

ENDED: frozenset[State] = frozenset({"done", "failed", "cancelled", "interrupted"})


class Params(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a method takes: an object; a field that the method does not know is refused."""


class Nothing(Params):
    """The method takes no parameters."""


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


class Lagged(Struct):
    """`stream.lagged`: this reader was too slow and hears no more of the turn; attach again."""

    turn: str
    seq: int


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
    """The tmpfs below the store."""

    path: str
    filesystem: str
    used_bytes: int
    size_bytes: int


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


# -- turn --------------------------------------------------------------------------------------


class TurnStart(Params):
    """`key` is the client's own name for this request: the same key twice makes one turn.

    `data` is what was piped in; it is put after the prompt.  With `wait` the call returns when the
    turn has ended, and a turn that is not `done` is an error that names it.
    """

    prompt: str
    key: Key
    data: str = ""
    system: str | None = None
    model: str | None = None
    chat: Id | None = None
    priority: Priority = "normal"
    wait: bool = False


class Started(Struct, kw_only=True):
    """`replayed`: the key was known.  `reply` is there with `wait` only."""

    turn: str
    chat: str
    replayed: bool
    reply: Turn | None = None


class TurnAttach(Params):
    """Send the events above `after` again, then those to come."""

    turn: Id
    after: int = 0


class Attached(Struct):
    """The events follow this answer."""

    turn: str
    state: State
    seq: int


class TurnNamed(Params):
    """One turn of the caller's."""

    turn: Id


class CancelResult(Struct):
    """False: the turn had ended already."""

    cancelled: bool


# -- chat --------------------------------------------------------------------------------------


class Page(Params):
    """A list comes newest first, in pages: `next` of one page is `after` of the next call."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 50
    after: Id | None = None


class ChatLine(Struct, kw_only=True):
    """A conversation in a list; `title` is the beginning of its first prompt."""

    chat: str
    title: str
    turns: int
    created: float
    used: float
    state: State  # of its last turn
    model: str | None = None


class ChatPage(Struct):
    """A page of a list."""

    chats: list[ChatLine]
    next: str | None = None


class ChatNamed(Params):
    """One chat of the caller's, by its id or an unambiguous beginning of it."""

    chat: Id


class Chat(Struct):
    """A whole conversation, oldest turn first."""

    chat: str
    title: str
    turns: list[Turn]


# -- model -------------------------------------------------------------------------------------


class Model(Struct, kw_only=True):
    """A name that a backend serves."""

    model: str
    backend: str
    url: str
    demo: bool = False


class ModelList(Struct):
    """The models that this user may use, in the order in which chatd would choose."""

    models: list[Model]


class Probe(Struct, kw_only=True):
    """What chatd found at one address; `note` says why it is not usable for this user."""

    backend: str
    url: str
    usable: bool
    models: int = 0
    note: str = ""


class ProbeResult(Struct):
    """Every configured server, and every usual port on which something listens."""

    servers: list[Probe]


# -- the table -----------------------------------------------------------------------------------


class Method(Struct, Generic[P, R], frozen=True):
    """A name, what it takes, what it gives, and one sentence."""

    name: str
    params: type[P]
    result: type[R]
    summary: str


HELLO = Method("system.hello", Nothing, Hello, "Say who answers; no other method needs it.")
PING = Method("system.ping", Nothing, Pong, "Answer at once.")
STATUS = Method("system.status", Nothing, Status, "Tell how the daemon and its store are.")
LIMITS = Method("system.limits", Nothing, Limits, "Tell what one connection or user may do.")
START = Method("turn.start", TurnStart, Started, "Ask a model; the reply follows as events.")
ATTACH = Method("turn.attach", TurnAttach, Attached, "Follow a turn from any of its events on.")
CANCEL = Method("turn.cancel", TurnNamed, CancelResult, "Stop a turn and free its slot.")
GET = Method("turn.get", TurnNamed, Turn, "Return a turn with its text so far.")
CHATS = Method("chat.list", Page, ChatPage, "List conversations, last used first.")
CHAT = Method("chat.get", ChatNamed, Chat, "Return a whole conversation.")
MODELS = Method("model.list", Nothing, ModelList, "List the models that this user may use.")
PROBE = Method("model.probe", Nothing, ProbeResult, "Look for model servers now and tell of each.")

METHODS: dict[str, Method[Struct, Struct]] = {
    method.name: method  # type: ignore[misc]  # one table of many parameter types
    for method in (
        HELLO, PING, STATUS, LIMITS, START, ATTACH, CANCEL, GET, CHATS, CHAT, MODELS, PROBE
    )
}  # fmt: skip

NOTIFICATIONS: dict[str, type[Struct]] = {
    "turn.delta": Delta,
    "turn.event": Event,
    "turn.end": End,
    "stream.lagged": Lagged,
}
