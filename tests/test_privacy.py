"""Promise 1: no process of ours writes conversation text to a disk.

Words made at run time go through every path that a prompt or a reply can take, good and bad; then
every file on a disk that has changed meanwhile is searched for them.
"""

import os
import re
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chat_rpc.paths import mount_of
from tests.conftest import StartDaemon, StartServer
from tests.fakes.faults import FAULTS
from tests.fakes.scripts import SCRIPTS, hash_reply
from tests.harness import CHAT, Daemon, configured, run
from tests.terminal import Terminal

QUICK = "[limits]\ntoken_s = 0.2\nfirst_token_s = 2\n"
NOT_SEARCHED = ("/proc", "/sys", "/dev")
# whether it worked or not, and also where strace splits the line between threads
OPENED_TO_WRITE = re.compile(
    r"(?:open|openat|creat)\((?:\w+<(?P<folder>[^>]*)>, )?"
    r'"(?P<path>[^"]*)", *[^ ]*(?:O_WRONLY|O_RDWR|O_CREAT)'
)
ALLOWED = re.compile(
    r"/dev/(null|tty|pts/\d+)$"
    r"|/proc/(self|\d+)/oom_score_adj$"
    r"|/__pycache__/[\w.-]+\.pyc(\.\d+)?$"  # code, when it runs from a checkout
)


@dataclass
class Canaries:
    """Words that are nowhere else in the world, and what the scripted server makes of them."""

    words: list[bytes] = field(default_factory=list)

    def prompt(self) -> str:
        word = f"canary{secrets.token_hex(12)}"
        # of the reply, a part that the prompt cannot bring along
        self.words += [word.encode(), hash_reply(word)[:17].encode()]
        return word


def exercise(
    daemon: Daemon,
    canaries: Canaries,
    wrapper: Sequence[str] = (),
    models: Iterable[str] = SCRIPTS,
) -> None:
    """Take every path: good and bad replies, words and stdin, Ctrl-C, a closed pipe, kill -9."""
    environment = {"CHATD_SOCKET": str(daemon.socket)}

    def chat(*arguments: str, stdin: bytes | None = None) -> None:
        run([*wrapper, CHAT, *arguments], stdin=stdin, env=environment)

    for model in models:
        chat("-0", "-m", model, canaries.prompt())
    chat("-m", "echo", "-s", canaries.prompt(), stdin=canaries.prompt().encode())
    chat("-m", "echo", "--json", canaries.prompt(), stdin=canaries.prompt().encode())
    chat("-m", canaries.prompt(), canaries.prompt())  # as a model's name too
    chat("-m", "hash", canaries.prompt(), stdin=canaries.prompt().encode() + b"\xff")
    chat("-0", "-m", "demo", canaries.prompt())  # the engine is a process of ours, too
    sent = daemon.home / "sent.txt"  # in RAM, as the whole home of this daemon
    sent.write_text(canaries.prompt())
    chat("-0", "-m", "echo", "-f", str(sent), canaries.prompt())
    chat("-0", "-m", "echo", "--ephemeral", "-f", str(sent), canaries.prompt())
    chat("-0", "-m", "hash", "-C", canaries.prompt(), canaries.prompt())
    chat("-m", "echo", stdin=canaries.prompt().encode() * 50_000)  # too long for a line
    chat("list")
    chat("show")
    chat("show", canaries.prompt())
    tend(daemon, canaries, wrapper)
    run(["sh", "-c", f"{CHAT} -0 -m slow {canaries.prompt()} | head -c 1"], env=environment)
    with subprocess.Popen(
        [CHAT, "-0", "-m", "stall", canaries.prompt()],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
    ) as interrupted:
        assert interrupted.stdout is not None
        os.read(interrupted.stdout.fileno(), 1)
        interrupted.send_signal(signal.SIGINT)
    converse(daemon, canaries, wrapper)
    raw = b'{"jsonrpc":"2.0","id":1,"method":"turn.start","params":{"%b":1}}\n%b\n'
    run(
        [sys.executable, "-c", RAW, str(daemon.socket)],
        stdin=raw % (canaries.prompt().encode(), canaries.prompt().encode()),
    )


def tend(daemon: Daemon, canaries: Canaries, wrapper: Sequence[str]) -> None:
    """Do what can be done with a conversation: judge it, edit it, carry it, find it."""
    edited = canaries.prompt()
    place = {
        "CHATD_SOCKET": str(daemon.socket), "VISUAL": f"sed -i s/^/{edited}/", "EDITOR": "",
    }  # fmt: skip

    def chat(*arguments: str, stdin: bytes | None = None) -> bytes:
        return run([*wrapper, CHAT, *arguments], stdin=stdin, env=place).out

    chat("-0", "-q", "-m", "echo", canaries.prompt())
    assert edited.encode() in chat("edit")
    chat("retry", "-m", "hash")
    chat("refine", canaries.prompt())
    chat("good", "@-1", canaries.prompt())
    chat("rename", "nothing", canaries.prompt())
    chat("search", canaries.prompt())
    assert edited.encode() in chat("export")
    said = f"# {canaries.prompt()}\n\n## User\n\n{canaries.prompt()}\n\n## Assistant\n\nyes\n"
    chat("fork", chat("import", "-", stdin=said.encode()).decode().strip())
    chat("doctor")
    chat("logs")
    chat("--complete", "chats")


