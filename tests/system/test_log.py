"""chatd's log in a real journal: its fields with systemd-python, its priorities without it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.box.machine import CONFIG, Machine
from tests.harness import wait_for
from tests.system.conftest import skip

from chat_rpc import errors, methods

pytestmark = pytest.mark.timeout(180)  # the first one installs

DEBIANS = Path("/usr/lib/python3/dist-packages/systemd")


def entries(machine: Machine, *matches: str, since_s: float = 0) -> list[dict[str, str]]:
    """Return what the journal has with these fields."""
    said = machine.journal("--output", "json", *matches, since_s=since_s)
    return [json.loads(line) for line in said.splitlines()]


@pytest.fixture
def with_fields(machine: Machine) -> Machine:
    """A chatd that logs with systemd-python: install.sh takes Debian's where it can be had."""
    if not DEBIANS.exists():
        skip("python3-systemd is not installed, and a box cannot download it")
    return machine


@pytest.fixture
def without(machine: Machine) -> Iterator[Machine]:
    """A chatd on a machine that has no systemd-python."""
    machine.box.do("mkdir", "--parents", str(DEBIANS))  # it may be missing as it is
    machine.box.do("mv", str(DEBIANS), f"{DEBIANS}.moved")
    machine.restart()
    yield machine
    machine.box.do("mv", f"{DEBIANS}.moved", str(DEBIANS))
    machine.configure(machine.config)


def test_a_turn_is_found_by_its_id_and_by_its_user(with_fields: Machine) -> None:
    machine = with_fields
    turn = machine.ask(machine.prompt())
    (entry,) = entries(machine, f"CHATD_TURN={turn.turn}")
    assert (entry["CHATD_UID"], entry["PRIORITY"]) == ("0", "6")
    assert (entry["SYSLOG_IDENTIFIER"], entry["LOGGER"]) == ("chatd", "chatd.inference")
    assert entry["_SYSTEMD_UNIT"] == "chatd.service"
    assert entry in entries(machine, "CHATD_UID=0")


def test_a_bug_is_found_by_its_method_and_tells_no_text(with_fields: Machine) -> None:
    machine, began_s = with_fields, time.time()
    with machine.faulty(), machine.client() as client, pytest.raises(errors.InternalError):
        client.call(methods.LIMITS, methods.Nothing())
    (entry,) = entries(machine, "CHATD_METHOD=system.limits", since_s=began_s)
    assert (entry["CHATD_UID"], entry["PRIORITY"]) == ("0", "3")
    assert "in fail" in entry["MESSAGE"]
    assert "secret-0" not in machine.journal("--output", "export", since_s=began_s)


def test_without_systemd_python_lines_still_have_their_priority(without: Machine) -> None:
    machine, began_s = without, time.time()
    assert not entries(machine, "LOGGER=chatd", since_s=began_s), "no fields"
    turn = machine.ask(machine.prompt())
    machine.box.path(CONFIG).write_text("nonsense\n")
    machine.systemctl("reload", "chatd.service")
    unit = ("-u", "chatd.service", "_TRANSPORT=stdout")
    turn_line = ("6", f"chatd.inference: turn {turn.turn} of uid 0: done")

    def said() -> list[tuple[str, str]]:
        found = entries(machine, *unit, since_s=began_s)
        return [(line["PRIORITY"], line["MESSAGE"]) for line in found]

    wait_for(lambda: any("settings stay" in message for _, message in said()), "both lines")
    assert turn_line in said()
    assert [number for number, message in said() if "settings stay" in message] == ["3"]
    assert machine.show("ActiveState") == "active", "readiness and reload work without it too"


def test_systemctl_status_has_live_figures(machine: Machine) -> None:
    asked = methods.TurnStart(prompt=machine.prompt(), key="status", model="stall")
    figures = "turns: 1 running, 0 queued; connections: 1; store: 0 of 2048 MiB"
    with machine.client() as client:
        turn = client.call(methods.START, asked).turn
        wait_for(lambda: machine.show("StatusText") == figures, "the figures")
        client.call(methods.CANCEL, methods.TurnNamed(turn=turn))
