"""`chat rename`, `keep`, `demand`, `rm`, `undelete` and `wipe`: what becomes of a conversation."""

import time
from typing import Annotated

import typer

from chat_cli import flags, link, output, spans
from chat_cli.demands import Demands
from chat_cli.naming import ID_CHARS, ChatNamed, parse_chat, parse_title
from chat_rpc import errors, methods, person
from chat_rpc.client import Client

YEAR_S = 366 * 86400
OUT_OF_REACH = (
    "not reached: files that you wrote (export, >), this terminal's scrollback, "
    "and your shell's history"
)


def rename(
    chat: ChatNamed,
    title: Annotated[str, typer.Argument(parser=parse_title, metavar="TITLE", show_default=False)],
) -> None:
    """Give a conversation a title, by which it can be named.

    \b
      chat rename 4fq deploy
    """
    changed = link.connect().call(methods.RENAME, methods.Rename(chat=chat, title=title))
    output.note(f"it is called {changed.chat.title!r} now")


def keep(
    chat: ChatNamed,
    *,
    for_: Annotated[
        str, typer.Option("--for", metavar="TIME", help="90min, 12h, 7d, 2w; a year at most.")
    ] = "7d",
) -> None:
    """Let a conversation live longer, or shorter.

    It ends so long after each use.

    \b
      chat keep deploy --for 7d
      chat keep 4fq --for 10min
    """
    try:
        lifetime_s = spans.parse(for_)
    except ValueError as exc:
        raise typer.BadParameter(f"--for: {exc}") from None
    if not 60 <= lifetime_s <= YEAR_S:
        raise typer.BadParameter("--for: from a minute to a year")
    changed = link.connect().call(methods.KEEP, methods.Keep(chat=chat, lifetime_s=lifetime_s))
    left_s = changed.chat.ends - time.time()
    output.note(f"{changed.chat.title!r} ends in {spans.exact(left_s)}, unless it is used before")


def demand(
    chat: ChatNamed,
    *,
    check: flags.Checks = None,
    no_check: flags.NoChecks = None,
    schema: flags.Schema = None,
    tries: flags.Tries = None,
) -> None:
    """Demand something of every answer to come in a conversation.

    A question that has demands of its own goes before. Without any option nothing is demanded any
    more.

    \b
      chat demand deploy --check lines:..5 --no-check no-loop
      chat demand deploy
    """
    wanted = Demands(without=list(no_check or ()), tries=tries)
    wanted.add(check or (), person.load())
    if schema is not None:
        wanted.add_schema(schema)
    params = methods.ChatChecks(
        chat=chat, checks=wanted.checks, without=wanted.without, tries=wanted.tries
    )
    changed = link.connect().call(methods.CHECKS, params)
    names = ", ".join(each.id or each.type for each in wanted.checks) or "nothing more"
    output.note(f"of each answer in {changed.chat.title!r} is demanded: {names}")


def rm(chat: ChatNamed) -> None:
    """Delete a conversation; for an hour it can be brought back.

    `wipe` destroys it at once.

    \b
      chat rm 4fq
    """
    gone = link.connect().call(methods.DELETE, methods.ChatNamed(chat=chat)).chat
    way_back = f"chat undelete {gone.chat[:ID_CHARS]}"
    output.note(f"{gone.title!r} is deleted; for an hour, this brings it back: {way_back}")


def undelete(chat: ChatNamed) -> None:
    """Bring a deleted conversation back.

    \b
      chat list --deleted
      chat undelete 4fq
    """
    back = link.connect().call(methods.UNDELETE, methods.ChatNamed(chat=chat)).chat
    output.note(f"{back.title!r} is back")


def wipe(
    chat: Annotated[
        str | None,
        typer.Argument(
            parser=parse_chat,
            metavar="[ID]",
            show_default=False,
            help="A title, or an id's beginning.",
        ),
    ] = None,
    *,
    all_: Annotated[
        bool, typer.Option("--all", help="All of yours, and all feedback that you gave.")
    ] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask whether to.")] = False,
    no_input: Annotated[
        bool, typer.Option("--no-input", help="Never ask; without -y this refuses.")
    ] = False,
) -> None:
    """Destroy conversations at once, for good.

    What runs in them is stopped, and their text is overwritten in memory. It tells what is
    destroyed, and what it cannot reach.

    \b
      chat wipe 4fq
      chat wipe --all -y
    """
    if all_ == (chat is not None):
        raise typer.BadParameter("name one conversation, or say --all")
    client = link.connect()
    if not yes:
        what = "all your conversations" if chat is None else _described(client, chat)
        output.ask_yes(f"destroy {what}, for good?", no_input=no_input)
    gone = client.call(methods.WIPE, methods.Wipe(chat=chat, all=all_))
    what = output.count(gone.chats, "conversation")
    output.note(f"destroyed: {what} with {output.count(gone.turns, 'turn')}")
    for place in gone.not_reached:
        output.note(f"not reached: {place}")
    output.note(OUT_OF_REACH)


def _described(client: Client, name: str) -> str:
    try:
        chat = client.call(methods.CHAT, methods.ChatGet(chat=name))
    except errors.NoSuchChat:
        deleted = client.call(methods.CHATS, methods.Page(limit=1000, deleted=True)).chats
        if not any(line.title == name or line.chat.startswith(name) for line in deleted):
            raise
        return f"the deleted conversation {name!r}"
    return f"{chat.title!r} with {output.count(len(chat.turns), 'turn')}"
