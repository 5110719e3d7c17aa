"""What turn.* and file.* take and give."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from chat_rpc.checks import Answer, Check, Verdict, Word
from chat_rpc.shapes import Id, Key, Params, Priority, State, Terminal, Thumb, Title, Turn

FILES_PER_TURN = 64
Tries = Annotated[int, Meta(ge=1, le=10)]
Checks = Annotated[list[Check], Meta(max_length=64)]


class TurnStart(Params):
    """`key` is the client's own name for this request: the same key twice makes one turn.

    `data` is what was piped in, and `files` what `file.add` took; both come after the prompt.  The
    chat is a new one, or `chat`, or the one of the title `name`, made if need be, or the `last`
    that was used.  `instead_of` puts the turn beside another one, as its sibling; with no prompt it
    asks the same again.

    With `wait` the call returns when the turn has ended, and a turn that is not `done` is an error
    that names it.
    """

    prompt: str
    key: Key
    data: str = ""
    files: Annotated[list[Id], Meta(max_length=FILES_PER_TURN)] = []
    system: str | None = None
    model: str | None = None
    chat: Title | None = None
    name: Title | None = None
    last: Literal["terminal", "anywhere"] | None = None
    terminal: Terminal | None = None
    instead_of: Id | None = None
    priority: Priority = "normal"
    options: dict[str, Any] = {}  # Any: JSON, for the model server
    require_model: bool = False
    ephemeral: bool = False
    max_time_s: Annotated[float, Meta(gt=0)] | None = None
    checks: Checks = []
    without: list[str] = []
    tries: Tries | None = None
    extract: bool = False
    best_of: Annotated[int, Meta(ge=1, le=16)] = 1
    models: Annotated[list[str], Meta(max_length=16)] = []
    vote: bool = False
    wait: bool = False


class Started(Struct, kw_only=True):
    """`replayed`: the key was known.  `reply` is there with `wait` only.

    `checked`: more than the always-on checks is demanded, by this request or by the chat, or there
    may be several attempts.  Then the text is not to be believed before the turn's end.
    """

    turn: str
    chat: str
    replayed: bool
    checked: bool = False
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


class TurnGet(Params):
    """One turn of the caller's, with all its attempts or without."""

    turn: Id
    tried: bool = False


class CancelResult(Struct):
    """False: the turn had ended already."""

    cancelled: bool


class Recent(Params):
    """How many."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 200


class Prompts(Struct):
    """What the caller asked last, newest first, each once."""

    prompts: list[str]


# -- the verifier ---------------------------------------------------------------------------------


class Validate(Params):
    """A reply to be checked; no model is asked.  `finish` is the server's own word.

    Checks from outside, such as `exec`, are answered by `answers`; without one they are errors.
    """

    reply: str
    prompt: str = ""
    data: str = ""
    system: str | None = None
    finish: str = "stop"
    tokens: int | None = None
    total_ms: int | None = None
    checks: Checks = []
    without: list[str] = []
    answers: Annotated[list[Answer], Meta(max_length=64)] = []


class Said(Struct):
    """One message of the OpenAI message list."""

    role: Literal["system", "user", "assistant"]
    content: str


class Validated(Struct, kw_only=True):
    """The verdict; unless it is a pass, what a model would be told, and the whole request."""

    verdict: Verdict
    feedback: str = ""
    retry: list[Said] | None = None


class Refine(Params):
    """Have a reply made anew after a person's feedback: a sibling of the turn."""

    turn: Id
    feedback: Annotated[str, Meta(min_length=1)]
    key: Key
    model: str | None = None
    priority: Priority = "normal"
    checks: Checks = []
    without: list[str] = []
    tries: Tries | None = None
    wait: bool = False


class TurnVerdict(Params):
    """What an `exec` check said of attempt `n`; the client that started the turn ran it."""

    turn: Id
    n: int
    check: str
    verdict: Word
    reason: Annotated[str, Meta(max_length=8000)] = ""


class VerdictTaken(Struct):
    """False: nobody waits for it any more."""

    taken: bool


class Feedback(Params):
    """A person's judgement: a thumb (None takes it back), a better text, or a choice.

    `edited` makes a sibling of the turn with this text as its reply.  `over` names a sibling than
    which this turn is better.
    """

    turn: Id
    thumb: Thumb | None = None
    reason: Annotated[str, Meta(max_length=2000)] = ""
    edited: str | None = None
    over: Id | None = None


class FeedbackTaken(Struct):
    """`turn` is the edited one where a text was given; `feedback` is None when one was undone."""

    turn: str
    feedback: str | None = None


# -- file -----------------------------------------------------------------------------------------


class FileAdd(Params):
    """A part of a file, in order; `file` is what the first part's answer named.

    A file that no turn names within an hour of its last part is destroyed.  Text is UTF-8.
    """

    data: str  # base64
    name: Title = "file"
    media: Annotated[str, Meta(pattern=r"\A[a-z]+/[a-z0-9.+-]{1,60}\Z")] = "text/plain"
    file: Id | None = None
    done: bool = True


class FileAdded(Struct):
    """How much of it is there."""

    file: str
    size_bytes: int


# -- taste: feedback as it is kept, in numbers ---------------------------------------------------


class FeedbackLine(Struct, kw_only=True):
    """One judgement: numbers of style, no text.  `over` are of the reply that was not chosen."""

    feedback: str
    kind: Literal["thumb", "edit", "choice"]
    created: float
    thumb: Thumb | None = None
    model: str | None = None
    style: dict[str, float] = {}
    over: dict[str, float] | None = None


class TasteShown(Struct):
    """Oldest first."""

    feedback: list[FeedbackLine]


class TasteForget(Params):
    """One judgement, or with `all` every one; either, not both."""

    feedback: Id | None = None
    all: bool = False


class TasteForgotten(Struct):
    """How many."""

    forgotten: int
