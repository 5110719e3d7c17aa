"""install.sh in a machine that has never seen chatd: a user's own, then the system's, and away."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.box.box import Box
from tests.box.machine import TREE, WHEELS, install
from tests.harness import ROOT, Ran, wait_for

pytestmark = pytest.mark.timeout(400)

# what changes by itself, and the copies that useradd keeps of what it changes
PASSING = re.compile(
    r"(var/(log|cache|lib/systemd|lib/apt)|etc/((passwd|shadow|group|gshadow|subuid|subgid)-|\.pwd\.lock))"
)
OF_SYSTEMD = re.compile(
    r"/run/(box|systemd|log|credentials|user|dbus|utmp)|/(tmp|var/tmp)/systemd-"
)

Fingerprint = tuple[int, int, int, str]


def fingerprint(path: Path) -> Fingerprint | None:
    """Return mode, owner, group and content of a file, or None."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    content = ""
    if stat.S_ISREG(status.st_mode):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    elif stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    return status.st_mode, status.st_uid, status.st_gid, content


def changed_files(box: Box) -> dict[str, Fingerprint | None]:
    """Return every file of the disk that the box has made, changed or removed."""
    names = box.do("find", "/run/box", "-mindepth", "1", "-printf", "%P\\n").splitlines()
    return {name: fingerprint(box.path(name)) for name in names if not PASSING.match(name)}


def state(box: Box) -> list[str]:
    """Return what else there is: units, mounts, users, and files in RAM."""
    commands = (
        ("getent", "passwd"),
        ("getent", "group"),
        ("systemctl", "list-unit-files", "--no-legend", "--plain"),
        ("systemctl", "list-units", "--all", "--no-legend", "--plain", "--type=service,socket"),
        ("findmnt", "--raw", "--noheadings", "--output", "TARGET,FSTYPE"),
        ("find", "/run", "/tmp", "/dev/shm", "-xdev", "-printf", "%p %y %m %U\\n"),
    )
    lines = [line for command in commands for line in box.do(*command).splitlines()]
    ours = [line for line in lines if not OF_SYSTEMD.match(line)]
    return sorted(line for line in ours if not line.startswith(("user@", "user-runtime-dir@")))


@pytest.fixture(scope="module")
def box(wheels: Path) -> Iterator[Box]:
    with Box([(ROOT, TREE), (wheels, WHEELS)]) as box:
        box.do("useradd", "--create-home", "anna")
        yield box


class Person:
    """Somebody with a user manager and no right to anything else."""

    def __init__(self, box: Box, name: str):
        self.box, self.name = box, name
        self.uid = box.do("id", "-u", name).strip()
        box.do("systemctl", "start", f"user@{self.uid}.service")

    def run(self, *command: str) -> Ran:
        environment = {"XDG_RUNTIME_DIR": f"/run/user/{self.uid}"}
        return self.box.run(*command, user=self.name, env=environment)

    def write(self, name: str, text: str) -> None:
        self.box.write(f"/home/{self.name}/{name}", text)

    def systemctl(self, *arguments: str) -> str:
        ran = self.run("systemctl", "--user", *arguments)
        assert ran.status == 0, ran.err
        return ran.out.decode().strip()

    @property
    def pid(self) -> str:
        """The process id of this person's chatd, 0 for none."""
        return self.systemctl("show", "--value", "--property", "MainPID", "chatd.service")

    def chat(self, *arguments: str) -> Ran:
        return self.run(f"/home/{self.name}/.local/bin/chat", *arguments)


@pytest.fixture(scope="module")
def anna(box: Box) -> Person:
    """A person whose own chatd has been installed as her user manager's units."""
    person = Person(box, "anna")
    ran = install(box, user="anna")
    assert ran.status == 0, ran
    return person


def test_a_users_own_chatd_is_a_unit_of_hers(anna: Person) -> None:
    assert anna.systemctl("is-active", "chatd.socket") == "active"
    asked = anna.chat("-0", "What is tmpfs?")
    assert (asked.status, "tmpfs" in asked.out.decode()) == (0, True), asked.err
    assert "starting chatd" not in asked.err
    assert anna.systemctl("is-active", "chatd.service") == "active"
    assert f"pid {anna.pid}".encode() in anna.chat("status").out
    runs = anna.box.path(f"/proc/{anna.pid}/cmdline").read_bytes()
    assert b"/home/anna/.local/share/chatd/" in runs


def test_a_users_own_chatd_keeps_its_turns_over_a_restart_and_a_kill(anna: Person) -> None:
    before = anna.chat("list").out
    assert before
    anna.systemctl("restart", "chatd.service")
    assert anna.chat("list").out == before
    killed = anna.pid
    anna.systemctl("kill", "--signal", "KILL", "--kill-who=main", "chatd.service")
    wait_for(lambda: anna.pid not in ("0", killed), "the next chatd")
    assert anna.chat("list").out == before


