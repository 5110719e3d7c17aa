"""`chat export`, `import` and `fork`: conversations, copied and carried; `forms` has the forms."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from chat_cli import forms, link, naming, output
from chat_rpc import errors, methods


def export(
    name: Annotated[
        str | None,
        typer.Argument(
            parser=naming.parse_chat,
            metavar="[ID]",
            show_default=False,
            help="A title, or an id's beginning. Default: the last used.",
        ),
    ] = None,
    *,
    form: Annotated[
        forms.Form | None,
        typer.Option("--to", help="Default: as FILE ends, else Markdown.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Write there, readable by you alone."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.")] = False,
) -> None:
    """Write a conversation down, to keep or to carry elsewhere.

    Markdown to read, JSON with the title, or the message list that OpenAI's interface takes.

    \b
      chat export deploy -o deploy.md
      chat export 4fq --to openai | jq '.[-1].content'
    """
    client = link.connect()
    chat = methods.ChatNamed(chat=naming.chat_of(client, name))
    text = forms.write(client.call(methods.EXPORT, chat), form or forms.of_file(out))
    if out is None or str(out) == "-":
        output.write(text)
    else:
        output.save(out, text, overwrite=force)


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", show_default=False, help="- is stdin.")],
    *,
    title: Annotated[
        str | None, typer.Option("--title", help="Default: as the file says, or its first words.")
    ] = None,
) -> None:
    """Make a conversation of an export, from here or elsewhere.

    All forms of export are taken: Markdown, JSON, a list of OpenAI's messages.

    \b
      chat import deploy.md
      jq .messages request.json | chat import - --title "what the program asked"
    """
    try:
        read = forms.read(_text_of(file))
    except forms.Unreadable as exc:
        raise errors.InvalidParams(f"{_shown(file)}: {exc}") from None
    wanted = methods.Import(messages=read.messages, title=title or read.title)
    made = link.connect().call(methods.IMPORT, wanted).chat
    output.line(made.chat)


def fork(name: naming.Named = None) -> None:
    """Copy a conversation, to go on in another way.

    With @N, up to and with that turn. Prints the copy's id.

    \b
      chat fork deploy
      chat fork @2           the first two questions of the last conversation
    """
    client = link.connect()
    name = name or naming.Name()
    turn = None if name.turn is None else naming.turn_of(client, name).turn
    wanted = methods.Fork(chat=naming.chat_of(client, name.chat), turn=turn)
    output.line(client.call(methods.FORK, wanted).chat.chat)


def _text_of(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as exc:
        raise errors.NoSuchFile(f"{file}: {exc.strerror}") from exc
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise errors.InvalidParams(f"{_shown(file)}: not UTF-8 text (byte {exc.start})") from None


def _shown(file: str) -> str:
    return "stdin" if file == "-" else file
