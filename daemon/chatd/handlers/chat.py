"""chat.*: conversations, to list and to read."""

from chat_rpc import methods
from chatd.chats import Chat, Session
from chatd.handlers.context import Context, Peer


def list_(context: Context, peer: Peer, params: methods.Page) -> methods.ChatPage:
    session = context.sessions.of(peer.uid)
    chats = sorted(session.chats.values(), key=lambda chat: (chat.used, chat.id), reverse=True)
    begin = 0
    if params.after is not None:
        begin = chats.index(session.chat(params.after)) + 1
    page = chats[begin : begin + params.limit]
    more = begin + params.limit < len(chats)
    return methods.ChatPage([_line(session, chat) for chat in page], page[-1].id if more else None)


def get(context: Context, peer: Peer, params: methods.ChatNamed) -> methods.Chat:
    session = context.sessions.of(peer.uid)
    chat = session.chat(params.chat)
    return methods.Chat(
        chat.id, chat.title, [session.view(session.turns[turn]) for turn in chat.turns]
    )


def _line(session: Session, chat: Chat) -> methods.ChatLine:
    last = session.turns[chat.turns[-1]] if chat.turns else None
    return methods.ChatLine(
        chat=chat.id,
        title=chat.title,
        turns=len(chat.turns),
        created=chat.created,
        used=chat.used,
        state=last.state if last else "done",
        model=last.ending.model if last and last.ending else None,
    )
