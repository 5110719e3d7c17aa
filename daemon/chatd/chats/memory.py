"""What a session is in memory: its chats and turns, found by name, and filled from records.

Nothing is written here and nobody is told: that is `session`.
"""

import logging
from collections.abc import Iterator
from typing import NamedTuple

from chat_rpc import errors, methods
from chat_rpc.methods import Delta, End, Ending, Event
from chatd.chats import records
from chatd.chats.attempts import tried_of
from chatd.chats.demands import PLAIN, Demands
from chatd.chats.records import ChatMade, Packed, Thumbed, TurnMade
from chatd.chats.turns import Chat, Mark, SentFile, Texts, Turn, joined
from chatd.store.journal import Place
from chatd.store.session import SessionFiles

log = logging.getLogger(__name__)

SHOWN_CHATS = 5  # of those that a name may mean


class Said(NamedTuple):
    """The texts of a turn."""

    prompt: str
    data: str
    system: str | None
    files: list[methods.File]
    text: str
    demands: Demands = PLAIN
    feedback: str | None = None


class Memory:
    """One user's chats and turns."""

    def __init__(self, uid: int, files: SessionFiles, lifetime_s: float):
        self.uid = uid
        self.files = files
        self.chats: dict[str, Chat] = {}
        self.turns: dict[str, Turn] = {}
        self.keys: dict[str, Turn] = {}
        self.sent: dict[str, SentFile] = {}
        self.taste: dict[str, tuple[methods.FeedbackLine, Place]] = {}  # judgements, and where
        self.lost: set[str] = set()  # turns of which the first line is damaged
        self._lifetime_s = lifetime_s

    # -- looking ------------------------------------------------------------------------------

    def turn(self, id_: str) -> Turn:
        """Return a turn of a chat that is there; raises NoSuchTurn, StoreCorrupt."""
        turn = self.turns.get(id_)
        is_hidden = turn is not None and self.chats[turn.chat].is_deleted
        if (turn is None and id_ not in self.lost) or is_hidden:
            raise errors.NoSuchTurn("there is no such turn")
        if turn is None or turn.is_damaged:
            raise errors.StoreCorrupt("the turn's record is damaged", turn=id_)
        return turn

    def there(self, *, deleted: bool = False) -> list[Chat]:
        """Return the chats that can be named; with `deleted`, those that can be brought back."""
        return [
            chat for chat in self.chats.values() if chat.is_deleted is deleted and not chat.is_gone
        ]

    def chat(self, name: str, *, deleted: bool = False) -> Chat:
        """Return the chat with this id or this title, or the only one whose id begins so."""
        chat = self.titled(name, deleted=deleted) or _only(
            [chat for chat in self.there(deleted=deleted) if chat.id.startswith(name)]
        )
        if chat is None:
            raise errors.NoSuchChat("there is no such chat")
        return chat

    def titled(self, title: str, *, deleted: bool = False) -> Chat | None:
        """Return the chat with this title or exactly this id; raises NoSuchChat if it is unclear.

        The beginning of an id does not count: a title of one letter would mean any chat.
        """
        known = self.there(deleted=deleted)
        by_id = [chat for chat in known if chat.id == title]
        return _only(by_id or [chat for chat in known if chat.title == title])

    def by_key(self, key: str, digest: str) -> Turn | None:
        """Return the turn that this key made; raises KeyReused if it was for something else."""
        turn = self.keys.get(key)
        if turn is not None and turn.digest != digest:
            raise errors.KeyReused("this key was used for another request")
        return turn

    def view(self, turn: Turn, *, tried: bool = False) -> methods.Turn:
        """Return the turn with its texts, or with all its attempts; a damaged one has none."""
        said = self.said(turn)
        siblings = self.chats[turn.chat].children.get(turn.parent or "", [])
        return methods.Turn(
            turn=turn.id,
            chat=turn.chat,
            state=turn.state,
            seq=turn.seq,
            created=turn.created,
            prompt=said.prompt,
            data=said.data,
            files=said.files,
            system=said.system,
            asked=turn.asked,
            text=said.text,
            thought=self._thought(turn) if turn.has_thought else "",
            attempts=turn.attempts,
            refines=turn.refines,
            feedback=said.feedback,
            tried=self.tried(turn) if tried else None,
            thumb=turn.mark.thumb if turn.mark else None,
            reason=self._reason(turn.mark) if turn.mark else "",
            siblings=list(siblings) if len(siblings) > 1 else [],
            ending=turn.ending,
        )

    def said(self, turn: Turn) -> Said:
        """Return a turn's texts: from where it is running, from its files, or from its lines."""
        if turn.is_damaged:
            return Said("", "", None, [], "")
        if (texts := turn.texts) is not None and (text := texts.reply.text()) is not None:
            return Said(
                texts.prompt,
                texts.data,
                texts.system,
                texts.files,
                text,
                texts.demands,
                texts.feedback,
            )
        lines = (records.decode(payload) for _, _, payload in self.lines_of(turn))
        made, events = records.read_turn(lines)
        text = self.files.read_text("responses", turn.id)
        if text is None:
            text = records.reply_of(events)
        return Said(
            made.prompt, made.data, made.system, made.files, text, made.demands, made.feedback
        )

    def prompt(self, turn: Turn) -> str:
        """Return what was asked, without reading the rest."""
        if turn.texts is not None:
            return turn.texts.prompt
        lines = (records.decode(payload) for _, _, payload in self.lines_of(turn))
        return records.read_turn(lines)[0].prompt

    def _thought(self, turn: Turn) -> str:
        """Return what the model of the last attempt thought; only the journal has it."""
        if turn.is_damaged:
            return ""
        lines = (
            records.decode(payload)
            for _, stamp, payload in self.lines_of(turn)
            if stamp.type != "delta"
        )
        return records.thought_of(records.read_turn(lines)[1])

    def tried(self, turn: Turn) -> list[methods.Tried]:
        """Return all attempts at a turn, from its lines; of a damaged one none."""
        if turn.is_damaged:
            return []
        lines = (records.decode(payload) for _, _, payload in self.lines_of(turn))
        return tried_of(records.read_turn(lines)[1])

    def content(self, file: str) -> bytes:
        """Return what was sent; raises StoreCorrupt."""
        sent = self.sent.get(file)
        data = self.files.sent.read(file, sent.file.size_bytes) if sent else None
        if data is None:
            raise errors.StoreCorrupt("a file of this chat is damaged")
        return data

    def _reason(self, mark: Mark) -> str:
        """Return why a person has put this mark; only the journal has it."""
        for _, payload in self.files.journal.read(mark.place, mark.place + 1):
            record = records.decode(payload)
            return record.reason if isinstance(record, Thumbed) else ""
        return ""

    def lines_of(self, *turns: Turn) -> Iterator[tuple[Place, records.Stamp, bytes]]:
        """Yield place, stamp and payload of all lines of these turns; the journal is read once."""
        if not turns:
            return
        wanted = {turn.id for turn in turns}
        stops = [turn.stop for turn in turns if turn.stop is not None]
        stop = max(stops) if len(stops) == len(turns) else None
        for place, payload in self.files.journal.read(min(turn.begin for turn in turns), stop):
            stamp = records.decode_stamp(payload)
            if stamp.turn in wanted:
                yield place, stamp, payload

    # -- filling ------------------------------------------------------------------------------

    def add_chat(self, made: ChatMade, place: int) -> Chat:
        chat = self.chats.get(made.chat)
        if chat is None:
            chat = self.chats[made.chat] = Chat(
                made.chat, made.title, made.created, made.created, made.boot_s, self._lifetime_s
            )
        chat.title = made.title
        chat.created = made.created
        chat.is_deleted = made.deleted
        chat.demands = made.demands
        chat.used_boot_s = max(chat.used_boot_s, made.boot_s)
        if made.lifetime_s is not None:
            chat.lifetime_s = made.lifetime_s
        if made.head is not None:
            chat.selected, chat.selected_boot_s = made.head, made.boot_s
        chat.places.append(place)
        return chat

    def add_turn(self, made: TurnMade, begin: int) -> Turn:
        """Take a turn; it has no place in the chat's tree yet."""
        turn = Turn(
            id=made.turn,
            chat=made.chat,
            key=made.key,
            digest=made.digest,
            created=made.created,
            boot_s=made.boot_s,
            asked=made.asked,
            terminal=made.terminal,
            parent=made.parent,
            begin=begin,
            files=[file.file for file in made.files],
            is_checked=made.demands.is_held,
            texts=Texts(
                made.prompt,
                made.data,
                made.system,
                made.files,
                self.files.draft("responses"),
                made.demands,
                made.feedback,
            ),
            refines=made.refines,
        )
        for file in made.files:
            if sent := self.sent.get(file.file):  # or it is damaged
                sent.file, sent.is_whole = file, True  # what the store has noted may be damaged
                sent.uses += 1
        self.turns[turn.id] = self.keys[turn.key] = turn
        chat = self.chats[turn.chat]
        chat.turns.append(turn.id)
        chat.used = max(chat.used, made.created)
        chat.used_boot_s = max(chat.used_boot_s, made.boot_s)
        return turn

    def add_packed(self, packed: Packed, place: int) -> None:
        turn = self.add_turn(packed.made, place)
        turn.is_packed = True
        for event in records.unpack(packed):
            self.replay(turn, event, place + 1)

    def replay(self, turn: Turn, event: records.TurnEvent, stop: int) -> None:
        """Take an event that is in the journal already."""
        turn.seq = event.seq
        match event:
            case Delta():
                running(turn).reply.add(event.text)
            case Event():
                note(turn, event)
            case End():
                self.settle(turn, event.ending, stop)

    def settle(self, turn: Turn, ending: Ending, stop: int) -> None:
        """Take a turn's end: its texts go into their files and out of the heap."""
        turn.state = ending.state
        turn.ending = ending
        turn.stop = stop
        texts = running(turn)
        try:
            self.files.write_text("prompts", turn.id, joined(texts.prompt, texts.data))
            texts.reply.keep(turn.id)
        except errors.RpcError:
            log.warning(
                "turn %s: no room for its text files; the journal has it",
                turn.id,
                extra={"uid": self.uid, "turn": turn.id},
            )
        forget_texts(turn)


def _only(found: list[Chat]) -> Chat | None:
    """Return the one that was found; raises NoSuchChat where they are several."""
    if len(found) < 2:
        return found[0] if found else None
    ids = ", ".join(chat.id for chat in found[:SHOWN_CHATS])
    more = ", ..." if len(found) > SHOWN_CHATS else ""
    raise errors.NoSuchChat(
        f"{len(found)} chats are meant by this: name one by its id: {ids}{more}"
    )


def note(turn: Turn, event: Event) -> None:
    """Take a step of a turn: a new attempt voids what was said and thought before it."""
    if event.kind == "attempt":
        turn.state = "running"
        turn.attempts += event.by == "model"
        turn.has_thought = False
        running(turn).reply.drop()
    elif event.kind == "think":
        turn.has_thought = True


def running(turn: Turn) -> Texts:
    if turn.texts is None:
        raise errors.InternalError("the turn has ended", turn=turn.id)
    return turn.texts


def forget_texts(turn: Turn) -> None:
    if turn.texts is not None:
        turn.texts.reply.drop()
        turn.texts = None
