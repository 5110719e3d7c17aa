"""A user's own chatd: found, started once however many ask, left alone when it is not theirs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import InPrivate
from tests.conftest import StartDaemon
from tests.harness import CHAT, ROOT, run

from chat_rpc import errors, paths
from chat_rpc.client import Client


def test_ten_at_once_start_one(in_private: InPrivate, tmp_path: Path) -> None:
    ran = in_private("""
        for n in 0 1 2 3 4 5 6 7 8 9; do
            $CHAT status --json > $OUT/$n.json 2> $OUT/$n.err & all="$all $!"
        done
        for one in $all; do wait $one || exit 1; done
    """)
    assert ran.status == 0, [path.read_text() for path in tmp_path.glob("*.err")]
    assert len({json.loads((tmp_path / f"{n}.json").read_text())["pid"] for n in range(10)}) == 1
    said = "".join((tmp_path / f"{n}.err").read_text() for n in range(10))
    assert said.count("starting chatd") == 1


def test_it_lies_in_a_private_directory_on_a_tmpfs(in_private: InPrivate, tmp_path: Path) -> None:
    ran = in_private("$CHAT status --json > $OUT/s.json && stat -c '%a %u' /dev/shm/chatd-*")
    status = json.loads((tmp_path / "s.json").read_text())
    assert status["socket"] == f"/dev/shm/chatd-{os.getuid()}/chatd/chatd.sock"
    assert status["store"]["filesystem"] == "tmpfs"
    assert ran.out.decode().split() == ["700", str(os.getuid())]


def test_swap_on_a_disk_is_told_once_when_a_chatd_is_started(
    in_private: InPrivate, tmp_path: Path
) -> None:
    table = tmp_path / "swaps"
    table.write_text("Filename Type Size Used Priority\n/swapfile file 1048572 0 -2\n")
    ran = in_private(
        f"mount --bind {table} /proc/swaps && $CHAT status --json > $OUT/a.json && $CHAT status"
    )
    assert ran.status == 0, ran.err
    assert ran.err.count("this machine swaps to a disk") == 1
    assert "may be swapped to a disk" in ran.out.decode()


def test_the_directory_of_logind_is_preferred(in_private: InPrivate, tmp_path: Path) -> None:
    ran = in_private(f"mkdir -p /run/user && mkdir -m 700 /run/user/{os.getuid()} &&"
                     "$CHAT status --json > $OUT/s.json")  # fmt: skip
    assert ran.status == 0, ran.err
    status = json.loads((tmp_path / "s.json").read_text())
    assert status["socket"] == f"/run/user/{os.getuid()}/chatd/chatd.sock"


def test_a_running_one_in_the_other_place_is_used(in_private: InPrivate, tmp_path: Path) -> None:
    ran = in_private(
        f"$CHAT status --json > $OUT/a.json && mkdir -p /run/user &&"
        f"mkdir -m 700 /run/user/{os.getuid()} && $CHAT status --json > $OUT/b.json"
    )
    assert ran.status == 0, ran.err
    pids = {json.loads((tmp_path / name).read_text())["pid"] for name in ("a.json", "b.json")}
    assert len(pids) == 1


# logind's directory, a user manager's socket in it, the unit enabled, and a scripted systemctl
MANAGED = """
R=/run/user/$(id -u); mkdir -p /run/user "$HOME/.config/systemd/user/sockets.target.wants"
mkdir -m 700 $R && mkdir $R/systemd && : > $R/systemd/private
ln -s ../chatd.socket "$HOME/.config/systemd/user/sockets.target.wants/"
export PATH=$OUT:$PATH
"""


def script_systemctl(directory: Path, script: str) -> None:
    path = directory / "systemctl"
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)


def test_where_systemd_holds_the_users_socket_it_is_asked_to_listen(
    in_private: InPrivate, tmp_path: Path
) -> None:
    script_systemctl(
        tmp_path,
        f"""
        echo "$* $XDG_RUNTIME_DIR" > {tmp_path}/asked
        mkfifo {tmp_path}/ready
        {CHAT}d --ready-fd 8 8> {tmp_path}/ready < /dev/null > /dev/null 2>&1 &
        read -r line < {tmp_path}/ready
        """,
    )
    ran = in_private(f"{MANAGED}\n$CHAT status --json > $OUT/s.json")
    assert (ran.status, ran.err) == (0, "")
    runtime = f"/run/user/{os.getuid()}"
    assert (tmp_path / "asked").read_text() == f"--user start chatd.socket {runtime}\n"


def test_where_systemd_cannot_start_it_chat_starts_none_beside_it(
    in_private: InPrivate, tmp_path: Path
) -> None:
    script_systemctl(tmp_path, "exit 1")
    ran = in_private(f"{MANAGED}\n$CHAT -0 hi; echo $?; test -e $R/chatd/tmpfs; echo $?")
    assert ran.out == b"79\n1\n"
    assert "systemctl --user status chatd.socket" in ran.err


def test_a_directory_that_is_open_to_others_is_refused(in_private: InPrivate) -> None:
    ran = in_private(f"mkdir -m 755 /dev/shm/chatd-{os.getuid()}; $CHAT -0 hi")
    assert ran.status == 77
    assert "closed to others" in ran.err


def test_the_log_of_a_daemon_that_cannot_start_is_shown(
    in_private: InPrivate, tmp_path: Path
) -> None:
    (tmp_path / ".config" / "chatd").mkdir(parents=True)
    (tmp_path / ".config" / "chatd" / "chatd.toml").write_text("[limits]\ntoken_s = 0\n")
    ran = in_private("$CHAT -0 hi")
    assert ran.status == 79
    assert "chatd.toml:2: limits.token_s" in ran.err
    assert "status 78" in ran.err


def test_no_start_starts_none(in_private: InPrivate) -> None:
    ran = in_private("$CHAT --no-start -0 hi; a=$?; test ! -e /dev/shm/chatd-*; echo $a $?")
    assert ran.out == b"79 0\n"


def test_a_named_socket_that_nobody_serves_is_79_and_starts_none(tmp_path: Path) -> None:
    ran = run([CHAT, "-0", "hi"], env={"CHATD_SOCKET": str(tmp_path / "x.sock")})
    assert ran.status == 79
    assert "CHATD_SOCKET" in ran.err
    assert not list(tmp_path.iterdir())


def test_the_system_s_socket_comes_before_one_s_own(in_private: InPrivate) -> None:
    ran = in_private("mkdir /run/chatd && : > /run/chatd/chatd.sock && $CHAT -0 hi")
    assert ran.status == 79
    assert "systemctl start chatd" in ran.err


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        ("ActiveState=failed\nExecMainStatus=78", "is down, for its settings are wrong; "),
        ("ActiveState=failed\nExecMainStatus=1", "is down, for it ended again and again; "),
        ("ActiveState=inactive\nExecMainStatus=0", "is not running; "),
        ("", "is not running; "),
    ],
)
def test_systemd_is_asked_once_why_the_system_s_chatd_is_down(
    in_private: InPrivate, tmp_path: Path, shown: str, why: str
) -> None:
    script_systemctl(tmp_path, f"echo asked >> {tmp_path}/asked; echo '{shown}'")
    prepared = "mkdir /run/chatd && : > /run/chatd/chatd.sock && export PATH=$OUT:$PATH"
    ran = in_private(f"{prepared} && $CHAT -0 hi")
    assert (ran.status, len(ran.err.splitlines())) == (79, 1)
    assert ran.err.startswith(f"chat: the system's chatd {why}")
    assert (tmp_path / "asked").read_text() == "asked\n"


def test_xdg_runtime_dir_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = paths.find()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert paths.find() == before


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to serve as another user")
def test_a_server_of_another_user_is_not_used(ram: Path) -> None:
    ram.chmod(0o777)
    script = (
        "import os, socket, sys; os.setuid(12345); s = socket.socket(socket.AF_UNIX);"
        f"s.bind('{ram}/s'); s.listen(); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as squatter:
        assert squatter.stdout is not None
        squatter.stdout.readline()
        with pytest.raises(errors.NotPermitted, match="12345"):
            Client(ram / "s")
        ran = run([CHAT, "-0", "hi"], env={"CHATD_SOCKET": str(ram / "s")})
    assert ran.status == 77


def test_a_daemon_of_another_version_is_said(start_daemon: StartDaemon, ram: Path) -> None:
    other = ram / "other" / "chat_rpc"
    other.parent.mkdir()
    run(["cp", "-r", str(ROOT / "daemon" / "chat_rpc"), str(other)])
    source = (other / "__init__.py").read_text().replace('version__ = "', 'version__ = "9.')
    (other / "__init__.py").write_text(source)
    daemon = start_daemon(environment={"PYTHONPATH": str(other.parent)})
    ran = run([CHAT, "status"], env={"CHATD_SOCKET": str(daemon.socket)})
    assert ran.status == 0
    assert "chatd is 9." in ran.err
