"""SIGHUP and admin.reload: chatd.toml is read again, and what is wrong in it changes nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import StartDaemon, StartServer
from tests.harness import CHAT, DEADLINE_S, Daemon, ModelServer, configured, run, wait_for
from tests.manager import Manager

from chat_rpc import errors, methods
from chat_rpc.client import Client
from chatd import config
from chatd.backends.pool import Pool
from chatd.reload import Reloader

QUIET = "[finding]\nenabled = false\n"
OTHER = 12345
AS_OTHER = ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups"]
AS_ANOTHER_USER = f"""
import os, socket, sys
os.setgroups([]); os.setgid({OTHER}); os.setuid({OTHER})
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
s.sendall(b'{{"jsonrpc":"2.0","id":1,"method":"admin.reload"}}\\n'); print(s.recv(4096).decode())
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


@pytest.fixture
def manager(ram: Path) -> Iterator[Manager]:
    manager = Manager(ram)
    yield manager
    manager.close()


def write(daemon: Daemon, text: str) -> None:
    (daemon.home / "chatd.toml").write_text(text)


def reload(client: Client) -> methods.Reloaded:
    return client.call(methods.RELOAD, methods.Nothing())


def models(client: Client) -> list[str]:
    return [line.backend for line in client.call(methods.MODELS, methods.Nothing()).models]


def test_systemd_is_told_that_it_reloads_and_that_it_has(manager: Manager) -> None:
    daemon = manager.daemon(QUIET).start()
    manager.hear_until("STATUS")
    os.kill(daemon.pid, signal.SIGHUP)
    reloading = manager.hear_until("RELOADING")[-1]
    assert (reloading["RELOADING"], reloading["MONOTONIC_USEC"].isdecimal()) == ("1", True)
    assert manager.hear() == {"READY": "1"}
    daemon.stop()


def test_a_hangup_changes_the_levels_of_the_log_and_ends_no_connection(
    start_daemon: StartDaemon,
) -> None:
    daemon = start_daemon(QUIET + "[logging]\nlevels = { 'chatd.reload' = 'DEBUG' }\n")
    with daemon.client() as client:
        write(daemon, QUIET + "[logging]\nlevel = 'WARNING'\nlevels = { 'chatd' = 'WARNING' }\n")
        os.kill(daemon.pid, signal.SIGHUP)
        client.call(methods.PING, methods.Nothing())
        said = daemon.log.read_text()
        assert "was read again" not in said, "it would be INFO, and the level is its parent's now"
        write(daemon, QUIET + "[logging]\nlevel = 'DEBUG'\n")
        os.kill(daemon.pid, signal.SIGHUP)
        wait_for(lambda: "changed: logging;" in daemon.log.read_text(), "the level is changed")


def test_reload_says_what_counts_now_and_what_at_the_next_start(
    start_daemon: StartDaemon, scripted: ModelServer
) -> None:
    daemon = start_daemon(QUIET)
    later = "[limits]\ntoken_s = 7\n[store]\nchat_lifetime_s = 99\n[logging]\nfile_backups = 9\n"
    write(daemon, configured(("scripted", scripted)) + later)
    with daemon.client() as client:
        assert reload(client) == methods.Reloaded(
            changed=["servers"], waiting=["limits", "store", "logging"]
        )
        assert reload(client) == methods.Reloaded(
            changed=[], waiting=["limits", "store", "logging"]
        ), "they still wait"


