"""Completion in real shells on a terminal: verbs, flags, conversations, models; quick and quiet."""

import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.conftest import RunChat
from tests.harness import BIN, CHAT, Daemon, run
from tests.shells import BASH_COMPLETION, Shell

from chat_cli import candidates
from chat_cli.outline import Command, outline
from chat_cli.verbs import VERBS
from chat_rpc import paths

OpenShell = Callable[[str], Shell]
SHELLS = ["bash", "bash alone", "bash by itself", "zsh", "zsh by itself"]
EVERY = outline()


def where_it_is_looked_for(command: str, script: Path, home: Path) -> str:
    """Put the script where the shell finds it by itself, and return what it needs for that."""
    if command == "bash":
        place = home / ".local/share/bash-completion/completions/chat"
    else:
        place = home / "site-functions/_chat"
    place.parent.mkdir(parents=True)
    script.rename(place)
    return "" if command == "bash" else f"fpath+=({place.parent}); compinit -u -D\n"


@pytest.fixture
def open_shell(tmp_path: Path, chatd: Daemon) -> Iterator[OpenShell]:
    opened = ExitStack()

    def open_(name: str, place: Path = chatd.socket) -> Shell:
        command, _, way = name.partition(" ")
        if shutil.which(command) is None:
            pytest.skip(f"there is no {command} here")
        if command == "bash" and way != "alone" and not BASH_COMPLETION.exists():
            pytest.skip("there is no bash-completion here")
        script = tmp_path / f"script.{command}"
        script.write_bytes(run([CHAT, "completion", command]).out)
        source = f". {script}\n"
        if way == "alone":  # the last one counts
            source = f"complete -r; {source}"
        elif way == "by itself":
            source = where_it_is_looked_for(command, script, tmp_path)
        environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "CHATD_SOCKET": str(place)}
        return opened.enter_context(Shell(command, source, tmp_path, environment))

    with opened:
        yield open_


@pytest.mark.parametrize("name", SHELLS)
def test_verbs_and_flags_are_completed(open_shell: OpenShell, chat: RunChat, name: str) -> None:
    chat("config", "set", "checks.my-profile.tries", "2")
    shell = open_shell(name)
    for line, becomes in (
        ("chat und", "chat undelete "),
        ("chat list --dele", "chat list --deleted "),
        ("chat config un", "chat config unset "),
        ("chat config set --he", "chat config set --he"),
        ("chat --ephe", "chat --ephemeral "),
        ("chat what is --ephe", "chat what is --ephemeral "),
        ("chat export --to op", "chat export --to openai "),
        ("chat export --to=op", "chat export --to=openai "),
        ("chat help exit", "chat help exit-codes "),
        ("chat completion zs", "chat completion zsh "),
        ("chat config get think", "chat config get think "),
        ("chat --check not-a-check", "chat --check not-a-check"),
        ("chat --check my-pro", "chat --check my-profile "),
        ("chat check --profile my-pro", "chat check --profile my-profile "),
    ):
        assert shell.complete(line)[0].rstrip() == becomes.rstrip()
    shown = shell.complete("chat re")[1]
    assert "retry" in shown
    assert "rename" in shown


@pytest.mark.parametrize("name", SHELLS)
def test_conversations_and_models_are_completed(
    open_shell: OpenShell, chat: RunChat, name: str
) -> None:
    made = json.loads(chat("-0", "--json", "-m", "echo", "what is this").out)["chat"]
    chat("-0", "-q", "-m", "echo", "-C", "deploy", "another")
    chat("config", "set", "aliases.'qwen:7b'", "hash")
    shell = open_shell(name)
    for line, becomes in (
        ("chat show dep", "chat show deploy"),
        (f"chat show {made[:3]}", f"chat show {made[:8]}"),
        ("chat -C dep", "chat -C deploy"),
        ("chat rename dep", "chat rename deploy"),
        ("chat retry -m nofi", "chat retry -m nofinish"),
        ("chat -m qwen:", "chat -m qwen:7b"),
        ("chat --model=has", "chat --model=hash"),
    ):
        assert shell.complete(line)[0].rstrip() == becomes
    shown = shell.complete("chat show ")[1]
    assert "what is this" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize("name", SHELLS)
