"""model.*: which models there are for this user."""

from chat_rpc import methods
from chatd.handlers.context import Context, Peer


async def list_(context: Context, peer: Peer, params: methods.Nothing) -> methods.ModelList:
    return methods.ModelList(await context.pool.models(peer.uid))


async def probe(context: Context, peer: Peer, params: methods.Nothing) -> methods.ProbeResult:
    return methods.ProbeResult(await context.pool.probe(peer.uid))
