"""chatd as a service: its manager is played by the test, with real sockets and signals."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import StartDaemon
from tests.harness import Daemon, ModelServer, children_of, configured, wait_for
from tests.manager import Manager, environment_of

from chat_rpc import methods
from chat_rpc.client import Client
from chatd import standin, systemd
from chatd.backends import demo

ALONE = "[finding]\nenabled = false\n[engine]\nenabled = false\n"
WATCHDOG_S = 0.2
WITH_TERMINAL = "import os, sys; os.dup2(int(sys.argv[1]), 0); os.execv(sys.argv[2], sys.argv[2:])"


@pytest.fixture
def manager(ram: Path) -> Iterator[Manager]:
    manager = Manager(ram)
    yield manager
    manager.close()


def ping(path: Path) -> None:
    with Client(path) as client:
        client.call(methods.PING, methods.Nothing())


def test_systemd_is_told_when_chatd_is_ready_and_when_it_stops(manager: Manager) -> None:
    daemon = manager.daemon(ALONE).start()
    assert manager.hear() == {"READY": "1"}
    assert manager.hear()["STATUS"].startswith(
        "turns: 0 running, 0 queued; connections: 0; store: 0 of "
    )
    daemon.stop()
    assert manager.hear_until("STOPPING")[-1] == {"STOPPING": "1"}
    assert manager.hear() == {"STATUS": ""}, "no figures stay behind"


def test_the_status_has_live_figures(manager: Manager, scripted: ModelServer) -> None:
    watchdog = {"WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
    daemon = manager.daemon(configured(("scripted", scripted), slots=1), watchdog).start()
    with daemon.client() as client:
        asked = [methods.TurnStart(prompt="x", key=f"k{n}", model="stall") for n in range(3)]
        turns = [client.call(methods.START, one).turn for one in asked]
        manager.hear_until("STATUS", "turns: 1 running, 2 queued; connections: 1; store: 0 of ")
        for turn in turns:
            client.call(methods.CANCEL, methods.TurnNamed(turn=turn))
    manager.hear_until("STATUS", "turns: 0 running, 0 queued; connections: 0;")
    daemon.stop()


def test_the_watchdog_is_fed_at_least_twice_in_its_time_and_only_by_a_loop_that_runs(
    manager: Manager,
) -> None:
    daemon = manager.daemon(ALONE, {"WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}).start()
    manager.hear_until("WATCHDOG")
    began_s = time.monotonic()
    for _ in range(20):
        manager.hear_until("WATCHDOG")
    took_s = time.monotonic() - began_s
    assert 20 * WATCHDOG_S / 2 * 0.9 < took_s < 20 * WATCHDOG_S
    os.kill(daemon.pid, signal.SIGSTOP)
    wait_for(lambda: _is_stopped(daemon), "the daemon stands still")
    manager.forget()
    with pytest.raises(TimeoutError):
        manager.hear_within(3 * WATCHDOG_S)
    os.kill(daemon.pid, signal.SIGCONT)
    daemon.stop()


def test_another_process_s_watchdog_is_not_fed(manager: Manager) -> None:
    watchdog = {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
    daemon = manager.daemon(ALONE, watchdog).start()
    daemon.stop()
    assert not any("WATCHDOG" in message for message in manager.hear_until("STOPPING"))


def test_a_restart_refuses_nobody_and_leaves_the_socket_where_it_is(manager: Manager) -> None:
    inode = manager.socket.stat().st_ino
    for _ in range(2):
        with socket.socket(socket.AF_UNIX) as early:  # before there is a chatd
            early.connect(str(manager.socket))
            early.sendall(b'{"jsonrpc":"2.0","id":1,"method":"system.ping"}\n')
            daemon = manager.daemon(ALONE).start()
            assert b'"pong":true' in early.recv(4096)
        ping(manager.socket)
        daemon.stop()
        assert manager.socket.stat().st_ino == inode


def test_the_path_of_a_passed_socket_is_not_chatd_s_to_watch(manager: Manager) -> None:
    daemon = manager.daemon(ALONE).start()
    manager.socket.unlink()
    manager.hear_until("STATUS")
    with pytest.raises(TimeoutError):  # one that is its own, it looks after every five seconds
        while "STOPPING" not in manager.hear_within(systemd.LOOK_S + 1):
            pass
    daemon.stop()


def test_status_names_the_passed_socket(manager: Manager) -> None:
    daemon = manager.daemon(ALONE).start()
    with daemon.client() as client:
        status = client.call(methods.STATUS, methods.Nothing())
    daemon.stop()
    assert status.socket == str(manager.socket)


@pytest.mark.skipif(not demo.FILE.exists(), reason="there is no demo model")
def test_children_are_not_told_of_the_socket(manager: Manager) -> None:
    daemon = manager.daemon("[finding]\nenabled = false\n").start()
    with daemon.client() as client:
        asked = methods.TurnStart(prompt="What is tmpfs?", key="k", wait=True)
        client.call(methods.START, asked)
        (engine,) = children_of(daemon.pid)
    assert not environment_of(engine) & set(systemd.PASSED)
    assert environment_of(daemon.pid) >= {"LISTEN_FDS"}, "the test sees variables"
    assert not any("socket:" in link and _is(manager, link) for link in _files(engine))
    daemon.stop()


@pytest.mark.parametrize("what", ["another name", "TCP", "does not listen", "two"])
def test_a_strange_socket_ends_it_with_78_and_one_line(manager: Manager, what: str) -> None:
    names = {"another name": "other.socket", "two": "chatd.socket:chatd.socket"}
    if what in ("TCP", "does not listen"):
        manager.listener.close()
        family = socket.AF_INET if what == "TCP" else socket.AF_UNIX
        manager.listener = socket.socket(family, socket.SOCK_STREAM)
    if what == "TCP":
        manager.listener.listen()
    count = "2" if what == "two" else "1"  # the second one is whatever number 4 is
    passed = {"LISTEN_FDS": count, "LISTEN_FDNAMES": names.get(what, "chatd.socket")}
    daemon = manager.daemon(ALONE, passed)
    os.close(daemon.launch())
    assert daemon._process is not None
    assert daemon._process.wait(30) == 78
    (line,) = daemon.log.read_text().splitlines()
    assert line.startswith("chatd: ")
    assert "systemd" in line


def test_sockets_for_another_process_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "x"}.items():
        monkeypatch.setenv(name, value)
    assert standin.listen_fds_with_names() == {}


@pytest.mark.parametrize("names", ["one", "one:two:three"])
def test_names_that_do_not_fit_are_not_understood(
    monkeypatch: pytest.MonkeyPatch, names: str
) -> None:
    values = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "two", "LISTEN_FDNAMES": names}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(systemd.WrongSocket):
        systemd.listener()
    assert not set(systemd.PASSED) & set(os.environ)


def test_a_manager_that_is_gone_is_no_failure(manager: Manager) -> None:
    daemon = manager.daemon(ALONE, {"WATCHDOG_USEC": "20000"}).start()
    manager.hear()
    (manager.home / "notify").unlink()
    with daemon.client() as client:
        for _ in range(3):
            client.call(methods.PING, methods.Nothing())
    daemon.stop()


def test_the_abstract_socket_of_a_manager_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    name = os.urandom(8).hex()
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hearing:
        hearing.bind(f"\0{name}")
        assert standin.notify("READY=1")
        assert hearing.recv(100) == b"READY=1"


def test_the_system_s_chatd_refuses_a_store_that_is_no_mount_of_its_own(ram: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "chatd",
            "--system",
            "--store",
            str(ram),
            "--socket",
            str(ram / "s"),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (73, b"")
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(f"chatd: {ram} is no mount of its own")
    assert list(ram.iterdir()) == []


def test_a_hangup_of_its_terminal_ends_a_chatd_in_the_foreground(start_daemon: StartDaemon) -> None:
    ours, theirs = os.openpty()
    wrapper = [sys.executable, "-c", WITH_TERMINAL, str(theirs)]
    daemon = start_daemon(ALONE, wrapper=wrapper, passed=[theirs])
    assert daemon._process is not None
    os.kill(daemon.pid, signal.SIGHUP)
    assert daemon._process.wait(15) == 0
    daemon._process = None
    os.close(ours)
    os.close(theirs)


def _is_stopped(daemon: Daemon) -> bool:
    return Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(") ")[2][0] == "T"


def _files(pid: int) -> list[str]:
    return [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]


def _is(manager: Manager, link: str) -> bool:
    return link == f"socket:[{os.fstat(manager.listener.fileno()).st_ino}]"
