"""Conversations: what a session, a chat and a turn are, and the events that change them.

Every change is written to the journal first and told to the readers after that.
"""

import base64
import hashlib
import logging
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec
from msgspec import Struct

from chat_rpc import errors, methods, wire
from chat_rpc.methods import Delta, End, Ending, Event
from chatd.store import SessionFiles, Store

log = logging.getLogger(__name__)

TITLE_CHARS = 60


class Reader(Protocol):
    """Somebody who follows a turn: a connection."""

    def deliver(self, turn: str, seq: int, line: bytes) -> bool:
        """Take a notification without waiting; False: this reader takes no more of the turn."""
        ...


class ChatMade(Struct, tag_field="type", tag="chat", omit_defaults=True):
    """A journal line: a conversation begins."""

    chat: str
    created: float
    title: str


class TurnMade(Struct, tag_field="type", tag="turn", omit_defaults=True, kw_only=True):
    """A journal line: a prompt was taken."""

    turn: str
    chat: str
    key: str
    digest: str
    created: float
    prompt: str
    data: str = ""
    system: str | None = None
    asked: str | None = None


Record = ChatMade | TurnMade | Delta | Event | End
_decode = msgspec.json.Decoder(Record).decode


class _Stamp(Struct):
    """The two fields by which a line of the journal is picked for a reader."""

    type: str = ""
    turn: str = ""
    seq: int = 0


_decode_stamp = msgspec.json.Decoder(_Stamp).decode


@dataclass(slots=True)
class Turn:
    """One prompt and its reply.  Texts stay here while it runs, and in their files after that."""

    id: str
    chat: str
    key: str
    digest: str
    created: float
    asked: str | None
    begin: int  # where its first line stands in the journal
    texts: "Texts | None"
    state: methods.State = "queued"
    seq: int = 0
    ending: Ending | None = None
    stop: int | None = None  # where its last line ends in the journal
    readers: list[Reader] = field(default_factory=list)


@dataclass(slots=True)
class Texts:
    """What was said in a turn that has not ended."""

    prompt: str
    data: str
    system: str | None
    reply: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Chat:
    """A conversation: its turns, oldest first."""

    id: str
    title: str
    created: float
    used: float
    turns: list[str] = field(default_factory=list)


