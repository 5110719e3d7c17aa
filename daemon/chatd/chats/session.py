"""One user's session: chats and turns, changed in the journal first and told to readers after.

What is done to whole conversations is in `conversations`, reading the journal again in `recovery`.
"""

import time
from collections.abc import Callable, Iterable
from typing import TypedDict, Unpack

from chat_rpc import errors, methods, wire
from chat_rpc.methods import ChatEvent, Delta, End, Ending, Event
from chatd.chats import following, request, tree
from chatd.chats.memory import Memory, note, running
from chatd.chats.quota import TURN_FILES, Quota, Share
from chatd.chats.records import ChatMade, TurnMade
from chatd.chats.turns import Chat, Reader, Turn, boot_s, new_id
from chatd.store.session import PAGE, SessionFiles

TITLE_CHARS = 60
UNCHECKED_CHARS = 16 * 1024  # that may come over a user's share
TURN_BYTES = 2 * PAGE + 1024  # that a turn takes beside its texts: two files and its envelope
ROOM_BYTES = 64 * 1024  # that a turn needs beside its prompt, to be taken at all


class Fields(TypedDict, total=False):
    """What a turn.event may have, beside what all have."""

    place: int
    n: int
    by: methods.Maker
    model: str | None
    backend: str | None
    text: str
    check: methods.CheckAsked
    verdict: methods.Verdict | None
    reasons: list[str]
    usage: methods.Usage | None
    total_ms: int
    error: methods.Failure | None


class Session(Memory):
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
        super().__init__(uid, files, lifetime_s)
        self.is_ephemeral = False
        self.watchers: list[Reader] = []
        self._quota = quota
        self._unchecked_chars = 0
        self._everybody = everybody
        self._spend_reserve = spend_reserve

    @property
    def share(self) -> Share:
        """What this user may have of the store."""
        return self._quota.user

    def beside(self, files: SessionFiles) -> "Session":
        """Return another session of this user's, with the same shares and the same sent files."""
        other = Session(
            self.uid, files, self._quota, self._lifetime_s, self._everybody, self._spend_reserve
        )
        other.sent = self.sent
        return other

    # -- changing -----------------------------------------------------------------------------

    def begin(
        self, params: methods.TurnStart, digest: str, want: request.Wanted | None = None
    ) -> Turn:
        """Journal a new turn, in a new chat unless params name one; raises StoreFull."""
        want = want or request.wanted(self, params)
        size = 4 * (len(want.prompt) + len(want.data) + len(want.system or ""))
        self.check_turns(size + ROOM_BYTES, 1)
        now = time.time()
        chats = [] if want.chat else [chat_made(want.title, now, params.name)]
        made = TurnMade(
            turn=new_id(),
            chat=want.chat.id if want.chat else chats[0].chat,
            key=params.key,
            digest=digest,
            created=now,
            boot_s=boot_s(),
            prompt=want.prompt,
            data=want.data,
            system=want.system,
            files=want.files,
            asked=want.asked,
            parent=want.parent,
            title=_untold(chats, want.prompt or want.data),
            terminal=params.terminal,
            demands=want.demands,
            refines=want.refines,
            feedback=want.feedback,
        )
        # the turn first: a death in the middle leaves nothing, or a turn that tells of its chat
        first, *places = self.files.journal.append_all(map(wire.encode, [made, *chats]))
        for new, place in zip(chats, places, strict=True):
            self.tell_chat(self.add_chat(new, place), "made")
        turn = self.add_turn(made, first)
        chat = self.chats[turn.chat]
        tree.hang(chat, turn)
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

    def add_event(self, turn: Turn, kind: methods.EventKind, **fields: Unpack[Fields]) -> None:
        """Raises StoreFull.  A new attempt voids the text before it."""
        self._check_now_and_then(fields.get("text") or "")
        event = Event(turn=turn.id, seq=turn.seq + 1, kind=kind, **fields)
        self._tell(turn, b"turn.event", event)
        note(turn, event)

    def end(self, turn: Turn, ending: Ending) -> None:
        """Journal the end of a turn and make its text files; raises StoreFull."""
        self._tell(turn, b"turn.end", End(turn.id, turn.seq + 1, ending), self.write_at_last)
        self.settle(turn, ending, self.files.journal.end)
        for reader in turn.readers:
            reader.leave(turn.id)
        turn.readers.clear()
        self.tell_chat(self.chats[turn.chat], "turn", turn=turn.id)

    # -- for the other modules of this package ---------------------------------------------------

    def check_room(self, more_bytes: int, *, files: int) -> None:
        """Raise StoreFull unless so many bytes, in so many files, have room."""
        self._quota.check(
            self.files,
            self._everybody(),
            more_bytes=more_bytes,
            more_files=files,
        )

    def check_turns(self, more_bytes: int, turns: int) -> None:
        """Raise StoreFull unless so many turns, with so many bytes of text, have room."""
        self.check_room(more_bytes + turns * TURN_BYTES, files=turns * TURN_FILES)

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


def chat_made(text: str, now: float, title: str | None = None) -> ChatMade:
    """Return how a chat begins; without a title it gets the beginning of `text`."""
    title = title_of(text) if title is None else title
    return ChatMade(chat=new_id(), created=now, boot_s=boot_s(), title=title)


def _untold(chats: list[ChatMade], text: str) -> str | None:
    """Return the title of a new chat, unless it is what the text gives."""
    return next((chat.title for chat in chats if chat.title != title_of(text)), None)


def title_of(text: str) -> str:
    return " ".join(text[: 4 * TITLE_CHARS].split())[:TITLE_CHARS]
