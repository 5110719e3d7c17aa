"""One-liners as people write them, each in a real shell: what comes out, and what it ends with.

The numbers are those of the list that `chat` was made after.  `mail`, `notify-send` and
`journalctl` are scripts, for no test sends mail or depends on this machine's log.
"""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import StartDaemon, StartServer
from tests.fakes.gguf_models import write_counter
from tests.fakes.scripts import hash_reply
from tests.harness import BIN, CHAT, Daemon, Ran, configured, free_port, run
from tests.terminal import Terminal

Shell = Callable[..., Ran]

TEMPLATE = """\
+++
extract = true
+++
Write a commit message for this change, such as

```
tests: mend a thing
```
"""


@pytest.fixture
def daemon(start_daemon: StartDaemon, start_server: StartServer) -> Daemon:
    """A daemon whose models echo; `small` is one."""
    server = start_server("--models", "echo,small,hash", "--script", "echo")
    return start_daemon(configured(("scripted", server)))


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder for PATH: the `chat` of this tree, and what a test may not do for real."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "chat").symlink_to(CHAT)
    scripts = {
        "mail": f'cat > {tmp_path}/mail; echo "$*" > {tmp_path}/mail.args',
        "notify-send": f'echo "$*" > {tmp_path}/notified',
        "journalctl": "echo 'disk: I/O error'; echo 'usb: over-current'",
    }
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def shell(daemon: Daemon, commands: Path, tmp_path: Path) -> Shell:
    return bash(daemon, commands, tmp_path)


def bash(daemon: Daemon, commands: Path, folder: Path) -> Shell:
    """Return what runs a line in bash, with pipefail, in this folder."""

    def run_line(line: str, **environment: str) -> Ran:
        return run(
            ["bash", "-o", "pipefail", "-c", line],
            env={
                "CHATD_SOCKET": str(daemon.socket),
                "PATH": f"{commands}:{BIN}:{os.environ['PATH']}",
                **environment,
            },
            cwd=folder,
        )

    return run_line


