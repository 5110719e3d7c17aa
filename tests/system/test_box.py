"""The box itself: it boots, ends with who made it, and leaves nothing behind."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.box import cgroups
from tests.box.box import Box
from tests.harness import ROOT, Ran, is_alive, run, wait_for
from tests.system.conftest import REQUIRE

pytestmark = pytest.mark.usefixtures("_may_box")

MAKER = """
import sys
from tests.box.box import Box
with Box() as box:
    print(box.leader, flush=True)
    sys.stdin.read()
"""


def traces(name: str) -> list[str]:
    """Return what is left of a box on this machine: cgroups, mounts, processes."""
    found = [str(h.ours / name) for h in cgroups.hierarchies() if (h.ours / name).exists()]
    mounts = Path("/proc/mounts").read_text().splitlines()
    found += [line for line in mounts if line.startswith("box ")]
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [str(entry)] if name.encode() in entry.read_bytes() else []
        except OSError:
            continue  # it ended meanwhile
    return found


@pytest.fixture
def maker() -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has made a box and holds it."""
    with subprocess.Popen(
        [sys.executable, "-c", MAKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        yield process
        process.kill()


def as_nobody(*command: str, **environment: str) -> Ran:
    """Run a command in a user namespace in which it is not root."""
    return run(["unshare", "--user", *command], env=environment, cwd=ROOT)


def test_systemd_is_pid_1_and_all_its_units_run() -> None:
    with Box() as box:
        assert box.do("cat", "/proc/1/comm") == "systemd\n"
        assert box.do("systemctl", "is-system-running") == "running\n"


def test_nothing_of_a_box_is_left() -> None:
    with Box() as box:
        assert traces(box.name)
        box.write("/etc/made-in-the-box", "")
    assert not traces(box.name)
    assert not Path("/etc/made-in-the-box").exists()


def test_a_box_dies_with_its_maker_and_the_next_one_sweeps(
    maker: subprocess.Popen[bytes],
) -> None:
    assert maker.stdout is not None
    leader = int(maker.stdout.readline())
    os.kill(maker.pid, signal.SIGKILL)
    maker.wait()
    wait_for(lambda: not is_alive(leader), "the box's end")
    with Box():
        assert not cgroups.left_over()


@pytest.mark.parametrize(("required", "outcome"), [("", "1 skipped"), ("1", "1 error")])
def test_without_root_it_says_why_and_fails_only_where_it_must_not(
    required: str, outcome: str
) -> None:
    this = f"{__file__}::{test_systemd_is_pid_1_and_all_its_units_run.__name__}"
    pytest_ = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", this]
    ran = as_nobody(*pytest_, **{REQUIRE: required, "PYTEST_ADDOPTS": ""})
    said = ran.out.decode()
    assert outcome in said, said
    assert "no systemd can be booted here: uid 65534 is not root" in said


def test_every_tool_that_it_needs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.box.box import missing

    monkeypatch.setenv("PATH", str(Path(shutil.which("unshare") or "/").parent))
    assert missing() is None
    monkeypatch.setenv("PATH", "/nowhere")
    assert missing() == "unshare is not installed"