def test_a_users_own_chatd_is_closed_to_others(anna: Person) -> None:
    box = anna.box
    box.do("useradd", "--create-home", "ben")
    for path in (f"/run/user/{anna.uid}", f"/run/user/{anna.uid}/chatd/tmpfs"):
        assert box.run("ls", path, user="ben").status == 2
    assert box.run("stat", f"/run/user/{anna.uid}/chatd/chatd.sock", user="ben").status == 1
    box.do("userdel", "--remove", "ben")


def test_a_users_own_chatd_is_as_closed_as_it_is_said(anna: Person) -> None:
    judged = anna.run("systemd-analyze", "--user", "security", "--threshold=65", "chatd.service")
    assert judged.status == 0, judged.out.decode()
    shipped = (ROOT / "systemd/user/chatd.service").read_text()
    unit = anna.box.path("/home/anna/.config/systemd/user/chatd.service").read_text()
    assert unit == shipped.replace("/opt/chatd/", "/home/anna/.local/share/chatd/")


def test_a_users_own_chatd_reloads(anna: Person) -> None:
    before = anna.pid
    anna.write(".config/chatd/chatd.toml", "[finding]\nenabled = false\n")
    anna.systemctl("reload", "chatd.service")
    assert anna.pid == before
    # in RAM the journal is not split by user, and she may not read it
    said = anna.box.do("journalctl", "--no-pager", "_SYSTEMD_USER_UNIT=chatd.service")
    assert "chatd.toml was read again; changed: finding" in said


def test_chat_tells_a_user_that_her_unit_cannot_start_and_does_not_wait_for_ever(
    anna: Person,
) -> None:
    anna.write(".config/chatd/chatd.toml", "[limits]\ntoken_s = 'soon'\n")
    anna.run("systemctl", "--user", "restart", "chatd.service")
    ran = anna.chat("-0", "hello")
    assert (ran.status, ran.out) == (79, b"")
    assert len(ran.err.splitlines()) == 1
    assert "`systemctl --user status chatd.socket chatd` tells more" in ran.err
    anna.box.do("rm", "-r", "/home/anna/.config/chatd")
    anna.systemctl("reset-failed")
    assert anna.chat("list").status == 0


def test_a_user_can_uninstall_her_own(anna: Person) -> None:
    ran = install(anna.box, "--uninstall", user="anna")
    assert ran.status == 0, ran
    anna.systemctl("daemon-reload")
    units = anna.systemctl("list-unit-files", "--no-legend", "--plain")
    assert "chatd" not in units
    found = anna.box.do("find", "/home/anna", "-name", "*chat*")
    assert found == ""


def test_from_install_to_a_first_answer_and_back_to_nothing(box: Box, anna: Person) -> None:
    """The README's words; at the end the machine is as it was before."""
    files, rest = changed_files(box), state(box)
    ran = install(box, "--system")
    assert ran.status == 0, ran
    assert "usermod -aG chatd" in ran.out.decode()
    box.do("usermod", "-aG", "chatd", "anna")
    asked = box.run("chat", "What is tmpfs?", user="anna")
    assert (asked.status, "tmpfs" in asked.out.decode()) == (0, True), asked.err
    again = install(box, "--system")
    assert again.status == 0, again
    assert "is installed already" in again.out.decode()
    code = "/opt/chatd/current/lib/python3*/site-packages/chatd/__pycache__/daemon.*.pyc"
    box.do("sh", "-c", f"test -e {code}")
    assert "chatd" in "".join(state(box))
    ran = install(box, "--system", "--uninstall", "--purge")
    assert ran.status == 0, ran
    assert state(box) == rest
    for name, now in changed_files(box).items():
        assert now == files.get(name, fingerprint(Path("/", name))), name
    for name, was in files.items():
        assert fingerprint(box.path(name)) == was, name


def test_what_an_administrator_has_written_outlives_an_uninstall(box: Box) -> None:
    drop_in = "/etc/systemd/system/chatd.service.d/mine.conf"
    written = {
        "/etc/chatd/chatd.toml": "[finding]\nenabled = false\n",
        "/etc/chatd/keys/gpu": "a-key\n",
        drop_in: "[Service]\nTasksMax=400\n",
    }
    assert install(box, "--system").status == 0
    for name, text in written.items():
        box.write(name, text)
    ran = install(box, "--system", "--uninstall")
    assert ran.status == 0, ran
    for name, text in written.items():
        assert box.path(name).read_text() == text
    for place in ("/etc/chatd", "/etc/systemd/system/chatd.service.d"):
        assert f"{place} stays, for it is yours" in ran.out.decode()
    assert install(box, "--system").status == 0
    assert box.show("chatd.service", "TasksMax") == "400", "they are used again"
    assert install(box, "--system", "--uninstall", "--purge").status == 0
    assert not [name for name in written if box.path(name).exists()]
