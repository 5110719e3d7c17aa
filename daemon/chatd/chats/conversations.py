"""What is done to whole conversations: renamed, kept, deleted, destroyed, copied, searched."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import count

from chat_rpc import errors, methods, wire
from chat_rpc.methods import Delta, End, Ending, Event, File, Said
from chatd.chats import context, records, sent, tree
from chatd.chats.demands import PLAIN, Demands
from chatd.chats.memory import forget_texts
from chatd.chats.records import (
    ChatDeleted,
    ChatDemands,
    ChatGone,
    ChatKept,
    ChatRecord,
    ChatRenamed,
    ChatSelected,
    ChatUndeleted,
    Packed,
    TurnMade,
)
from chatd.chats.session import Session, chat_made
from chatd.chats.turns import Chat, Turn, boot_s, joined, new_id
from chatd.store.journal import Place

SNIPPET_CHARS = 80
COPIED_CHARS = 190  # of the title of a chat that is copied
TOGETHER, TOGETHER_BYTES = 128, 2**22  # turns, and bytes of theirs, that are destroyed at once
PROMPT_CHARS = 4096

# a turn that is done: prompt, data, system prompt, files, reply, ending
Whole = tuple[str, str, str | None, list[File], str, Ending | None]


def rename(session: Session, chat: Chat, title: str) -> None:
    _write(session, chat, ChatRenamed(chat=chat.id, title=title))
    chat.title = title
    session.tell_chat(chat, "renamed")


def keep(session: Session, chat: Chat, lifetime_s: float) -> None:
    """Let a chat live so long after its last use, which is now."""
    now = boot_s()
    _write(session, chat, ChatKept(chat=chat.id, lifetime_s=lifetime_s, boot_s=now))
    chat.lifetime_s, chat.used_boot_s = lifetime_s, now
    session.tell_chat(chat, "kept")


def demand(session: Session, chat: Chat, demands: Demands) -> None:
    """Demand something of all replies of a chat to come."""
    _write(session, chat, ChatDemands(chat=chat.id, demands=demands))
    chat.demands = demands
    session.tell_chat(chat, "checks")


def select(session: Session, chat: Chat, id_: str) -> None:
    """Let a chat go on from a turn of it, and from what was made last after that."""
    turn = session.turns.get(id_)
    if turn is None or turn.chat != chat.id:
        raise errors.NoSuchTurn("this chat has no such turn")
    head = tree.newest_below(session, chat, turn).id
    now = boot_s()
    _write(session, chat, ChatSelected(chat=chat.id, head=head, boot_s=now))
    chat.head = head
    chat.selected, chat.selected_boot_s, chat.used_boot_s = head, now, now
    session.tell_chat(chat, "selected", turn=head)


def delete(session: Session, chat: Chat) -> None:
    """Hide a chat; it can be brought back until it is destroyed an hour later."""
    now = boot_s()
    record = ChatDeleted(chat=chat.id, boot_s=now)
    chat.places.append(session.write_at_last(wire.encode(record)))
    chat.is_deleted, chat.used_boot_s = True, now
    session.tell_chat(chat, "deleted")


def undelete(session: Session, chat: Chat) -> None:
    now = boot_s()
    _write(session, chat, ChatUndeleted(chat=chat.id, boot_s=now))
    chat.is_deleted, chat.used_boot_s = False, now
    session.tell_chat(chat, "undeleted")


def condemn(session: Session, chat: Chat) -> None:
    """Hide a chat for good: if this daemon does not come to destroy it, the next one does."""
    if chat.is_gone:
        return
    with suppress(errors.StoreFull):  # then only a death in the middle would leave something
        chat.places.append(session.write_at_last(wire.encode(ChatGone(chat=chat.id))))
    chat.is_deleted = chat.is_gone = True
    session.tell_chat(chat, "deleted")


def destroy(session: Session, *chats: Chat) -> int:
    """Overwrite and remove all that is kept of these chats; returns how many turns they had.

    Nothing may ask for their turns any more.  Raises StoreFull, and can then be called again for
    the rest.  Together is cheaper: the lines of turns that ran at one time stand among each other.
    """
    turns = [session.turns[id_] for chat in chats for id_ in chat.turns]
    lines: dict[str, list[tuple[Place, int]]] = {turn.id: [] for turn in turns}
    for chat in chats:
        condemn(session, chat)
    for place, stamp, payload in session.lines_of(*turns):
        lines[stamp.turn].append((place, len(payload)))
    for chat in chats:
        _destroy(session, chat, lines)
    return len(turns)


def _destroy(session: Session, chat: Chat, lines: Mapping[str, list[tuple[Place, int]]]) -> None:
    journal = session.files.journal
    while chat.turns:
        turn = session.turns[chat.turns[0]]
        forget_texts(turn)
        session.files.erase_texts(turn.id)
        sent.release(session, turn)
        journal.erase_at([turn.mark.place] if turn.mark else [])
        journal.erase(reversed(lines[turn.id]))  # its first line last: that one tells whose it is
        del chat.turns[0], session.turns[turn.id]
        session.keys.pop(turn.key, None)
    session.files.erase_context(chat.id)
    journal.erase_at(chat.places)
    del session.chats[chat.id]
    session.tell_chat(chat, "gone")


def in_parts(session: Session, chats: Iterable[Chat]) -> Iterator[list[Chat]]:
    """Yield the chats, as many at a time as may be destroyed before others are answered."""
    part: list[Chat] = []
    turns = size_bytes = 0
    for chat in chats:
        part.append(chat)
        turns += len(chat.turns)
        size_bytes += sum(session.turns[id_].told_bytes for id_ in chat.turns)
        if turns >= TOGETHER or size_bytes >= TOGETHER_BYTES:
            yield part
            part, turns, size_bytes = [], 0, 0
    if part:
        yield part


def expire(session: Session) -> Iterator[None]:
    """Destroy the chats whose time is over, yielding after each."""
    now = boot_s()
    for chat in list(session.chats.values()):
        is_over = chat.id in session.chats and chat.ends_boot_s() <= now
        if is_over and all(session.turns[id_].has_ended for id_ in chat.turns):
            destroy(session, chat)
            yield


def fork(session: Session, chat: Chat, until: str | None) -> Chat:
    """Copy the way to a chat's head, or to the turn `until`, into a new one."""
    if until is not None and until not in chat.turns:
        raise errors.NoSuchTurn("this chat has no such turn")
    path = tree.path(session, chat, until)
    views = [session.view(turn) for turn in path if turn.state == "done"]
    session.check_turns(
        sum(4 * (len(v.prompt) + len(v.data) + len(v.text)) for v in views), len(views)
    )
    return _add_whole(
        session,
        _title_of_copy(session, chat.title),
        [(v.prompt, v.data, v.system, v.files, v.text, v.ending) for v in views],
        chat.demands,
    )


