"""install.sh --system as far as it goes without a systemd: what it would do, and DESTDIR."""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.harness import ROOT, Ran, copy_tree, ram_directory, run

from chat_rpc import __version__
from chatd import config

NOBODY = 65534
UNITS = ["chatd-ui@.service", "chatd.service", "chatd.socket", "mnt-ai_tmpfs.mount"]
WATCHED = ["/etc/systemd", "/usr/lib/systemd", "/usr/local/bin"]
CHANGED_BY_IT = ["/etc", "/etc/passwd", "/etc/group", "/opt", "/mnt"]

ONE_LINE = re.compile(r"install\.sh: [^\n]+\n")


def install(
    tree: Path, *arguments: str, env: Mapping[str, str] | None = None, uid: int | None = None
) -> Ran:
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    done = subprocess.run(
        [str(tree / "install.sh"), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**pip, "PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **(env or {})},
        user=uid if os.getuid() == 0 else None,
        timeout=600,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())


def system_files() -> dict[str, float]:
    """Return what is on this machine where chatd would be installed, and when it changed."""
    found = {path: os.lstat(path).st_mtime for path in CHANGED_BY_IT}
    for top in WATCHED:
        for directory, _, names in os.walk(top):
            for path in [directory, *(os.path.join(directory, name) for name in names)]:
                found[path] = os.lstat(path).st_mtime
    return found


@pytest.fixture(scope="module")
def tree() -> Iterator[Path]:
    """A copy that every user may read: somebody may be editing the tree meanwhile."""
    ram = ram_directory()
    ram.chmod(0o755)
    yield copy_tree(ram)
    shutil.rmtree(ram)


@pytest.fixture(scope="module")
def package(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `DESTDIR=... ./install.sh --system` lays out."""
    destination = tmp_path_factory.mktemp("destdir") / "package"
    ran = install(tree, "--system", env={"DESTDIR": str(destination)})
    assert ran.status == 0, ran.err
    return destination


@pytest.mark.parametrize(
    ("arguments", "destdir"),
    [
        (["--system", "--prefix", "/x"], ""),
        (["--purge"], ""),
        (["--system", "--purge"], ""),
        (["--uninstall", "--purge"], ""),
        (["--upgrade", "--uninstall"], ""),
        (["--system", "--uninstall"], "/x"),
        ([], "/x"),
    ],
)
def test_options_that_do_not_go_together_are_refused_in_a_line(
    tree: Path, arguments: list[str], destdir: str
) -> None:
    ran = install(tree, *arguments, "--dry-run", env={"DESTDIR": destdir})
    assert (ran.status, ran.out) == (2, b"")
    assert ONE_LINE.fullmatch(ran.err)


@pytest.mark.parametrize("arguments", [[], ["--uninstall"], ["--upgrade"]])
def test_without_root_it_says_so_and_changes_nothing(tree: Path, arguments: list[str]) -> None:
    before = system_files()
    ran = install(tree, "--system", *arguments, uid=NOBODY)
    assert (ran.status, ran.out) == (1, b"")
    assert ONE_LINE.fullmatch(ran.err)
    assert "needs root" in ran.err
    assert system_files() == before


@pytest.mark.skipif(Path("/opt/chatd").exists(), reason="chatd is installed on this machine")
def test_a_dry_run_needs_no_root_tells_all_and_changes_nothing(tree: Path) -> None:
    before = system_files()
    ran = install(tree, "--system", "--dry-run", uid=NOBODY)
    assert (ran.status, ran.err, system_files()) == (0, "", before)
    said = ran.out.decode()
    for step in range(1, 10):
        assert f"\n{step}/9 " in said
    for unit in UNITS:
        assert f"/etc/systemd/system/{unit}.new /etc/systemd/system/{unit}\n" in said
    in_order = [
        "-m venv /opt/chatd/",
        "bin/chat --version",
        "systemd-sysusers ",
        "mv -fT /opt/chatd/current.new /opt/chatd/current",
        "systemctl daemon-reload",
        "systemctl enable chatd.service",
        "systemctl start chatd.socket",
        "systemctl restart chatd.service",
        "chat -0 'What is tmpfs?'",
    ]
    found = [said.find(command) for command in in_order]
    assert min(found) >= 0
    assert found == sorted(found)
    assert "restart chatd.socket" not in said, "who connects meanwhile would be refused"


def test_a_dry_run_for_oneself_makes_nothing(tree: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    ran = install(tree, "--dry-run", env={"HOME": str(home)})
    assert (ran.status, ran.err) == (0, "")
    assert f"mv -fT {home}/.local/share/chatd/current.new" in ran.out.decode()
    assert not home.exists()


@pytest.mark.parametrize("option", ["--upgrade", "--uninstall"])
@pytest.mark.skipif(Path("/opt/chatd").exists(), reason="chatd is installed on this machine")
def test_where_there_is_none_it_says_so(tree: Path, option: str) -> None:
    ran = install(tree, "--system", option, "--dry-run")
    assert ran.status == (1 if option == "--upgrade" else 0)
    assert "there is no chatd in /opt/chatd" in ran.out.decode() + ran.err


def test_the_kernel_decides_about_noswap(tree: Path, tmp_path: Path) -> None:
    real = shutil.which("uname")
    for release, wanted in (("6.1.0-9-amd64", False), ("6.4.0", True), ("10.0-rc1", True)):
        fake = tmp_path / "uname"
        fake.write_text(f'#!/bin/sh\n[ "$1" = -r ] && echo {release} || exec {real} "$@"\n')
        fake.chmod(0o755)
        ran = install(tree, "--system", "--dry-run", env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
        assert (b"50-noswap.conf" in ran.out) == wanted, release


def test_a_package_has_its_files_where_a_package_has_them(package: Path) -> None:
    assert sorted(os.listdir(package)) == ["etc", "opt", "usr"]
    assert sorted(os.listdir(package / "usr/lib/systemd/system")) == UNITS
    for kind in ("sysusers.d", "tmpfiles.d"):
        assert os.listdir(package / "usr/lib" / kind) == ["chatd.conf"]
    assert os.readlink(package / "usr/bin/chat") == "/opt/chatd/current/bin/chat"
    current = os.readlink(package / "opt/chatd/current")
    assert sorted(os.listdir(package / "opt/chatd")) == [current, "current"]
    assert (package / "etc/chatd/chatd.toml").is_file()


def test_nothing_in_a_package_tells_where_it_was_made(package: Path, tree: Path) -> None:
    places = [os.fsencode(package), os.fsencode(tree)]
    for path in package.rglob("*"):
        if path.is_symlink():
            assert str(package) not in os.readlink(path), path
        elif path.is_file():
            content = path.read_bytes()
            assert not any(place in content for place in places), path


def test_a_package_runs_where_it_is_installed_by_anybody(package: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root to put it in its place")
    ran = run(
        [
            *("unshare", "--mount", "sh", "-ec"),
            'mount -t tmpfs -o mode=755 tmpfs /opt; mkdir /opt/chatd; mount --bind "$1" /opt/chatd;'
            "cd /; exec setpriv --reuid 65534 --regid 65534 --clear-groups -- sh -ec"
            " '/opt/chatd/current/bin/chat --version; /opt/chatd/current/bin/chatd --version;"
            " find /opt/chatd/current/lib/python*/site-packages/chatd -name __main__*.pyc'",
            "sh",
            str(package / "opt/chatd"),
        ]
    )
    said = ran.out.decode().splitlines()
    assert said[:2] == [f"chat {__version__}", f"chatd {__version__}"], ran.err
    assert len(said) == 3, "it is not compiled"


def test_what_is_commented_in_the_settings_is_the_default() -> None:
    text = (ROOT / "install/chatd.toml").read_text()
    assert config.Config.model_validate(tomllib.loads(text)) == config.Config()
    uncommented = re.sub(r"^# (?=[a-z_]+ = |\[\[)", "", text, flags=re.MULTILINE)
    settings = config.Config.model_validate(tomllib.loads(uncommented))
    assert [server.slots for server in settings.servers] == [4]
    assert settings.model_copy(update={"servers": []}) == config.Config()
    assert "# [" not in uncommented
