"""The fast start against everything else: the same bytes, prints, words and exits.

`fast` is what install.sh installs, on this tree; `slow` is the same command without the fast start.
"""

import array
import fcntl
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.conftest import StartDaemon
from tests.fakes.scripts import SCRIPTS
from tests.harness import (
    DEADLINE_S,
    Daemon,
    ModelServer,
    Ran,
    configured,
    ram_directory,
    run,
    wait_for,
)
from tests.launcher import write
from tests.terminal import Terminal

from chat_cli import fast, piped, plain
from chat_rpc import methods, paths

SLOW = [sys.executable, "-I", "-c", "from chat_cli.main import main; main()"]
KEY = re.compile(rb'"key":"[0-9a-f]{32}"')
TURN = re.compile(r"turn [a-z0-9]{16}")
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


@pytest.fixture(scope="module")
def launcher() -> Iterator[list[str]]:
    home = ram_directory()
    script = write(home)
    yield [str(script)]
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    home = ram_directory()
    server = ModelServer("model_server", "--port", "0", "--script", "hash")
    daemon = Daemon(home, configured(("scripted", server))).start()
    yield daemon
    daemon.stop()
    server.close()
    shutil.rmtree(home)


@dataclass
class Tap:
    """A socket between `chat` and chatd that remembers what `chat` said."""

    path: Path
    target: Path
    said: bytes = b""
    _listener: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_UNIX))

    def __post_init__(self) -> None:
        self._listener.bind(str(self.path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        with near, socket.socket(socket.AF_UNIX) as far:
            far.connect(str(self.target))
            back = threading.Thread(target=_pour, args=(far, near))
            back.start()
            while data := near.recv(65536):
                self.said += data
                far.sendall(data)
            far.shutdown(socket.SHUT_WR)
            back.join()


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # `chat` has left
        while data := source.recv(65536):
            sink.sendall(data)


def both(
    launcher: Sequence[str], daemon: Daemon, *arguments: str, stdin: bytes | None = None
) -> tuple[Ran, Ran]:
    env = {"CHATD_SOCKET": str(daemon.socket)}
    ran = [run([*way, *arguments], stdin=stdin, env=env) for way in (launcher, SLOW)]
    return masked(ran[0]), masked(ran[1])


def masked(ran: Ran) -> Ran:
    return Ran(ran.status, ran.out, TURN.sub("turn ID", ran.err))


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_turn_alike(
    launcher: list[str], daemon: Daemon, number: signal.Signals
) -> None:
    ended = []
    for way in (launcher, SLOW):
        process = subprocess.Popen(
            [*way, "-0", "-m", "stall", "x y"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "CHATD_SOCKET": str(daemon.socket)},
        )
        assert process.stdout is not None
        said = os.read(process.stdout.fileno(), 100)
        process.send_signal(number)
        rest, err = process.communicate(timeout=DEADLINE_S)
        ended.append((process.returncode, said + rest, err))
        assert newest(daemon).turns[-1].state == "cancelled"
    assert ended[0] == ended[1]


@pytest.mark.parametrize("is_fast", [True, False])
def test_ctrl_c_at_a_pipe_that_is_full_cuts_no_character_in_two(
    launcher: list[str],
    daemon: Daemon,
    is_fast: bool,  # noqa: FBT001
) -> None:
    text = "".join(f"日本{number}" for number in range(30_000))
    with subprocess.Popen(
        [*(launcher if is_fast else SLOW), "-m", "echo"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "CHATD_SOCKET": str(daemon.socket)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(text.encode())
        process.stdin.close()
        pipe = process.stdout.fileno()
        wait_for(lambda: unread(pipe) > 50_000, "a pipe that is full")
        process.send_signal(signal.SIGINT)
        said = process.stdout.read()
    assert process.returncode == 130
    assert text.startswith(said.decode().rstrip("\n"))


def unread(pipe: int) -> int:
    """Return how many bytes wait in a pipe."""
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


@pytest.mark.parametrize(
    "ending", ["> /dev/full", "| head -c 1", "| true", ">&-", "2>&-", "<&-", "> /dev/null"]
)
def test_every_end_of_stdout_ends_alike(launcher: list[str], daemon: Daemon, ending: str) -> None:
    env = {"CHATD_SOCKET": str(daemon.socket)}
    ran = [
        masked(
            run(
                [
                    "sh",
                    "-c",
                    f'{{ "$@"; echo $? >&9; }} 9>&2 {ending}',
                    "sh",
                    *way,
                    "-m",
                    "slow",
                    "a b",
                ],
                env=env,
            )
        )
        for way in (launcher, SLOW)
    ]
    assert ran[0] == ran[1]


def newest(daemon: Daemon) -> methods.Chat:
    """Return the chat that was used last."""
    with daemon.client() as client:
        chat = client.call(methods.CHATS, methods.Page(limit=1)).chats[0]
        return client.call(methods.CHAT, methods.ChatGet(chat=chat.chat))


def test_a_daemon_that_dies_in_mid_reply_is_not_seen_either_way(
    launcher: list[str], start_daemon: StartDaemon, scripted: ModelServer
) -> None:
    daemon = start_daemon(configured(("scripted", scripted)))
    env = {**os.environ, "CHATD_SOCKET": str(daemon.socket)}
    ran = []
    for way in (launcher, SLOW):
        process = subprocess.Popen(
            [*way, "-0", "-m", "slow", "x y"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
        )
        assert process.stdout is not None
        said = os.read(process.stdout.fileno(), 100)
        daemon.kill()
        daemon.start()
        rest, err = process.communicate(timeout=DEADLINE_S)
        ran.append((process.returncode, said + rest, err))
    assert ran[0] == ran[1] == (0, " ".join(map(str, range(20))).encode() + b" \n", b"")


def test_the_demo_is_labelled_alike(launcher: list[str], start_daemon: StartDaemon) -> None:
    quick, slow = both(launcher, start_daemon(), "-0", "What is tmpfs?")
    assert quick == slow
    assert "demo model" in quick.err


def test_what_it_knows_by_heart_is_what_others_know() -> None:
    assert plain.INLINE_BYTES == piped.INLINE_BYTES
    assert plain.PATIENCE_S == piped.PATIENCE_S
    assert fast.SYSTEM_SOCKET == os.fsencode(paths.SYSTEM_SOCKET)
    assert fast.SYSTEM_UNIT == os.fsencode(paths.SYSTEM_UNIT)


@pytest.mark.parametrize("has_logind", [True, False])
def test_it_looks_for_chatd_where_everything_looks(
    monkeypatch: pytest.MonkeyPatch,
    has_logind: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr(fast, "exists", lambda _: False)
    monkeypatch.setattr(os.path, "lexists", lambda _: False)
    for module in (plain, paths):
        is_private = "_is_private" if module is plain else "is_private"
        monkeypatch.setattr(module, is_private, lambda path: has_logind or "shm" in str(path))
    assert fast._sockets() == [os.fsencode(path) for path in paths.find().sockets]


SETTINGS = """
model = "fast"
system = "Be brief."
[aliases]
fast = "echo"
"""


@pytest.mark.parametrize("arguments", [["a b"], ["-m", "hash", "a b"], ["-C", "named", "a b"]])
def test_a_person_s_settings_are_read_alike_and_then_as_fast(
    launcher: list[str], daemon: Daemon, ram: Path, tmp_path: Path, arguments: list[str]
) -> None:
    file = tmp_path / ".config/chat/config.toml"
    file.parent.mkdir(parents=True)
    said: list[bytes] = []
    for text in (SETTINGS, SETTINGS.replace("brief", "short")):
        file.write_text(text)
        for number, way in enumerate((launcher, launcher, SLOW)):
            tap = Tap(ram / f"{len(said)}", daemon.socket)
            trace = [sys.executable, "-IS", "-X", "importtime"] if number == 1 else []
            ran = run([*trace, *way, *arguments], env={"CHATD_SOCKET": str(tap.path)})
            assert ran.status == 0
            assert number != 1 or "msgspec" not in ran.err
            tap.close()
            said.append(KEY.sub(b"", tap.said))
    assert said[0] == said[1] == said[2]
    assert said[3] == said[4] == said[5]
    assert (said[0] == said[3]) is ("-C" in arguments)


def test_settings_that_are_wrong_are_told_alike(
    launcher: list[str], daemon: Daemon, tmp_path: Path
) -> None:
    file = tmp_path / ".config/chat/config.toml"
    file.parent.mkdir(parents=True)
    for text in ("model = 1", "colour = 'red'", "think = 'show'", "options = { a = 1 }"):
        file.write_text(text)
        quick, slow = both(launcher, daemon, "-m", "reasoning", "a b")
        assert quick == slow


@pytest.mark.parametrize("name", ["CHAT_MODEL", "CHAT_SYSTEM"])
def test_the_environment_is_read_alike(
    launcher: list[str], daemon: Daemon, ram: Path, name: str
) -> None:
    said = []
    for number, way in enumerate((launcher, SLOW)):
        tap = Tap(ram / f"tap{number}", daemon.socket)
        run([*way, "a b"], env={"CHATD_SOCKET": str(tap.path), name: "echo"})
        tap.close()
        said.append(KEY.sub(b"", tap.said))
    assert said[0] == said[1]
    assert b'"echo"' in said[0]
