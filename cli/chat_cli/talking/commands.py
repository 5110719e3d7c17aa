"""What begins with a slash: every command of `chat`, and those of a conversation alone."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

import typer

from chat_cli import files, naming, output
from chat_cli.talking.about import ABOUT_THIS, named, words
from chat_cli.talking.keys import heard
from chat_cli.terminal import safe_line
from chat_cli.verbs import VERBS
from chat_rpc import methods

if TYPE_CHECKING:
    from chat_cli.talking.conversation import Talk

SLASH = "/"
LEAVING = frozenset({"/quit", "/exit", "/q", "quit", "exit"})
NOT_HERE = {
    "ask": "what has no slash is asked",
    "completion": "it is for shells",
    "admin": "it is for who runs chatd for all, and about no conversation",
}
_NAMED = re.compile(r"/([a-z]+)(?:\s+(.*))?", re.DOTALL)


class Command(NamedTuple):
    """`kind`: what its argument is, for completion; None: as the verb's own help has it."""

    name: str
    takes: str
    summary: str
    run: Callable[["Talk", str], None]
    kind: str | None = None


def leaves(text: str) -> bool:
    return text.strip() in LEAVING


def of(text: str) -> Callable[["Talk"], None] | None:
    """Return what a line commands; None: it is a question, as are paths and what begins blank."""
    match = _NAMED.fullmatch(text.rstrip())
    if match is None:
        return None
    name, rest = match[1], (match[2] or "").strip()
    command = table().get(name)
    if command is None:
        return lambda _: output.note(
            f"there is no /{name}; /help tells the commands. To ask it, begin with a blank"
        )
    return lambda talk: command.run(talk, rest)


@cache
def table() -> dict[str, Command]:
    """Return all commands; those of a conversation alone come first."""
    verbs = [
        Command(verb.name, "", verb.summary, partial(_run_verb, verb.name))
        for verb in VERBS.values()
        if verb.name not in NOT_HERE
    ]
    own = {command.name: command for command in OWN}
    return own | {verb.name: verb for verb in verbs if verb.name not in own}


def tell_of(talk: "Talk") -> None:
    """Say which conversation this is, and what was said last."""
    chat = talk.chat
    if chat is None:
        return
    whole = talk.connect().call(methods.CHAT, methods.ChatGet(chat=chat.chat))
    output.note(
        f"{safe_line(whole.title)!r}, {output.count(len(whole.turns), 'turn')}; /show prints it"
    )
    if whole.turns:
        last = whole.turns[-1]
        output.line(f"> {last.prompt}\n\n{last.text.rstrip()}\n")


def _help(talk: "Talk", rest: str) -> None:
    if rest:
        _run_verb("help", talk, rest)
        return
    output.line(HELP)
    for command in table().values():
        output.line(f"  {f'/{command.name} {command.takes}':18} {command.summary}")


def _new(talk: "Talk", rest: str) -> None:
    name = naming.parse_title(rest) if rest else None
    talk.go_on_in(None)
    talk.flags = replace(talk.flags, chat=name)
    output.note(f"the next question begins {f'{rest!r}' if rest else 'a new conversation'}")


def _chat(talk: "Talk", rest: str) -> None:
    if rest:
        talk.go_on_in(rest)
    if talk.chat is None:
        output.note("nothing was asked here yet; /list tells the conversations that there are")
    tell_of(talk)


def _model(talk: "Talk", rest: str) -> None:
    if rest:
        talk.flags = replace(talk.flags, model=words(rest))
    named = talk.flags.model
    output.note(f"{' or '.join(named)} answers" if named else "the first of these answers")
    if not rest:
        _run_verb("models", talk, "")


def _system(talk: "Talk", rest: str) -> None:
    if rest:
        talk.flags = replace(talk.flags, system=rest)
    said = talk.flags.system
    output.note(f"the model is told: {said}" if said else "the model is told nothing; /system TEXT")


def _file(talk: "Talk", rest: str) -> None:
    for path in map(os.path.expanduser, words(rest)):
        found = files.read(path)
        talk.files = [*talk.files, path]
        output.note(f"{found.name}, {output.size(len(found.data))}, goes with the next question")
    if not rest:
        output.note(" ".join(["with the next question:", *(talk.files or ["nothing"])]))


def _drop(talk: "Talk", rest: str) -> None:
    talk.files = []
    output.note("no file goes with the next question")


def _fork(talk: "Talk", rest: str) -> None:
    client = talk.connect()
    name = naming.parse(named(talk.this, rest)[0])
    turn = None if name.turn is None else naming.turn_of(client, name).turn
    wanted = methods.Fork(chat=naming.chat_of(client, name.chat), turn=turn)
    talk.chat = client.call(methods.FORK, wanted).chat
    output.note(f"this is a copy now, {talk.chat.chat[: naming.ID_CHARS]}")


def _quit(talk: "Talk", rest: str) -> None:
    """Never called: `leaves` is asked first; here for the list."""


def _run_verb(name: str, talk: "Talk", rest: str) -> None:
    """Run `chat NAME ...` as a shell would, about this conversation where none is named."""
    from chat_cli import apps, main

    about = ABOUT_THIS.get(name)
    arguments = about(talk.this, rest) if about else words(rest)

    def run() -> int:
        try:
            apps.of(VERBS[name])(arguments, prog_name=f"/{name}", standalone_mode=False)
        except typer.TyperException as exc:
            output.note(f"{exc.format_message()} /help {name} tells how")
        return 0

    with heard():
        status = main.ended(run)
    if status == output.TERMINATED:
        raise output.Terminated
    if talk.chat is not None:
        talk.look_again()


OWN = (
    Command("new", "[NAME]", "Begin another conversation.", _new, ""),
    Command(
        "chat", "[NAME]", "Go on in another conversation; alone, tell of this one.", _chat, "chats"
    ),
    Command(
        "model",
        "[NAME]",
        "Have another model answer; alone, tell which there are.",
        _model,
        "models",
    ),
    Command("system", "[TEXT]", "Tell the model how to be.", _system, ""),
    Command("file", "FILE...", "Send files with the next question.", _file, "files"),
    Command("drop", "", "Send them not.", _drop, ""),
    Command("fork", "[@N]", "Go on in a copy of this conversation.", _fork, ""),
    Command("help", "[TOPIC]", "Tell of the commands, or of one.", _help, "topics"),
    Command("quit", "", "Leave; Ctrl-D does too.", _quit, ""),
)
HELP = """\
What you type is asked. Enter sends, Alt-Enter adds a line, Ctrl-X Ctrl-E opens $EDITOR.
Ctrl-C stops the answer and keeps what was said. The up arrow brings back what you asked before."""
