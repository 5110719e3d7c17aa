"""`system.doctor`: each thing that may be wrong is found, and said with what would mend it."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import StartDaemon, StartServer
from tests.harness import Daemon, ModelServer, configured
from tests.homes import Home, say

from chat_rpc import methods
from chatd import config, doctor
from chatd.backends.pool import Pool
from chatd.store import swap

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
STRANGER = 54321


@pytest.fixture
def home(ram: Path) -> Iterator[Home]:
    home = Home(ram, bytes=2**24)
    yield home
    home.close()


def examine(daemon: Daemon) -> dict[str, methods.Finding]:
    with daemon.client() as client:
        findings = client.call(methods.DOCTOR, methods.Nothing()).findings
    assert all(finding.do for finding in findings if finding.state == "bad")
    return {finding.name: finding for finding in findings}


async def found(home: Home, name: str) -> methods.Finding:
    session = home.open()
    assert home.store is not None
    pool = Pool(config.Config(finding=config.Finding(enabled=False)), home.path)
    findings = [each async for each in doctor.findings(home.store, session, pool)]
    return next(each for each in findings if each.name == name)


def test_where_all_is_well_it_says_of_what(chatd: Daemon, scripted: ModelServer) -> None:
    seen = examine(chatd)
    assert {name for name, finding in seen.items() if finding.state == "bad"} == set()
    for name in ("chatd.toml", "store", "room", "cores", "engine", "server"):
        assert seen[name].state == "good", seen[name]
    assert str(chatd.store) in seen["store"].says
    assert "core dumps" in seen["cores"].says
    assert scripted.url in seen["server"].says


async def test_a_swap_in_the_clear_is_a_warning_unless_the_store_never_swaps(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "reaches_disk", lambda: True)
    warning = await found(home, "swap")
    assert warning.state == "warning"
    assert "noswap" in warning.do
    monkeypatch.setattr(swap, "reaches_disk", lambda: False)
    assert (await found(home, "swap")).state == "good"


@pytest.mark.parametrize(
    ("limit", "pattern", "state"),
    [
        (1, "|/bin/collector", "good"),
        (0, "core", "good"),
        (0, "|/bin/collector", "bad"),  # what is piped heeds no limit of 0
        (2**20, "core", "bad"),
    ],
)
async def test_a_process_that_may_dump_its_memory_is_bad(
    home: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
    pattern: str,
    state: str,
) -> None:
    (tmp_path / "pattern").write_text(pattern)
    monkeypatch.setattr(doctor, "CORE_PATTERN", tmp_path / "pattern")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    finding = await found(home, "cores")  # this process has not forbidden it
    assert (finding.state, pattern in finding.says) == (state, True)


async def test_a_share_that_is_nearly_full_is_a_warning(home: Home) -> None:
    assert (await found(home, "room")).state == "good"
    session = home.open()
    while session.files.used_bytes < 0.81 * session.share.bytes:
        say(session, "x", ["word " * 20_000])
    warning = await found(home, "room")
    assert warning.state == "warning"
    assert "of the 8 MiB" in warning.says


def test_a_server_that_does_not_answer_is_named_with_the_reason(
    start_daemon: StartDaemon, scripted: ModelServer
) -> None:
    daemon = start_daemon(configured(("scripted", scripted)))
    scripted.kill()
    finding = examine(daemon)["server"]
    assert finding.state == "warning"  # the last: there is none, but the demo
    with daemon.client() as client:
        findings = client.call(methods.DOCTOR, methods.Nothing()).findings
    down = next(each for each in findings if scripted.url in each.says)
    assert (down.state, "does not answer" in down.says) == ("warning", True)


@needs_root
def test_a_port_that_a_stranger_squats_on_is_found(
    start_daemon: StartDaemon, start_server: StartServer
) -> None:
    server = start_server("--uid", str(STRANGER))
    daemon = start_daemon(f"[finding]\nports = {{ lmstudio = [{server.port}] }}\n")
    with daemon.client() as client:
        findings = client.call(methods.DOCTOR, methods.Nothing()).findings
    squatted = next(each for each in findings if str(server.port) in each.says)
    assert squatted.state == "warning"
    assert f"belongs to uid {STRANGER}" in squatted.says


def test_without_a_server_and_without_the_demo_it_is_bad_and_says_how_to_get_one(
    start_daemon: StartDaemon,
) -> None:
    daemon = start_daemon("[finding]\nenabled = false\n[engine]\nenabled = false\n")
    seen = examine(daemon)
    assert seen["server"].state == "bad"
    assert "1234" in seen["server"].do
    assert seen["engine"].state == "warning"
    assert "switches" in seen["engine"].says


def test_settings_that_are_not_in_force_or_cannot_be_are_found(chatd: Daemon) -> None:
    file = chatd.home / "chatd.toml"
    text = file.read_text()
    file.write_text(text + "[limits]\ntoken_s = 7\n")
    stale = examine(chatd)["chatd.toml"]
    assert (stale.state, "limits" in stale.says) == ("warning", True)
    file.write_text("nonsense = 1\n")
    broken = examine(chatd)["chatd.toml"]
    assert (broken.state, "nonsense" in broken.says) == ("bad", True)
    file.write_text(text)
    assert examine(chatd)["chatd.toml"].state == "good"


@needs_root
def test_nothing_of_another_user_is_told(chatd: Daemon) -> None:
    with chatd.client() as client:
        said = [methods.Said("user", "x" * 2**20), methods.Said("assistant", "y")]
        before = client.call(methods.DOCTOR, methods.Nothing())
        chatd.home.parent.chmod(0o711)
        chatd.home.chmod(0o711)
        chatd.socket.chmod(0o666)
        os.seteuid(STRANGER)
        try:
            stranger = chatd.client()
        finally:
            os.seteuid(0)
        with stranger:
            for _ in range(8):
                stranger.call(methods.IMPORT, methods.Import(messages=said))
            assert stranger.call(methods.DOCTOR, methods.Nothing()) != before
        assert client.call(methods.DOCTOR, methods.Nothing()) == before
