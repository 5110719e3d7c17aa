"""One user's session: chats and turns, changed in the journal first and told to readers after.

What is done to whole conversations is in `conversations`, reading the journal again in `recovery`.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from chat_rpc import errors, methods, wire
from chat_rpc.methods import ChatEvent, Delta, End, Ending, Event
from chatd.chats import following, records
from chatd.chats.quota import TURN_FILES, Quota
from chatd.chats.records import ChatMade, Packed, TurnMade
from chatd.chats.turns import Chat, Reader, Texts, Turn, boot_s, joined, new_id
from chatd.store.session import PAGE, SessionFiles

log = logging.getLogger(__name__)

TITLE_CHARS = 60
UNCHECKED_CHARS = 16 * 1024  # that may come over a user's share
TURN_BYTES = 2 * PAGE + 1024  # that a turn takes beside its texts: two files and its envelope
ROOM_BYTES = 64 * 1024  # that a turn needs beside its prompt, to be taken at all


class Said(NamedTuple):
    """The texts of a turn."""

    prompt: str
    data: str
    system: str | None
    text: str


class Session:
    """All that one user has in chatd."""

    def __init__(
        self,
        uid: int,
        files: SessionFiles,
        quota: Quota,
        lifetime_s: float,
        everybody: Callable[[], Iterable[SessionFiles]],
        spend_reserve: Callable[[], bool],
    ):
        self.uid = uid
        self.files = files
        self.chats: dict[str, Chat] = {}
        self.turns: dict[str, Turn] = {}
        self.keys: dict[str, Turn] = {}
        self.lost: set[str] = set()  # turns of which the first line is damaged
        self.watchers: list[Reader] = []
        self._quota = quota
        self._unchecked_chars = 0
        self._lifetime_s = lifetime_s
        self._everybody = everybody
        self._spend_reserve = spend_reserve

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

    def chat(self, name: str, *, deleted: bool = False) -> Chat:
        """Return the chat with this id, or the only one whose id begins so."""
        known = self.chats.get(name)
        found = [
            chat
            for chat in ([known] if known else self.chats.values())
            if chat.id.startswith(name) and chat.is_deleted is deleted and not chat.is_gone
        ]
        if len(found) > 1:
            raise errors.NoSuchChat(f"{len(found)} chats begin so: give more of the id")
        if not found:
            raise errors.NoSuchChat("there is no such chat")
        return found[0]

    def by_key(self, key: str, digest: str) -> Turn | None:
        """Return the turn that this key made; raises KeyReused if it was for something else."""
        turn = self.keys.get(key)
        if turn is not None and turn.digest != digest:
            raise errors.KeyReused("this key was used for another request")
        return turn

    def view(self, turn: Turn) -> methods.Turn:
        """Return the turn with its texts; a damaged one has none."""
        said = self._said(turn)
        return methods.Turn(
            turn=turn.id,
            chat=turn.chat,
            state=turn.state,
            seq=turn.seq,
            created=turn.created,
            prompt=said.prompt,
            data=said.data,
            system=said.system,
            asked=turn.asked,
            text=said.text,
            attempts=turn.attempts,
            ending=turn.ending,
        )

    def messages(self, turn: Turn) -> list[dict[str, str]]:
        """Return the whole chat up to this turn, as the OpenAI message list."""
        said: list[dict[str, str]] = []
        system: str | None = None
        for id_ in self.chats[turn.chat].turns:
            other = self.turns[id_]
            if other is not turn and other.state != "done":
                continue
            view = self.view(other)
            system = view.system or system
            said.append({"role": "user", "content": joined(view.prompt, view.data)})
            if other is turn:
                break
            said.append({"role": "assistant", "content": view.text})
        return ([{"role": "system", "content": system}] if system else []) + said

    # -- changing -----------------------------------------------------------------------------

    def begin(self, params: methods.TurnStart, digest: str) -> Turn:
        """Journal a new turn, in a new chat unless params name one; raises StoreFull."""
        size = 4 * len(params.prompt) + 4 * len(params.data) + len(params.system or "")
        self.check_room(size + ROOM_BYTES)
        now = time.time()
        chats = [] if params.chat else [chat_made(params.prompt or params.data, now)]
        made = TurnMade(
            turn=new_id(),
            chat=self.chat(params.chat).id if params.chat else chats[0].chat,
            key=params.key,
            digest=digest,
            created=now,
            boot_s=boot_s(),
            prompt=params.prompt,
            data=params.data,
            system=params.system,
            asked=params.model,
        )
        # the turn first: a death in the middle leaves nothing, or a turn that tells of its chat
        first, *places = self.files.journal.append_all(map(wire.encode, [made, *chats]))
        for new, place in zip(chats, places, strict=True):
            self.tell_chat(self.add_chat(new, place), "made")
        turn = self.add_turn(made, first)
        chat = self.chats[turn.chat]
        self.tell_chat(chat, "turn", turn=turn.id)
        for watcher in chat.watchers:
            turn.readers.append(watcher)
            watcher.follow(turn.id)
        return turn

    def add_text(self, turn: Turn, text: str) -> None:
        """Raises StoreFull."""
        self._check_now_and_then(text)
        self._tell(turn, b"turn.delta", Delta(turn.id, turn.seq + 1, text))
        running(turn).reply.add(text)

    def add_event(
        self,
        turn: Turn,
        kind: Literal["queued", "attempt", "think"],
        *,
        place: int | None = None,
        n: int | None = None,
        model: str | None = None,
        backend: str | None = None,
        text: str | None = None,
    ) -> None:
        """Raises StoreFull.  A new attempt voids the text before it."""
        self._check_now_and_then(text or "")
        event = Event(
            turn=turn.id, seq=turn.seq + 1, kind=kind, place=place, n=n, model=model,
            backend=backend, text=text,
        )  # fmt: skip
        self._tell(turn, b"turn.event", event)
        if kind == "attempt":
            begin_attempt(turn)

    def end(self, turn: Turn, ending: Ending) -> None:
        """Journal the end of a turn and make its text files; raises StoreFull."""
        self._tell(turn, b"turn.end", End(turn.id, turn.seq + 1, ending), self.write_at_last)
        self.settle(turn, ending, self.files.journal.end)
        for reader in turn.readers:
            reader.leave(turn.id)
        turn.readers.clear()
        self.tell_chat(self.chats[turn.chat], "turn", turn=turn.id)

    # -- for the other modules of this package ---------------------------------------------------

    def check_room(self, more_bytes: int, turns: int = 1) -> None:
        """Raise StoreFull unless so many turns, with so many bytes of text, have room."""
        self._quota.check(
            self.files,
            self._everybody(),
            more_bytes=more_bytes + turns * TURN_BYTES,
            more_files=turns * TURN_FILES,
        )

    def write_at_last(self, payload: bytes) -> int:
        """Journal what must fit, or makes room in the end: the reserve is there for this.

        Raises StoreFull when all of it was given up and is not enough.
        """
        while True:
            try:
                return self.files.journal.append(payload)
            except errors.StoreFull:
                if not self._spend_reserve():
                    raise

    def lines_of(self, turn: Turn) -> Iterator[tuple[int, records.Stamp, bytes]]:
        """Yield place, stamp and payload of all lines of a turn."""
        for place, payload in self.files.journal.read(turn.begin, turn.stop):
            stamp = records.decode_stamp(payload)
            if stamp.turn == turn.id:
                yield place, stamp, payload

    def add_chat(self, made: ChatMade, place: int) -> Chat:
        chat = self.chats.get(made.chat)
        if chat is None:
            chat = self.chats[made.chat] = Chat(
                made.chat, made.title, made.created, made.created, made.boot_s, self._lifetime_s
            )
        chat.title = made.title
        chat.created = made.created
        chat.is_deleted = made.deleted
        chat.used_boot_s = max(chat.used_boot_s, made.boot_s)
        if made.lifetime_s is not None:
            chat.lifetime_s = made.lifetime_s
        chat.places.append(place)
        return chat

    def add_turn(self, made: TurnMade, begin: int) -> Turn:
        turn = Turn(
            id=made.turn,
            chat=made.chat,
            key=made.key,
            digest=made.digest,
            created=made.created,
            boot_s=made.boot_s,
            asked=made.asked,
            begin=begin,
            texts=Texts(made.prompt, made.data, made.system, self.files.draft("responses")),
        )
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
                if event.kind == "attempt":
                    begin_attempt(turn)
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

    def tell_chat(
        self, chat: Chat, kind: methods.ChatEventKind, *, turn: str | None = None
    ) -> None:
        """Tell those who watch the chat, or all chats."""
        if chat.watchers or self.watchers:
            payload = wire.encode(ChatEvent(chat=chat.id, kind=kind, title=chat.title, turn=turn))
            line = wire.notification(b"chat.event", payload)
            for readers in (chat.watchers, self.watchers):
                readers[:] = [reader for reader in readers if reader.tell(line)]

    # -- inside ---------------------------------------------------------------------------------

    def _tell(
        self,
        turn: Turn,
        method: bytes,
        event: Delta | Event | End,
        write: Callable[[bytes], int] | None = None,
    ) -> None:
        payload = wire.encode(event)
        place = (write or self.files.journal.append)(payload)
        turn.told_bytes += len(payload)
        turn.seq = event.seq  # only now: a number that was not written would be a gap
        if turn.readers:
            line = wire.notification(method, payload)
            late = [reader for reader in turn.readers if not reader.deliver(line)]
            for reader in late:
                turn.readers.remove(reader)
                following.catch_up(self.files.journal, turn, reader, turn.seq - 1, place)

    def _check_now_and_then(self, text: str) -> None:
        """Raises StoreFull.  Not for each token: it costs half of one."""
        self._unchecked_chars += len(text)
        if self._unchecked_chars > UNCHECKED_CHARS:
            self._quota.check_user(self.files, more_bytes=2 * self._unchecked_chars)
            self._unchecked_chars = 0

    def _said(self, turn: Turn) -> Said:
        """Return a turn's texts: from where it is running, from its files, or from its lines."""
        if turn.is_damaged:
            return Said("", "", None, "")
        if (texts := turn.texts) is not None and (text := texts.reply.text()) is not None:
            return Said(texts.prompt, texts.data, texts.system, text)
        lines = (records.decode(payload) for _, _, payload in self.lines_of(turn))
        made, events = records.read_turn(lines)
        text = self.files.read_text("responses", turn.id)
        if text is None:
            text = records.reply_of(events)
        return Said(made.prompt, made.data, made.system, text)


def chat_made(text: str, now: float) -> ChatMade:
    """Return how a chat begins; its title is the beginning of `text`."""
    return ChatMade(chat=new_id(), created=now, boot_s=boot_s(), title=title_of(text))


def title_of(text: str) -> str:
    return " ".join(text[: 4 * TITLE_CHARS].split())[:TITLE_CHARS]


def begin_attempt(turn: Turn) -> None:
    turn.state = "running"
    turn.attempts += 1
    running(turn).reply.drop()


def running(turn: Turn) -> Texts:
    if turn.texts is None:
        raise errors.InternalError("the turn has ended", turn=turn.id)
    return turn.texts


def forget_texts(turn: Turn) -> None:
    if turn.texts is not None:
        turn.texts.reply.drop()
        turn.texts = None
