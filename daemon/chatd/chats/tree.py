"""The turns of a chat as a tree: the path from its root to its head is the conversation."""

from collections.abc import Iterator

from chatd.chats.memory import Memory
from chatd.chats.turns import Chat, Turn


def path(memory: Memory, chat: Chat, to: str | None = None) -> list[Turn]:
    """Return the turns from the root to the turn `to`, or to the head."""
    turns = []
    id_ = chat.head if to is None else to
    while turn := memory.turns.get(id_):
        turns.append(turn)
        id_ = turn.parent or ""
    return turns[::-1]


def newest_below(memory: Memory, chat: Chat, turn: Turn) -> Turn:
    """Return the turn that was made last of this one and all that came after it."""
    return max(_below(memory, chat, turn), key=lambda each: each.boot_s)


def hang(chat: Chat, turn: Turn) -> None:
    """Put a new turn below its parent; the chat goes on from it."""
    chat.children.setdefault(turn.parent or "", []).append(turn.id)
    chat.head = turn.id


def grow(memory: Memory, chat: Chat) -> None:
    """Make the tree of a chat whose turns came from records, in any order.

    Where a turn's parent is lost, or was not written because the chatd of then knew no trees, it
    is the turn that was made before it.
    """
    chat.turns.sort(key=lambda id_: memory.turns[id_].boot_s)
    chat.children.clear()
    before = ""
    known = {"", *chat.turns}
    for turn in (memory.turns[id_] for id_ in chat.turns):
        if turn.parent not in known:
            turn.parent = before
        hang(chat, turn)
        before = turn.id
    if chat.selected in chat.turns and chat.selected_boot_s >= memory.turns[before].boot_s:
        chat.head = chat.selected


def _below(memory: Memory, chat: Chat, turn: Turn) -> Iterator[Turn]:
    waiting = [turn.id]
    while waiting:
        id_ = waiting.pop()
        yield memory.turns[id_]
        waiting += chat.children.get(id_, [])
