"""Copies of questions that other programs keep on a disk: editors, shells, LM Studio.

Only the names of files and the number of lines are told, never what is in them.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from chat_cli.editor import DIRECTORY
from chat_cli.verbs import VERBS
from chat_rpc.methods import Finding

HISTORIES = (
    ".bash_history", ".zsh_history", ".zhistory", ".histfile", ".local/share/fish/fish_history",
)  # fmt: skip
EDITOR_COPIES = (
    ".vim", ".local/state/vim", ".cache/vim", ".local/state/nvim", ".local/share/nvim",
    ".emacs.d", ".config/emacs", ".local/share/kate", ".config/micro", ".local/state/micro",
)  # fmt: skip
LM_STUDIO = (".lmstudio", ".cache/lm-studio")
_ASKED = re.compile(
    rb"^(?:: \d+:\d+;|- cmd: )?chat\s+(?![-\s]|(?:%s)\b)" % "|".join(VERBS).encode(), re.M
)


def findings(home: Path | None = None) -> Iterator[Finding]:
    """Yield a finding for each program that is known to keep copies."""
    home = home or Path.home()
    yield _history(home)
    yield _editor(home)
    yield from _lm_studio(home)


def _history(home: Path) -> Finding:
    named = os.environ.get("HISTFILE")
    files = {home / name for name in HISTORIES} | ({Path(named)} if named else set())
    counts = {file: len(_ASKED.findall(_bytes(file))) for file in sorted(files)}
    found = [f"{file} ({count})" for file, count in counts.items() if count]
    if not found:
        return Finding(name="history", state="good", says="no question is in your shell's history")
    return Finding(
        name="history",
        state="warning",
        says=f"questions are in your shell's history, on the disk: {', '.join(found)}",
        do="pipe questions in (`chat <file`), or begin the line with a blank, with "
        "HISTCONTROL=ignorespace in bash or `setopt hist_ignore_space` in zsh",
    )


def _editor(home: Path) -> Finding:
    """Look for swap, undo and backup files of what `chat edit` opened."""
    found = [
        path
        for directory in EDITOR_COPIES
        for path in _below(home / directory)
        if DIRECTORY in path.name
    ]
    if not found:
        return Finding(name="editor", state="good", says="no editor has kept a copy of a question")
    return Finding(
        name="editor",
        state="bad",
        says=f"your editor has kept copies of questions: {', '.join(map(str, found[:5]))}",
        do="remove them, and have the editor keep no undo, swap and backup files of what lies in "
        "/run and /dev/shm (vim and nvim are told so by chat)",
    )


def _lm_studio(home: Path) -> Iterator[Finding]:
    for name in LM_STUDIO:
        for part, what in (("conversations", "chats of its own"), ("server-logs", "a server log")):
            files = [path for path in _below(home / name / part) if path.is_file()]
            if files:
                yield Finding(
                    name="lm-studio",
                    state="warning",
                    says=f"LM Studio keeps {what} on the disk: {len(files)} files in "
                    f"{home / name / part}",
                    do=_LM_STUDIO_DO[part],
                )


_LM_STUDIO_DO = {
    "conversations": "nothing, if they are those of its own window: what chatd asks is not there",
    "server-logs": "in its Developer page, switch off the logging of prompts and responses; the "
    "logs that are there hold what was asked while it was on: remove them",
}


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _below(directory: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(directory):
        yield from (Path(parent, name) for name in names)
