"""What `chat --help` and `chat help TOPIC` print; each command's own help is in its function."""

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

from chat_cli.exits import EXITS
from chat_cli.verbs import GROUPS

HEAD = """\
Usage: chat [WORDS]...         ask
       chat                    on a terminal: a conversation, until Ctrl-D
       chat COMMAND ...        see below; chat COMMAND -h tells more

Ask local models from the shell. Conversations stay in RAM.

  chat "What is tmpfs?"            ask; the answer goes to stdout
  git diff | chat "review this"    what is piped in comes after the words
  chat -c "And a ramfs?"           go on with this terminal's last conversation
  chat -m NAME -s "Be brief" ...   choose the model, tell it how to be
  chat -- list my files            words that begin with a command's name
"""
ENVIRONMENT = {
    "CHATD_SOCKET": "the socket of the chatd to use; none is started then",
    "CHAT_MODEL": "the model that is asked where -m names none; an alias will do",
    "CHAT_SYSTEM": "the system prompt where -s gives none",
    "VISUAL, EDITOR": "the editor of edit and config edit; VISUAL goes first",
    "XDG_CONFIG_HOME": "where chat/config.toml, chat/templates and chatd/chatd.toml are, instead "
    "of ~/.config",
    "NO_COLOR": "no colours, if it is not empty",
    "COLUMNS": "the width of the terminal, instead of its own",
    "TERM": "with `dumb`, no Markdown is drawn and no line is overwritten",
    "HISTFILE": "the shell's history, at which doctor looks",
}
NAMES = """\
Where a command takes ID, a conversation is named by its title, by its id or by the
beginning of its id. Without one it is the conversation that you used last, in this
terminal if there is one.

  4fq          the conversation whose id begins so
  deploy       the one of this title
  deploy@2     its second question and the answer
  deploy@-1    the last; deploy@ is the same
  @-1          the last of the conversation that you used last
  @-1/2        the second answer to it, where there are several

Words on a command line are in the shell's history and in `ps`; stdin is in neither."""


def overview() -> str:
    """Return the help of `chat` itself."""
    more = ", ".join(["COMMAND", *TOPICS])
    return "\n".join([HEAD, *_commands(), f"More: chat help {more}; man chat."])


def _commands() -> Iterator[str]:
    for group, verbs in GROUPS.items():
        yield f"{group}:"
        yield from (f"  {verb.name:11} {verb.summary}" for verb in verbs)
        yield ""


def _exit_codes() -> str:
    return _listed({str(code): meaning for code, meaning in EXITS.items()}, 5)


def _environment() -> str:
    return _listed(ENVIRONMENT, 17)


def _checks() -> str:
    return Path(__file__).with_name("checks.txt").read_text(encoding="utf-8").rstrip("\n")


def _listed(meanings: dict[str, str], width: int) -> str:
    return "\n".join(
        textwrap.fill(
            meaning,
            88,
            initial_indent=f"{name:{width}}",
            subsequent_indent=" " * width,
            break_on_hyphens=False,
        )
        for name, meaning in meanings.items()
    )


TOPICS: dict[str, Callable[[], str]] = {
    "names": lambda: NAMES,
    "checks": _checks,
    "exit-codes": _exit_codes,
    "env": _environment,
}
