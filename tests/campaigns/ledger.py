"""What a client was told of its turns and chats: everything that it is told later must agree."""

from dataclasses import dataclass, field

from chat_rpc import methods
from chat_rpc.client import TurnEvent
from chatd.inference import MAX_ATTEMPTS
from tests.campaigns.report import Broken
from tests.fakes.model_server import hash_reply


def demand(holds: object, promise: str, what: object = "") -> None:
    """Raise Broken unless the promise held."""
    if not holds:
        raise Broken(f"{promise}: {what}" if what else promise)


@dataclass
class Question:
    """One key: what was asked with it, and every event that was told of its turn."""

    params: methods.TurnStart
    was_sent: bool = False
    turn: str = ""  # its id and its chat's, once turn.start was answered
    chat: str = ""
    events: list[TurnEvent] = field(default_factory=list)

    @property
    def ending(self) -> methods.Ending | None:
        last = self.events[-1] if self.events else None
        return last.ending if isinstance(last, methods.End) else None

    @property
    def is_done(self) -> bool:
        return self.ending is not None and self.ending.state == "done"

    @property
    def attempts(self) -> int:
        return sum(isinstance(e, methods.Event) and e.kind == "attempt" for e in self.events)

    @property
    def text(self) -> str:
        """The reply that the events tell; an attempt voids what was said before it."""
        text = ""
        for event in self.events:
            if isinstance(event, methods.Delta):
                text += event.text
            elif isinstance(event, methods.Event) and event.kind == "attempt":
                text = ""
        return text

    @property
    def reply(self) -> str:
        """What the model server answers to this."""
        prompt = self.params.prompt
        return prompt if self.params.model == "echo" else hash_reply(prompt)

    def acknowledge(self, started: methods.Started) -> None:
        """Take the answer to turn.start, the first or another."""
        if self.turn:
            demand(started.replayed, "a turn that was acknowledged is there", self.turn)
            demand(started.turn == self.turn, "one key makes one turn", self.params.key)
        self.turn, self.chat = started.turn, started.chat

    def hear(self, event: TurnEvent, seq: int) -> None:
        """Take event `seq`; what was heard before is told in the same words."""
        demand(event.seq == seq, "no gap, nothing twice", f"{self.turn}: {event.seq}, not {seq}")
        if seq <= len(self.events):
            demand(event == self.events[seq - 1], "what was told stays so", f"{self.turn}, {seq}")
        else:
            demand(self.ending is None, "an end is the last event", self.turn)
            self.events.append(event)

    def judge(self) -> None:
        """Its turn has ended: demand that it ended well, and said what the model said."""
        if self.is_done:
            demand(self.text == self.reply, "a reply is the model's, byte for byte", self.turn)
            return
        given_up = self.attempts >= MAX_ATTEMPTS and self.ending is not None
        state = self.ending.state if self.ending else "no end"
        demand(given_up and state == "interrupted", "a turn ends done", f"{self.turn}: {state}")

    def compare(self, kept: methods.Turn) -> None:
        """Demand that chatd keeps exactly what it has told."""
        demand(
            (kept.turn, kept.chat, kept.prompt, kept.seq, kept.ending, kept.attempts, kept.text)
            == (
                self.turn, self.chat, self.params.prompt, len(self.events), self.ending,
                self.attempts, self.text,
            ),
            "turn.get gives what was told",
            self.turn,
        )  # fmt: skip


@dataclass
class Conversation:
    """One chat; while a change of it was not acknowledged, it may be as before or as after."""

    id: str
    titles: set[str]
    questions: list[Question] = field(default_factory=list)
    copied: list[tuple[str, str]] = field(default_factory=list)  # of the chat that it is a fork of
    hidden: set[bool] = field(default_factory=lambda: {False})
    is_going: bool = False  # chat.wipe was sent

    @property
    def said(self) -> list[tuple[str, str]]:
        """Prompt and reply of each turn that is done."""
        return self.copied + [(q.params.prompt, q.reply) for q in self.questions if q.is_done]

    def compare(self, kept: methods.Chat | None) -> None:
        """Take what chat.get gave, None for no such chat; that ends all doubt."""
        demand((kept is None) in self.hidden, "deletes and undeletes hold", self.id)
        self.hidden = {kept is None}
        if kept is not None:
            demand(kept.title in self.titles, "renames hold", self.id)
            self.titles = {kept.title}
            said = [(turn.prompt, turn.text) for turn in kept.turns if turn.state == "done"]
            demand(said == self.said, "a chat has its turns, in order", self.id)
