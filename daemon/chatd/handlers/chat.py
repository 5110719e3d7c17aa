"""chat.*: conversations, to list, to read, to change and to destroy."""

import asyncio
import time

from chat_rpc import errors, methods
from chatd.chats import conversations, following, sent, taste, tree
from chatd.chats.session import Session
from chatd.chats.turns import Chat, Reader, boot_s
from chatd.handlers.context import Context, Peer, Then
from chatd.inference import END_S


def list_(context: Context, peer: Peer, params: methods.Page) -> methods.ChatPage:
    session = context.sessions.of(peer.uid)
    chats = _by_use(session, params)
    begin = 0
    if params.after is not None:
        after = session.chat(params.after, deleted=params.deleted)
        if after not in chats:
            raise errors.NoSuchChat("after: this chat is not in the list")
        begin = chats.index(after) + 1
    page = chats[begin : begin + params.limit]
    more = begin + params.limit < len(chats)
    return methods.ChatPage([_line(session, chat) for chat in page], page[-1].id if more else None)


def get(context: Context, peer: Peer, params: methods.ChatGet) -> methods.Chat:
    session = context.sessions.of(peer.uid)
    chat = session.chat(params.chat)
    return _whole(session, chat, all_=params.all, tried=params.tried)


def search(context: Context, peer: Peer, params: methods.Search) -> methods.SearchResult:
    session = context.sessions.of(peer.uid)
    return methods.SearchResult(conversations.search(session, params.words, params.limit))


def rename(context: Context, peer: Peer, params: methods.Rename) -> methods.Changed:
    session = context.sessions.of(peer.uid)
    chat = session.chat(params.chat)
    conversations.rename(session, chat, params.title)
    return _changed(session, chat)


def keep(context: Context, peer: Peer, params: methods.Keep) -> methods.Changed:
    session = context.sessions.of(peer.uid)
    chat = session.chat(params.chat)
    conversations.keep(session, chat, params.lifetime_s)
    return _changed(session, chat)


def select(context: Context, peer: Peer, params: methods.Select) -> methods.Changed:
    session = context.sessions.of(peer.uid)
    chat = session.chat(params.chat)
    conversations.select(session, chat, params.turn)
    return _changed(session, chat)


def checks(context: Context, peer: Peer, params: methods.ChatChecks) -> methods.Changed:
    session = context.sessions.of(peer.uid)
    chat = session.chat(params.chat)
    context.inference.demand(session, chat, params)
    return _changed(session, chat)


def delete(context: Context, peer: Peer, params: methods.ChatNamed) -> methods.Changed:
    session = context.sessions.of(peer.uid)
    chat = session.chat(params.chat)
    conversations.delete(session, chat)
    for id_ in chat.turns:
        context.inference.cancel(session.turns[id_])
    return _changed(session, chat)


def undelete(context: Context, peer: Peer, params: methods.ChatNamed) -> methods.Changed:
    session = context.sessions.of(peer.uid)
    chat = session.chat(params.chat, deleted=True)
    conversations.undelete(session, chat)
    return _changed(session, chat)


def fork(context: Context, peer: Peer, params: methods.Fork) -> methods.Changed:
    session = context.sessions.of(peer.uid)
    return _changed(session, conversations.fork(session, session.chat(params.chat), params.turn))


def export(context: Context, peer: Peer, params: methods.ChatNamed) -> methods.Export:
    session = context.sessions.of(peer.uid)
    chat = session.chat(params.chat)
    return methods.Export(chat.title, conversations.export(session, chat))


def import_(context: Context, peer: Peer, params: methods.Import) -> methods.Changed:
    session = context.sessions.of(peer.uid)
    return _changed(session, conversations.import_(session, params.title, params.messages))


