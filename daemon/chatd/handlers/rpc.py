"""rpc.*: the interface about itself."""

from chat_rpc import methods, openrpc
from chatd.handlers.context import Context, Peer


def discover(context: Context, peer: Peer, params: methods.Nothing) -> methods.Discovered:
    return openrpc.document()
