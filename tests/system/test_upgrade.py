"""install.sh --system where chatd runs already: upgrades, bad ones too, refuse and lose nothing."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.box.machine import Machine, install
from tests.campaigns.restart import under_load
from tests.harness import Ran, copy_tree

from chat_rpc import __version__, methods

pytestmark = pytest.mark.timeout(300)

NEWER = "/srv/newer"
UNIT = "/etc/systemd/system/chatd.service"


@dataclass
class Upgrade:
    """A machine with chatd, and a tree of another version in its NEWER."""

    machine: Machine

    @property
    def current(self) -> str:
        return self.machine.box.do("readlink", "/opt/chatd/current").strip()

    @property
    def version(self) -> str:
        with self.machine.client() as client:
            return client.call(methods.HELLO, methods.Nothing()).version

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.machine.box.path(f"{NEWER}/{name}")
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def run(self, *arguments: str) -> Ran:
        return install(self.machine.box, "--system", *arguments, tree=NEWER)


@pytest.fixture
def upgrade(machine: Machine) -> Iterator[Upgrade]:
    """A tree of version 9.9.9; afterwards the old version is in use again."""
    box = machine.box
    copy_tree(box.path(NEWER))
    newer = Upgrade(machine)
    newer.edit("daemon/chat_rpc/__init__.py", __version__, "9.9.9")
    yield newer
    box.do("rm", "-r", NEWER)
    ran = install(box, "--system")
    assert ran.status == 0, ran
    assert newer.version == __version__


def test_an_upgrade_refuses_nobody_and_keeps_all(upgrade: Upgrade) -> None:
    machine, ran = upgrade.machine, list[Ran]()
    turn, before = machine.ask(machine.prompt()), upgrade.current
    figures = under_load(machine, lambda: ran.append(upgrade.run("--upgrade")))
    print(figures)  # noqa: T201  # for pytest -s
    assert ran[0].status == 0, ran
    assert "nothing to download" in ran[0].out.decode()
    assert "usermod" not in ran[0].out.decode(), "who upgrades knows it"
    assert upgrade.version == "9.9.9"
    assert machine.box.path(f"/opt/chatd/{before}/complete").exists(), "the one before stays"
    with machine.client() as client:
        assert client.call(methods.GET, methods.TurnGet(turn=turn.turn)).text == turn.text


def test_a_version_that_does_not_start_gives_way_to_the_one_before(upgrade: Upgrade) -> None:
    machine, ran = upgrade.machine, list[Ran]()
    before, unit = upgrade.current, machine.box.path(UNIT).read_text()
    upgrade.edit(
        "daemon/chatd/daemon.py", "    settings, sessions =", "    raise OSError\n    a, b ="
    )
    upgrade.edit("systemd/chatd.service", "TasksMax=512", "TasksMax=500")
    figures = under_load(machine, lambda: ran.append(upgrade.run()))
    print(figures)  # noqa: T201  # for pytest -s
    assert ran[0].status == 1
    *said, last = ran[0].err.splitlines()
    assert last.startswith("install.sh: step 8/9 starting it failed: journalctl -u chatd tells why")
    assert last.endswith(f"{before} is still in use")
    assert any("OSError" in line for line in said), "what chatd said is shown"
    assert (upgrade.current, upgrade.version) == (before, __version__)
    assert machine.box.path(UNIT).read_text() == unit
    assert machine.show("TasksMax") == "512"


def test_a_version_that_cannot_be_made_does_not_disturb_the_one_before(upgrade: Upgrade) -> None:
    before, pid = upgrade.current, upgrade.machine.pid
    upgrade.edit("daemon/chatd/__main__.py", "def main()", "def main(:")
    ran = upgrade.run("--upgrade")
    assert ran.status == 1
    assert "step 4/9 trying it failed: " in ran.err.splitlines()[-1]
    assert (upgrade.current, upgrade.machine.pid) == (before, pid)
    assert upgrade.machine.box.do("find", "/opt/chatd", "-maxdepth", "1", "-name", "9*") == ""


def test_a_second_run_disturbs_nothing(upgrade: Upgrade) -> None:
    pid = upgrade.machine.pid
    ran = install(upgrade.machine.box, "--system")
    assert ran.status == 0, ran
    assert "is installed already" in ran.out.decode()
    assert upgrade.machine.pid == pid


def test_a_changed_service_is_used_at_once(upgrade: Upgrade) -> None:
    upgrade.edit("systemd/chatd.service", "TasksMax=512", "TasksMax=500")
    ran = upgrade.run()
    assert ran.status == 0, ran
    assert "next start of the machine" not in ran.out.decode()
    assert upgrade.machine.show("TasksMax") == "500"


def test_a_changed_socket_waits_for_the_next_start_and_that_is_told(upgrade: Upgrade) -> None:
    upgrade.edit("systemd/chatd.socket", "Backlog=4096", "Backlog=4000")
    ran = upgrade.run()
    assert ran.status == 0, ran
    waits = "changed, and used after the next start of the machine: chatd.socket\n"
    assert waits in ran.out.decode()
    assert "Backlog=4000" in upgrade.machine.systemctl("cat", "chatd.socket")


def test_a_unit_that_was_edited_stops_it_before_anything_is_done(upgrade: Upgrade) -> None:
    path, before = upgrade.machine.box.path(UNIT), upgrade.current
    shipped = path.read_text()
    path.write_text(shipped + "# mine\n")
    ran = upgrade.run("--upgrade")
    path.write_text(shipped)
    assert (ran.status, ran.out) == (1, b"")
    assert ran.err.startswith(f"install.sh: {UNIT} was edited: ")
    assert upgrade.current == before
