"""admin.*: for those who run chatd; counts only, never a text and never an id."""

import time

from chat_rpc import errors, methods
from chatd.handlers.context import Context, Peer


def stats(context: Context, peer: Peer, params: methods.Nothing) -> methods.Stats:
    _demand_admin(peer)
    users = [
        methods.UserStats(
            uid=session.uid,
            chats=len(session.chats),
            turns=len(session.turns),
            unfinished=sum(not turn.has_ended for turn in session.turns.values()),
            used_bytes=session.files.used_bytes,
            used_files=session.files.used_files,
        )
        for session in context.sessions
    ]
    return methods.Stats(
        uptime_s=round(time.monotonic() - context.began_s, 1),
        connections=context.connections(),
        queued=context.scheduler.queued,
        store=context.sessions.store.status(sum(user.used_bytes for user in users)),
        users=users,
    )


def reload(context: Context, peer: Peer, params: methods.Nothing) -> methods.Reloaded:
    _demand_admin(peer)
    return context.reload()


def drain(context: Context, peer: Peer, params: methods.Nothing) -> methods.Pong:
    _demand_admin(peer)
    context.stop()
    return methods.Pong()


def _demand_admin(peer: Peer) -> None:
    if not peer.is_admin:
        raise errors.NotPermitted("only root and members of the group chatd-admin may do this")
