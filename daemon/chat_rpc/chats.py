"""What chat.* takes and gives."""

from typing import Annotated

from msgspec import Meta, Struct

from chat_rpc.shapes import Id, Params, State, Terminal, Title, Turn
from chat_rpc.turns import Checks, Said, Tries


class Page(Params):
    """A list comes last used first, in pages: `next` of one page is `after` of the next call."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 50
    after: Id | None = None
    deleted: bool = False
    terminal: Terminal | None = None


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
    """One chat of the caller's, by its title, its id or an unambiguous beginning of that."""

    chat: Title


class ChatGet(Params):
    """A chat, as the model is shown it; with `all`, the turns beside as well."""

    chat: Title
    all: bool = False
    tried: bool = False


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
    """Give a chat a title, by which it can then be named."""

    chat: Title
    title: Title


class Keep(Params):
    """A lifetime in seconds after the last use; a year at most."""

    chat: Title
    lifetime_s: Annotated[float, Meta(ge=60, le=366 * 86400)]


class Changed(Struct):
    """The chat as it is in the list now."""

    chat: ChatLine


class Select(Params):
    """Go on from this turn, and from what came after it: the path to it is the chat now."""

    chat: Title
    turn: Id


class ChatChecks(Params):
    """What is demanded of every reply in this chat whose turn has no checks of its own."""

    chat: Title
    checks: Checks = []
    without: list[str] = []
    tries: Tries | None = None


class Fork(Params):
    """Copy the chat up to and with `turn`, or all of it."""

    chat: Title
    turn: Id | None = None


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

    chat: Title | None = None
    all: bool = False


class Wiped(Struct):
    """What was destroyed, and what could not be reached."""

    chats: int
    turns: int
    not_reached: list[str]


class Watch(Params):
    """One chat, with the events of all its turns; or without, the events of the list."""

    chat: Title | None = None


class Watched(Struct):
    """The state from which the events go on."""

    chat: Chat | None = None
