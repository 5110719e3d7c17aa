"""`chat completion`: scripts for shells, made from the commands' own help."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from chat_cli import output
from chat_cli.outline import Command, Part, outline


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(show_default=False)]) -> None:
    """Print what completes commands, flags and names in a shell.

    install.sh has put it where bash and zsh look; elsewhere:

    \b
      eval "$(chat completion bash)"                     # in ~/.bashrc
      chat completion zsh >"${fpath[1]}/_chat"           # once
      chat completion fish >~/.config/fish/completions/chat.fish
    """
    output.write(script(shell))


def script(shell: Shell) -> str:
    """Return the whole completion for `shell`."""
    commands = outline()
    if shell is Shell.FISH:
        return "\n".join(_fish(commands)) + "\n"
    every = [*commands, *(inner for command in commands for inner in command.commands)]
    texts = {
        "COMMANDS": _commands(commands, shell),
        "FLAGS": "\n".join(_flags(command, shell) for command in every if command.flags),
        "KINDS": "\n".join(_kinds(every, shell)),
    }
    text = Path(__file__).with_name(f"completion.{shell}").read_text(encoding="utf-8")
    for name, made in texts.items():
        text = text.replace(f"@{name}@", made)
    return text


def _commands(commands: list[Command], shell: Shell) -> str:
    if shell is Shell.BASH:
        return " ".join(command.name for command in commands)
    return "\n".join(f"    {_described(each.name, each.summary)}" for each in commands)


def _flags(command: Command, shell: Shell) -> str:
    if shell is Shell.BASH:
        names = " ".join(name for flag in command.flags for name in flag.names)
        return f"        {_quoted(command.name)}) flags='{names}' ;;"
    described = " ".join(
        _described(name, flag.help) for flag in command.flags for name in flag.names
    )
    return f"        ({_quoted(command.name)}) flags=({described}) ;;"


def _kinds(commands: list[Command], shell: Shell) -> Iterator[str]:
    """Yield a case for each value: of a flag by its name, of an argument by its number."""
    opening = "" if shell is Shell.BASH else "("
    for command in commands:
        for part, places in _valued(command):
            patterns = " | ".join(_quoted(f"{command.name} {place}") for place in places)
            yield f"        {opening}{patterns}) kind={_quoted(_kind(part))} ;;"
        if command.commands:
            names = [inner.name.split()[1] for inner in command.commands]
            yield f"        {opening}'{command.name} 1') kind=':{' '.join(names)}' ;;"
            patterns = " | ".join(_quoted(inner.name) for inner in command.commands)
            yield f"        {opening}{patterns}) kind=group ;;"


def _valued(command: Command) -> Iterator[tuple[Part, tuple[str, ...]]]:
    yield from ((flag, flag.names) for flag in command.flags if flag.value)
    for number, argument in enumerate(command.arguments, 1):
        yield argument, (str(number),)


def _kind(part: Part) -> str:
    return f":{' '.join(part.choices)}" if part.choices else part.kind or "any"


def _fish(commands: list[Command]) -> Iterator[str]:
    yield "# fish completion for chat; `chat completion fish` prints it"
    yield "complete -c chat -f"
    names = " ".join(command.name for command in commands if command.name != "ask")
    for command in commands:
        yield (
            "complete -c chat -n __fish_use_subcommand"
            f" -a {command.name} -d {_quoted(command.summary)}"
        )
    for command in commands:
        seen = f"__fish_seen_subcommand_from {command.name}"
        where = f"not __fish_seen_subcommand_from {names}" if command.name == "ask" else seen
        for flag in command.flags:
            yield f"complete -c chat -n {_quoted(where)}{_fish_names(flag)}{_fish_values(flag)}"
        for argument in command.arguments:
            if values := _fish_values(argument):
                yield f"complete -c chat -n {_quoted(where)}{values}"
        for inner in command.commands:
            name = inner.name.split()[1]
            yield f"complete -c chat -n {_quoted(where)} -a {name} -d {_quoted(inner.summary)}"


def _fish_names(flag: Part) -> str:
    letters = "".join(f" -s {name[1:]}" for name in flag.names if not name.startswith("--"))
    words = "".join(f" -l {name[2:]}" for name in flag.names if name.startswith("--"))
    return f"{letters}{words} -d {_quoted(flag.help)}" + (" -r" if flag.value else "")


def _fish_values(part: Part) -> str:
    if part.choices:
        return f" -a {_quoted(' '.join(part.choices))}"
    if part.kind == "files":
        return " -F"
    return f" -a '(chat --complete {part.kind} 2>/dev/null)'" if part.kind else ""


def _described(name: str, about: str) -> str:
    return _quoted(f"{name}:{about}")


def _quoted(text: str) -> str:
    escaped = text.replace("'", "'\\''")
    return f"'{escaped}'"
