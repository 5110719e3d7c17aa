"""What Tab offers: commands, and what can stand after them."""

from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from prompt_toolkit.completion import Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

from chat_cli.talking import commands
from chat_cli.terminal import safe_line
from chat_rpc import errors

if TYPE_CHECKING:
    from prompt_toolkit.completion import CompleteEvent

META_CHARS = 60


class Completing(Completer):
    """Completes a line that begins with a slash."""

    def __init__(self) -> None:
        self._paths = PathCompleter(expanduser=True)

    def get_completions(
        self, document: Document, complete_event: "CompleteEvent"
    ) -> Iterator[Completion]:
        line = document.text_before_cursor
        if not line.startswith(commands.SLASH) or "\n" in line:
            return
        name, space, rest = line[1:].partition(" ")
        if not space:
            yield from _completions(name, _commands())
            return
        kind = _kind_of(name)
        word = rest.rpartition(" ")[2]
        if kind == "files":
            yield from self._paths.get_completions(Document(word), complete_event)
        else:
            yield from _completions(word, _candidates(kind))


def _completions(begun: str, candidates: Iterator[tuple[str, str]]) -> Iterator[Completion]:
    for value, about in candidates:
        if value.startswith(begun) and value.isprintable():
            yield Completion(value, -len(begun), display_meta=safe_line(about)[:META_CHARS])


def _commands() -> Iterator[tuple[str, str]]:
    return ((command.name, command.summary) for command in commands.table().values())


def _candidates(kind: str) -> Iterator[tuple[str, str]]:
    from chat_cli import candidates

    with suppress(errors.RpcError, OSError):
        yield from candidates.KINDS.get(kind, lambda: iter(()))()


@cache
def _kind_of(name: str) -> str:
    """Return what the first argument of a command is; the verbs' own help says it of theirs."""
    own = commands.table().get(name)
    if own is None or own.kind is not None:
        return own.kind or "" if own else ""
    from chat_cli import outline

    arguments = {command.name: command.arguments for command in outline.outline()}
    return next((part.kind for part in arguments.get(name, ())), "")