def converse(daemon: Daemon, canaries: Canaries, wrapper: Sequence[str]) -> None:
    """Ask at a terminal: typed, pasted, written in an editor, brought back from the history."""
    place = {"CHATD_SOCKET": str(daemon.socket), "VISUAL": "sed -i s/^/edited-/", "EDITOR": ""}
    with Terminal([*wrapper, CHAT, "-m", "echo"], env=place) as terminal:
        terminal.wait_for("a new conversation")
        terminal.type(f"{canaries.prompt()}\r")
        terminal.wait_for("ends in")
        pasted, edited = canaries.prompt(), canaries.prompt()
        terminal.type(f"\x1b[200~{pasted}\n{pasted}\x1b[201~{edited}\x18\x05")
        terminal.wait_for(f"edited-{pasted}")
        terminal.type("\r\x1b[A")
        terminal.wait_for(edited, after=terminal.text.rindex("chat: echo"))
        terminal.type(f"\x03/rename {canaries.prompt()}\r\x04")
        terminal.wait()


RAW = """
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
client.sendall(sys.stdin.buffer.read())
client.recv(65536)
"""


def changed_files(since: float) -> Iterator[Path]:
    """Yield the regular files on disks that were written since then."""
    in_ram: dict[int, bool] = {}
    for directory, names, files in os.walk("/", topdown=True):
        names[:] = [name for name in names if os.path.join(directory, name) not in NOT_SEARCHED]
        for name in files:
            file = Path(directory, name)
            try:
                status = file.lstat()
            except OSError:
                continue
            if not stat.S_ISREG(status.st_mode) or status.st_mtime < since:
                continue
            if status.st_dev not in in_ram:
                in_ram[status.st_dev] = mount_of(file).is_ram
            if not in_ram[status.st_dev]:
                yield file


def hits(paths: Iterable[Path], words: Sequence[bytes]) -> list[Path]:
    found = []
    pattern = re.compile(b"|".join(map(re.escape, words)))
    for path in paths:
        try:
            if pattern.search(path.read_bytes()):
                found.append(path)
        except OSError:
            continue
    return found


@pytest.mark.timeout(600)
def test_no_word_of_a_conversation_is_on_a_disk(
    start_daemon: StartDaemon, start_server: StartServer, tmp_path: Path, ram: Path
) -> None:
    assert not mount_of(tmp_path).is_ram, "the search needs a disk"
    began = time.time() - 2  # the kernel's clock of files is a little behind
    log = tmp_path / "chatd.log"
    server = start_server("--delay-s", "0.01")
    daemon = start_daemon(
        configured(
            ("scripted", server),
            extra=f'{QUICK}[logging]\nlevel = "DEBUG"\nfile = "{log}"\n',
        )
    )
    canaries = Canaries()
    exercise(daemon, canaries, models=(*SCRIPTS, *FAULTS))
    daemon.kill()
    daemon.start()
    exercise(daemon, canaries)
    daemon.stop()

    journals = list(daemon.store.glob("session_*/journal/*"))
    assert hits(journals, canaries.words) == journals, "the search finds what is there"
    planted = tmp_path / "planted"
    planted.write_bytes(b"x" * 5000 + canaries.words[-1])
    on_disk = list(changed_files(began))
    assert log in on_disk
    assert planted in on_disk
    assert hits(on_disk, canaries.words) == [planted]
    assert hits([daemon.log], canaries.words) == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.timeout(600)
def test_every_file_that_is_opened_for_writing_is_on_a_tmpfs(
    start_daemon: StartDaemon, start_server: StartServer, ram: Path
) -> None:
    def strace(name: str) -> list[str]:
        return ["strace", "-f", "-qq", "-y", "-s", "400", "-e", "trace=open,openat,creat", "-A",
                "-o", str(ram / name)]  # fmt: skip

    server = start_server("--delay-s", "0.01")
    daemon = start_daemon(
        configured(("scripted", server), extra=QUICK), wrapper=strace("daemon.trace")
    )
    exercise(daemon, Canaries(), strace("chat.trace"))
    daemon.stop()
    opened = {
        Path(match["folder"] or "/", match["path"])
        for trace in ram.glob("*.trace")
        for line in trace.read_text("utf-8", "replace").splitlines()
        if (match := OPENED_TO_WRITE.search(line))
    }
    assert any(path.name == "000001.ndj" for path in opened), "the trace sees what is opened"
    for path in opened:
        if not ALLOWED.search(str(path)):
            there = next(place for place in (path, *path.parents) if place.exists())
            assert mount_of(there).is_ram, path
