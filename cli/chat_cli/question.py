"""What is asked: words, stdin and files become the parameters of `turn.start`."""

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from chat_cli import files, output, piped
from chat_rpc import errors, methods

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|)")
_SECONDS = {"ms": 1e-3, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_RANKS: tuple[methods.Priority, ...] = ("interactive", "normal", "batch")
NOTHING = 'nothing to ask; try: chat "What is tmpfs?"   or: chat --help'


@dataclass(frozen=True)
class Question:
    """What a person gave: `data` is what was piped in."""

    prompt: str
    data: str = ""
    attached: Sequence[files.Attached] = ()


def gather(
    words: Sequence[str], paths: Sequence[str] = (), *, leave_stdin: bool, quiet: bool = False
) -> Question:
    """Read everything that belongs to the question; raises SystemExit(2) if there is nothing."""
    prompt = _words(words)
    names_stdin = paths.count(files.STDIN)
    if names_stdin > 1 or (names_stdin and leave_stdin):
        output.note("stdin can be read once, and not with -0")
        raise SystemExit(2)
    attached = [files.read(path) for path in paths]
    piped_in = b""
    if not (leave_stdin or names_stdin) and piped.is_there():
        piped_in = piped.read(told=bool(prompt.strip() or attached) and not quiet)
    if len(piped_in) > piped.INLINE_BYTES:
        attached.append(files.of_stdin(piped_in))
        piped_in = b""
    data = piped.text(piped_in)
    if not prompt.strip() and not data.strip() and not attached:
        output.note(NOTHING)
        raise SystemExit(2)
    if not prompt.strip() and data.strip():
        prompt, data = data, ""
    return Question(prompt, data, attached)


def options(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:  # Any: JSON
    """Return `-o KEY VALUE`s: a value is JSON where it is JSON, and else the text itself."""
    return {key: _json_or_text(value) for key, value in pairs}


def seconds(text: str) -> float:
    """Return how long `90`, `90s`, `1.5m` or `2h` is; raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise ValueError("a duration is such as 60s, 5m or 1h")
    return float(match[1]) * _SECONDS[match[2]]


def new_key() -> str:
    return os.urandom(16).hex()


def priority(wanted: methods.Priority | None) -> methods.Priority:
    """Return the class of the queue: a person's at a terminal, else normal; or a lower one."""
    natural: methods.Priority = "interactive" if sys.stdout.isatty() else "normal"
    if wanted is None:
        return natural
    if _RANKS.index(wanted) < _RANKS.index(natural):
        output.note(f"--priority {wanted} only lowers; this is asked as {natural}")
        return natural
    return wanted


def _words(words: Sequence[str]) -> str:
    prompt = " ".join(words)
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError:
        raise errors.InvalidParams("the words are not UTF-8 text") from None
    return prompt


def _json_or_text(value: str) -> Any:  # Any: JSON
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value
