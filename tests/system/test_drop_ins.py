"""The drop-ins that are documented, and the page's unit, in use on a real systemd."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.box.machine import MOUNT, STORE, Machine
from tests.harness import ROOT, wait_for

pytestmark = pytest.mark.timeout(180)  # the first one installs

EXAMPLES = ROOT / "systemd/examples"
PAGE = "/opt/chatd/current/bin/chatd-ui"
# what a page will do: say that it is ready, and ask chatd who it is
STAND_IN = """#!/usr/bin/python3
import json, os, signal, socket
chatd = socket.socket(socket.AF_UNIX)
chatd.connect("/run/chatd/chatd.sock")
chatd.sendall(b'{"jsonrpc":"2.0","id":1,"method":"system.hello"}\\n')
uid = json.loads(chatd.makefile().readline())["result"]["uid"]
page = socket.create_server(("127.0.0.1", 0))
systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
systemd.sendto(f"READY=1\\nSTATUS={uid}".encode(), os.environ["NOTIFY_SOCKET"])
signal.pause()
"""


@contextmanager
def everybody(machine: Machine) -> Iterator[None]:
    """Have the drop-in for all users in use meanwhile."""
    with machine.changed("chatd.socket", (EXAMPLES / "everybody.conf").read_text()):
        machine.systemctl("restart", "chatd.socket")
        yield
    machine.systemctl("restart", "chatd.socket")


def mount_options(machine: Machine) -> set[str]:
    said = machine.box.do("findmnt", "--noheadings", "--output", "OPTIONS", STORE)
    return set(said.strip().split(","))


def test_everybody_may_chat_where_the_administrator_wants_it(machine: Machine) -> None:
    assert machine.chat("status", user="mallory").status == 77
    with everybody(machine):
        prompt = machine.prompt()
        ran = machine.chat("-0", "-m", "hash", prompt, user="mallory")
        assert ran.status == 0, ran.err
        assert prompt.encode() in machine.chat("show", user="mallory").out
        assert prompt.encode() not in machine.chat("show", user="alice").out
    assert machine.chat("status", user="mallory").status == 77


def test_a_larger_store_is_one_after_the_steps_of_its_example(machine: Machine) -> None:
    assert "size=2097152k" in mount_options(machine)
    limit = "[Service]\nMemoryMax=9G\n"
    size = (EXAMPLES / "size.conf").read_text()
    with machine.changed(MOUNT, size), machine.changed("chatd.service", limit):
        machine.systemctl("restart", MOUNT, "chatd")
        assert machine.answers()
        assert {"size=8388608k", "noexec", "noswap"} <= mount_options(machine)
    machine.systemctl("restart", MOUNT, "chatd")


def test_the_engine_has_more_room_after_its_example(machine: Machine) -> None:
    models = (EXAMPLES / "models.conf").read_text()
    (wanted,) = re.findall(r"^MemoryMax=(\d+)G$", models, re.MULTILINE)
    with machine.changed("chatd.service", models):
        machine.restart()
        assert machine.show("MemoryMax") == str(int(wanted) * 2**30)
    machine.restart()


def test_the_kernel_keeps_the_store_out_of_swap(machine: Machine) -> None:
    """install.sh has put the drop-in in place where the kernel knows it."""
    (release,) = re.findall(r"^(\d+\.\d+)", machine.box.do("uname", "-r"))
    knows_it = tuple(map(int, release.split("."))) >= (6, 4)
    assert ("noswap" in mount_options(machine)) == knows_it
    status = json.loads(machine.chat("status", "--json").out)
    assert status["store"]["may_swap"] is False or not knows_it


def test_without_a_page_its_unit_does_nothing(machine: Machine) -> None:
    machine.systemctl("start", "chatd-ui@alice")
    assert machine.show("ConditionResult", "chatd-ui@alice") == "no"


def test_the_page_of_a_user_runs_as_that_user_and_outlives_chatd(machine: Machine) -> None:
    unit, uid = "chatd-ui@alice", machine.box.do("id", "-u", "alice").strip()
    machine.box.write(PAGE, STAND_IN, 0o755)
    try:
        machine.systemctl("start", unit)
        assert machine.show("StatusText", unit) == uid, "chatd knows whose page it is"
        pid = machine.show("MainPID", unit)
        machine.restart()
        assert machine.show("MainPID", unit) == pid
        machine.box.do("systemd-analyze", "security", "--threshold=15", unit)
    finally:
        machine.systemctl("stop", unit)
        machine.box.path(PAGE).unlink()
    wait_for(lambda: machine.show("ActiveState", unit) == "inactive", "the page's end")
