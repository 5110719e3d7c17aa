"""Every command with its flags and arguments, as its own help has them: for man and completion.

All commands' code is imported here, so nothing that has to be quick imports this.
"""

import re
from typing import Any, NamedTuple

from typer.core import TyperArgument, TyperOption
from typer.main import get_command

from chat_cli import apps
from chat_cli.verbs import GROUPS

# What can stand for a value, by the name of its flag or by how its help writes it.
KINDS = {
    "--model": "models",
    "--judge-model": "models",
    "--template": "templates",
    "--chat": "chats",
    "--profile": "profiles",
    "ID": "chats",
    "undelete ID": "deleted",
    "FILE": "files",
    "TYPE:VALUE": "checks",
    "TYPE": "checks",
    "TOPIC": "topics",
    "KEY": "settings",
}


class Part(NamedTuple):
    """A flag or an argument.  `value` is how its value is written, and empty for a switch."""

    names: tuple[str, ...]
    value: str
    help: str
    kind: str  # of its values: one of candidates.KINDS, files, or none
    choices: tuple[str, ...] = ()


class Command(NamedTuple):
    """One command: `name` has two words in a group."""

    group: str
    name: str
    text: str  # its help: the summary, then paragraphs
    flags: tuple[Part, ...]
    arguments: tuple[Part, ...]
    commands: tuple["Command", ...] = ()

    @property
    def summary(self) -> str:
        return self.text.splitlines()[0]


def outline() -> list[Command]:
    """Return all commands, in the order of the overview."""
    return [
        _command(group, verb.name, get_command(apps.of(verb)))
        for group, verbs in GROUPS.items()
        for verb in verbs
    ]


def _command(group: str, name: str, command: Any) -> Command:  # Any: typer's own kind of click's
    inner: dict[str, Any] = getattr(command, "commands", {})
    return Command(
        group=group,
        name=name,
        text=command.help or "",
        flags=tuple(_flag(option) for option in command.params if _is_told(option)),
        arguments=tuple(
            _argument(name, param) for param in command.params if isinstance(param, TyperArgument)
        ),
        commands=tuple(_command(group, f"{name} {part}", inner[part]) for part in inner),
    )


def _is_told(param: object) -> bool:
    return isinstance(param, TyperOption) and not param.hidden


def _flag(option: TyperOption) -> Part:
    choices = _choices(option)
    is_switch = option.is_flag or option.count
    value = "" if is_switch else option.metavar or "|".join(choices) or "VALUE"
    kind = KINDS.get(option.opts[-1]) or KINDS.get(value, "")
    return Part(tuple(option.opts), value, option.help or "", kind, choices)


def _argument(command: str, argument: TyperArgument) -> Part:
    written = argument.metavar or (argument.name or "").upper()
    noun = re.split(r"[\[\]@. ]+", written.strip("[]"))[0]
    kind = KINDS.get(f"{command} {noun}") or KINDS.get(noun, "")
    return Part((argument.name or "",), written, argument.help or "", kind, _choices(argument))


def _choices(param: Any) -> tuple[str, ...]:  # Any: a parameter of either kind
    return tuple(str(getattr(each, "value", each)) for each in getattr(param.type, "choices", ()))
