"""Reading a journal again: what was acknowledged is there; a damaged line costs its turn."""

import logging
import re
from contextlib import suppress

import msgspec

from chat_rpc import wire
from chat_rpc.errors import StoreFull
from chatd.chats import compaction, conversations, records, sent, tree
from chatd.chats.memory import forget_texts
from chatd.chats.records import (
    ChatDeleted,
    ChatDemands,
    ChatGone,
    ChatKept,
    ChatMade,
    ChatRecord,
    ChatRenamed,
    ChatSelected,
    ChatUndeleted,
    Felt,
    Packed,
    Quarantined,
    Thumbed,
    TurnMade,
)
from chatd.chats.session import Session, title_of
from chatd.chats.turns import Chat, Mark, damaged
from chatd.store.journal import Place

log = logging.getLogger(__name__)

TURN = re.compile(rb'"turn":"([a-z2-7]{16})"')
CHAT = re.compile(rb'"chat":"([a-z2-7]{16})"')


class Recovery:
    """Fills a session from its journal; turns without an end are left as they were: to be asked."""

    def __init__(self, session: Session):
        self._session = session
        self._journal = session.files.journal
        self._bad_turns: set[str] = set()
        self._known_turns: set[str] = set()  # that an earlier daemon has quarantined
        self._marks: dict[str, Mark] = {}  # by turn, which may be packed further behind
        self._stale: list[Place] = []  # of judgements that others have taken the place of
        self._leftover: list[tuple[str, int]] = []  # turns that were packed, and where

    def run(self) -> None:
        sent.recover(self._session)
        for place, payload, is_sound in self._journal.recover():
            record = _decode(payload) if is_sound else None
            if record is None:
                self._note_damage(payload)
            elif isinstance(record, Quarantined):
                self._bad_turns.add(record.turn)
                self._known_turns.add(record.turn)
            elif isinstance(record, records.FEEDBACK_RECORDS):
                self._replay_feedback(record, place)
            elif isinstance(record, records.CHAT_RECORDS):
                self._replay_chat(record, place)
            else:
                self._replay_turn(record, place, len(payload))
        for id_ in sorted(self._bad_turns):
            self._quarantine(id_)
        self._erase_leftover()
        self._put_marks()
        for chat in self._session.chats.values():  # compaction may have changed their places
            tree.grow(self._session, chat)
            if not chat.places:  # its line is lost: it gets another
                with suppress(StoreFull):  # the next start makes it up again
                    compaction.write_chat(self._session, chat)
        for chat in [chat for chat in self._session.chats.values() if chat.is_gone]:
            with suppress(StoreFull):  # the next housekeeping tries again
                conversations.destroy(self._session, chat)

    def _replay_chat(self, record: ChatRecord, place: int) -> None:
        session = self._session
        if isinstance(record, ChatMade):
            session.add_chat(record, place)
            return
        chat = session.chats.get(record.chat)
        if chat is None:
            chat = self._lost_chat(record.chat, "(its title was damaged)", 0.0, 0.0)
        chat.places.append(place)
        match record:
            case ChatRenamed():
                chat.title = record.title
            case ChatKept():
                chat.lifetime_s, chat.used_boot_s = record.lifetime_s, record.boot_s
            case ChatDemands():
                chat.demands = record.demands
            case ChatSelected():
                chat.selected, chat.selected_boot_s = record.head, record.boot_s
                chat.used_boot_s = max(chat.used_boot_s, record.boot_s)
            case ChatDeleted():
                chat.is_deleted, chat.used_boot_s = True, record.boot_s
            case ChatUndeleted():
                chat.is_deleted, chat.used_boot_s = False, record.boot_s
            case ChatGone():
                chat.is_deleted = chat.is_gone = True

    def _replay_turn(
        self, record: TurnMade | Packed | records.TurnEvent, place: int, size: int
    ) -> None:
        session = self._session
        if isinstance(record, Packed):
            self._replay_packed(record, place)
            return
        if isinstance(record, TurnMade):
            if record.turn not in session.turns:
                self._need_chat(record)
                session.add_turn(record, place)
            return
        turn = session.turns.get(record.turn)
        if turn is None or record.seq != turn.seq + 1:
            if turn is None or record.seq > turn.seq:  # a line before this one is lost
                self._bad_turns.add(record.turn)
        elif not turn.has_ended:
            turn.told_bytes += size
            session.replay(turn, record, place + 1)

    def _replay_packed(self, packed: Packed, place: int) -> None:
        """Take a packed turn; lines of it that stand before were about to be erased."""
        session = self._session
        turn = session.turns.get(packed.turn)
        if turn is not None or packed.turn in self._bad_turns:
            self._leftover.append((packed.turn, place))
        if turn is None:
            self._need_chat(packed.made)
            session.add_packed(packed, place)
        else:
            turn.begin, turn.stop, turn.is_packed = place, place + 1, True
        self._bad_turns.discard(packed.turn)

    def _replay_feedback(self, record: Thumbed | Felt, place: int) -> None:
        """Take a judgement; one that another has taken the place of was about to be erased."""
        taste = self._session.taste
        if isinstance(record, Felt):
            old = taste.get(record.line.feedback)
            taste[record.line.feedback] = (record.line, place)
            self._stale += [old[1]] if old else []
            return
        before = self._marks.get(record.of)
        self._marks[record.of] = Mark(record.thumb, record.felt, place)
        if before is not None:
            felt = taste.pop(before.felt, None) if before.felt != record.felt else None
            self._stale += [*([felt[1]] if felt else []), before.place]

    def _put_marks(self) -> None:
        for id_, mark in self._marks.items():
            if turn := self._session.turns.get(id_):
                turn.mark = mark
            else:
                self._stale.append(mark.place)  # its turn was destroyed
        self._journal.erase_at(self._stale)

    def _erase_leftover(self) -> None:
        """Erase what a death in the middle of compaction left: nothing else ever would."""
        for id_, place in self._leftover:
            self._journal.erase(
                (old, len(payload))
                for old, payload in self._journal.read(0, place)
                if records.decode_stamp(payload).turn == id_
            )

    def _note_damage(self, payload: bytes) -> None:
        turns = {match.decode() for match in TURN.findall(payload)}
        self._bad_turns |= turns
        log.error(
            "session of uid %d: a damaged line in the journal; turns: %s",
            self._session.uid,
            ", ".join(sorted(turns)) or "none known",
            extra={"uid": self._session.uid},
        )

    def _quarantine(self, id_: str) -> None:
        session = self._session
        if id_ not in self._known_turns:
            with suppress(StoreFull):  # the next daemon finds the gap again
                self._journal.append(wire.encode(Quarantined(turn=id_)))
        turn = session.turns.get(id_)
        if turn is None:
            session.lost.add(id_)  # its first line is gone: nobody can say what it was
            return
        turn.is_damaged = True
        forget_texts(turn)
        turn.ending = damaged()
        turn.state = turn.ending.state
        turn.stop = session.files.journal.end

    def _need_chat(self, made: TurnMade) -> None:
        """Make the chat of a turn that stands before it, or of which it is all that is left."""
        if made.chat not in self._session.chats:
            title = made.title or title_of(made.prompt or made.data)
            self._lost_chat(made.chat, title, made.created, made.boot_s)

    def _lost_chat(self, id_: str, title: str, created: float, boot_s: float) -> Chat:
        made = ChatMade(chat=id_, created=created, boot_s=boot_s, title=title)
        chat = self._session.add_chat(made, 0)
        chat.places.clear()
        return chat


def _decode(payload: bytes) -> records.Record | None:
    try:
        record: records.Record = records.decode(payload)
    except msgspec.DecodeError:
        return None
    return record
