"""turn.*: ask, follow, stop, look."""

from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any

from chat_rpc import errors, methods
from chatd.chats import conversations, ephemeral, following
from chatd.chats.session import Session
from chatd.chats.turns import Turn
from chatd.handlers.context import Context, Peer, Then
from chatd.inference import END_S


def start(
    context: Context, peer: Peer, params: methods.TurnStart
) -> Then | Coroutine[Any, Any, methods.Started]:
    session = context.sessions.of(peer.uid)
    with ExitStack() as undo:
        if params.ephemeral:
            session = ephemeral.begin(session)
            undo.callback(ephemeral.end, session)
        turn, replayed = context.inference.start(session, params)
        undo.pop_all()
    if session.is_ephemeral:
        _hold(context, peer, session, turn)
    return _started(context, peer, session, turn, params, replayed=replayed)


def refine(
    context: Context, peer: Peer, params: methods.Refine
) -> Then | Coroutine[Any, Any, methods.Started]:
    session = context.sessions.of(peer.uid)
    turn, replayed = context.inference.refine(session, params)
    return _started(context, peer, session, turn, params, replayed=replayed)


def attach(context: Context, peer: Peer, params: methods.TurnAttach) -> Then:
    session = context.sessions.of(peer.uid)
    turn = session.turn(params.turn)
    attached = methods.Attached(turn.id, turn.state, turn.seq)
    return Then(
        attached, lambda: following.follow(session.files.journal, turn, peer, after=params.after)
    )


def verdict(context: Context, peer: Peer, params: methods.TurnVerdict) -> methods.VerdictTaken:
    _session(context, peer, params.turn).turn(params.turn)  # raises: it is not the caller's
    return methods.VerdictTaken(taken=context.inference.take_verdict(params))


async def cancel(context: Context, peer: Peer, params: methods.TurnNamed) -> methods.CancelResult:
    """Answered when the end is kept, so that no later daemon asks again, unless it has no room."""
    turn = _session(context, peer, params.turn).turn(params.turn)
    is_cancelled = context.inference.cancel(turn)
    if is_cancelled:
        await context.inference.wait(turn, END_S)
    return methods.CancelResult(is_cancelled)


def get(context: Context, peer: Peer, params: methods.TurnGet) -> methods.Turn:
    session = _session(context, peer, params.turn)
    return session.view(session.turn(params.turn), tried=params.tried)


def prompts(context: Context, peer: Peer, params: methods.Recent) -> methods.Prompts:
    session = context.sessions.of(peer.uid)
    return methods.Prompts(conversations.prompts(session, params.limit))


def _session(context: Context, peer: Peer, turn: str) -> Session:
    """Return where a turn of the caller's is; of an ephemeral one only its connection knows."""
    if turn in peer.endings:
        return context.sessions.ephemeral[turn]
    return context.sessions.of(peer.uid)


def _hold(context: Context, peer: Peer, session: Session, turn: Turn) -> None:
    """Let an ephemeral turn end with its connection, and go when that was told all of it."""
    context.sessions.ephemeral[turn.id] = session

    def let_go() -> None:
        del context.sessions.ephemeral[turn.id]
        ephemeral.end(session)

    def end() -> None:
        context.inference.cancel(turn)
        context.inference.when_done(turn, let_go)

    peer.endings[turn.id] = end


def _started(
    context: Context,
    peer: Peer,
    session: Session,
    turn: Turn,
    params: methods.TurnStart | methods.Refine,
    *,
    replayed: bool,
) -> Then | Coroutine[Any, Any, methods.Started]:
    if replayed:
        session.turn(turn.id)  # raises: it is damaged, or its chat was deleted
    if params.wait:
        return _whole(context, peer, session, turn, replayed=replayed)
    started = methods.Started(
        turn=turn.id, chat=turn.chat, replayed=replayed, checked=turn.is_checked
    )
    return Then(started, lambda: following.follow(session.files.journal, turn, peer, after=0))


async def _whole(
    context: Context, peer: Peer, session: Session, turn: Turn, *, replayed: bool
) -> methods.Started:
    await context.inference.wait(turn)
    if session.is_ephemeral and turn.id not in context.sessions.ephemeral:
        raise errors.Cancelled("the connection was lost")
    try:
        return _ended(session, turn, replayed=replayed)
    finally:
        if end := peer.endings.pop(turn.id, None):
            end()


def _ended(session: Session, turn: Turn, *, replayed: bool) -> methods.Started:
    if turn.ending is None:
        raise errors.Draining("chatd is stopping; the next one asks again", turn=turn.id)
    if turn.ending.error is not None:
        raise errors.from_failure(turn.ending.error, turn.id)
    reply = session.view(session.turn(turn.id))  # by its id: it may have been destroyed just now
    return methods.Started(turn=turn.id, chat=turn.chat, replayed=replayed, reply=reply)