def _title_of_copy(session: Session, title: str) -> str:
    """Return a title that no chat has, for chats are named by theirs."""
    taken = {chat.title for chat in session.chats.values()}
    titles = (f"{title[:COPIED_CHARS]} ({number})".strip() for number in count(2))
    return next(each for each in titles if each not in taken)


def import_(session: Session, title: str, said: list[Said]) -> Chat:
    """Make a chat of an OpenAI message list: system, then user and assistant in turn."""
    turns = list(_turns_of(said))
    session.check_turns(sum(4 * len(part.content) for part in said), len(turns))
    ending = Ending(state="done", finish="imported")
    return _add_whole(
        session,
        title or (turns[0][1] if turns else ""),
        [(prompt, "", system, [], text, ending) for system, prompt, text in turns],
    )


def add_beside(session: Session, turn: Turn, text: str, ending: Ending) -> Turn:
    """Make a sibling of a turn that has another reply; the chat goes on from it."""
    chat, said = session.chats[turn.chat], session.said(turn)
    whole = (said.prompt, said.data, said.system, said.files, text, ending)
    packed = _packed(chat.id, turn.parent or "", *whole)
    place = session.files.journal.append(wire.encode(packed))
    session.add_packed(packed, place)
    made = session.turns[packed.turn]
    tree.hang(chat, made)
    return made


def export(session: Session, chat: Chat) -> list[Said]:
    """Return the way to a chat's head as an OpenAI message list; turns that failed are left out.

    A system prompt stands where it came and where it changed.
    """
    said: list[Said] = []
    system: str | None = None
    for turn in tree.path(session, chat):
        if turn.state != "done":
            continue
        view = session.said(turn)
        if view.system and view.system != system:
            system = view.system
            said.append(Said("system", system))
        said.append(Said("user", context.plain(session, view)))
        said.append(Said("assistant", view.text))
    return said