def test_other_servers_are_used_at_once_and_turns_that_run_keep_theirs(
    start_daemon: StartDaemon, start_server: StartServer
) -> None:
    first, second = start_server("--tokens", "40"), start_server()
    daemon = start_daemon(configured(("first", first)))
    with daemon.client() as client:
        slow = methods.TurnStart(prompt="x", key="k1", model="slow")
        turn = methods.TurnGet(turn=client.call(methods.START, slow).turn)
        wait_for(lambda: client.call(methods.GET, turn).text != "", "the first token")
        write(daemon, configured(("second", second)))
        assert reload(client).changed == ["servers"]
        assert set(models(client)) - {"engine"} == {"second"}
        asked = methods.TurnStart(prompt="y", key="k2", model="hash", wait=True)
        reply = client.call(methods.START, asked).reply
        assert reply is not None
        assert reply.ending is not None
        assert reply.ending.backend == "second"
        wait_for(lambda: client.call(methods.GET, turn).state == "done", "the first turn")
        assert client.call(methods.GET, turn).text.split()[-1] == "39"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[limits]\ntoken_s = 0\n[store]\nbytes = 1\n", "chatd.toml:2: limits.token_s: "),
        ("[limits\n", "line 1"),
        (None, "No such file"),
    ],
    ids=["wrong", "no TOML", "gone"],
)
def test_a_file_that_cannot_be_used_changes_nothing_and_is_one_line_in_the_log(
    start_daemon: StartDaemon, scripted: ModelServer, text: str | None, why: str
) -> None:
    settings = configured(("scripted", scripted))
    daemon = start_daemon(settings, expected_trouble="the settings stay as they are")
    if text is None:
        (daemon.home / "chatd.toml").unlink()
    else:
        write(daemon, text)
    with daemon.client() as client:
        before = len(daemon.log.read_text().splitlines())
        with pytest.raises(errors.InvalidSettings, match=why):
            reload(client)
        (line,) = daemon.log.read_text().splitlines()[before:]
        assert "ERROR" in line
        assert why in line
        assert "scripted" in models(client)
        write(daemon, settings)
        assert reload(client).changed == []


def test_chat_tells_what_was_reloaded_and_a_wrong_file_is_78(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(QUIET, expected_trouble="the settings stay as they are")
    command, env = [CHAT, "admin", "reload"], {"CHATD_SOCKET": str(daemon.socket)}
    write(daemon, QUIET + "[logging]\nlevel = 'DEBUG'\n")
    assert run(command, env=env).err == "chat: changed: logging\n"
    write(daemon, "[limits\n")
    ran = run(command, env=env)
    assert ran.status == 78
    assert len(ran.err.splitlines()) == 1, ran.err
    write(daemon, QUIET)
    assert run(command, env=env).status == 0


def test_a_file_that_was_never_there_may_come(tmp_path: Path) -> None:
    file = tmp_path / "chatd.toml"
    reloader = Reloader(file, config.Config(), Pool(config.Config(), tmp_path))
    assert reloader.reload() == methods.Reloaded(changed=[], waiting=[])
    file.write_text(QUIET)
    assert reloader.reload() == methods.Reloaded(changed=["finding"], waiting=[])
    file.unlink()
    with pytest.raises(errors.InvalidSettings, match="No such file"):
        reloader.reload()


@needs_root
def test_only_administrators_may_reload(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(QUIET)
    daemon.socket.chmod(0o666)
    daemon.home.chmod(0o711)
    daemon.home.parent.chmod(0o711)
    assert b'"code":1001' in reload_as_other(daemon)
    assert "read again" not in daemon.log.read_text()


@needs_root
def test_who_runs_chatd_may_reload_it(ram: Path) -> None:
    if run([*AS_OTHER, sys.executable, "-c", "pass"]).status != 0:
        pytest.skip("another user cannot run the Python of these tests")
    daemon = Daemon(ram, QUIET, wrapper=AS_OTHER)
    for path in (daemon.home, daemon.store):
        os.chown(path, OTHER, OTHER)
    daemon.start()
    write(daemon, QUIET + "[logging]\nlevel = 'DEBUG'\n")
    assert b'"changed":["logging"]' in reload_as_other(daemon)
    daemon.stop()


def reload_as_other(daemon: Daemon) -> bytes:
    """Return what chatd answers to somebody who is not root."""
    return subprocess.run(
        [sys.executable, "-c", AS_ANOTHER_USER, str(daemon.socket)],
        capture_output=True,
        timeout=DEADLINE_S,
        check=True,
    ).stdout
