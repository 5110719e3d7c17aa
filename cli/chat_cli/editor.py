"""Text in a person's editor: in a file on the tmpfs that is gone again afterwards."""

import os
import shlex
import shutil
import tempfile
from pathlib import Path

from chat_cli import output
from chat_rpc import errors, paths

DIRECTORY = "chat-edit-"  # and some letters: by this, copies of its files are known
# Vim keeps no swap, undo or backup file, and no registers, when it is told so.
USUAL = ("editor", "nano", "vi")  # where the environment names none
VIMS = ("vim", "vim.basic", "vim.tiny", "vim.nox", "vim.gtk3", "nvim")
VIM_FLAGS = ("-n", "-i", "NONE", "-c", "set noundofile nobackup nowritebackup")


def edited(text: str, *, quiet: bool = False) -> str:
    """Return what a person makes of `text` in $VISUAL or $EDITOR; raises RpcError."""
    runtime = paths.make_runtime()
    if runtime is None:
        raise errors.NotPermitted("there is no private directory in RAM for the editor's file")
    # a directory, so that what an editor leaves beside the file goes with it
    directory = Path(tempfile.mkdtemp(prefix=DIRECTORY, dir=runtime))
    try:
        file = directory / "question.md"
        output.save(file, text + "\n")
        _run([*command(quiet=quiet), os.fspath(file)])
        return file.read_text(encoding="utf-8").rstrip("\n")
    except UnicodeDecodeError:
        raise errors.InvalidParams("the editor wrote no UTF-8; nothing was asked") from None
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def command(*, quiet: bool = True) -> list[str]:
    """Return the editor's command line; tells where it may keep copies of what it is shown."""
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    for words in [shlex.split(named)] if named else [[name] for name in USUAL]:
        program = shutil.which(words[0]) if words else None
        if program is not None:
            break
    else:
        raise errors.NoSuchFile(f"there is no editor {named or 'here'}: set EDITOR")
    if Path(os.path.realpath(program)).name in VIMS:
        return [*words, *VIM_FLAGS]
    if not quiet:
        output.note(
            f"{words[0]} may keep copies (swap, undo and backup files) elsewhere; "
            "the file itself is in RAM, and removed afterwards"
        )
    return words


def _run(words: list[str]) -> None:
    import subprocess

    status = subprocess.run(words, check=False).returncode
    if status != 0:
        output.note(f"{Path(words[0]).name} ended with {status}; nothing was asked")
        raise SystemExit(1)
