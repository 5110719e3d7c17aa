"""Ephemeral turns: each has a session of its own, which no list has and of which nothing stays."""

from chatd.chats import sent
from chatd.chats.memory import forget_texts
from chatd.chats.session import Session
from chatd.store.nameless import NamelessFiles


def begin(user: Session) -> Session:
    """Return a session for one turn of a user's; raises StoreFull."""
    session = user.beside(NamelessFiles(user.files))
    session.is_ephemeral = True
    return session


def end(session: Session) -> None:
    """Let all of it go; what was sent for it is destroyed, unless another turn has it.

    Its turn has ended, or never began.
    """
    try:
        for turn in session.turns.values():
            forget_texts(turn)
            sent.release(session, turn)
    finally:
        session.files.close()
