"""turn.*: ask, follow, stop, look."""

from collections.abc import Coroutine
from typing import Any

from chat_rpc import errors, methods
from chatd.chats import conversations, following
from chatd.chats.session import Session
from chatd.chats.turns import Turn
from chatd.handlers.context import Context, Peer, Then
from chatd.inference import END_S


def start(
    context: Context, peer: Peer, params: methods.TurnStart
) -> Then | Coroutine[Any, Any, methods.Started]:
    session = context.sessions.of(peer.uid)
    turn, replayed = context.inference.start(session, params)
    return _started(context, peer, turn, params, replayed=replayed)


def refine(
    context: Context, peer: Peer, params: methods.Refine
) -> Then | Coroutine[Any, Any, methods.Started]:
    session = context.sessions.of(peer.uid)
    turn, replayed = context.inference.refine(session, params)
    return _started(context, peer, turn, params, replayed=replayed)


def attach(context: Context, peer: Peer, params: methods.TurnAttach) -> Then:
    session = context.sessions.of(peer.uid)
    turn = session.turn(params.turn)
    attached = methods.Attached(turn.id, turn.state, turn.seq)
    return Then(
        attached, lambda: following.follow(session.files.journal, turn, peer, after=params.after)
    )


def verdict(context: Context, peer: Peer, params: methods.TurnVerdict) -> methods.VerdictTaken:
    context.sessions.of(peer.uid).turn(params.turn)  # raises: it is not the caller's
    return methods.VerdictTaken(taken=context.inference.take_verdict(params))


async def cancel(context: Context, peer: Peer, params: methods.TurnNamed) -> methods.CancelResult:
    """Answered when the end is kept, so that no later daemon asks again, unless it has no room."""
    turn = context.sessions.of(peer.uid).turn(params.turn)
    is_cancelled = context.inference.cancel(turn)
    if is_cancelled:
        await context.inference.wait(turn, END_S)
    return methods.CancelResult(is_cancelled)


def get(context: Context, peer: Peer, params: methods.TurnGet) -> methods.Turn:
    session = context.sessions.of(peer.uid)
    return session.view(session.turn(params.turn), tried=params.tried)


def prompts(context: Context, peer: Peer, params: methods.Recent) -> methods.Prompts:
    session = context.sessions.of(peer.uid)
    return methods.Prompts(conversations.prompts(session, params.limit))


def _started(
    context: Context,
    peer: Peer,
    turn: Turn,
    params: methods.TurnStart | methods.Refine,
    *,
    replayed: bool,
) -> Then | Coroutine[Any, Any, methods.Started]:
    session = context.sessions.of(peer.uid)
    if replayed:
        session.turn(turn.id)  # raises: it is damaged, or its chat was deleted
    if params.wait:
        return _whole(context, session, turn, replayed=replayed)
    started = methods.Started(
        turn=turn.id, chat=turn.chat, replayed=replayed, checked=turn.is_checked
    )
    return Then(started, lambda: following.follow(session.files.journal, turn, peer, after=0))


async def _whole(
    context: Context, session: Session, turn: Turn, *, replayed: bool
) -> methods.Started:
    await context.inference.wait(turn)
    if turn.ending is None:
        raise errors.Draining("chatd is stopping; the next one asks again", turn=turn.id)
    if turn.ending.error is not None:
        raise errors.from_failure(turn.ending.error, turn.id)
    reply = session.view(session.turn(turn.id))  # by its id: it may have been destroyed just now
    return methods.Started(turn=turn.id, chat=turn.chat, replayed=replayed, reply=reply)