class Session:
    """All that one user has in chatd."""

    def __init__(self, uid: int, files: SessionFiles):
        self.uid = uid
        self.chats: dict[str, Chat] = {}
        self.turns: dict[str, Turn] = {}
        self._keys: dict[str, Turn] = {}
        self._files = files
        self._recover()

    # -- looking ------------------------------------------------------------------------------

    def turn(self, id_: str) -> Turn:
        try:
            return self.turns[id_]
        except KeyError:
            raise errors.NoSuchTurn("there is no such turn") from None

    def chat(self, name: str) -> Chat:
        """Return the chat with this id, or the only one whose id begins so."""
        if chat := self.chats.get(name):
            return chat
        found = [chat for id_, chat in self.chats.items() if id_.startswith(name)]
        if len(found) > 1:
            raise errors.NoSuchChat(f"{len(found)} chats begin so: give more of the id")
        if not found:
            raise errors.NoSuchChat("there is no such chat")
        return found[0]

    def by_key(self, key: str, digest: str) -> Turn | None:
        """Return the turn that this key made; raises KeyReused if it was for something else."""
        turn = self._keys.get(key)
        if turn is not None and turn.digest != digest:
            raise errors.KeyReused("this key was used for another request")
        return turn

    def view(self, turn: Turn) -> methods.Turn:
        """Return the turn with its texts."""
        texts = turn.texts or self._texts_of_ended(turn)
        return methods.Turn(
            turn=turn.id,
            chat=turn.chat,
            state=turn.state,
            seq=turn.seq,
            created=turn.created,
            prompt=texts.prompt,
            data=texts.data,
            system=texts.system,
            asked=turn.asked,
            text="".join(texts.reply),
            ending=turn.ending,
        )

    def messages(self, turn: Turn) -> list[dict[str, str]]:
        """Return what a model is shown to answer this turn: the OpenAI message list."""
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
        """Journal a new turn, in a new chat unless params name one."""
        now = time.time()
        chat = self.chat(params.chat) if params.chat else self._new_chat(params, now)
        made = TurnMade(
            turn=new_id(),
            chat=chat.id,
            key=params.key,
            digest=digest,
            created=now,
            prompt=params.prompt,
            data=params.data,
            system=params.system,
            asked=params.model,
        )
        return self._add_turn(made, self._files.append(wire.encode(made)))

    def follow(self, turn: Turn, reader: Reader, *, after: int) -> None:
        """Deliver the events above `after` again, then those to come."""
        for payload in self._files.read(turn.begin, turn.stop):
            stamp = _decode_stamp(payload)
            if stamp.turn == turn.id and stamp.seq > after and stamp.type != "turn":
                line = wire.notification(b"turn." + stamp.type.encode(), payload)
                if not reader.deliver(turn.id, stamp.seq, line):
                    return
        if turn.state not in methods.ENDED and reader not in turn.readers:
            turn.readers.append(reader)

    def add_text(self, turn: Turn, text: str) -> None:
        assert_running(turn).reply.append(text)
        turn.seq += 1
        self._tell(turn, b"turn.delta", Delta(turn.id, turn.seq, text))

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
        if kind == "attempt":
            turn.state = "running"
        turn.seq += 1
        event = Event(
            turn=turn.id,
            seq=turn.seq,
            kind=kind,
            place=place,
            n=n,
            model=model,
            backend=backend,
            text=text,
        )
        self._tell(turn, b"turn.event", event)

    def end(self, turn: Turn, ending: Ending) -> None:
        """Journal the end of a turn and make its text files."""
        turn.seq += 1
        self._tell(turn, b"turn.end", End(turn.id, turn.seq, ending))
        self._settle(turn, ending, self._files.end)
        turn.readers.clear()

    # -- inside ---------------------------------------------------------------------------------

    def _tell(self, turn: Turn, method: bytes, event: Delta | Event | End) -> None:
        payload = wire.encode(event)
        self._files.append(payload)
        if turn.readers:
            line = wire.notification(method, payload)
            turn.readers = [r for r in turn.readers if r.deliver(turn.id, turn.seq, line)]

    def _new_chat(self, params: methods.TurnStart, now: float) -> Chat:
        title = " ".join((params.prompt or params.data)[: 4 * TITLE_CHARS].split())[:TITLE_CHARS]
        made = ChatMade(new_id(), now, title)
        self._files.append(wire.encode(made))
        return self._add_chat(made)

    def _add_chat(self, made: ChatMade) -> Chat:
        chat = self.chats[made.chat] = Chat(made.chat, made.title, made.created, made.created)
        return chat

    def _add_turn(self, made: TurnMade, begin: int) -> Turn:
        turn = Turn(
            id=made.turn,
            chat=made.chat,
            key=made.key,
            digest=made.digest,
            created=made.created,
            asked=made.asked,
            begin=begin,
            texts=Texts(made.prompt, made.data, made.system),
        )
        self.turns[turn.id] = self._keys[turn.key] = turn
        chat = self.chats[turn.chat]
        chat.turns.append(turn.id)
        chat.used = max(chat.used, made.created)
        return turn

    def _settle(self, turn: Turn, ending: Ending, stop: int) -> None:
        turn.state = ending.state
        turn.ending = ending
        turn.stop = stop
        texts = assert_running(turn)
        self._files.write_text("prompts", turn.id, joined(texts.prompt, texts.data))
        self._files.write_text("responses", turn.id, "".join(texts.reply))
        turn.texts = None

    def _texts_of_ended(self, turn: Turn) -> Texts:
        for payload in self._files.read(turn.begin, turn.stop):
            made = _decode(payload)
            if isinstance(made, TurnMade) and made.turn == turn.id:
                reply = self._files.read_text("responses", turn.id) or ""
                return Texts(made.prompt, made.data, made.system, [reply])
        raise errors.StoreCorrupt("the turn's record is damaged", turn=turn.id)

    def _recover(self) -> None:
        """Read the journal again; a turn that was running when chatd died becomes interrupted."""
        for place, payload in self._files.recover():
            record = _decode(payload)
            match record:
                case ChatMade():
                    self._add_chat(record)
                case TurnMade():
                    self._add_turn(record, place)
                case Delta() | Event() | End():
                    if turn := self.turns.get(record.turn):
                        self._replay(turn, record, place + len(payload) + 10)
        for turn in self.turns.values():
            if turn.ending is None:
                self.end(turn, interrupted("chatd ended during the reply"))

    def _replay(self, turn: Turn, event: Delta | Event | End, stop: int) -> None:
        turn.seq = event.seq
        match event:
            case Delta():
                assert_running(turn).reply.append(event.text)
            case End():
                self._settle(turn, event.ending, stop)


class Sessions:
    """The sessions of all users."""

    def __init__(self, store: Store):
        self.store = store
        self._sessions = {uid: Session(uid, store.session(uid)) for uid in store.uids()}
        log.info("store %s: %d sessions, %d turns", store.root, len(self._sessions), self.turns)

    def of(self, uid: int) -> Session:
        if uid not in self._sessions:
            self._sessions[uid] = Session(uid, self.store.session(uid))
        return self._sessions[uid]

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions.values())

    @property
    def turns(self) -> int:
        return sum(len(session.turns) for session in self)


def new_id() -> str:
    """Return 80 random bits as 16 small letters and digits."""
    return base64.b32encode(secrets.token_bytes(10)).decode("ascii").lower()


def digest_of(params: methods.TurnStart) -> str:
    """Return what tells two requests with one key apart."""
    asked = msgspec.structs.replace(params, wait=False)
    return hashlib.blake2b(wire.encode(asked), digest_size=16).hexdigest()


def joined(prompt: str, data: str) -> str:
    """Return the prompt with what was piped in after it."""
    return f"{prompt}\n\n{data}" if prompt and data else prompt or data


def interrupted(why: str) -> Ending:
    failure = methods.Failure(errors.CutOff.code, errors.CutOff.kind, why)
    return Ending(state="interrupted", error=failure)


def assert_running(turn: Turn) -> Texts:
    if turn.texts is None:
        raise errors.InternalError("the turn has ended", turn=turn.id)
    return turn.texts
