"""What a client was told of its turns and chats: everything that it is told later must agree."""

from dataclasses import dataclass, field

from chat_rpc import methods
from chat_rpc.client import TurnEvent
from chatd.inference import MAX_ATTEMPTS
from tests.campaigns.report import Broken
from tests.fakes.model_server import hash_reply

DEMAND = "demand."  # how the ids of what chats demand begin


def demand(holds: object, promise: str, what: object = "") -> None:
    """Raise Broken unless the promise held."""
    if not holds:
        raise Broken(f"{promise}: {what}" if what else promise)


@dataclass(frozen=True)
class Sent:
    """A file that `file.add` has said is whole."""

    file: methods.File
    text: str

    @property
    def shown(self) -> str:
        """How a model is told of it."""
        return f"{self.file.name}:\n```\n{self.text.rstrip()}\n```"


@dataclass
class Question:
    """One key: what was asked with it, and every event that was told of its turn."""

    params: methods.TurnStart
    prompt: str  # what the turn asks, which params may leave to another turn
    files: list[Sent] = field(default_factory=list)
    played: str | None = None  # what the model says in the end, where it is told to
    edited: str | None = None  # what a person said in its place
    was_sent: bool = False
    turn: str = ""  # its id and its chat's, once turn.start was answered
    chat: str = ""
    parent: str = ""
    events: list[TurnEvent] = field(default_factory=list)
    demands: set[str] = field(default_factory=lambda: {""})  # ids of what its chat demanded
    thumbs: set[tuple[str | None, str]] = field(default_factory=lambda: {(None, "")})
    felt: list[str] = field(default_factory=list)  # ids of the judgements that its thumbs were

    @property
    def ending(self) -> methods.Ending | None:
        last = self.events[-1] if self.events else None
        return last.ending if isinstance(last, methods.End) else None

    @property
    def is_done(self) -> bool:
        return self.ending is not None and self.ending.state == "done"

    @property
    def attempts(self) -> int:
        return sum(
            isinstance(e, methods.Event) and e.kind == "attempt" and e.by == "model"
            for e in self.events
        )

    @property
    def tried(self) -> list[str]:
        """What each attempt said."""
        texts: list[str] = []
        for event in self.events:
            if isinstance(event, methods.Event) and event.kind == "attempt":
                demand(event.by != "kept", "the last attempt is the best here", self.turn)
                texts.append("")
            elif isinstance(event, methods.Delta) and texts:
                texts[-1] += event.text
        return texts

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
        if (told := self.edited or self.played) is not None:
            return told
        asked = "\n\n".join([self.prompt, *(sent.shown for sent in self.files)])
        return asked if self.params.model == "echo" else hash_reply(asked)

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
            demand(self._demanded() in self.demands, "what a chat demands holds", self.turn)
            return
        given_up = self.attempts >= MAX_ATTEMPTS and self.ending is not None
        state = self.ending.state if self.ending else "no end"
        demand(given_up and state == "interrupted", "a turn ends done", f"{self.turn}: {state}")

    def compare(self, kept: methods.Turn) -> None:
        """Demand that chatd keeps exactly what it has told."""
        demand(
            (kept.turn, kept.chat, kept.prompt, kept.seq, kept.ending, kept.attempts, kept.text)
            == (
                self.turn, self.chat, self.prompt, len(self.events), self.ending,
                self.attempts, self.text,
            ),
            "turn.get gives what was told",
            self.turn,
        )  # fmt: skip
        demand([each.text for each in kept.tried or []] == self.tried, "attempts stay", self.turn)
        demand(kept.files == [sent.file for sent in self.files], "a turn has its files", self.turn)
        thumb = (kept.thumb, kept.reason)
        demand(thumb in self.thumbs, "a thumb stays, or was taken back", f"{self.turn}: {thumb}")
        self.thumbs = {thumb}

    def _demanded(self) -> str:
        verdict = self.ending.verdict if self.ending else None
        ids = [check.id for check in verdict.checks] if verdict else []
        return next((id_ for id_ in ids if id_.startswith(DEMAND)), "")


