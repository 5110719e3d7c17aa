"""`chat list` and `chat show`: conversations, to find and to read."""

import time
from typing import Annotated

import msgspec
import typer

from chat_cli import link, output
from chat_rpc import errors, methods

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
ID_CHARS = 8


def list_(
    *,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=100_000, help="How many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List your conversations, last used first."""
    chats = _chats(limit)
    if as_json:
        for chat in chats:
            output.line(msgspec.json.encode(chat).decode())
        return
    now = time.time()
    output.table(
        ("ID", "USED", "TURNS", "STATE", "MODEL", "TITLE"),
        (
            (
                chat.chat[:ID_CHARS],
                _ago(now - chat.used),
                str(chat.turns),
                chat.state,
                chat.model or "-",
                chat.title,
            )
            for chat in chats
        ),
    )


def show(
    id_: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="Its beginning is enough. Default: the last used."),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Print a conversation."""
    client = link.connect()
    if id_ is None:
        last = client.call(methods.CHATS, methods.Page(limit=1)).chats
        if not last:
            raise errors.NoSuchChat("there is no conversation yet")
        id_ = last[0].chat
    chat = client.call(methods.CHAT, methods.ChatGet(chat=id_))
    if as_json:
        output.line(msgspec.json.encode(chat).decode())
        return
    for turn in chat.turns:
        said = "\n\n".join(part for part in (turn.prompt, turn.data) if part)
        output.line("\n".join(f"> {part}" for part in said.splitlines()) + "\n")
        output.line(turn.text.rstrip("\n") or "(no reply)")
        if turn.state != "done":
            why = turn.ending and turn.ending.error and turn.ending.error.message
            output.line(f"({turn.state}{f': {why}' if why else ''})")
        output.line("")


def _chats(limit: int) -> list[methods.ChatLine]:
    client = link.connect()
    chats: list[methods.ChatLine] = []
    after: str | None = None
    while len(chats) < limit:
        wanted = min(1000, limit - len(chats))
        page = client.call(methods.CHATS, methods.Page(limit=wanted, after=after))
        chats += page.chats
        after = page.next
        if after is None:
            break
    return chats


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return "now"
