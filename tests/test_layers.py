"""Who may import whom; held by import-linter, and seen in what a run of `chat` imports."""

import subprocess
import sys

import pytest

from tests.harness import BIN, ROOT, Daemon, run

HEAVY = {
    "asyncio",
    "prompt_toolkit",
    "openai",
    "pydantic",
    "reflex",
    "uvloop",
    "rich",
    "chatd",
    "httpx2",
    "sqlite3",
}


def test_imports_go_only_downwards() -> None:
    ran = run([str(BIN / "lint-imports"), "--no-cache"], cwd=ROOT)
    assert ran.status == 0, ran.out.decode()


@pytest.mark.parametrize(
    "arguments", [["-0", "-m", "hash", "hi"], ["list"], ["status"], ["models"], ["--help"]]
)
def test_a_run_of_chat_imports_nothing_heavy(chatd: Daemon, arguments: list[str]) -> None:
    script = (
        "import sys\nfrom chat_cli.main import run\n"
        "status = run(sys.argv[1:])\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
        "sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={"CHATD_SOCKET": str(chatd.socket)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    imported = set(done.stderr.decode().splitlines()[-1].split())
    assert not imported & HEAVY


def test_the_daemon_is_up_before_it_imports_the_model_client() -> None:
    script = "import sys, chatd.__main__; sys.exit('openai' in sys.modules)"
    assert run([sys.executable, "-c", script]).status == 0
