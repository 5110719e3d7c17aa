"""install.sh, run for real with an empty home; pip needs its package index."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import StartDaemon
from tests.harness import ROOT, Ran, copy_tree, ram_directory, run, wait_for

from chat_rpc import __version__
from chat_rpc.client import Client

pytestmark = pytest.mark.timeout(900)  # a slow index may take its time

# no rustup, no pyenv shim: pip asks rustc for its version, and rustup then writes into HOME
PATH = f"/usr/sbin:/usr/bin:/sbin:/bin:{Path(sys.base_prefix) / 'bin'}"
INSTALL_TIMEOUT_S = 800.0


@dataclass
class Installation:
    """A home with chatd in it, and the tree that it came from."""

    home: Path
    tree: Path
    ran: Ran

    @property
    def share(self) -> Path:
        return self.home / ".local/share/chatd"

    @property
    def versions(self) -> set[str]:
        return {log.parent.name for log in self.share.glob("[0-9]*/install.log")}

    @property
    def current(self) -> Path:
        return (self.share / "current").resolve()

    def chat(self, *arguments: str) -> Ran:
        return run([str(self.home / ".local/bin/chat"), *arguments])

    def install(self, *arguments: str, tree: Path | None = None) -> Ran:
        return install(tree or self.tree, self.home, *arguments)


@dataclass
class Removed:
    """What --uninstall said and left, and the daemons that ran before it."""

    ran: Ran
    left: list[Path]
    own: subprocess.Popen[bytes]


def install(tree: Path, home: Path, *arguments: str, path: str = PATH) -> Ran:
    """Run the tree's install.sh as a person with a closed umask would."""
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    done = subprocess.run(
        [str(tree / "install.sh"), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**pip, "PATH": path, "HOME": str(home)},
        umask=0o077,
        timeout=INSTALL_TIMEOUT_S,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())


def changed_copy(installed: Installation, to: Path, version: str) -> Path:
    """Return a copy of the tree whose `chat --version` says `version`."""
    tree = copy_tree(to, installed.tree)
    module = tree / "daemon/chat_rpc/__init__.py"
    module.write_text(module.read_text().replace(__version__, version))
    return tree


