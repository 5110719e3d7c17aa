"""What is done to whole conversations: renamed, kept, deleted, destroyed, copied, searched."""

import time
from collections.abc import Iterator

from chat_rpc import errors, methods, wire
from chat_rpc.methods import Delta, End, Ending, Said
from chatd.chats import compaction, records
from chatd.chats.records import (
    ChatDeleted,
    ChatKept,
    ChatRecord,
    ChatRenamed,
    ChatUndeleted,
    TurnMade,
)
from chatd.chats.session import Session, running
from chatd.chats.turns import Chat, Turn, boot_s, joined, new_id

SNIPPET_CHARS = 80


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


def delete(session: Session, chat: Chat) -> None:
    """Hide a chat; it can be brought back until it is destroyed an hour later."""
    now = boot_s()
    _write(session, chat, ChatDeleted(chat=chat.id, boot_s=now))
    chat.is_deleted, chat.used_boot_s = True, now
    session.tell_chat(chat, "deleted")


def undelete(session: Session, chat: Chat) -> None:
    now = boot_s()
    _write(session, chat, ChatUndeleted(chat=chat.id, boot_s=now))
    chat.is_deleted, chat.used_boot_s = False, now
    session.tell_chat(chat, "undeleted")


def destroy(session: Session, chat: Chat) -> int:
    """Overwrite and remove all that is kept of a chat; returns how many turns it had.

    Its turns must have ended.
    """
    journal = session.files.journal
    for id_ in chat.turns:
        turn = session.turns.pop(id_)
        session.keys.pop(turn.key, None)
        session.files.erase_texts(id_)
        for place, payload in compaction.lines_of(session, turn):
            journal.erase([(place, len(payload))])
    journal.erase_at(chat.places)
    session.files.erase_context(chat.id)
    del session.chats[chat.id]
    session.tell_chat(chat, "gone")
    return len(chat.turns)


def expire(session: Session) -> Iterator[None]:
    """Destroy the chats whose time is over, yielding after each."""
    now = boot_s()
    for chat in list(session.chats.values()):
        if chat.ends_boot_s() <= now and all(session.turns[id_].has_ended for id_ in chat.turns):
            destroy(session, chat)
            yield


def fork(session: Session, chat: Chat, until: str | None) -> Chat:
    """Copy a chat, up to and with the turn `until`, into a new one."""
    if until is not None and until not in chat.turns:
        raise errors.NoSuchTurn("this chat has no such turn")
    ids = chat.turns if until is None else chat.turns[: chat.turns.index(until) + 1]
    views = [session.view(session.turns[id_]) for id_ in ids if session.turns[id_].state == "done"]
    session.check_room(sum(4 * (len(v.prompt) + len(v.data) + len(v.text)) for v in views))
    copy = session.make_chat(chat.title, time.time())
    for view in views:
        assert view.ending is not None  # noqa: S101  # it is done
        _add_ended(session, copy, view.prompt, view.data, view.system, view.text, view.ending)
    return copy


def import_(session: Session, title: str, said: list[Said]) -> Chat:
    """Make a chat of an OpenAI message list: system, then user and assistant in turn."""
    turns = list(_turns_of(said))
    session.check_room(sum(4 * len(part.content) for part in said))
    chat = session.make_chat(title or (turns[0][1] if turns else ""), time.time())
    for system, prompt, text in turns:
        _add_ended(session, chat, prompt, "", system, text, Ending(state="done", finish="imported"))
    return chat


def export(session: Session, chat: Chat) -> list[Said]:
    """Return a chat as an OpenAI message list; turns that failed are left out."""
    said: list[Said] = []
    for id_ in chat.turns:
        view = session.view(session.turns[id_])
        if view.state != "done":
            continue
        if view.system and not said:
            said.append(Said("system", view.system))
        said.append(Said("user", joined(view.prompt, view.data)))
        said.append(Said("assistant", view.text))
    return said


def search(session: Session, words: str, limit: int) -> list[methods.Found]:
    """Return the turns that have these words in prompt or reply, newest first, case apart."""
    wanted = words.casefold()
    found: list[methods.Found] = []
    turns = sorted(session.turns.values(), key=lambda turn: turn.created, reverse=True)
    for turn in turns:
        chat = session.chats[turn.chat]
        if chat.is_deleted or turn.is_damaged:
            continue
        view = session.view(turn)
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


def _write(session: Session, chat: Chat, record: ChatRecord) -> None:
    chat.places.append(session.files.journal.append(wire.encode(record)))


def _add_ended(
    session: Session,
    chat: Chat,
    prompt: str,
    data: str,
    system: str | None,
    text: str,
    ending: Ending,
) -> Turn:
    turn_id = new_id()
    made = TurnMade(
        turn=turn_id,
        chat=chat.id,
        key=f"copy:{turn_id}",
        digest="",
        created=time.time(),
        boot_s=boot_s(),
        prompt=prompt,
        data=data,
        system=system,
    )
    events: list[records.TurnEvent] = [Delta(turn_id, 1, text), End(turn_id, 2, ending)]
    journal = session.files.journal
    turn = session.add_turn(made, journal.append(wire.encode(records.pack(made, events))))
    turn.seq, turn.is_packed = 2, True
    running(turn).reply.add(text)
    session.settle(turn, ending, journal.end)
    return turn


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
