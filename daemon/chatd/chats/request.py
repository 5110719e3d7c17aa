"""What a `turn.start` means: where the new turn stands, and what it says.  Nothing is changed."""

from dataclasses import dataclass

from chat_rpc.errors import InvalidParams, NoSuchChat, NotSent
from chat_rpc.methods import File, TurnStart
from chatd.chats.demands import PLAIN, Demands, demands_of
from chatd.chats.memory import Memory
from chatd.chats.turns import FILES_BYTES, Chat, Turn

WAYS = ("chat", "name", "last", "instead_of")  # to say which chat; none: a new one


@dataclass(frozen=True, slots=True)
class Wanted:
    """A turn to be made: in a chat that is there or in a new one, after the turn `parent`."""

    chat: Chat | None
    parent: str
    prompt: str
    data: str
    system: str | None
    files: list[File]
    asked: str | None
    demands: Demands = PLAIN
    refines: str | None = None
    feedback: str | None = None

    @property
    def title(self) -> str:
        """What a new chat is called after."""
        return self.prompt or self.data or self.files[0].name


def wanted(memory: Memory, params: TurnStart) -> Wanted:
    """Return what params ask for; raises NoSuchChat, NoSuchTurn, StoreCorrupt, InvalidParams."""
    ways = [way for way in WAYS if getattr(params, way) is not None]
    if len(ways) > 1:
        raise InvalidParams(f"{' and '.join(ways)}: give one of them")
    if ways and params.ephemeral:
        raise InvalidParams(f"{ways[0]}: an ephemeral question is in no chat")
    if params.instead_of is not None:
        return _beside(memory, memory.turn(params.instead_of), params)
    if _is_blank(params):
        raise InvalidParams("the prompt is empty")
    chat = _chat_of(memory, params)
    parent = chat.head if chat else ""
    files = _files(memory, params)
    demands = demands_of(params).or_of(chat.demands if chat else PLAIN)
    asked = params.model
    return Wanted(chat, parent, params.prompt, params.data, params.system, files, asked, demands)


def _beside(memory: Memory, turn: Turn, params: TurnStart) -> Wanted:
    """Return a turn in the place of another; where nothing is asked, it asks the same again."""
    said = memory.said(turn)
    system = said.system if params.system is None else params.system
    chat, parent = memory.chats[turn.chat], turn.parent or ""
    demands = demands_of(params)
    if _is_blank(params):
        asked, demands = params.model or turn.asked, demands.or_of(said.demands)
        return Wanted(chat, parent, said.prompt, said.data, system, said.files, asked, demands)
    files = _files(memory, params)
    asked, demands = params.model, demands.or_of(chat.demands)
    return Wanted(chat, parent, params.prompt, params.data, system, files, asked, demands)


def _files(memory: Memory, params: TurnStart) -> list[File]:
    files = [_file(memory, id_) for id_ in params.files]
    if sum(file.size_bytes for file in files) > FILES_BYTES:
        raise InvalidParams(f"files: together they are larger than {FILES_BYTES // 2**20} MiB")
    return files


def _file(memory: Memory, id_: str) -> File:
    sent = memory.sent.get(id_)
    if sent is None:
        raise NotSent("there is no such file; one that no question has is kept for an hour")
    if not sent.is_whole:
        raise InvalidParams("files: one of them is not whole yet")
    return sent.file


def _is_blank(params: TurnStart) -> bool:
    return not params.prompt.strip() and not params.data.strip() and not params.files


def _chat_of(memory: Memory, params: TurnStart) -> Chat | None:
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