def repository(folder: Path) -> None:
    """Make a git repository with a commit and a staged change."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    (folder / "file").write_text("one\n")
    for arguments in (["init", "-q"], ["add", "file"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], cwd=folder, check=True)
    (folder / "file").write_text("two\n")
    subprocess.run([*git, "add", "file"], cwd=folder, check=True)


def template(home: Path, name: str, text: str) -> None:
    path = home / ".config/chat/templates" / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_1_a_commit_message_from_a_template(shell: Shell, tmp_path: Path) -> None:
    repository(tmp_path)
    template(tmp_path, "commit", TEMPLATE)
    ran = shell("git diff --staged | chat -m echo -t commit -x > .git/COMMIT_EDITMSG")
    assert (ran.status, ran.err) == (0, "")
    assert (tmp_path / ".git/COMMIT_EDITMSG").read_text() == "tests: mend a thing\n"


def test_2_a_review_that_is_kept_too(shell: Shell, tmp_path: Path) -> None:
    repository(tmp_path)
    ran = shell(
        'git log -p -1 | chat -m echo "Review this. One line per finding: file:line: text"'
        " | tee review.txt"
    )
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(b"Review this. One line per finding: file:line: text\n\ncommit ")
    assert (tmp_path / "review.txt").read_bytes() == ran.out


def test_3_what_the_journal_says(shell: Shell) -> None:
    ran = shell(
        'journalctl -p err -b --no-pager | chat -m echo "Group these by cause, most urgent first"'
    )
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.decode().splitlines()[-2:] == ["disk: I/O error", "usb: over-current"]


def test_4_why_a_build_fails_and_then_a_word(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("all:\n\t@echo broken; false\n")
    ran = shell(
        "set +o pipefail; make 2>&1 | tail -n 200"
        ' | chat -m echo "Why does it fail? Reply with one fix" && notify-send done'
    )
    assert ran.status == 0, ran.err
    assert b"broken" in ran.out
    assert (tmp_path / "notified").read_text() == "done\n"


def test_4_no_word_where_the_answer_is_no_good(shell: Shell, tmp_path: Path) -> None:
    ran = shell("make 2>&1 | chat -m nope 'Why does it fail?' && notify-send done")
    assert ran.status == 65
    assert not (tmp_path / "notified").exists()


def test_5_a_page_as_mail(shell: Shell, daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "page").write_text("A page about tmpfs.")
    ran = shell(
        'curl -s "$URL" | chat -m small "Summarise in 5 bullets" | mail -s digest me',
        URL=f"file://{tmp_path}/page",
    )
    assert (ran.status, ran.err) == (0, "")
    assert (tmp_path / "mail").read_text() == "Summarise in 5 bullets\n\nA page about tmpfs.\n"
    assert (tmp_path / "mail.args").read_text() == "-s digest me\n"


def test_7_four_at_a_time_each_with_its_file(shell: Shell, tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number}.log").write_text(f"log {number} says so")
    ran = shell("""ls *.log | xargs -P4 -I{} sh -c 'chat -0 -f {} "One-line cause" > {}.why'""")
    assert (ran.status, ran.err) == (0, "")
    for number in range(12):
        why = (tmp_path / f"{number}.log.why").read_text()
        assert why.startswith("One-line cause")
        assert f"log {number} says so" in why


def test_8_a_loop_survives(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("one\ntwo\nthree\n")
    ran = shell('while read -r w; do chat -0 -q "German for: $w"; done < words.txt')
    assert ran.out == b"German for: one\nGerman for: two\nGerman for: three\n"


def test_11_pieces_as_they_come(shell: Shell) -> None:
    ran = shell("""chat -m hash --jsonl "Write a haiku" | jq -rj 'select(.type=="delta").text'""")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.decode() == hash_reply("Write a haiku")


def test_13_how_many_wait_looked_at_all_the_time(daemon: Daemon, commands: Path) -> None:
    path = f"{commands}:{BIN}:{os.environ['PATH']}"
    line = ["watch", "-n", "60", "chat status --json | jq .queued"]
    with Terminal(line, env={"CHATD_SOCKET": str(daemon.socket), "PATH": path}) as terminal:
        terminal.wait_for("\n0")
        terminal.interrupt()
        terminal.wait()


def test_14_a_morning_mail_from_cron(shell: Shell, tmp_path: Path) -> None:
    template(tmp_path, "morning", "What is to be done first?\n")
    (tmp_path / "todo.txt").write_text("- buy milk\n")
    crontab = (
        "setsid -w env -i HOME=$HOME PATH=$PATH CHATD_SOCKET=$CHATD_SOCKET sh -c '"
        "chat -0 --ephemeral --max-time 5m -t morning -f ~/todo.txt | mail -s today me'"
    )
    ran = shell(crontab)
    assert (ran.status, ran.err) == (0, "")
    said = (tmp_path / "mail").read_text()
    assert said.startswith("What is to be done first?")
    assert "- buy milk" in said


def test_all_of_it_is_one_json_object_for_scripts(shell: Shell) -> None:
    ran = shell("chat -m echo --json 'Name a colour' | jq -r .text")
    assert (ran.status, ran.out) == (0, b"Name a colour\n")
    assert json.loads(shell("chat -m echo --json 'Name a colour'").out)["state"] == "done"


@pytest.mark.parametrize(
    "line",
    [
        "git diff --staged | chat -t commit",
        'git log -p -1 | chat "Review this. One line per finding" | tee review.txt',
        'journalctl -p err -b --no-pager | chat "Group these by cause, most urgent first"',
        "make 2>&1 | tail -n 200 | chat 'Why does it fail?' && notify-send done",
        'curl -s "file://$PWD/page" | chat -m counter "Summarise" | mail -s digest me; cat mail',
        """ls page | xargs -P4 -I{} sh -c 'chat -0 -f {} "One line" > {}.why'; cat page.why""",
        """chat --jsonl "Write a haiku" | jq -rj 'select(.type=="delta").text'""",
        "chat -0 --ephemeral --max-time 5m -t morning -f ~/page",
    ],
    ids=["1", "2", "3", "4", "5", "7", "11", "14"],
)
def test_llama_cpp_s_own_server_answers_each(
    line: str,
    commands: Path,
    tmp_path: Path,
    start_daemon: StartDaemon,
    start_server: StartServer,
) -> None:
    """Its model, which is real and made by hand, says ten numbers to whatever it is asked."""
    write_counter(tmp_path / "counter.gguf", 10)
    arguments = (str(tmp_path / "counter.gguf"), "--port", str(free_port()))
    daemon = start_daemon(configured(("llama", start_server(*arguments, module="llama_server"))))
    repository(tmp_path)
    template(tmp_path, "commit", "Write a commit message for this change")
    template(tmp_path, "morning", "What is to be done first?")
    (tmp_path / "page").write_text("A page about tmpfs.")
    (tmp_path / "Makefile").write_text("all:\n\t@echo broken\n")
    ran = bash(daemon, commands, tmp_path)(line)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.decode().split() == [str(number) for number in range(10)]
