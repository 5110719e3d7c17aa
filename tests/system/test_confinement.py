"""What chatd cannot do, and what nobody can do to it: network, credentials, dumps, ptrace."""

import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.box.machine import CONFIG, ELSEWHERE, TREE, Machine
from tests.harness import wait_for

from chat_rpc import methods

pytestmark = pytest.mark.timeout(300)  # the first one installs

CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")
ATTACH = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(16, int(sys.argv[1]), 0, 0):  # PTRACE_ATTACH
    sys.exit(os.strerror(ctypes.get_errno()))
"""
AS_CHATD = ("setpriv", "--reuid", "chatd", "--regid", "chatd", "--clear-groups")


def tried(machine: Machine) -> dict[str, methods.Probe]:
    """Return what chatd finds when it goes to its model servers."""
    with machine.client() as client:
        servers = client.call(methods.PROBE, methods.Nothing()).servers
    return {server.backend: server for server in servers}


def cores(machine: Machine, *directories: str) -> list[str]:
    found = machine.box.do("find", *directories, "-maxdepth", "1", "-name", "core*")
    return found.split()


@pytest.fixture
def beyond(machine: Machine) -> Iterator[Machine]:
    """chatd knows two servers: one at 127.0.0.1, and one at another address of the box."""
    there = machine.start_server("--host", ELSEWHERE)
    url = f"http://{ELSEWHERE}:{there.port}/v1"
    machine.configure(
        f'{machine.config}[limits]\nconnect_s = 0.5\n[[servers]]\nname = "beyond"\nurl = "{url}"\n'
    )
    machine.box.do("curl", "--silent", "--fail", "--max-time", "5", f"{url}/models")
    yield machine
    there.close()


def test_only_loopback_can_be_reached(beyond: Machine) -> None:
    found = tried(beyond)
    assert found["scripted"].usable
    assert not found["beyond"].usable


def test_an_administrator_can_allow_a_remote_server(beyond: Machine) -> None:
    examples = f"{TREE}/systemd/examples"
    text = beyond.box.do("sh", "-c", f"grep -l IPAddressAllow {examples}/* | xargs cat")
    allowed = re.sub(r"(?m)^#? ?IPAddressAllow=.*", f"IPAddressAllow={ELSEWHERE}", text)
    assert allowed != text
    with beyond.changed("chatd.service", allowed):
        beyond.restart()
        assert tried(beyond)["beyond"].usable


def test_a_credential_arrives_and_is_nowhere_else(machine: Machine) -> None:
    secret = f"key{secrets.token_hex(12)}"
    server = machine.start_server("--require-key", secret)
    machine.box.write("/etc/chatd/credentials/test", secret + "\n", 0o600)
    machine.configure(
        machine.config_of(server, extra="").replace(
            "slots = 64", 'api_key_file = "/run/credentials/chatd.service/test"\nslots = 64'
        )
    )
    with machine.changed(
        "chatd.service", "[Service]\nLoadCredential=test:/etc/chatd/credentials/test\n"
    ):
        machine.restart()
        prompt = machine.prompt()
        assert machine.ask(prompt).text, "the key has arrived"
        machine.ask(machine.prompt(), "no-such-model")
        said = machine.journal() + machine.chat("status").out.decode() + machine.show("StatusText")
        assert secret not in said
        for name in ("environ", "cmdline"):
            for process in machine.box.path("/proc").glob(f"[0-9]*/{name}"):
                if b"model_server" not in (process.parent / "cmdline").read_bytes():
                    assert secret.encode() not in process.read_bytes(), process
        for person in ("alice", "bob"):
            ran = machine.box.run("cat", "/run/credentials/chatd.service/test", user=person)
            assert ran.status == 1
    server.close()


def test_a_process_that_may_dump_leaves_a_core_here(machine: Machine) -> None:
    """For else the next two tests would prove nothing."""
    if CORE_PATTERN.read_text().startswith(("|", "/")):
        pytest.skip("cores of this machine do not go into the working directory")
    machine.box.run("sh", "-c", "ulimit -c unlimited; cd /tmp; kill -ABRT $$", user="alice")
    left = cores(machine, "/tmp")
    machine.box.do("rm", *left)
    assert left


def test_chatd_leaves_no_core(machine: Machine) -> None:
    before = machine.pid
    machine.ask(machine.prompt())
    machine.systemctl("kill", "--kill-who=main", "--signal", "ABRT", "chatd.service")
    wait_for(lambda: machine.pid not in (0, before), "the next chatd")
    assert "core-dump" not in machine.show("Result")
    assert cores(machine, "/", "/tmp", "/var/tmp", "/mnt/ai_tmpfs", "/run/chatd") == []


def test_chat_leaves_no_core(machine: Machine) -> None:
    script = f"ulimit -c unlimited; cd; exec chat -0 -m stall {machine.prompt()}"
    with subprocess.Popen(
        machine.box.command("sh", "-c", script, user="alice"), stdout=subprocess.PIPE
    ) as chat:
        assert chat.stdout is not None
        assert chat.stdout.read(1), "it has something to dump"
        machine.box.do("pkill", "-ABRT", "-u", "alice", "-f", "bin/chat")
        chat.wait(30)
    assert cores(machine, "/home/alice", "/tmp") == []


def test_nobody_attaches_to_chatd(machine: Machine) -> None:
    """Nor its own user: it is not dumpable, and so root's in the eyes of the kernel."""
    pid = str(machine.pid)
    for person in (["setpriv", "--reuid", "alice", "--clear-groups"], AS_CHATD):
        attached = machine.box.run(*person, "python3", "-c", ATTACH, pid)
        assert (attached.status, attached.err) == (1, "Operation not permitted\n")
        for name in ("environ", "mem", "maps"):
            assert machine.box.run(*person, "head", "-c", "1", f"/proc/{pid}/{name}").status == 1
    with subprocess.Popen(machine.box.command(*AS_CHATD, "sleep", "60")) as other:
        sleeper = machine.box.do("pgrep", "-u", "chatd", "sleep").strip()
        assert machine.box.run(*AS_CHATD, "python3", "-c", ATTACH, sleeper).status == 0
        other.kill()


def test_chatd_has_no_rights_to_spare(machine: Machine) -> None:
    status = machine.box.path(f"/proc/{machine.pid}/status").read_text()
    assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\t2$", status, re.MULTILINE)
    assert re.search(
        r"^Max core file size +[01] ",
        machine.box.path(f"/proc/{machine.pid}/limits").read_text(),
        re.MULTILINE,
    )
    assert machine.box.path(CONFIG).exists()
