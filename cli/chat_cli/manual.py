"""What `chat --help` and `chat help TOPIC` print; each command's own help is in its function."""

from collections.abc import Iterator

from chat_cli.verbs import GROUPS

HEAD = """\
Usage: chat [WORDS]...         ask
       chat COMMAND ...        see below; chat COMMAND -h tells more

Ask local models from the shell. Conversations stay in RAM.

  chat "What is tmpfs?"            ask; the answer goes to stdout
  git diff | chat "review this"    what is piped in comes after the words
  chat -m NAME -s "Be brief" ...   choose the model, tell it how to be
  chat -- list my files            words that begin with a command's name
"""
TAIL = """\
Exit codes: 0 good, 1 other, 2 usage, 3 failed a check, 4 cut off, 5 a check could not
run, 65 bad input, 66 no such conversation, 69 no model server, 70 a bug, 73 cannot write,
75 busy, 77 not allowed, 78 chatd is too old, 79 chatd is not running, 124 out of time,
130 Ctrl-C, 141 closed pipe."""


def overview() -> str:
    """Return the help of `chat` itself."""
    return "\n".join([HEAD, *_commands(), TAIL])


def _commands() -> Iterator[str]:
    for group, verbs in GROUPS.items():
        yield f"{group}:"
        yield from (f"  {verb.name:9} {verb.summary}" for verb in verbs)
        yield ""
