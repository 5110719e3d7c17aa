"""The fast start against everything else: the same bytes to chatd, prints, words and exits."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import StartDaemon
from tests.fakes.scripts import SCRIPTS
from tests.harness import DEADLINE_S, Daemon, ModelServer, configured, run
from tests.terminal import Terminal
from tests.ways import KEY, SLOW, Tap, both, newest

PLAIN = [
    ["hi"],
    ["What", "is", "tmpfs?"],
    ["-q", "two words"],
    ["-0", "list my files"],
    ["-m", "echo", 'quotes " and \\ and \x01\x1f\x7f and é\u2028\U0001f642'],
    ["words", "-m", "echo", "after", "-s", "Be brief."],
    ["-m", "echo", "--", "-x", "list"],
    ["-C", "a name", "hi there"],
    ["-cc", "go on then"],
    ["-c", "-c", "go on then"],
    ["-m", "echo", "a\nb\n"],
]
ODD = [
    ["-m", "nope", "hi there"],
    ["-m", "", "hi there"],
    ["-s", "", "hi there"],
    ["-C", "x" * 201, "hi there"],
    ["-C", "a@1", "hi there"],
    ["-C", "a@home", "hi there"],
    ["-c", "-C", "a", "hi there"],
    ["-m"],
    ["-x", "hi there"],
    ["--colour", "hi there"],
    ["modles", "-m", "echo"],
    ["list", "my", "files"],
    ["-0"],
    ["-0", " "],
    ["-", "hi"],
    [""],
]
REPLIES = [
    *sorted(set(SCRIPTS) - {"judge", "play"}),  # which answer other questions
    "nofinish", "cut", "length", "empty", "html", "e401", "e429", "e500", "error-mid-stream",
    "garbage", "binary", "redirect", "eof-in-event", "invalid-utf-8", "huge-event", "think",
    "think-only", "tool-call", "wrong-model-answers", "content-filter", "long-openai", "refusal",
    "in-one-piece", "no-usage",
]  # fmt: skip
STDIN = [
    b"", b" \n", b"What is\ntmpfs?\n", "é\u2028\x00\x1b".encode(), b"ok \xff",
    b"".join(b"%d " % number for number in range(200_000)),  # more than goes inline
]  # fmt: skip


@pytest.mark.parametrize("arguments", PLAIN, ids=" ".join)
def test_it_says_the_same_bytes_to_chatd(
    launcher: list[str], daemon: Daemon, ram: Path, arguments: list[str]
) -> None:
    said = []
    for number, way in enumerate((launcher, SLOW)):
        tap = Tap(ram / f"tap{number}", daemon.socket)
        assert run([*way, *arguments], env={"CHATD_SOCKET": str(tap.path)}).status == 0
        tap.close()
        said.append(KEY.sub(b"", tap.said))
    assert said[0] == said[1]


@pytest.mark.parametrize("arguments", PLAIN, ids=" ".join)
def test_a_plain_question_loads_no_package(
    launcher: list[str], daemon: Daemon, arguments: list[str]
) -> None:
    ran = run(
        [sys.executable, "-IS", "-X", "importtime", *launcher, *arguments],
        env={"CHATD_SOCKET": str(daemon.socket)},
    )
    assert ran.status == 0
    for heavy in ("msgspec", "typer", "re", "os", "typing", "site"):
        assert not re.search(rf"\| +{heavy}$", ran.err, re.MULTILINE), ran.err


@pytest.mark.parametrize("arguments", [*PLAIN, *ODD], ids=" ".join)
def test_every_command_line_ends_alike(
    launcher: list[str], daemon: Daemon, arguments: list[str]
) -> None:
    quick, slow = both(launcher, daemon, *arguments)
    assert quick == slow


@pytest.mark.parametrize("words", [[], ["words"], ["-q", "words"]], ids=" ".join)
@pytest.mark.parametrize("stdin", STDIN, ids=lambda data: f"{data[:20]!r}")
def test_every_stdin_ends_alike(
    launcher: list[str], daemon: Daemon, words: list[str], stdin: bytes
) -> None:
    quick, slow = both(launcher, daemon, "-m", "echo", *words, stdin=stdin)
    assert quick == slow


@pytest.mark.parametrize("model", REPLIES)
def test_every_reply_ends_alike(launcher: list[str], daemon: Daemon, model: str) -> None:
    quick, slow = both(launcher, daemon, "-0", "-m", model, "the question")
    assert quick == slow


def test_a_terminal_shows_the_same(launcher: list[str], daemon: Daemon) -> None:
    shown = []
    for way in (launcher, SLOW):
        env = {"CHATD_SOCKET": str(daemon.socket)}
        with Terminal([*way, "-m", "echo", "# A *title*\n\nand \x1b[2J text"], env=env) as terminal:
            shown.append((terminal.wait(), terminal.text))
    assert shown[0] == shown[1]
    assert "A title" in shown[0][1]


@pytest.mark.parametrize("is_fast", [True, False])
def test_a_chat_of_a_terminal_goes_on_alike(
    launcher: list[str],
    daemon: Daemon,
    is_fast: bool,  # noqa: FBT001
) -> None:
    way = shlex.join(launcher if is_fast else SLOW)
    script = f"{way} -0 -m hash 'the first' && {way} -0 -c -m hash 'the second'"
    with Terminal(["sh", "-c", script], env={"CHATD_SOCKET": str(daemon.socket)}) as terminal:
        assert terminal.wait() == 0, terminal.text
    assert [turn.prompt for turn in newest(daemon).turns] == ["the first", "the second"]


def test_a_place_in_the_queue_is_told_alike(
    launcher: list[str], start_daemon: StartDaemon, scripted: ModelServer
) -> None:
    daemon = start_daemon(configured(("scripted", scripted), slots=1))
    env = {**os.environ, "CHATD_SOCKET": str(daemon.socket)}
    said = []
    for way in (launcher, SLOW):
        first = subprocess.Popen(
            [*way, "-0", "-m", "stall", "x y"], stdout=subprocess.PIPE, env=env
        )
        assert first.stdout is not None
        first.stdout.read(5)
        second = subprocess.Popen(
            [*way, "-0", "-m", "hash", "x y"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env,
        )  # fmt: skip
        assert second.stderr is not None
        line = second.stderr.readline()
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=DEADLINE_S)
        out, rest = second.communicate(timeout=DEADLINE_S)
        said.append((first.returncode, second.returncode, out, line + rest))
    assert said[0] == said[1]
    assert b"place 1 in the queue" in said[0][3]


def test_the_demo_is_labelled_alike(launcher: list[str], start_daemon: StartDaemon) -> None:
    quick, slow = both(launcher, start_daemon(), "-0", "What is tmpfs?")
    assert quick == slow
    assert "demo model" in quick.err
