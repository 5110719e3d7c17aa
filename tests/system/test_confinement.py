"""What chatd cannot do, and what nobody can do to it: network, credentials, dumps, ptrace."""

import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.box.machine import ELSEWHERE, PYTHON, STORE, Machine
from tests.harness import ROOT, wait_for
from tests.system.conftest import skip

from chat_rpc import methods

pytestmark = pytest.mark.timeout(180)  # the first one installs

CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")
MEMORY = Path("/proc/meminfo")
ATTACH = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(16, int(sys.argv[1]), 0, 0):  # PTRACE_ATTACH
    sys.exit(os.strerror(ctypes.get_errno()))
"""
STORE_BYTES = 2 * 2**30
AS_PART_OF_CHATD = """
for group in $(find /sys/fs/cgroup -path '*/chatd.service/cgroup.procs'); do echo $$ >$group; done
"""
FILL_AS_CHATD = AS_PART_OF_CHATD + f"dd if=/dev/zero of={STORE}/ballast bs=1M"
FILL_UNTIL_GONE = (
    AS_PART_OF_CHATD
    + f"""
for number in $(seq 200); do
    dd if=/dev/zero of={STORE}/ballast bs=1M count=1 seek=$number conv=notrunc
    kill -0 {{pid}} || exit 0
done
exit 1
"""
)
AS_CHATD = ("setpriv", "--reuid", "chatd", "--regid", "chatd", "--clear-groups")


def tried(machine: Machine) -> dict[str, methods.Probe]:
    """Return what chatd finds when it goes to its model servers."""
    with machine.client() as client:
        servers = client.call(methods.PROBE, methods.Nothing()).servers
    return {server.backend: server for server in servers}


def cores(machine: Machine, *directories: str) -> list[str]:
    found = machine.box.do("find", *directories, "-maxdepth", "1", "-name", "core*")
    return found.split()


def engine_of(machine: Machine) -> int:
    """Return the process id of the built-in engine, which runs."""
    return int(machine.box.do("pgrep", "--parent", str(machine.pid)))


def available_bytes() -> int:
    (line,) = re.findall(r"^MemAvailable: +(\d+) kB$", MEMORY.read_text(), re.MULTILINE)
    return int(line) * 1024


def reaches(machine: Machine, url: str) -> bool:
    """Say whether root, and not chatd, reaches this address."""
    script = f"import urllib.request as r; r.urlopen({url!r}, timeout=5)"
    return machine.box.run(PYTHON, "-c", script).status == 0


@pytest.fixture
def beyond(machine: Machine) -> Iterator[Machine]:
    """chatd knows two servers: one at 127.0.0.1, and one at another address of the box."""
    with closing(machine.start_server("--host", ELSEWHERE)) as server:
        url = f"http://{ELSEWHERE}:{server.port}/v1"
        assert reaches(machine, f"{url}/models")
        machine.configure(
            f"{machine.config}[limits]\nconnect_s = 0.5\n"
            f'[[servers]]\nname = "beyond"\nurl = "{url}"\n'
        )
        yield machine


def test_only_loopback_can_be_reached(beyond: Machine) -> None:
    found = tried(beyond)
    assert found["scripted"].usable
    assert not found["beyond"].usable


def test_an_administrator_can_allow_a_remote_server(beyond: Machine) -> None:
    example = (ROOT / "systemd/examples/remote-servers.conf").read_text()
    allowed = re.sub("(?m)^IPAddressAllow=.*", f"IPAddressAllow={ELSEWHERE}", example)
    assert allowed != example
    with beyond.changed("chatd.service", allowed):
        beyond.restart()
        assert tried(beyond)["beyond"].usable


@pytest.fixture
def secret(machine: Machine) -> Iterator[str]:
    """The key of the server `locked`, which chatd has been given as a credential."""
    key = f"key{secrets.token_hex(12)}"
    machine.box.write("/etc/chatd/keys/locked", f"{key}\n", 0o600)
    with closing(machine.start_server("--require-key", key, "--models", "hash,e401")) as server:
        assert not reaches(machine, f"{server.url}/models"), "it lets in only who has the key"
        config = machine.config_of(server, "locked")
        machine.configure(config + 'credential = "key_locked"\n')
        yield key
    machine.box.do("rm", "-r", "/etc/chatd/keys")


def test_a_credential_arrives(machine: Machine, secret: str) -> None:
    assert tried(machine)["locked"].usable
    assert machine.answers()


def test_a_credential_is_nowhere_but_where_it_should_be(machine: Machine, secret: str) -> None:
    assert machine.answers()
    refused = machine.chat("-0", "-m", "e401", machine.prompt())
    assert refused.status == 69
    said = [refused.err, machine.journal("--output", "export"), repr(tried(machine))]
    said += [machine.chat(verb).out.decode() for verb in ("status", "models", "show")]
    said += [machine.systemctl(verb, "chatd.service") for verb in ("status", "show", "cat")]
    for name in ("environ", "cmdline"):
        for process in machine.box.path("/proc").glob(f"[0-9]*/{name}"):
            text = process.read_bytes().decode("utf-8", "replace")
            said += [] if "--require-key" in text else [text]  # that is the server itself
    assert not [text for text in said if secret in text]
    holders = machine.box.run("grep", "-rlsI", "--devices=skip", secret, "/run", "/tmp", "/etc")
    assert holders.out.decode().splitlines() == [
        "/run/credentials/chatd.service/key_locked",
        "/run/box/etc/chatd/keys/locked",
        "/etc/chatd/keys/locked",
    ]
    for path in holders.out.decode().splitlines():
        for person in ("alice", "mallory"):
            assert machine.box.run("cat", path, user=person).status == 1


def test_a_process_that_may_dump_is_seen_to_dump(machine: Machine) -> None:
    """For else the next two tests would prove nothing."""
    may = ["--property=LimitCORE=infinity", f"--property=WorkingDirectory={STORE}", "--uid=chatd"]
    ran = machine.box.run("systemd-run", "--wait", *may, "sh", "-c", "kill -ABRT $$$$")
    assert "result: core-dump" in ran.err
    if not CORE_PATTERN.read_text().startswith(("|", "/")):
        left = cores(machine, STORE)
        machine.box.do("rm", *left)
        assert left


def test_chatd_and_its_engine_leave_no_core_even_where_the_unit_would_let_them(
    machine: Machine,
) -> None:
    may = f"[Service]\nLimitCORE=infinity\nWorkingDirectory={STORE}\n"
    with machine.changed("chatd.service", may):
        machine.restart()
        assert machine.chat("-0", "-m", "demo", "What is tmpfs?").status == 0
        assert engine_of(machine)
        before, began_s = machine.pid, time.time()
        machine.systemctl("kill", "--signal=ABRT", "chatd.service")
        wait_for(lambda: machine.pid not in (0, before), "the next chatd")
        assert "code=killed, status=6/ABRT" in machine.journal(since_s=began_s)
        assert cores(machine, "/", "/tmp", "/var/tmp", STORE, "/run/chatd") == []
    machine.restart()


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
    machine.box.do("systemd-run", "--unit", "other", "--uid", "chatd", "sleep", "infinity")
    other = machine.systemctl("show", "--value", "--property", "MainPID", "other").strip()
    attached = machine.box.run(*AS_CHATD, "python3", "-c", ATTACH, other)
    machine.systemctl("kill", "--signal", "KILL", "other")
    assert (attached.status, attached.err) == (0, "")


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


def test_what_chatd_may_take_is_enough_for_a_full_mount_its_heap_and_the_engine(
    machine: Machine,
) -> None:
    """The mount's pages count as the memory of whoever wrote them."""
    if available_bytes() < 2 * STORE_BYTES:
        skip("there is too little memory for a full mount")
    machine.restart()
    assert machine.chat("-0", "-m", "demo", "What is tmpfs?").status == 0, "the engine runs"
    before, engine = machine.pid, engine_of(machine)
    try:
        assert "No space left on device" in machine.box.run("sh", "-c", FILL_AS_CHATD).err
        assert STORE_BYTES < int(machine.show("MemoryCurrent")) < int(machine.show("MemoryMax"))
        assert (machine.pid, engine_of(machine)) == (before, engine)
    finally:
        machine.box.do("rm", f"{STORE}/ballast")
    assert machine.answers()


def test_where_memory_is_short_the_engine_goes_first_and_chatd_goes_on(machine: Machine) -> None:
    with machine.changed("chatd.service", "[Service]\nMemoryMax=200M\n"):
        machine.restart()
        assert machine.chat("-0", "-m", "demo", "What is tmpfs?").status == 0, "the engine runs"
        before, engine = machine.pid, engine_of(machine)
        try:
            script = FILL_UNTIL_GONE.format(pid=engine)
            machine.box.do("sh", "-c", script)
            assert (machine.pid, machine.show("SubState")) == (before, "running")
            assert machine.answers()
        finally:
            machine.box.do("rm", f"{STORE}/ballast")
        assert machine.chat("-0", "-m", "demo", "What is tmpfs?").status == 0, "there is another"
    machine.restart()
