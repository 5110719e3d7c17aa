"""The checkers are tests: one command is the whole truth."""

import os
from pathlib import Path

import pytest

from tests.harness import BIN, ROOT, run

SCRIPTS = sorted(
    path
    for pattern in (
        "*.sh",
        "requirements/*.sh",
        "tests/*.sh",
        "tests/*/*.sh",
        "bench/*.sh",
        ".ci/run",
    )
    for path in ROOT.glob(pattern)
)


@pytest.mark.parametrize(
    "command",
    [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]],
    ids=lambda command: " ".join(command),
)
@pytest.mark.timeout(600)
def test_python_is_clean(command: list[str]) -> None:
    ran = run([str(BIN / command[0]), *command[1:]], cwd=ROOT, timeout_s=600)
    assert ran.status == 0, ran.out.decode() + ran.err


@pytest.mark.timeout(600)
def test_pyright_agrees() -> None:
    python = str(BIN / "python")
    # the node that comes with it, not the system's, and its own copy of pyright's JavaScript
    environment = {"HOME": os.environ.get("CHATD_CACHE_HOME", os.path.expanduser("~"))}
    ran = run(
        [str(BIN / "pyright"), "--pythonpath", python], cwd=ROOT, env=environment, timeout_s=600
    )
    assert ran.status == 0, ran.out.decode() + ran.err


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shell_scripts_are_clean(script: Path) -> None:
    # with the files that it sources, whose variables make sense only together
    ran = run([str(BIN / "shellcheck"), "-x", "-a", str(script)], cwd=ROOT)
    assert ran.status == 0, ran.out.decode()


def test_no_python_file_is_longer_than_400_lines() -> None:
    files = run(["git", "ls-files", "-z", "*.py"], cwd=ROOT).out.decode().split("\0")
    long = [name for name in files if name and len((ROOT / name).read_text().splitlines()) > 400]
    assert not long
