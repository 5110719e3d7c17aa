"""The contract on one page: every method of chatd, what it takes and what it gives.

docs/protocol.md is made from this table, the modules that it names here and errors.py.  Times are
Unix seconds; a duration and a size have their unit in their name.  Results only ever gain fields,
and clients ignore those that they do not know.
"""

from typing import Generic, TypeVar

from msgspec import Struct

from chat_rpc.chats import *
from chat_rpc.checks import *
from chat_rpc.shapes import *
from chat_rpc.system import *
from chat_rpc.turns import *

P = TypeVar("P", bound=Struct)
R = TypeVar("R", bound=Struct)


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
LOGS = Method("system.logs", Logs, LogPage, "Return lines of the log that are about the caller.")
DOCTOR = Method("system.doctor", Nothing, Doctor, "Look for what is wrong, and say what to do.")
START = Method("turn.start", TurnStart, Started, "Ask a model; the reply follows as events.")
ATTACH = Method("turn.attach", TurnAttach, Attached, "Follow a turn from any of its events on.")
CANCEL = Method("turn.cancel", TurnNamed, CancelResult, "Stop a turn and free its slot.")
GET = Method("turn.get", TurnGet, Turn, "Return a turn with its text so far.")
PROMPTS = Method("turn.prompts", Recent, Prompts, "Tell what the caller asked last.")
VALIDATE = Method("turn.validate", Validate, Validated, "Check a reply; no model is asked.")
REFINE = Method("turn.refine", Refine, Started, "Make a reply anew after a person's feedback.")
VERDICT = Method("turn.verdict", TurnVerdict, VerdictTaken, "Tell what an exec check said.")
FEEDBACK = Method("turn.feedback", Feedback, FeedbackTaken, "Judge a reply, or take it back.")
FILE = Method("file.add", FileAdd, FileAdded, "Take a file, or a part of one, for a turn to come.")
CHATS = Method("chat.list", Page, ChatPage, "List conversations, last used first.")
CHAT = Method("chat.get", ChatGet, Chat, "Return a whole conversation.")
SEARCH = Method("chat.search", Search, SearchResult, "Find words in what was said.")
RENAME = Method("chat.rename", Rename, Changed, "Give a conversation another title.")
DELETE = Method("chat.delete", ChatNamed, Changed, "Hide a conversation; destroyed in an hour.")
UNDELETE = Method("chat.undelete", ChatNamed, Changed, "Bring a deleted conversation back.")
FORK = Method("chat.fork", Fork, Changed, "Copy a conversation, to go on in another way.")
EXPORT = Method("chat.export", ChatNamed, Export, "Return a conversation as a message list.")
IMPORT = Method("chat.import", Import, Changed, "Make a conversation of a message list.")
KEEP = Method("chat.keep", Keep, Changed, "Let a conversation live longer, or shorter.")
WIPE = Method("chat.wipe", Wipe, Wiped, "Destroy conversations at once, and tell what is left.")
SELECT = Method("chat.select", Select, Changed, "Go on from another turn of the conversation.")
CHECKS = Method("chat.checks", ChatChecks, Changed, "Demand something of all replies to come.")
WATCH = Method("chat.watch", Watch, Watched, "Return what is there, then events as they happen.")
MODELS = Method("model.list", Nothing, ModelList, "List the models that this user may use.")
PROBE = Method("model.probe", Nothing, ProbeResult, "Look for model servers now and tell of each.")

TASTE = Method("taste.show", Nothing, TasteShown, "Return the caller's feedback, in numbers.")
FORGET = Method("taste.forget", TasteForget, TasteForgotten, "Forget feedback for good.")

STATS = Method("admin.stats", Nothing, Stats, "Count what all users hold.")
RELOAD = Method("admin.reload", Nothing, Reloaded, "Read chatd.toml again, as at SIGHUP.")
DRAIN = Method("admin.drain", Nothing, Pong, "Stop as at SIGTERM: finish or hand on what runs.")
DISCOVER = Method("rpc.discover", Nothing, Discovered, "Describe this interface as OpenRPC.")

METHODS: dict[str, Method[Struct, Struct]] = {
    method.name: method  # type: ignore[misc]  # one table of many parameter types
    for method in (
        HELLO, PING, STATUS, LIMITS, LOGS, DOCTOR,
        START, ATTACH, CANCEL, GET, PROMPTS, VALIDATE, REFINE, VERDICT, FEEDBACK,
        CHATS, CHAT, SEARCH, RENAME, DELETE, UNDELETE, FORK, EXPORT, IMPORT, KEEP, SELECT, CHECKS,
        WIPE, WATCH,
        FILE,
        MODELS, PROBE,
        TASTE, FORGET,
        STATS, RELOAD, DRAIN,
        DISCOVER,
    )
}  # fmt: skip

NOTIFICATIONS: dict[str, type[Struct]] = {
    "turn.delta": Delta,
    "turn.event": Event,
    "turn.end": End,
    "chat.event": ChatEvent,
    "stream.lagged": Lagged,
}
