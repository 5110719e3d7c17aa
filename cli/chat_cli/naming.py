"""How a person names a conversation and a turn in it: ID, ID@N, ID@N/M, or @N in the last one.

ID is a title or the beginning of an id.  N counts turns from 1, or from the end: -1 is the last.
M counts the answers to that question, from 1.
"""

import re
from typing import Annotated, NamedTuple

import typer

from chat_cli import output, terminals
from chat_rpc import errors, methods
from chat_rpc.client import Client

NAME_CHARS = 200
ID_CHARS = 8  # of an id, shown: enough to name it by

_NUMBERED = re.compile(r"(.*)@(-?\d+)?(?:/(\d+))?", re.DOTALL)


class Name(NamedTuple):
    """`chat` None: the last used.  `turn` None: the last, or all of them.  `answer` None: as is."""

    chat: str | None = None
    turn: int | None = None
    answer: int | None = None


def parse_chat(text: str) -> str:
    """Return a name that a chat can have; raises BadParameter."""
    if not 1 <= len(text) <= NAME_CHARS:
        raise typer.BadParameter(f"a name has 1 to {NAME_CHARS} characters")
    return text


def parse_title(text: str) -> str:
    """Return a title by which a chat can be named afterwards; raises BadParameter."""
    if names_turn(parse_chat(text)):
        raise typer.BadParameter(f"{text!r} would name a turn: a title may not end so")
    return text


def names_turn(text: str) -> bool:
    """Say whether `text` ends as ID@N does, so that no chat could be named by it."""
    return _NUMBERED.fullmatch(text) is not None


def parse(text: str) -> Name:
    """Return what `text` names; raises BadParameter."""
    parse_chat(text)
    numbered = _NUMBERED.fullmatch(text)
    if numbered is None:
        return Name(text)
    chat, turn, answer = numbered.groups()
    if turn is not None and int(turn) == 0:
        raise typer.BadParameter("turns count from 1, or from the end: -1 is the last")
    return Name(chat or None, int(turn or -1), int(answer) if answer else None)


ChatNamed = Annotated[
    str,
    typer.Argument(
        parser=parse_chat, metavar="ID", help="A title, or the beginning of an id (see list)."
    ),
]
Named = Annotated[
    Name | None,
    typer.Argument(
        parser=parse,
        metavar="[ID[@N]]",
        show_default=False,
        help="A title or the beginning of an id, and the number of a turn: 1, 2, or -1 for the "
        "last. @N is a turn of the conversation that you used last, in this terminal if there is "
        "one. Default: its last turn.",
    ),
]


def chat_of(client: Client, name: str | None) -> str:
    """Return what the daemon is to be told: the name, or the id of the chat that was used last.

    That is one of this terminal, where there is one, as for -c.
    """
    if name is not None:
        return name
    here = terminals.terminal()
    places = (None,) if here is None else (here, None)
    for place in places:
        page = methods.Page(limit=1, terminal=place)
        if chats := client.call(methods.CHATS, page).chats:
            return chats[0].chat
    raise errors.NoSuchChat("there is no conversation yet")


def turn_of(client: Client, name: Name) -> methods.Turn:
    """Return the turn that is named; without a number the last."""
    chat = client.call(methods.CHAT, methods.ChatGet(chat=chat_of(client, name.chat)))
    turn = pick(chat, name.turn or -1)
    if name.answer is None:
        return turn
    return client.call(methods.GET, methods.TurnGet(turn=sibling(turn, name.answer)))


def sibling(turn: methods.Turn, number: int) -> str:
    """Return the id of the answer of this number to the same question."""
    answers = turn.siblings or [turn.turn]
    if not 1 <= number <= len(answers):
        has = output.count(len(answers), "answer")
        raise errors.NoSuchTurn(f"that question has {has}, and no {number}")
    return answers[number - 1]


def pick(chat: methods.Chat, number: int) -> methods.Turn:
    """Return the turn with this number in the chat; raises NoSuchTurn."""
    index = number - 1 if number > 0 else number
    try:
        return chat.turns[index]
    except IndexError:
        raise errors.NoSuchTurn(
            f"{chat.title!r} has {output.count(len(chat.turns), 'turn')}, and no {number}"
        ) from None
