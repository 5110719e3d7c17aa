"""What a `turn.start` means: in which chat the new turn stands.  Nothing is changed here."""

from chat_rpc.errors import InvalidParams, NoSuchChat
from chat_rpc.methods import TurnStart
from chatd.chats.memory import Memory
from chatd.chats.turns import Chat

WAYS = ("chat", "name", "last")  # to say which chat; none: a new one


def chat_of(memory: Memory, params: TurnStart) -> Chat | None:
    """Return the chat that params mean, None for a new one; raises NoSuchChat, InvalidParams."""
    ways = [way for way in WAYS if getattr(params, way) is not None]
    if len(ways) > 1:
        raise InvalidParams(f"{' and '.join(ways)}: give one of them")
    if params.chat is not None:
        return memory.chat(params.chat)
    if params.name is not None:
        return memory.titled(params.name)
    if params.last is not None:
        return _last(memory, params)
    return None


def _last(memory: Memory, params: TurnStart) -> Chat:
    """Return the chat that was used last, in this terminal or anywhere."""
    if params.last == "terminal" and params.terminal is None:
        raise InvalidParams("last: without a terminal there is none that was used last in it")
    turns = [
        turn
        for turn in memory.turns.values()
        if not memory.chats[turn.chat].is_deleted
        and (params.last == "anywhere" or turn.terminal == params.terminal)
    ]
    if turns:
        return memory.chats[max(turns, key=lambda turn: turn.boot_s).chat]
    if params.last == "anywhere":
        raise NoSuchChat("there is no chat to go on with; a question without -cc begins one")
    raise NoSuchChat(
        "nothing was asked in this terminal that is still there: -cc goes on with the last chat "
        "of any, -C NAME with one that you name"
    )
