"""The fast start against everything else, where something ends it before its time."""

import array
import fcntl
import os
import signal
import subprocess
import termios

import pytest
from tests.conftest import StartDaemon
from tests.harness import DEADLINE_S, Daemon, ModelServer, configured, run, wait_for
from tests.ways import SLOW, masked, newest


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


def unread(pipe: int) -> int:
    """Return how many bytes wait in a pipe."""
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]