def paths_in(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*"))


def megabytes_on_disk(directory: Path) -> float:
    out = run(["du", "-sk", str(directory)]).out
    return int(out.split()[0]) * 1024 / 1e6


def said_megabytes(ran: Ran, pattern: str) -> float:
    found = re.search(pattern, ran.out.decode())
    assert found, ran.out.decode()
    return float(found[1])


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """One installation for all tests here; each leaves it as it was."""
    base = tmp_path_factory.mktemp("install")
    tree, home = copy_tree(base / "tree"), base / "home"
    home.mkdir()
    return Installation(home, tree, install(tree, home))


@pytest.fixture(scope="module")
def removed(installed: Installation) -> Iterator[Removed]:
    """The same, after --uninstall, while a chatd of that installation ran."""
    ram = ram_directory()
    store, socket = ram / "store", ram / "s"
    store.mkdir(mode=0o700)
    own = subprocess.Popen(
        [installed.home / ".local/bin/chatd", "--socket", socket, "--store", store],
        stderr=subprocess.DEVNULL,
        env={"HOME": str(installed.home)},
    )
    wait_for(socket.exists, "the installed chatd")
    ran = installed.install("--uninstall")
    yield Removed(ran, paths_in(installed.home), own)
    own.kill()
    own.wait()
    shutil.rmtree(ram)


def test_help_names_every_option(tmp_path: Path) -> None:
    ran = install(ROOT, tmp_path, "--help")
    assert (ran.status, ran.err) == (0, "")
    for option in ("--prefix DIR", "--quiet", "--uninstall", "--help"):
        assert f"  {option} " in ran.out.decode()


@pytest.mark.parametrize("arguments", [["--frobnicate"], ["--prefix"], ["--prefix="], ["now"]])
def test_a_wrong_option_is_named_and_nothing_is_made(tmp_path: Path, arguments: list[str]) -> None:
    ran = install(ROOT, tmp_path, *arguments)
    assert (ran.status, ran.out, paths_in(tmp_path)) == (2, b"", [])
    assert ran.err.startswith("install.sh: ")
    assert arguments[0].rstrip("=") in ran.err
    assert len(ran.err.splitlines()) == 1


def test_another_system_is_refused(tmp_path: Path) -> None:
    fake = tmp_path / "bin/uname"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho Darwin\n")
    fake.chmod(0o755)
    ran = install(ROOT, tmp_path / "home", path=f"{fake.parent}:{PATH}")
    assert (ran.status, ran.err) == (1, "install.sh: chatd needs Linux; this is Darwin\n")


def test_another_program_called_chat_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / ".local/bin/chat"
    other.parent.mkdir(parents=True)
    other.write_text("somebody else's")
    before = paths_in(tmp_path)
    ran = install(ROOT, tmp_path)
    assert (ran.status, ran.out) == (1, b"")
    assert str(other) in ran.err
    assert (paths_in(tmp_path), other.read_text()) == (before, "somebody else's")


def test_the_first_run_says_what_it_does_and_what_to_try(installed: Installation) -> None:
    said = installed.ran.out.decode()
    assert (installed.ran.status, installed.ran.err) == (0, "")
    for step in range(1, 6):
        assert f"\n{step}/5 " in said
    assert f'export PATH="{installed.home}/.local/bin:$PATH"' in said
    assert said.endswith('/chat "What is tmpfs?"\n')


def test_it_takes_what_it_said(installed: Installation) -> None:
    said_mb = said_megabytes(installed.ran, r"takes about (\d+) MB of disk")
    assert 0.8 * said_mb < megabytes_on_disk(installed.share) < 1.1 * said_mb


def test_it_downloads_no_more_than_it_said(installed: Installation) -> None:
    log = (installed.current / "install.log").read_text()
    sizes = re.findall(r"Downloading \S+ \(([\d.]+) ([kM])B\)", log)
    downloaded_mb = sum(float(size) / (1 if unit == "M" else 1000) for size, unit in sizes)
    assert downloaded_mb < 1.1 * said_megabytes(installed.ran, r"downloads about (\d+) MB")


def test_man_and_the_shells_find_its_pages_and_completions(installed: Installation) -> None:
    data = installed.home / ".local/share"
    completion = (data / "bash-completion/completions/chat").read_text()
    assert "complete -F _chat chat" in completion
    assert (data / "zsh/site-functions/_chat").read_text().startswith("#compdef chat\n")
    assert "complete -c chat" in (data / "fish/vendor_completions.d/chat.fish").read_text()
    for page in ("man1/chat.1", "man8/chatd.8", "man5/chatd.toml.5"):
        assert (data / "man" / page).read_bytes() == (ROOT / "docs/man" / page[5:]).read_bytes()


def test_another_program_s_man_page_is_left_alone(tmp_path: Path, installed: Installation) -> None:
    other = installed.home / ".local/share/man/man1/chat.1"
    ours = os.readlink(other)
    other.unlink()
    other.write_text("somebody else's")
    assert installed.install().status == 0
    assert other.read_text() == "somebody else's"
    other.unlink()
    assert installed.install().status == 0
    assert os.readlink(other) == ours


def test_others_may_run_what_a_closed_umask_installed(installed: Installation) -> None:
    for path in paths_in(installed.home):
        needed = 0o005 if path.is_dir() else 0o004
        assert path.is_symlink() or path.stat().st_mode & needed == needed, path


def test_ten_runs_of_the_installed_chat_take_less_than_five_seconds(
    installed: Installation,
) -> None:
    began_s = time.monotonic()
    for _ in range(10):
        assert installed.chat("--version").out.decode() == f"chat {__version__}\n"
    assert time.monotonic() - began_s < 5


def test_the_installed_chat_talks_to_a_chatd(
    installed: Installation, start_daemon: StartDaemon
) -> None:
    daemon = start_daemon()
    done = subprocess.run(
        [installed.home / ".local/bin/chat", "status"],
        env={"CHATD_SOCKET": str(daemon.socket)},
        capture_output=True,
        check=True,
    )
    assert re.search(rf"^chatd +{__version__}, pid {daemon.pid}\b", done.stdout.decode())


def test_a_second_run_does_nothing_and_is_quick(installed: Installation) -> None:
    before = [(path, path.lstat().st_mtime_ns) for path in paths_in(installed.home)]
    began_s = time.monotonic()
    ran = installed.install()
    assert time.monotonic() - began_s < 5
    assert b"is installed already" in ran.out
    assert [(path, path.lstat().st_mtime_ns) for path in paths_in(installed.home)] == before


def test_a_second_run_mends_the_commands(installed: Installation) -> None:
    (installed.home / ".local/bin/chat").unlink()
    (installed.share / "current").unlink()
    ran = installed.install("--quiet")
    assert (ran.status, ran.out, ran.err) == (0, b"", "")
    assert installed.chat("--version").status == 0


def test_a_step_that_fails_leaves_the_old_version_in_use(
    installed: Installation, tmp_path: Path
) -> None:
    tree = changed_copy(installed, tmp_path / "tree", "9.9.9")
    lock = tree / "requirements/run.txt"
    lock.write_text(re.sub("sha256:.{8}", "sha256:00000000", lock.read_text()))
    before = paths_in(installed.home)
    ran = installed.install(tree=tree)
    assert ran.status == 1
    assert re.search(r"^install\.sh: step 2/5 packages failed: .*$", ran.err.splitlines()[-1])
    assert installed.current.name in ran.err.splitlines()[-1]
    assert paths_in(installed.home) == before
    assert installed.chat("--version").out.decode() == f"chat {__version__}\n"


def test_a_newer_tree_is_switched_to_without_a_download_and_back(
    installed: Installation, tmp_path: Path
) -> None:
    first = installed.current.name
    for version in ("9.9.8", "9.9.9"):
        tree = changed_copy(installed, tmp_path / version, version)
        ran = installed.install(tree=tree)
        assert b"nothing to download" in ran.out, ran.err
        assert installed.chat("--version").out.decode() == f"chat {version}\n"
    assert len(installed.versions) == 2, "the version before stays, older ones go"
    assert first not in installed.versions
    assert installed.install().status == 0
    assert installed.chat("--version").out.decode() == f"chat {__version__}\n"


@pytest.mark.parametrize("name", ["two words", "it's", "l" * 130])
def test_a_path_that_no_shebang_can_hold_works_too(
    installed: Installation, tmp_path: Path, name: str
) -> None:
    prefix = tmp_path / name
    earlier = prefix / "share/chatd/0-earlier"  # whose packages are taken: no download
    earlier.mkdir(parents=True)
    subprocess.run(["cp", "-al", installed.current / "lib", earlier], check=True)
    shutil.copy2(installed.current / "packages", earlier)
    (earlier / "complete").touch()
    (earlier.parent / "current").symlink_to(earlier.name)
    ran = install(installed.tree, tmp_path, f"--prefix={prefix}")
    assert ran.status == 0, ran.err
    for command in ("chat", "chatd"):
        said = run([str(prefix / "bin" / command), "--version"]).out.decode()
        assert said == f"{command} {__version__}\n"


def test_no_two_runs_work_at_once(installed: Installation) -> None:
    other = os.open(installed.share, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    ran = installed.install()
    os.close(other)
    assert ran.status == 1
    assert "another install.sh is at work" in ran.err


# from here on there is no installation any more


def test_uninstall_leaves_the_home_as_it_was(removed: Removed) -> None:
    assert (removed.ran.status, removed.ran.err, removed.left) == (0, "", [])


def test_uninstall_stops_the_chatd_that_ran_from_there(removed: Removed) -> None:
    assert f"stopping chatd (pid {removed.own.pid})" in removed.ran.out.decode()
    assert removed.own.wait(timeout=1) == 0


def test_uninstall_of_nothing_is_no_failure(tmp_path: Path, start_daemon: StartDaemon) -> None:
    daemon = start_daemon()  # not from there: it must live on
    ran = install(ROOT, tmp_path, "--uninstall")
    assert (ran.status, paths_in(tmp_path)) == (0, [])
    with Client(daemon.socket):
        pass