async def wipe(context: Context, peer: Peer, params: methods.Wipe) -> methods.Wiped:
    session = context.sessions.of(peer.uid)
    if params.all == (params.chat is not None):
        raise errors.InvalidParams("name one chat, or say all")
    chats = [_even_deleted(session, params.chat)] if params.chat else list(session.chats.values())
    for chat in chats:
        conversations.condemn(session, chat)  # nobody can begin another turn in it
    turns = [session.turns[id_] for chat in chats for id_ in chat.turns]
    if params.all:
        turns += context.sessions.ephemeral_of(peer.uid)
    for turn in turns:
        context.inference.cancel(turn)
    await asyncio.gather(*(context.inference.wait(turn, END_S) for turn in turns))
    chats = [chat for chat in chats if chat.id in session.chats]  # others went meanwhile
    ended = [chat for chat in chats if all(session.turns[id_].has_ended for id_ in chat.turns)]
    servers = conversations.servers_of(session, chats)
    if params.all:
        sent.drop(session, sent.unused(session))
    gone = methods.Wiped(0, 0, [])
    for part in conversations.in_parts(session, ended):
        there = [chat for chat in part if chat.id in session.chats]
        gone.turns += conversations.destroy(session, *there)
        gone.chats += len(there)
        await asyncio.sleep(0)  # others are answered between two parts of many
    if params.all and session.taste:
        taste.forget(session, methods.TasteForget(all=True))
    gone.not_reached = await context.pool.forget(servers)
    if len(ended) < len(chats):  # housekeeping destroys them
        raise errors.StoreFull("some turns have no room for their end yet; their chats go then")
    return gone


def watch(context: Context, peer: Peer, params: methods.Watch) -> Then:
    session = context.sessions.of(peer.uid)
    if params.chat is None:
        return Then(methods.Watched(), lambda: _watch(session.watchers, peer))
    chat = session.chat(params.chat)

    def follow() -> None:
        _watch(chat.watchers, peer)
        for id_ in chat.turns:
            turn = session.turns[id_]
            if not turn.has_ended:
                following.follow(session.files.journal, turn, peer, after=turn.seq)

    return Then(methods.Watched(_whole(session, chat)), follow)


def _watch(readers: list[Reader], peer: Peer) -> None:
    following.listen(readers, peer)


def _even_deleted(session: Session, name: str) -> Chat:
    """Return the chat of this name; where there is none, one that was deleted and can come back."""
    there = session.there(deleted=False)
    is_there = any(chat.title == name or chat.id.startswith(name) for chat in there)
    return session.chat(name, deleted=not is_there)


def _by_use(session: Session, params: methods.Page) -> list[Chat]:
    """Return the chats of a list, last used first; the wall's clock may have been set back."""
    used = {chat.id: chat.used_boot_s for chat in session.chats.values()}
    if params.terminal is not None:
        there = [turn for turn in session.turns.values() if turn.terminal == params.terminal]
        used = {turn.chat: turn.boot_s for turn in sorted(there, key=lambda turn: turn.boot_s)}
    chats = [chat for chat in session.there(deleted=params.deleted) if chat.id in used]
    return sorted(chats, key=lambda chat: (used[chat.id], chat.id), reverse=True)


def _whole(
    session: Session, chat: Chat, *, all_: bool = False, tried: bool = False
) -> methods.Chat:
    turns = [session.turns[id_] for id_ in chat.turns] if all_ else tree.path(session, chat)
    views = [session.view(turn, tried=tried) for turn in turns]
    return methods.Chat(chat.id, chat.title, views)


def _changed(session: Session, chat: Chat) -> methods.Changed:
    return methods.Changed(_line(session, chat))


def _line(session: Session, chat: Chat) -> methods.ChatLine:
    path = tree.path(session, chat)
    last = path[-1] if path else None
    return methods.ChatLine(
        chat=chat.id,
        title=chat.title,
        turns=len(path),
        created=chat.created,
        used=chat.used,
        ends=round(time.time() + chat.ends_boot_s() - boot_s(), 1),
        state=last.state if last else "done",
        model=last.ending.model if last and last.ending else None,
    )