def servers_of(session: Session, chats: Iterable[Chat]) -> set[str]:
    """Return the model servers that were sent something of these chats, at any attempt."""
    turns = [session.turns[id_] for chat in chats for id_ in chat.turns]
    servers = {turn.ending.backend for turn in turns if turn.ending}
    for _, stamp, payload in session.lines_of(*turns):
        record = records.decode(payload) if stamp.type in ("event", "packed") else None
        events = records.unpack(record) if isinstance(record, Packed) else [record]
        servers |= {event.backend for event in events if isinstance(event, Event)}
    return {server for server in servers if server}


def search(session: Session, words: str, limit: int) -> list[methods.Found]:
    """Return the turns that have these words in prompt or reply, newest first, case apart."""
    wanted = words.casefold()
    found: list[methods.Found] = []
    turns = sorted(session.turns.values(), key=lambda turn: turn.boot_s, reverse=True)
    for turn in turns:
        chat = session.chats[turn.chat]
        if chat.is_deleted or turn.is_damaged:
            continue
        view = session.said(turn)
        for part in (joined(view.prompt, view.data), view.text):
            at = part.casefold().find(wanted)
            if at >= 0:
                snippet = part[max(0, at - SNIPPET_CHARS // 2) : at + len(words) + SNIPPET_CHARS]
                line = " ".join(snippet.split())
                found.append(methods.Found(chat=chat.id, turn=turn.id, title=chat.title, text=line))
                break
        if len(found) == limit:
            break
    return found


def prompts(session: Session, limit: int) -> list[str]:
    """Return what was asked last, newest first, each once; nobody asks pages again by hand."""
    found: dict[str, None] = {}
    for turn in sorted(session.turns.values(), key=lambda turn: turn.boot_s, reverse=True):
        if len(found) == limit:
            break
        if not session.chats[turn.chat].is_deleted and not turn.is_damaged:
            prompt = session.prompt(turn)
            if prompt.strip() and len(prompt) <= PROMPT_CHARS:
                found[prompt] = None
    return list(found)


def _write(session: Session, chat: Chat, record: ChatRecord) -> None:
    chat.places.append(session.files.journal.append(wire.encode(record)))


def _add_whole(
    session: Session, title: str, said: Iterable[Whole], demands: Demands = PLAIN
) -> Chat:
    """Journal a chat and its turns, all or nothing; raises StoreFull."""
    made = chat_made(title, time.time())
    made.demands = demands
    turns: list[Packed] = []
    for whole in said:
        turns.append(_packed(made.chat, turns[-1].turn if turns else "", *whole))
    places = session.files.journal.append_all(map(wire.encode, [made, *turns]))
    chat = session.add_chat(made, places[0])
    session.tell_chat(chat, "made")
    for packed, place in zip(turns, places[1:], strict=True):
        session.add_packed(packed, place)
    tree.grow(session, chat)
    return chat


def _packed(
    chat: str,
    parent: str,
    prompt: str,
    data: str,
    system: str | None,
    files: list[File],
    text: str,
    ending: Ending | None,
) -> Packed:
    assert ending is not None  # noqa: S101  # only turns that are done are copied
    turn = new_id()
    made = TurnMade(
        turn=turn,
        chat=chat,
        key=f"copy:{turn}",
        digest="",
        created=time.time(),
        boot_s=boot_s(),
        prompt=prompt,
        data=data,
        system=system,
        files=files,
        parent=parent,
    )
    return records.pack(made, [Delta(turn, 1, text), End(turn, 2, ending)])


def _turns_of(said: list[Said]) -> Iterator[tuple[str | None, str, str]]:
    """Yield system, prompt and reply; raises InvalidParams where the roles do not alternate."""
    system: str | None = None
    prompt: str | None = None
    for part in said:
        if part.role == "system" and prompt is None:
            system = part.content
        elif part.role == "user" and prompt is None:
            prompt = part.content
        elif part.role == "assistant" and prompt is not None:
            yield system, prompt, part.content
            system, prompt = None, None
        else:
            raise errors.InvalidParams("messages: user and assistant must take turns")
    if prompt is not None:
        raise errors.InvalidParams("messages: the last prompt has no reply")
