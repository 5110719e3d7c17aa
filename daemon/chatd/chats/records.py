"""The lines of a journal: what happened, as it is kept.  Delta, Event and End are the wire's own.

Times: `created` and `used` are Unix seconds, for people; `boot_s` is CLOCK_BOOTTIME, by which chats
end, so that a clock that is set wrong or right makes nothing end early.
"""

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from chat_rpc.errors import StoreCorrupt
from chat_rpc.methods import Delta, End, Event, FeedbackLine, File, Thumb
from chatd.chats.demands import PLAIN, Demands


class _Line(Struct, tag_field="type", omit_defaults=True, kw_only=True):
    """A line of the journal."""


class ChatMade(_Line, tag="chat"):
    """A conversation begins; compaction writes it anew, with all that was changed since."""

    chat: str
    created: float
    boot_s: float
    title: str
    lifetime_s: float | None = None
    deleted: bool = False
    demands: Demands = PLAIN
    head: str | None = None  # where it goes on from; None: from its last turn


class ChatRenamed(_Line, tag="renamed"):
    """A conversation has another title."""

    chat: str
    title: str


class ChatKept(_Line, tag="kept"):
    """A conversation lives this long after its last use; it was used now."""

    chat: str
    lifetime_s: float
    boot_s: float


class ChatDemands(_Line, tag="checks"):
    """This is demanded of all replies of a conversation to come."""

    chat: str
    demands: Demands


class ChatSelected(_Line, tag="selected"):
    """A conversation goes on from another of its turns; no field `turn`: it is no line of that."""

    chat: str
    head: str
    boot_s: float


class ChatDeleted(_Line, tag="deleted"):
    """A conversation is hidden, and may be brought back until it is destroyed."""

    chat: str
    boot_s: float


class ChatUndeleted(_Line, tag="undeleted"):
    """A conversation is back."""

    chat: str
    boot_s: float


class ChatGone(_Line, tag="gone"):
    """A conversation is being destroyed: should chatd die meanwhile, the next one goes on."""

    chat: str


class Quarantined(_Line, tag="quarantined"):
    """A line of this turn was damaged; the rest of it is not shown any more."""

    turn: str


class TurnMade(_Line, tag="turn"):
    """A prompt was taken."""

    turn: str
    chat: str
    key: str
    digest: str
    created: float
    boot_s: float
    prompt: str
    data: str = ""
    system: str | None = None
    asked: str | None = None
    files: list[File] = []
    parent: str | None = None  # "" at the root; None: the turn made before it
    title: str | None = None  # of the new chat that it begins, where its words do not tell that
    terminal: str | None = None
    demands: Demands = PLAIN
    refines: str | None = None
    feedback: str | None = None


class Thumbed(_Line, tag="thumb"):
    """A person's thumb on the turn `of`; no field `turn`: it comes after that has ended."""

    of: str
    thumb: Thumb
    felt: str
    reason: str = ""


class Felt(_Line, tag="felt"):
    """What is kept of a judgement; it stays when the chat goes."""

    line: FeedbackLine


class Deltas(_Line, tag="deltas"):
    """Deltas in one: `lengths` are the characters that each of them had."""

    first: int
    text: str
    lengths: list[int]


class Packed(_Line, tag="packed"):
    """A whole turn that has ended, in one line: compaction makes it."""

    turn: str
    made: TurnMade
    events: list[Deltas | Event | End]


ChatRecord = (
    ChatMade
    | ChatRenamed
    | ChatKept
    | ChatDemands
    | ChatSelected
    | ChatDeleted
    | ChatUndeleted
    | ChatGone
)
CHAT_RECORDS = (
    ChatMade, ChatRenamed, ChatKept, ChatDemands, ChatSelected, ChatDeleted,
    ChatUndeleted, ChatGone,
)  # fmt: skip
TurnEvent = Delta | Event | End
TURN_EVENTS = (Delta, Event, End)
FEEDBACK_RECORDS = (Thumbed, Felt)
Record = ChatRecord | TurnMade | Packed | Quarantined | Thumbed | Felt | TurnEvent

decode = msgspec.json.Decoder(Record).decode


class Stamp(Struct):
    """The fields by which a line is picked for a reader, without decoding its text."""

    type: str = ""
    turn: str = ""
    chat: str = ""
    seq: int = 0


decode_stamp = msgspec.json.Decoder(Stamp).decode


def pack(made: TurnMade, events: Iterable[TurnEvent]) -> Packed:
    """Put a turn into one line; deltas that follow one another become one."""
    packed: list[Deltas | Event | End] = []
    run: list[Delta] = []
    for event in events:
        if isinstance(event, Delta):
            run.append(event)
            continue
        packed += _joined(run)
        packed.append(event)
        run = []
    return Packed(turn=made.turn, made=made, events=packed + _joined(run))


def _joined(run: list[Delta]) -> list[Deltas | Event | End]:
    texts = [delta.text for delta in run]
    return [Deltas(run[0].seq, "".join(texts), [len(text) for text in texts])] if run else []


def unpack(packed: Packed) -> list[TurnEvent]:
    """Return the events as they were."""
    events: list[TurnEvent] = []
    for event in packed.events:
        if not isinstance(event, Deltas):
            events.append(event)
            continue
        begin = 0
        for number, length in enumerate(event.lengths):
            text = event.text[begin : begin + length]
            events.append(Delta(packed.turn, event.first + number, text))
            begin += length
    return events


def read_turn(lines: Iterator[Record]) -> tuple[TurnMade, Iterable[TurnEvent]]:
    """Return how a turn began and its events, from its loose lines or its one; StoreCorrupt."""
    match next(lines, None):
        case TurnMade() as made:
            return made, (line for line in lines if isinstance(line, TURN_EVENTS))
        case Packed() as packed:
            return packed.made, unpack(packed)
        case _:
            raise StoreCorrupt("the turn's record is damaged")


def reply_of(events: Iterable[TurnEvent]) -> str:
    """Return what the last attempt said."""
    reply: list[str] = []
    for event in events:
        if isinstance(event, Delta):
            reply.append(event.text)
        elif isinstance(event, Event) and event.kind == "attempt":
            reply.clear()
    return "".join(reply)


def thought_of(events: Iterable[TurnEvent]) -> str:
    """Return what the last attempt thought."""
    thought: list[str] = []
    for event in events:
        if isinstance(event, Event) and event.kind == "attempt":
            thought.clear()
        elif isinstance(event, Event) and event.kind == "think":
            thought.append(event.text or "")
    return "".join(thought)
