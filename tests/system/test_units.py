"""The units, without running them: systemd finds no fault, and each is as closed as it is said."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.harness import ROOT

from chat_rpc import paths
from chatd import systemd

UNITS = ROOT / "systemd"
ANALYZE = "systemd-analyze"
HEAP_AND_ENGINE_MIB = 1024
SCORES = {"chatd.service": 12, "chatd-ui@.service": 15, "user/chatd.service": 65}  # tenths
DROP_INS = {
    "everybody": "chatd.socket",
    "remote-servers": "chatd.service",
    "models": "chatd.service",
    "noswap": "mnt-ai_tmpfs.mount",
    "size": "mnt-ai_tmpfs.mount",
}
needs_systemd = pytest.mark.skipif(
    shutil.which(ANALYZE) is None, reason=f"{ANALYZE} is not installed: no unit can be judged"
)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with a program that is here in the place of what install.sh puts there."""
    copy = tmp_path / "units"
    shutil.copytree(UNITS, copy)
    for unit in copy.rglob("*.service"):
        unit.write_text(re.sub(r"/opt/chatd/current/bin/[a-z-]+", "/bin/true", unit.read_text()))
    return copy


def analyze(*arguments: str | Path) -> str:
    """Return what systemd-analyze says to both streams; raises if it fails."""
    done = subprocess.run(
        [ANALYZE, *map(str, arguments)],
        env={"XDG_RUNTIME_DIR": "/tmp", "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def setting(unit: str, section: str, name: str) -> str:
    """Return a setting that stands once in a unit of ours."""
    (value,) = settings((UNITS / unit).read_text(), section, name)
    return value


def settings(text: str, section: str, name: str) -> list[str]:
    body = re.split(r"^\[(.+)\]$", text, flags=re.MULTILINE)
    inside = dict(zip(body[1::2], body[2::2], strict=True))[section]
    return re.findall(rf"^{name}=(.*)$", inside, re.MULTILINE)


def size_mib(text: str) -> int:
    return int(text[:-1]) * {"M": 1, "G": 1024}[text[-1]]


def mount_options(text: str) -> dict[str, str]:
    line = settings(text, "Mount", "Options")[-1]
    return {name: value for name, _, value in (part.partition("=") for part in line.split(","))}


@needs_systemd
def test_systemd_finds_no_fault_in_the_units_of_the_system(units: Path) -> None:
    named = ["chatd.socket", "chatd.service", "mnt-ai_tmpfs.mount"]
    shutil.copy(units / "chatd-ui@.service", units / "chatd-ui@root.service")
    assert analyze("verify", *(units / name for name in [*named, "chatd-ui@root.service"])) == ""


@needs_systemd
def test_systemd_finds_no_fault_in_the_units_of_a_user(units: Path) -> None:
    user = units / "user"
    assert analyze("--user", "verify", user / "chatd.socket", user / "chatd.service") == ""


@needs_systemd
@pytest.mark.parametrize("name", DROP_INS)
def test_systemd_finds_no_fault_with_an_example_in_place(units: Path, name: str) -> None:
    place = units / f"{DROP_INS[name]}.d"
    place.mkdir()
    shutil.copy(units / "examples" / f"{name}.conf", place)
    assert analyze("verify", units / DROP_INS[name], units / "chatd.service") == ""


@needs_systemd
@pytest.mark.parametrize(("name", "tenths"), SCORES.items())
def test_a_service_is_as_closed_as_it_is_said(units: Path, name: str, tenths: int) -> None:
    analyze("security", "--offline=true", f"--threshold={tenths}", units / name)


def test_every_example_says_where_it_goes() -> None:
    assert {path.stem for path in (UNITS / "examples").iterdir()} == set(DROP_INS)
    for name, unit in DROP_INS.items():
        text = (UNITS / "examples" / f"{name}.conf").read_text()
        assert f"Copy to /etc/systemd/system/{unit}.d/" in text


def test_the_units_and_the_programs_agree_on_the_paths() -> None:
    assert setting("chatd.socket", "Socket", "ListenStream") == str(paths.SYSTEM_SOCKET)
    assert setting("mnt-ai_tmpfs.mount", "Mount", "Where") == str(paths.SYSTEM_STORE)
    assert setting("chatd.service", "Unit", "AssertPathIsMountPoint") == str(paths.SYSTEM_STORE)
    own = paths.socket_in(Path("%t"))
    assert setting("user/chatd.socket", "Socket", "ListenStream") == str(own)
    for unit in ("chatd.socket", "user/chatd.socket"):
        assert setting(unit, "Socket", "FileDescriptorName") == systemd.NAME


def test_the_memory_that_chatd_may_take_holds_the_mount_the_heap_and_the_engine() -> None:
    options = mount_options((UNITS / "mnt-ai_tmpfs.mount").read_text())
    maximum = size_mib(setting("chatd.service", "Service", "MemoryMax"))
    assert size_mib(options["size"]) + HEAP_AND_ENGINE_MIB <= maximum
    assert setting("chatd.service", "Service", "MemorySwapMax") == "0"


@pytest.mark.parametrize("name", ["noswap", "size"])
def test_an_example_for_the_mount_repeats_its_other_options(name: str) -> None:
    text = (UNITS / "examples" / f"{name}.conf").read_text()
    assert settings(text, "Mount", "Options")[0] == "", "else it would be added to the unit's"
    shipped = mount_options((UNITS / "mnt-ai_tmpfs.mount").read_text())
    theirs = mount_options(text)
    changed = {"size", "nr_inodes"} if name == "size" else set()
    assert {key for key in shipped if shipped[key] != theirs.get(key)} == changed
    assert set(theirs) - set(shipped) == {"noswap"}


@pytest.mark.parametrize("unit", ["chatd.service", "chatd-ui@.service", "user/chatd.service"])
def test_users_keep_their_numbers_in_every_service(unit: str) -> None:
    assert not re.search(r"^(PrivateUsers|DynamicUser)=", (UNITS / unit).read_text(), re.MULTILINE)
