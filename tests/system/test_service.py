"""chatd.service, chatd.socket and the mount, as shipped, under a real systemd."""

import subprocess
from pathlib import Path

import pytest
from tests.box.box import SOCKET
from tests.box.machine import CONFIG, MOUNT, STORE, UNITS, Machine
from tests.fakes.scripts import hash_reply
from tests.harness import ROOT, wait_for

from chat_rpc import methods

pytestmark = pytest.mark.timeout(180)  # the first one installs

CLIENTS = 50


def chatd_lines(machine: Machine, level: int) -> list[str]:
    """Return what chatd itself, and not systemd, has logged at this level."""
    said = machine.journal("-u", "chatd.service", "-p", f"{level}..{level}", "-o", "cat")
    return [line for line in said.splitlines() if line]


def test_the_units_that_run_are_the_shipped_ones_and_as_closed_as_it_is_said(
    machine: Machine,
) -> None:
    for name in ("chatd.service", "chatd.socket", MOUNT, "chatd-ui@.service"):
        runs = machine.box.path(f"/etc/systemd/system/{name}").read_text()
        assert runs == (ROOT / "systemd" / name).read_text()
    assert machine.box.do("systemd-analyze", "verify", "chatd.service", "chatd.socket", MOUNT) == ""
    machine.box.do("systemd-analyze", "security", "--threshold=12", "chatd.service")


def test_the_socket_is_the_groups_and_holds_who_waits(machine: Machine) -> None:
    assert machine.box.do("stat", "-c", "%U:%G %a", str(SOCKET)) == "root:chatd 660\n"
    machine.restart()
    listening = machine.box.do("ss", "-Hlxn", "src", str(SOCKET)).split()
    assert listening[3] == "4096", "chatd leaves the backlog as systemd has made it"


def test_start_waits_until_chatd_is_ready(machine: Machine) -> None:
    machine.systemctl("stop", *UNITS)
    machine.systemctl("start", "--no-block", "chatd.service")
    wait_for(lambda: machine.pid > 0, "chatd's process")
    machine.kill("STOP")
    assert machine.show("ActiveState") == "activating", "it was stopped too late to see"
    with subprocess.Popen(machine.box.command("systemctl", "start", "chatd.service")) as start:
        with pytest.raises(subprocess.TimeoutExpired):
            start.wait(0.5)
        machine.kill("CONT")
        assert start.wait(30) == 0
    assert machine.show("ActiveState") == "active"


def test_a_stop_is_clean_and_takes_the_socket_away(machine: Machine) -> None:
    machine.systemctl("stop", *UNITS)
    assert (machine.show("Result"), machine.show("ExecMainStatus")) == ("success", "0")
    assert not machine.box.path(SOCKET).exists()
    ran = machine.chat("list")
    assert (ran.status, ran.out) == (79, b"")
    assert "systemctl start chatd.socket" in ran.err


def test_a_restart_loses_no_turn(machine: Machine) -> None:
    with machine.client() as client:
        epoch = client.call(methods.HELLO, methods.Nothing()).epoch
    turn, before = machine.ask(machine.prompt()), machine.pid
    machine.restart()
    assert machine.pid != before
    with machine.client() as client:
        assert client.call(methods.GET, methods.TurnGet(turn=turn.turn)) == turn
        assert client.call(methods.HELLO, methods.Nothing()).epoch == epoch


def test_a_reload_changes_the_level_and_nothing_else(machine: Machine) -> None:
    before = machine.pid
    assert machine.answers()
    assert not chatd_lines(machine, 7)
    machine.box.path(CONFIG).write_text(machine.config + '[logging]\nlevel = "DEBUG"\n')
    with machine.client() as client:
        machine.systemctl("reload", "chatd.service")
        client.call(methods.PING, methods.Nothing())
    assert machine.answers()
    assert chatd_lines(machine, 7)
    assert machine.pid == before


def test_clients_that_came_before_chatd_are_all_answered(machine: Machine) -> None:
    machine.systemctl("stop", "chatd.service")
    clients = [machine.client() for _ in range(CLIENTS)]
    assert machine.show("ActiveState") != "active"
    calls = [client.send(methods.STATUS, methods.Nothing()) for client in clients]
    answers = [
        client.receive(methods.STATUS, call).pid
        for client, call in zip(clients, calls, strict=True)
    ]
    assert answers == [machine.pid] * CLIENTS
    for client in clients:
        client.close()


def test_nothing_in_the_mount_can_be_run(machine: Machine) -> None:
    program = f"{STORE}/true"
    machine.box.do("cp", "/bin/true", program)
    ran = machine.box.run(program)
    machine.box.do("rm", program)
    assert ran.status == 126
    options = machine.box.do("findmnt", "--noheadings", "--output", "OPTIONS", STORE)
    assert {"noexec", "nosuid", "nodev"} <= set(options.strip().split(","))


def test_the_store_is_closed_to_all_but_chatd(machine: Machine) -> None:
    assert machine.box.do("stat", "-c", "%U %a", STORE) == "chatd 711\n"
    assert machine.answers()
    found = machine.box.do("find", STORE, "-mindepth", "1", "-printf", "%u %m %p\n").splitlines()
    assert found
    for line in found:
        owner, mode, _ = line.split(" ", 2)
        assert owner == "chatd", line
        assert int(mode, 8) & 0o077 == 0, line


def test_two_starts_do_not_share_the_store(machine: Machine) -> None:
    ran = machine.box.run(
        *("setpriv", "--reuid", "chatd", "--regid", "chatd", "--clear-groups"),
        *("/opt/chatd/current/bin/chatd", "--system", "--socket", "/tmp/chatd.sock"),
    )
    assert ran.status == 73
    assert machine.answers()


def test_the_demo_answers_with_no_server_at_all(machine: Machine) -> None:
    machine.configure("[finding]\nenabled = false\n")
    ran = machine.chat("-0", "What is tmpfs?")
    assert ran.status == 0, ran.err
    assert "tmpfs" in ran.out.decode()
    assert "demo" in ran.err


def test_the_reply_is_the_models(machine: Machine) -> None:
    prompt = machine.prompt()
    ran = machine.chat("-0", "-m", "hash", prompt)
    assert (ran.status, ran.out.decode().strip()) == (0, hash_reply(prompt))


def test_what_runs_is_what_was_installed(machine: Machine) -> None:
    executable = machine.box.path(f"/proc/{machine.pid}/cmdline").read_bytes().split(b"\0")
    current = machine.box.do("readlink", "-f", "/opt/chatd/current").strip()
    assert executable[0].decode().startswith(current), executable
    assert Path(current).parent == Path("/opt/chatd")
