"""The contract on one page: every method of chatd, what it takes and what it gives.

docs/protocol.md is made from this file and errors.py.  Times are Unix seconds; a duration and a
size have their unit in their name.  Results only ever gain fields, and clients ignore those that
they do not know.
"""

from typing import Annotated, Generic, Literal, TypeVar

from msgspec import Meta, Struct

from chat_rpc.shapes import (
    ENDED as ENDED,
)
from chat_rpc.shapes import (
    ChatEvent as ChatEvent,
)
from chat_rpc.shapes import (
    ChatEventKind as ChatEventKind,
)
from chat_rpc.shapes import (
    Delta as Delta,
)
from chat_rpc.shapes import (
    Discovered as Discovered,
)
from chat_rpc.shapes import (
    End as End,
)
from chat_rpc.shapes import (
    Ending as Ending,
)
from chat_rpc.shapes import (
    Event as Event,
)
from chat_rpc.shapes import (
    Failure as Failure,
)
from chat_rpc.shapes import (
    Hello as Hello,
)
from chat_rpc.shapes import (
    Lagged as Lagged,
)
from chat_rpc.shapes import (
    Limits as Limits,
)
from chat_rpc.shapes import (
    Pong as Pong,
)
from chat_rpc.shapes import (
    Reloaded as Reloaded,
)
from chat_rpc.shapes import (
    State as State,
)
from chat_rpc.shapes import (
    Stats as Stats,
)
from chat_rpc.shapes import (
    Status as Status,
)
from chat_rpc.shapes import (
    StoreStatus as StoreStatus,
)
from chat_rpc.shapes import (
    Timings as Timings,
)
from chat_rpc.shapes import (
    Turn as Turn,
)
from chat_rpc.shapes import (
    Usage as Usage,
)
from chat_rpc.shapes import (
    UserStats as UserStats,
)

P = TypeVar("P", bound=Struct)
R = TypeVar("R", bound=Struct)

Key = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.:-]{1,64}\Z")]
Id = Annotated[str, Meta(min_length=1, max_length=64)]
Priority = Literal["interactive", "normal", "batch"]


class Params(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a method takes: an object; a field that the method does not know is refused."""


class Nothing(Params):
    """The method takes no parameters."""


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
    """A list comes last used first, in pages: `next` of one page is `after` of the next call."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 50
    after: Id | None = None


class ChatLine(Struct, kw_only=True):
    """A conversation in a list; `title` is the beginning of its first prompt."""

    chat: str
    title: str
    turns: int
    created: float
    used: float
    ends: float  # when it is destroyed, unless it is used before
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


class Search(Params):
    """`words` are looked for as they stand, in prompts and replies, case apart."""

    words: Annotated[str, Meta(min_length=1, max_length=1000)]
    limit: Annotated[int, Meta(ge=1, le=1000)] = 50


class Found(Struct):
    """A turn with the words, and what stands around them."""

    chat: str
    turn: str
    title: str
    text: str


class SearchResult(Struct):
    """Newest first."""

    found: list[Found]


class Rename(Params):
    """`chat` is an id or an unambiguous beginning of one."""

    chat: Id
    title: Annotated[str, Meta(min_length=1, max_length=200)]


class Keep(Params):
    """A lifetime in seconds after the last use; a year at most."""

    chat: Id
    lifetime_s: Annotated[float, Meta(ge=60, le=366 * 86400)]


class Changed(Struct):
    """The chat as it is in the list now."""

    chat: ChatLine


class Fork(Params):
    """Copy the chat up to and with `turn`, or all of it."""

    chat: Id
    turn: Id | None = None


class Said(Struct):
    """One message of the OpenAI message list."""

    role: Literal["system", "user", "assistant"]
    content: str


class Export(Struct):
    """A conversation that can be imported, here or elsewhere."""

    title: str
    messages: list[Said]


class Import(Params):
    """A conversation from elsewhere; user and assistant take turns."""

    messages: Annotated[list[Said], Meta(max_length=10_000)]
    title: Annotated[str, Meta(max_length=200)] = ""


class Wipe(Params):
    """One chat, or with `all` every chat of the caller's; either, not both."""

    chat: Id | None = None
    all: bool = False


class Wiped(Struct):
    """What was destroyed, and what could not be reached."""

    chats: int
    turns: int
    not_reached: list[str]


class Watch(Params):
    """One chat, with the events of all its turns; or without, the events of the list."""

    chat: Id | None = None


class Watched(Struct):
    """The state from which the events go on."""

    chat: Chat | None = None


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
SEARCH = Method("chat.search", Search, SearchResult, "Find words in what was said.")
RENAME = Method("chat.rename", Rename, Changed, "Give a conversation another title.")
DELETE = Method("chat.delete", ChatNamed, Changed, "Hide a conversation; destroyed in an hour.")
UNDELETE = Method("chat.undelete", ChatNamed, Changed, "Bring a deleted conversation back.")
FORK = Method("chat.fork", Fork, Changed, "Copy a conversation, to go on in another way.")
EXPORT = Method("chat.export", ChatNamed, Export, "Return a conversation as a message list.")
IMPORT = Method("chat.import", Import, Changed, "Make a conversation of a message list.")
KEEP = Method("chat.keep", Keep, Changed, "Let a conversation live longer, or shorter.")
WIPE = Method("chat.wipe", Wipe, Wiped, "Destroy conversations at once, and tell what is left.")
WATCH = Method("chat.watch", Watch, Watched, "Return what is there, then events as they happen.")
MODELS = Method("model.list", Nothing, ModelList, "List the models that this user may use.")
PROBE = Method("model.probe", Nothing, ProbeResult, "Look for model servers now and tell of each.")

STATS = Method("admin.stats", Nothing, Stats, "Count what all users hold.")
RELOAD = Method("admin.reload", Nothing, Reloaded, "Read chatd.toml again, as at SIGHUP.")
DRAIN = Method("admin.drain", Nothing, Pong, "Stop as at SIGTERM: finish or hand on what runs.")
DISCOVER = Method("rpc.discover", Nothing, Discovered, "Describe this interface as OpenRPC.")

METHODS: dict[str, Method[Struct, Struct]] = {
    method.name: method  # type: ignore[misc]  # one table of many parameter types
    for method in (
        HELLO, PING, STATUS, LIMITS, START, ATTACH, CANCEL, GET, CHATS, CHAT, SEARCH, RENAME,
        DELETE, UNDELETE, FORK, EXPORT, IMPORT, KEEP, WIPE, WATCH, MODELS, PROBE, STATS, RELOAD,
        DRAIN, DISCOVER,
    )
}  # fmt: skip

NOTIFICATIONS: dict[str, type[Struct]] = {
    "turn.delta": Delta,
    "turn.event": Event,
    "turn.end": End,
    "chat.event": ChatEvent,
    "stream.lagged": Lagged,
}
