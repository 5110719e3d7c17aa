"""turn.feedback and taste.*: what a person thinks of replies, kept as numbers."""

from chat_rpc import methods
from chatd.chats import taste
from chatd.handlers.context import Context, Peer


def feedback(context: Context, peer: Peer, params: methods.Feedback) -> methods.FeedbackTaken:
    session = context.sessions.of(peer.uid)
    return taste.judge(session, session.turn(params.turn), params)


def show(context: Context, peer: Peer, params: methods.Nothing) -> methods.TasteShown:
    return methods.TasteShown(taste.lines(context.sessions.of(peer.uid)))


def forget(context: Context, peer: Peer, params: methods.TasteForget) -> methods.TasteForgotten:
    return methods.TasteForgotten(taste.forget(context.sessions.of(peer.uid), params))