def test_files_are_completed_where_files_belong(
    open_shell: OpenShell, tmp_path: Path, name: str
) -> None:
    (tmp_path / "some notes.md").touch()
    shell = open_shell(name)
    assert shell.complete(f"chat import {tmp_path}/some")[0].endswith("some\\ notes.md ")
    assert shell.complete(f"chat -f {tmp_path}/some")[0].endswith("some\\ notes.md ")


@pytest.mark.parametrize("name", SHELLS)
def test_without_a_chatd_completion_is_quiet_and_starts_none(
    open_shell: Callable[..., Shell], tmp_path: Path, name: str
) -> None:
    shell = open_shell(name, tmp_path / "no.sock")
    line, shown = shell.complete("chat show dep")
    assert line == "chat show dep"
    assert "chat:" not in shown
    assert not (tmp_path / "no.sock").exists()


def test_fish_completes_too(tmp_path: Path, chat: RunChat, chatd: Daemon) -> None:
    if shutil.which("fish") is None:
        pytest.skip("there is no fish here")
    chat("-0", "-q", "-m", "echo", "-C", "deploy", "another")
    script = tmp_path / "chat.fish"
    script.write_bytes(run([CHAT, "completion", "fish"]).out)
    place = {"PATH": f"{BIN}:{os.environ['PATH']}", "CHATD_SOCKET": str(chatd.socket)}
    for line, offered in (
        ("chat undel", "undelete"),
        ("chat list --dele", "--deleted"),
        ("chat show dep", "deploy"),
        ("chat -m nofi", "nofinish"),
    ):
        ran = run(
            ["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"], env=place
        )
        assert ran.out.decode().partition("\t")[0] == offered, ran.err


@pytest.mark.parametrize("kind", candidates.KINDS)
def test_what_is_asked_at_each_key_is_quiet_where_all_is_broken(kind: str, tmp_path: Path) -> None:
    file = paths.person_config()
    file.parent.mkdir(parents=True)
    file.write_text("broken")
    ran = run([CHAT, "--complete", kind], env={"CHATD_SOCKET": str(tmp_path / "s")})
    assert (ran.status, ran.err) == (0, "")


def test_a_chatd_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    began = time.monotonic()
    ran = run([CHAT, "--complete", "chats"], env={"CHATD_SOCKET": str(tmp_path / "s")})
    assert (ran.status, ran.out, ran.err) == (0, b"", "")
    assert time.monotonic() - began < 10
    listener.close()


def test_what_is_asked_at_each_key_loads_no_typer(chatd: Daemon) -> None:
    script = (
        "import sys; from chat_cli import main; main.run(['--complete', 'chats']);"
        "sys.exit('typer' in sys.modules)"
    )
    python = str(BIN / "python")
    assert run([python, "-c", script], env={"CHATD_SOCKET": str(chatd.socket)}).status == 0


def test_every_kind_of_value_can_be_completed() -> None:
    kinds = {part.kind for command in _all(EVERY) for part in (*command.flags, *command.arguments)}
    assert kinds - {"", "files"} == set(candidates.KINDS)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_flag_is_in_the_completion(shell: str) -> None:
    script = run([CHAT, "completion", shell]).out.decode()
    for command in _all(EVERY):
        assert command.name.split()[-1] in script
        for flag in command.flags:
            for name in flag.names:
                assert (name.lstrip("-") if shell == "fish" else name) in script
    assert {command.name for command in EVERY} == set(VERBS)


def test_the_bash_script_is_sound(tmp_path: Path) -> None:
    script = tmp_path / "chat.bash"
    script.write_bytes(run([CHAT, "completion", "bash"]).out)
    ran = run([str(BIN / "shellcheck"), str(script)])
    assert ran.status == 0, ran.out.decode()


def _all(commands: list[Command]) -> Iterator[Command]:
    for command in commands:
        yield command
        yield from command.commands
