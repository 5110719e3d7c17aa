"""Fixtures of the command's tests."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.harness import CHAT, Ran, run

InPrivate = Callable[[str], Ran]

# A private /dev/shm and /run, so that no test meets this user's real chatd.
PRIVATE = """
mount -t tmpfs -o mode=1777 tmpfs /dev/shm && mount -t tmpfs -o mode=755 tmpfs /run || exit 99
cd /
"""
END = """
pids=$(sed -n 's/.*"pid":\\([0-9]*\\).*/\\1/p' "$OUT"/*.json 2>/dev/null | sort -u)
[ -z "$pids" ] || { kill $pids; while kill -0 $pids 2>/dev/null; do sleep 0.05; done; }
"""


@pytest.fixture
def in_private(tmp_path: Path) -> InPrivate:
    """Runs a shell script in a mount namespace; `$OUT` is a folder for what it leaves.

    Daemons whose `chat status --json` lies there as *.json are ended afterwards.
    """
    user = [] if os.getuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
    unshare = ["unshare", "--mount", *user, "--propagation", "private"]
    probe = run([*unshare, "sh", "-c", PRIVATE])
    if probe.status != 0:
        pytest.skip(f"cannot make a mount namespace here: {probe.err.strip()}")

    def run_script(script: str) -> Ran:
        # a file system that pytest's tmp_path is on is still there; only /dev/shm and /run are new
        script = f"{PRIVATE}\n{script}\nstatus=$?\n{END}\nexit $status"
        return run([*unshare, "sh", "-c", script], env={"OUT": str(tmp_path), "CHAT": CHAT})

    return run_script
