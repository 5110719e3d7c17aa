"""Makes docs/man: chat(1) from the commands' own help, chatd(8), and chatd.toml(5) from its model.

python docs/make_man.py [--check]
"""

import argparse
import re
from collections.abc import Iterable, Iterator

import make_configuration as configuration
from pages import publish, sentences

from chat_cli import manual
from chat_cli.exits import EXITS
from chat_cli.outline import Command, Part, outline
from chat_rpc import __version__
from chatd import __main__ as daemon
from chatd import config

CHAT_FILES = {
    "~/.config/chat/config.toml": "your settings; chat config -h has an example",
    "~/.config/chat/templates/NAME.md": "your templates; chat templates -h has an example",
    "/run/user/UID/chatd, /dev/shm/chatd-UID/chatd": "socket, log and conversations of your own "
    "chatd, all in RAM",
    "/run/chatd/chatd.sock": "the socket of the system's chatd, which is used where it is "
    "installed",
}
CHATD_TEXT = """\
It keeps the conversations of its users in RAM, apart for each, and hands what they ask to the
model servers that are configured or found on this machine. chat(1) starts it when it is needed;
for all users, systemd does. It says READY on the descriptor of --ready-fd, or to systemd, when it
serves. SIGTERM, SIGINT and `chat admin drain` end it: running turns have a few seconds, and the
next chatd asks the others again. SIGHUP and `chat admin reload` have it read chatd.toml again.

Its log has ids, sizes and times, and never a word of a conversation.
"""
CHATD_EXITS = {
    "0": "it was told to stop",
    "2": "wrong usage",
    "73": "the store cannot be used: it is on no tmpfs, or another chatd has it",
    "78": "the settings cannot be used",
}
CHATD_FILES = {
    "/etc/chatd/chatd.toml": "settings, with --system",
    "~/.config/chatd/chatd.toml": "settings of a user's own",
    "/mnt/ai_tmpfs": "the store, with --system",
}
TOML_TEXT = """\
The settings of chatd(8). Everything has a default: no file, and an empty one, are good. A setting
that is unknown or wrong ends chatd with 78 and a line that names the file, the line in it and the
setting.
"""


def main() -> None:
    publish("man/chat.1", page("chat", 1, "ask local models from the shell", chat()))
    publish("man/chatd.8", page("chatd", 8, "keep conversations with local models", chatd()))
    publish("man/chatd.toml.5", page("chatd.toml", 5, "settings of chatd", chatd_toml()))


def chat() -> Iterator[str]:
    yield heading("SYNOPSIS")
    yield "\\fBchat\\fR [\\fIWORDS\\fR]..."
    yield from (".br", "\\fBchat\\fR \\fICOMMAND\\fR ...")
    yield heading("DESCRIPTION")
    yield from paragraphs(manual.HEAD.partition("\n\n")[2])
    yield from paragraphs("Without words, on a terminal, it is a conversation; /help tells more.")
    commands = outline()
    for group in dict.fromkeys(command.group for command in commands):
        yield heading(f"COMMANDS: {group}")
        for command in commands:
            if command.group == group:
                yield from command_text(command)
    yield heading("NAMES")
    yield from paragraphs(manual.NAMES)
    yield heading("EXIT STATUS")
    yield from listed({str(code): meaning for code, meaning in EXITS.items()})
    yield heading("ENVIRONMENT")
    yield from listed(manual.ENVIRONMENT)
    yield heading("FILES")
    yield from listed(CHAT_FILES)
    yield heading("SEE ALSO")
    yield "\\fBchatd\\fR(8), \\fBchatd.toml\\fR(5)"


