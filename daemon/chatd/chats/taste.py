"""Feedback: a person's judgements of replies.  The thumb goes with its turn; the numbers stay."""

import time
from typing import Literal

from chat_rpc import errors, wire
from chat_rpc.methods import Ending, Feedback, FeedbackLine, FeedbackTaken, TasteForget
from chatd.chats import conversations
from chatd.chats.records import Felt, Thumbed
from chatd.chats.session import Session
from chatd.chats.turns import Mark, Turn, new_id
from chatd.store.journal import Place
from chatd.style import style_of

Kind = Literal["thumb", "edit", "choice"]

JUDGEMENTS = ("thumb", "edited", "over")


def judge(session: Session, turn: Turn, params: Feedback) -> FeedbackTaken:
    """Keep a judgement of a turn, or with none take back its thumb; raises StoreFull."""
    given = [name for name in JUDGEMENTS if getattr(params, name) is not None]
    if len(given) > 1:
        raise errors.InvalidParams(f"{' and '.join(given)}: give one of them")
    if params.reason and params.thumb is None:
        raise errors.InvalidParams("reason: it goes with a thumb")
    if not turn.has_ended:
        raise errors.InvalidParams("the turn has not ended: there is no reply yet")
    if params.edited is not None:
        return _edit(session, turn, params.edited)
    if params.over is not None:
        return _choose(session, turn, params.over)
    return _thumb(session, turn, params)


def lines(session: Session) -> list[FeedbackLine]:
    """Return what is kept, oldest first."""
    return sorted((line for line, _ in session.taste.values()), key=lambda line: line.created)


def forget(session: Session, params: TasteForget) -> int:
    """Overwrite one judgement, or all; the numbers are gone for good.  Returns how many."""
    if params.all == (params.feedback is not None):
        raise errors.InvalidParams("name one feedback, or say all")
    if params.feedback is not None and params.feedback not in session.taste:
        raise errors.NoSuchTurn("there is no such feedback")
    ids = list(session.taste) if params.feedback is None else [params.feedback]
    session.files.journal.erase_at(session.taste.pop(id_)[1] for id_ in ids)
    return len(ids)


def move(session: Session, record: Felt | Thumbed, place: Place) -> None:
    """Write a line anew at the journal's end, and overwrite it where it was."""
    there = session.files.journal.append(wire.encode(record))
    if isinstance(record, Felt):
        session.taste[record.line.feedback] = (record.line, there)
    elif (turn := session.turns.get(record.of)) and turn.mark:
        turn.mark.place = there
    session.files.journal.erase_at([place])


def _thumb(session: Session, turn: Turn, params: Feedback) -> FeedbackTaken:
    old = turn.mark
    id_ = None
    if params.thumb is None:
        turn.mark = None
    else:
        line = _line(session, turn, "thumb")
        line.thumb, id_ = params.thumb, line.feedback
        thumbed = Thumbed(of=turn.id, thumb=params.thumb, reason=params.reason, felt=id_)
        place = _keep(session, line, thumbed)
        turn.mark = Mark(params.thumb, id_, place)
    if old is not None:
        _erase(session, old)
    session.tell_chat(session.chats[turn.chat], "feedback", turn=turn.id)
    return FeedbackTaken(turn.id, id_)


def _edit(session: Session, turn: Turn, text: str) -> FeedbackTaken:
    """Make a sibling of which the reply is a person's."""
    if not text.strip():
        raise errors.InvalidParams("edited: the text is empty")
    said = session.said(turn)
    size = 4 * (len(said.prompt) + len(said.data) + len(said.system or "") + len(text))
    session.check_turns(size, 1)
    line = _line(session, turn, "edit")
    line.style, line.over = style_of(text), line.style
    ending = Ending(state="done", finish="edited")
    made = conversations.add_beside(session, turn, text, ending)
    _keep(session, line)
    chat = session.chats[turn.chat]
    session.tell_chat(chat, "turn", turn=made.id)
    session.tell_chat(chat, "feedback", turn=made.id)
    return FeedbackTaken(made.id, line.feedback)


def _choose(session: Session, turn: Turn, over: str) -> FeedbackTaken:
    other = session.turn(over)
    if other is turn or other.chat != turn.chat or other.parent != turn.parent:
        raise errors.InvalidParams("over: it is no sibling of this turn")
    line = _line(session, turn, "choice")
    line.over = style_of(session.said(other).text)
    _keep(session, line)
    session.tell_chat(session.chats[turn.chat], "feedback", turn=turn.id)
    return FeedbackTaken(turn.id, line.feedback)


def _line(session: Session, turn: Turn, kind: Kind) -> FeedbackLine:
    return FeedbackLine(
        feedback=new_id(),
        kind=kind,
        created=time.time(),
        model=turn.ending.model if turn.ending else None,
        style=style_of(session.said(turn).text),
    )


def _keep(session: Session, line: FeedbackLine, thumbed: Thumbed | None = None) -> Place:
    """Journal a judgement, and the thumb that it is; returns the place of that."""
    records = [Felt(line=line), *([thumbed] if thumbed else [])]
    first, *rest = session.files.journal.append_all(map(wire.encode, records))
    session.taste[line.feedback] = (line, first)
    return rest[0] if rest else first


def _erase(session: Session, mark: Mark) -> None:
    """Overwrite a thumb that counts no more, and its numbers."""
    felt = session.taste.pop(mark.felt, None)
    session.files.journal.erase_at([*([felt[1]] if felt else []), mark.place])
