"""file.*: what is sent for turns to come."""

from chat_rpc import methods
from chatd.chats import sent
from chatd.handlers.context import Context, Peer


def add(context: Context, peer: Peer, params: methods.FileAdd) -> methods.FileAdded:
    bounds = sent.Bounds(context.limits.file_part_bytes, context.limits.file_bytes)
    file = sent.add(context.sessions.of(peer.uid), params, bounds).file
    return methods.FileAdded(file.file, file.size_bytes)
