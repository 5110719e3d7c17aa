"""No process of ours leaves a core dump, nor lets another process of its user read its memory."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chat_rpc import methods
from chatd.backends import demo
from tests.conftest import StartDaemon
from tests.harness import CHAT, Daemon, children_of, run, wait_for

OTHER = 12345
AS_OTHER = ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups"]
READ_MEMORY = "import sys; open(f'/proc/{sys.argv[1]}/mem', 'rb').close()"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


def core_limit(pid: int) -> list[str]:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("Max core file size")]
    return line.split()[4:6]


def may_read(pid: int) -> bool:
    """Say whether another process of the user may read the memory of `pid`."""
    command = [*AS_OTHER, sys.executable, "-c", READ_MEMORY, str(pid)]
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0


@pytest.fixture
def asked(start_daemon: StartDaemon) -> Daemon:
    """A daemon whose engine runs."""
    daemon = start_daemon("[finding]\nenabled = false\n")
    with daemon.client() as client:
        turn = methods.TurnStart(prompt="What is tmpfs?", key="k", wait=True)
        client.call(methods.START, turn)
    return daemon


@pytest.mark.skipif(not demo.FILE.exists(), reason="there is no demo model")
def test_chatd_and_its_engine_may_dump_one_byte_which_is_none_even_into_a_pipe(
    asked: Daemon,
) -> None:
    (engine,) = children_of(asked.pid)
    assert core_limit(asked.pid) == core_limit(engine) == ["1", "1"]


def test_chat_may_not_dump_either(chatd: Daemon) -> None:
    command = [CHAT, "-m", "stall", "hello"]
    environment = {"CHATD_SOCKET": str(chatd.socket)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as chat:
        assert chat.stdout is not None
        chat.stdout.read(1)  # of a reply that never ends
        assert core_limit(chat.pid) == ["1", "1"]
        chat.send_signal(signal.SIGINT)


@needs_root
def test_another_process_of_the_user_cannot_read_the_memory_of_chatd_and_its_engine(
    ram: Path,
) -> None:
    # env: setpriv's own exec still has root's rights, and that of the engine has not
    if run([*AS_OTHER, "env", sys.executable, "-c", "pass"]).status != 0:
        pytest.skip("another user cannot run the Python of these tests")
    daemon = Daemon(ram, "[finding]\nenabled = false\n", wrapper=AS_OTHER)
    for path in (daemon.home, daemon.store):
        os.chown(path, OTHER, OTHER)
    daemon.start()
    with subprocess.Popen([*AS_OTHER, "sleep", "60"]) as other:
        wait_for(lambda: os.stat(f"/proc/{other.pid}").st_uid == OTHER, "the other user")
        assert may_read(other.pid), "the test sees memory that may be read"
        other.kill()
    assert not may_read(daemon.pid)
    if demo.FILE.exists():
        asked = run(
            [*AS_OTHER, CHAT, "-m", "demo", "What is tmpfs?"],
            env={"CHATD_SOCKET": str(daemon.socket)},
        )
        assert asked.status == 0, asked.err
        (engine,) = children_of(daemon.pid)
        assert not may_read(engine)
    daemon.stop()
