"""What crosses the socket more than once: turns, how they end, and what they say on their way.

`methods` has the table of the methods, and names all of these too.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from chat_rpc.checks import CheckAsked, Verdict

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
Priority = Literal["interactive", "normal", "batch"]
Thumb = Literal["good", "bad"]
EventKind = Literal["queued", "attempt", "think", "check", "verify", "refine"]
Maker = Literal["model", "repair", "kept"]

ENDED: frozenset[State] = frozenset({"done", "failed", "cancelled", "interrupted"})

Key = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.:-]{1,64}\Z")]
Id = Annotated[str, Meta(min_length=1, max_length=64)]
Title = Annotated[str, Meta(min_length=1, max_length=200)]
Terminal = Annotated[str, Meta(pattern=r"\A[0-9.]{1,40}\Z")]


class Params(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a method takes: an object; a field that the method does not know is refused."""


class Nothing(Params):
    """The method takes no parameters."""


# -- a turn ------------------------------------------------------------------------------------


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
    retry_after_ms: int | None = None


class Ending(Struct, kw_only=True):
    """How a turn ended; all but `state` may be empty when it never reached a model."""

    state: State
    finish: str | None = None  # the model server's own word: stop, length, ...
    model: str | None = None  # the model that answered, as its server names it
    backend: str | None = None
    demo: bool = False
    mismatch: bool = False  # another model answered than the one that was asked
    usage: Usage | None = None  # of all attempts together
    timings: Timings | None = None
    dropped_turns: int = 0  # the oldest ones of the chat, which did not fit the model's context
    verdict: Verdict | None = None  # what the checks said of the reply that was kept
    repaired: bool = False  # the reply is a part of what a model said
    agreement: float | None = None  # with a vote: the share of attempts that say the same
    error: Failure | None = None


class File(Struct, kw_only=True):
    """A file that was sent with a prompt; its bytes stay in the store until its chat ends."""

    file: str
    name: str
    media: str  # text/plain, image/png, ...
    size_bytes: int


class Tried(Struct, kw_only=True):
    """One attempt at a turn: what a model said, and what the checks said of it."""

    n: int
    by: Maker = "model"
    model: str | None = None
    backend: str | None = None
    text: str = ""
    usage: Usage | None = None
    total_ms: int = 0
    verdict: Verdict | None = None
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
    files: list[File] = []
    system: str | None = None
    asked: str | None = None  # the model that was asked for
    text: str = ""
    thought: str = ""  # what the model thought before it, where its server tells
    attempts: int = 0  # how often a model was asked; the text is the last attempt's
    tried: list[Tried] | None = None  # only where it was asked for
    siblings: list[str] = []  # other turns in its place, oldest first, itself among them
    refines: str | None = None  # the turn of which this is a repair, after a person's feedback
    feedback: str | None = None  # that feedback
    thumb: Thumb | None = None
    reason: str = ""
    ending: Ending | None = None


# -- what a turn says while it happens: notifications, and lines of the journal ---------------


class Delta(Struct, tag_field="type", tag="delta", omit_defaults=True):
    """`turn.delta`: more of the reply."""

    turn: str
    seq: int
    text: str


class Event(Struct, tag_field="type", tag="event", omit_defaults=True, kw_only=True):
    """`turn.event`: a step.

    `queued` has place.  `attempt` has n, by, model and backend, and voids the text before it: the
    reply is what comes after the last of them.  `think` has text.  `check` has check, which the
    client that started the turn is to run.  `verify` has n, verdict, usage, total_ms, and error
    where the attempt itself failed.  `refine` has n, of the attempt to come, and reasons.
    """

    turn: str
    seq: int
    kind: EventKind
    place: int | None = None
    n: int | None = None
    by: Maker = "model"
    model: str | None = None
    backend: str | None = None
    text: str | None = None
    check: CheckAsked | None = None
    verdict: Verdict | None = None
    reasons: list[str] = []
    usage: Usage | None = None
    total_ms: int | None = None
    error: Failure | None = None


class End(Struct, tag_field="type", tag="end", omit_defaults=True):
    """`turn.end`: the last word of a turn."""

    turn: str
    seq: int
    ending: Ending


ChatEventKind = Literal[
    "made", "turn", "renamed", "kept", "selected", "checks", "feedback", "deleted", "undeleted",
    "gone",
]  # fmt: skip


class ChatEvent(Struct, tag_field="type", tag="chat", omit_defaults=True, kw_only=True):
    """`chat.event`: a watched chat has changed; `turn` is the one that began, ended or is meant."""

    chat: str
    kind: ChatEventKind
    title: str
    turn: str | None = None


class Lagged(Struct):
    """`stream.lagged`: this reader was too slow and hears no more of chats; watch again."""
