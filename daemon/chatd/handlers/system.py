"""system.*: the daemon about itself."""

import os
import time

from chat_rpc import PROTOCOL, __version__, methods
from chatd import doctor as doctor_
from chatd.handlers.context import Context, Peer
from chatd.logs import RING

FEATURES = ["attach", "doctor", "ephemeral", "files", "keys", "logs", "names", "prompts", "tree"]


def hello(context: Context, peer: Peer, params: methods.Nothing) -> methods.Hello:
    return methods.Hello(
        protocol=PROTOCOL,
        version=__version__,
        epoch=context.sessions.store.epoch,
        features=FEATURES,
        limits=context.limits,
        uid=peer.uid,
    )


def ping(context: Context, peer: Peer, params: methods.Nothing) -> methods.Pong:
    return methods.Pong()


def limits(context: Context, peer: Peer, params: methods.Nothing) -> methods.Limits:
    return context.limits


def logs(context: Context, peer: Peer, params: methods.Logs) -> methods.LogPage:
    return RING.page(peer.uid, params.after, params.limit)


async def doctor(context: Context, peer: Peer, params: methods.Nothing) -> methods.Doctor:
    session = context.sessions.of(peer.uid)
    found = doctor_.findings(context.sessions.store, session, context.pool)
    return methods.Doctor([context.look_at_settings(), *[finding async for finding in found]])


def status(context: Context, peer: Peer, params: methods.Nothing) -> methods.Status:
    session = context.sessions.of(peer.uid)
    states = [turn.state for turn in session.turns.values() if turn.ending is None]
    engine = context.pool.engine
    return methods.Status(
        version=__version__,
        pid=os.getpid(),
        uid=peer.uid,
        uptime_s=round(time.monotonic() - context.began_s, 1),
        socket=str(context.socket),
        store=context.sessions.store.status(session.files.used_bytes),
        chats=len(session.chats),
        turns=len(session.turns),
        running=states.count("running"),
        queued=states.count("queued"),
        engine="running" if engine.is_running else "stopped" if engine.is_installed else "missing",
        servers=[
            methods.ServerStatus(
                backend=name,
                url=url,
                slots=slots,
                busy=context.scheduler.busy(url),
                queued=context.scheduler.waiting(url, peer.uid),
            )
            for name, url, slots in context.pool.addresses(peer.uid)
        ],
    )