def edit_of(question: Question, turn: str, text: str) -> Question:
    """Return what a person's better text is: a turn beside the one that it betters."""
    ending = methods.Ending(state="done", finish="edited")
    told: list[TurnEvent] = [methods.Delta(turn, 1, text), methods.End(turn, 2, ending)]
    return Question(
        question.params, question.prompt, question.files, question.played, text,
        turn=turn, chat=question.chat, parent=question.parent, events=told,
    )  # fmt: skip


@dataclass
class Conversation:
    """One chat; while a change of it was not acknowledged, it may be as before or as after."""

    id: str
    titles: set[str]
    questions: list[Question] = field(default_factory=list)
    copied: list[tuple[str, str]] = field(default_factory=list)  # of the chat that it is a fork of
    copied_files: set[str] = field(default_factory=set)
    heads: set[str] = field(default_factory=lambda: {""})  # "": the last one that was copied
    demands: set[str] = field(default_factory=lambda: {""})
    edit: tuple[Question, str] | None = None  # one that was sent, and not acknowledged
    hidden: set[bool] = field(default_factory=lambda: {False})
    is_going: bool = False  # chat.wipe was sent
    is_sole: bool = True  # no other can have its title

    @property
    def path(self) -> list[Question]:
        """The way to its head, which is not in doubt."""
        (id_,) = self.heads
        known = {question.turn: question for question in self.questions}
        path: list[Question] = []
        while id_:
            path.append(known[id_])
            id_ = known[id_].parent
        return path[::-1]

    @property
    def said(self) -> list[tuple[str, str]]:
        """Prompt and reply of each turn that is done, on the way to its head."""
        return self.copied + [(q.prompt, q.reply) for q in self.path if q.is_done]

    @property
    def files(self) -> set[str]:
        of_turns = {sent.file.file for q in self.questions for sent in q.files}
        return of_turns | self.copied_files

    def add(self, question: Question) -> None:
        """Take a turn that was made: the chat goes on from it."""
        self.questions.append(question)
        self.heads = {question.turn}

    def newest_below(self, question: Question) -> str:
        below = {question.turn}
        for each in self.questions:  # who comes after another was made later
            if each.parent in below:
                below.add(each.turn)
        return next(q.turn for q in reversed(self.questions) if q.turn in below)

    def compare(self, kept: methods.Chat | None, whole: methods.Chat | None) -> None:
        """Take what chat.get gave, None for no such chat; that ends all doubt."""
        demand((kept is None) in self.hidden, "deletes and undeletes hold", self.id)
        self.hidden = {kept is None}
        if kept is None or whole is None:
            return
        demand(kept.title in self.titles, "renames hold", self.id)
        self.titles = {kept.title}
        self._compare_tree(whole.turns)
        known = {question.turn for question in self.questions}
        last = kept.turns[-1].turn if kept.turns else ""
        head = last if last in known else ""
        demand(head in self.heads, "a chat goes on from where it did", f"{self.id}: {head}")
        self.heads = {head}
        said = [(turn.prompt, turn.text) for turn in kept.turns if turn.state == "done"]
        demand(said == self.said, "a chat has its turns, in order", self.id)

    def _compare_tree(self, turns: list[methods.Turn]) -> None:
        """Demand that all turns are there, on the way or beside it, and no other."""
        known = {question.turn for question in self.questions}
        others = [turn for turn in turns if turn.turn not in known]
        for turn in others[len(self.copied) :]:
            demand(self.edit, "a chat has no turn that nobody made", turn.turn)
            self._take_edit(turn)
        self.edit = None
        ours = [turn for turn in turns if turn not in others[: len(self.copied)]]
        ids = [question.turn for question in self.questions]
        demand([turn.turn for turn in ours] == ids, "turns are there, oldest first", self.id)
        for turn, question in zip(ours, self.questions, strict=True):
            beside = [each.turn for each in self.questions if each.parent == question.parent]
            wanted = beside if len(beside) > 1 else []
            demand(turn.siblings == wanted, "a turn has its siblings", turn.turn)

    def _take_edit(self, turn: methods.Turn) -> None:
        assert self.edit  # its caller has looked
        (question, text), self.edit = self.edit, None
        made = edit_of(question, turn.turn, text)
        made.compare(turn)
        self.add(made)
