"""Making room in a journal: turns that have ended become one line each, erased space is given back.

Nothing is moved in place.  What lives in an old segment is written anew at the journal's end, then
its old lines are erased, and a segment without a living line is removed.  A death in between
leaves both, and recovery takes the new one.
"""

from collections.abc import Iterator

from chat_rpc import wire
from chatd.chats import records, taste
from chatd.chats.records import ChatMade
from chatd.chats.session import Session
from chatd.chats.turns import Chat, Turn
from chatd.store.journal import Place, Segment

PACKED_BYTES = 8 * 2**20  # a turn with more lines than this stays as it is: one line would be long


def compact(session: Session) -> Iterator[None]:
    """Empty the closed segments that are worth it, yielding after each line that was moved.

    A segment with a line of a turn that is still running is left for the next time.
    """
    journal = session.files.journal
    for segment in journal.closed():
        yield
        if not _is_worth_it(session, segment):
            continue
        for place, payload in journal.read(*journal.span(segment.number)):
            _move(session, payload, place, segment.number)
            yield


def pack_turn(session: Session, turn: Turn) -> None:
    """Write a turn that has ended as one line, and erase the lines that it had."""
    lines = list(session.lines_of(turn))
    if not lines:
        return
    made, events = records.read_turn(records.decode(payload) for _, _, payload in lines)
    place = session.files.journal.append(wire.encode(records.pack(made, events)))
    turn.begin, turn.stop, turn.is_packed = place, session.files.journal.end, True
    session.files.journal.erase((place, len(payload)) for place, _, payload in lines)


def write_chat(session: Session, chat: Chat) -> None:
    """Write what a chat is as one line, and erase the lines that said it."""
    made = ChatMade(
        chat=chat.id,
        created=chat.created,
        boot_s=chat.used_boot_s,
        title=chat.title,
        lifetime_s=chat.lifetime_s,
        deleted=chat.is_deleted,
        demands=chat.demands,
        head=chat.head if chat.turns and chat.head != chat.turns[-1] else None,
    )
    old = tuple(chat.places)
    chat.places.append(session.files.journal.append(wire.encode(made)))
    session.files.journal.erase_at(old)
    del chat.places[: len(old)]


def _move(session: Session, payload: bytes, place: Place, number: int) -> None:
    """Move what a line of segment `number` belongs to, unless another line has moved it."""
    begin, end = session.files.journal.span(number)
    stamp = records.decode_stamp(payload)
    if stamp.type in ("thumb", "felt"):
        record = records.decode(payload)
        assert isinstance(record, records.FEEDBACK_RECORDS)  # noqa: S101  # its stamp said so
        taste.move(session, record, place)
    elif turn := session.turns.get(stamp.turn):
        moved = turn.is_packed and turn.begin >= end
        if turn.has_ended and not turn.is_damaged and not moved:
            pack_turn(session, turn)
    elif (chat := session.chats.get(stamp.chat)) and any(begin <= p < end for p in chat.places):
        if not chat.is_gone:
            write_chat(session, chat)


def _is_worth_it(session: Session, segment: Segment) -> bool:
    """Say whether more than half of a segment is erased, or lines that can be packed."""
    if segment.packable is None:
        segment.packable = _packable(session, segment)
    if segment.packable is None:
        return False
    # what was erased after it was counted is in both: then it is moved a little early
    return 2 * (segment.erased + segment.packable) > segment.size


def _packable(session: Session, segment: Segment) -> int | None:
    """Return the bytes of loose lines of turns that have ended; None: it has lines that must stay.

    A closed segment gets no more lines, so it is read for this once.
    """
    journal = session.files.journal
    packable = 0
    for _, payload in journal.read(*journal.span(segment.number)):
        turn = session.turns.get(records.decode_stamp(payload).turn)
        if turn is None or turn.is_packed:
            continue
        if not turn.has_ended or turn.told_bytes > PACKED_BYTES:
            return None
        packable += len(payload)
    return packable