def chatd() -> Iterator[str]:
    parser = daemon.parser()
    yield heading("SYNOPSIS")
    yield "\\fBchatd\\fR [\\fIOPTION\\fR]..."
    yield heading("DESCRIPTION")
    yield from paragraphs(CHATD_TEXT)
    yield heading("OPTIONS")
    yield from listed(
        {
            " ".join([", ".join(action.option_strings), str(action.metavar or "")]).strip(): (
                action.help or ""
            )
            for action in parser._actions
            if action.help != argparse.SUPPRESS
        }
    )
    yield heading("EXIT STATUS")
    yield from listed(CHATD_EXITS)
    yield heading("FILES")
    yield from listed(CHATD_FILES)
    yield heading("SEE ALSO")
    yield "\\fBchat\\fR(1), \\fBchatd.toml\\fR(5)"


def chatd_toml() -> Iterator[str]:
    yield heading("DESCRIPTION")
    yield from paragraphs(TOML_TEXT)
    yield heading("TABLES")
    for name, field in config.Config.model_fields.items():
        section = configuration.section_in(field.annotation)
        if section is not None:
            yield f".SS \\fB[{name}]\\fR"
            yield from paragraphs(plain(sentences(section)))
            for setting, inner in section.model_fields.items():
                kind = ", ".join(
                    [configuration.type_name(inner.annotation), *configuration.bounds(inner)]
                )
                default = configuration.default_of(setting, inner)
                yield ".TP"
                yield f"\\fB{roff(setting)}\\fR ({roff(plain(f'{kind}; default: {default}'))})"
                yield roff(inner.description or "")
    yield heading("EXAMPLE")
    yield from literal(configuration.EXAMPLE.splitlines())
    yield heading("SEE ALSO")
    yield "\\fBchatd\\fR(8)"


def page(name: str, section: int, about: str, body: Iterable[str]) -> str:
    """Return a whole page; its source says who made it."""
    head = [
        '.\\" made by docs/make_man.py: do not edit',
        f'.TH {name.upper()} {section} "" "chatd {__version__}"',
        ".nh",
        ".ad l",
        heading("NAME"),
        f"{roff(name)} \\- {roff(about)}",
    ]
    return "\n".join([*head, *body]) + "\n"


def command_text(command: Command) -> Iterator[str]:
    arguments = "".join(f" \\fI{roff(part.value)}\\fR" for part in command.arguments)
    yield f".SS \\fBchat {roff(command.name)}\\fR{arguments}"
    yield from paragraphs(command.text)
    for part in (*command.arguments, *command.flags):
        if part.help:
            yield ".TP"
            yield part_head(part)
            yield roff(part.help)
    for inner in command.commands:
        yield from command_text(inner)


def part_head(part: Part) -> str:
    if not part.names[0].startswith("-"):
        return f"\\fI{roff(part.value)}\\fR"
    names = ", ".join(f"\\fB{roff(name)}\\fR" for name in part.names)
    return names + (f" \\fI{roff(part.value)}\\fR" if part.value else "")


def paragraphs(text: str) -> Iterator[str]:
    """Yield paragraphs; one whose lines are indented, or that begins with \\b, stays as it is."""
    for part in re.split(r"\n\s*\n", text.strip("\n")):
        lines = [line for line in part.splitlines() if line != "\b"]
        yield ".PP"
        if all(line.startswith("  ") for line in lines):
            yield from literal(line.removeprefix("  ") for line in lines)
        else:
            yield roff(" ".join(line.strip() for line in lines))


def literal(lines: Iterable[str]) -> Iterator[str]:
    yield from (".RS 4", ".nf", *(roff(line) for line in lines), ".fi", ".RE")


def listed(meanings: dict[str, str]) -> Iterator[str]:
    for name, meaning in meanings.items():
        yield from (".TP", f"\\fB{roff(name)}\\fR", roff(meaning))


def heading(text: str) -> str:
    return f".SH {roff(text).upper()}"


def roff(text: str) -> str:
    """Return text that roff prints as it stands."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("~", "\\(ti")
    text = text.replace("'", "\\(aq").replace("^", "\\(ha")
    return f"\\&{text}" if text[:1] in (".", "'") else text


def plain(text: str) -> str:
    return text.replace("`", "")


if __name__ == "__main__":
    main()
