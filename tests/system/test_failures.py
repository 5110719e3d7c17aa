"""chatd.service when something is wrong: the journal and `chat` say what, and nothing is lost."""

import re
import secrets
import time

import pytest
from tests.box.machine import CONFIG, MOUNT, STORE, UNITS, Machine
from tests.campaigns.ledger import Question
from tests.harness import wait_for

from chat_rpc import errors, methods

pytestmark = pytest.mark.timeout(180)  # the first one installs

WATCHDOG_S = 4  # a healthy chatd must make it, whatever else this machine does


def test_the_watchdog_ends_a_loop_that_hangs_and_the_journal_says_where(machine: Machine) -> None:
    with machine.faulty(f"WatchdogSec={WATCHDOG_S}\n"):
        hung, count, began_s = machine.pid, machine.restarts, time.time()
        machine.kill("USR1")  # its other threads go on
        wait_for(lambda: machine.restarts > count, "a restart by the watchdog")
        assert machine.answers()
        assert machine.pid != hung
        said = machine.journal(since_s=began_s)
    assert "Watchdog timeout" in said
    assert re.search(r'File "/usr/local/lib/faulty_chatd.py", line \d+ in hang\n', said)


def test_the_watchdog_leaves_a_healthy_chatd_alone(machine: Machine) -> None:
    with machine.changed("chatd.service", f"[Service]\nWatchdogSec={WATCHDOG_S}\n"):
        machine.restart()
        before = machine.pid
        assert machine.ask(machine.prompt(), "slow").text.split() == [str(n) for n in range(20)]
        time.sleep(WATCHDOG_S + 1)  # the claim is that nothing happens in this time
        assert machine.pid == before


def test_a_running_turn_goes_on_after_kill_9(machine: Machine) -> None:
    before = machine.pid
    prompt = machine.prompt()
    asked = methods.TurnStart(prompt=prompt, key=secrets.token_hex(8), model="slow")
    question = Question(asked, prompt)
    for event in machine.follow(question.params):
        question.hear(event, len(question.events) + 1)
        if isinstance(event, methods.Delta) and question.attempts == 1 and machine.pid == before:
            machine.kill("KILL")
            wait_for(lambda: machine.pid not in (0, before), "the next chatd")
    assert (question.is_done, question.attempts) == (True, 2)
    assert question.text.split() == [str(n) for n in range(20)]


def test_chat_explains_wrong_settings(machine: Machine) -> None:
    began_s = time.time()
    machine.box.path(CONFIG).write_text("[limits]\ntoken_s = 'soon'\n")
    ran = machine.box.run("systemctl", "restart", "chatd.service")
    assert ran.status != 0
    assert re.search(r"chatd\.toml:2: limits\.token_s: ", machine.journal(since_s=began_s))
    assert machine.restarts == 0, "the next start would fail alike"
    ran = machine.chat("-0", machine.prompt())
    assert (ran.status, ran.out) == (79, b"")
    assert "down, for its settings are wrong" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_chat_explains_a_chatd_that_ends_again_and_again_and_how_to_go_on(machine: Machine) -> None:
    machine.systemctl("stop", *UNITS)
    began_s = time.time()
    machine.box.do("mv", f"{STORE}/lock", f"{STORE}/lock.moved")
    machine.box.do("mkdir", f"{STORE}/lock")
    machine.systemctl("start", "chatd.socket")
    ran = machine.chat("-0", "-m", "hash", machine.prompt())
    assert (ran.status, ran.out) == (79, b"")
    assert "down, for it ended again and again" in ran.err
    assert len(ran.err.splitlines()) == 1
    assert machine.show("Result", "chatd.socket") == "service-start-limit-hit"
    commands = re.findall(r"`(.+?)`", ran.err)
    assert commands[0] == "journalctl -u chatd"
    assert f"{STORE}/lock" in machine.journal(since_s=began_s)
    machine.box.do("rmdir", f"{STORE}/lock")
    machine.box.do("mv", f"{STORE}/lock.moved", f"{STORE}/lock")
    machine.box.do("sh", "-c", commands[1])
    assert machine.answers()


def test_without_its_mount_chatd_does_not_start_and_the_journal_says_so(
    machine: Machine,
) -> None:
    machine.systemctl("stop", *UNITS, MOUNT)
    began_s = time.time()
    with machine.changed(MOUNT, "[Mount]\nOptions=nonsense=1\n"):
        ran = machine.box.run("systemctl", "start", "chatd.service")
        assert ran.status != 0
        assert machine.show("ActiveState") == "inactive"
        assert "Dependency failed for chatd.service" in machine.journal(since_s=began_s)
        assert "bad option" in machine.journal("-u", MOUNT, since_s=began_s)
        ran = machine.chat("-0", machine.prompt())
        assert (ran.status, ran.out) == (79, b"")
        assert "`systemctl status chatd` tells more" in ran.err
        status = machine.box.run("systemctl", "status", "chatd").out.decode()
        assert "Dependency failed" in status


def test_a_directory_in_the_mounts_place_is_refused(machine: Machine) -> None:
    machine.systemctl("stop", *UNITS, MOUNT)
    ran = machine.box.run(
        *("setpriv", "--reuid", "chatd", "--regid", "chatd", "--clear-groups"),
        *("/opt/chatd/current/bin/chatd", "--system", "--socket", "/tmp/chatd.sock"),
    )
    assert ran.status == 73
    assert ran.err.startswith(f"chatd: {STORE} ")
    assert len(ran.err.splitlines()) == 1


def test_a_full_mount_is_told_as_such(machine: Machine) -> None:
    box = machine.box
    box.do("mount", "-o", "remount,size=64M", STORE)  # 2 GiB would only take longer to fill
    full = box.run("dd", "if=/dev/zero", f"of={STORE}/ballast", "bs=1M")
    assert "No space left on device" in full.err
    try:
        with pytest.raises(errors.StoreFull):
            for _ in range(10):  # it has kept a few MiB for such a day
                machine.ask(machine.prompt() + " " * 2**20)
        ran = machine.chat("-0", "-m", "hash", machine.prompt())
        assert (ran.status, ran.out) == (73, b"")
        assert len(ran.err.splitlines()) == 1
        assert machine.show("ActiveState") == "active"
    finally:
        box.do("rm", f"{STORE}/ballast")
        box.do("mount", "-o", "remount,size=2G", STORE)
    assert machine.answers()
