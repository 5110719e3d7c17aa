"""The fast start against everything else: where chatd is, and what a person has set."""

import os
import sys
from pathlib import Path

import pytest
from tests.harness import Daemon, run
from tests.ways import KEY, SLOW, Tap, both

from chat_cli import fast, piped, plain
from chat_rpc import paths

SETTINGS = """
model = "fast"
system = "Be brief."
[aliases]
fast = "echo"
"""


def test_what_it_knows_by_heart_is_what_others_know() -> None:
    assert plain.INLINE_BYTES == piped.INLINE_BYTES
    assert plain.PATIENCE_S == piped.PATIENCE_S
    assert fast.SYSTEM_SOCKET == os.fsencode(paths.SYSTEM_SOCKET)
    assert fast.SYSTEM_UNIT == os.fsencode(paths.SYSTEM_UNIT)


@pytest.mark.parametrize("has_logind", [True, False])
def test_it_looks_for_chatd_where_everything_looks(
    monkeypatch: pytest.MonkeyPatch,
    has_logind: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr(fast, "exists", lambda _: False)
    monkeypatch.setattr(os.path, "lexists", lambda _: False)
    for module in (plain, paths):
        is_private = "_is_private" if module is plain else "is_private"
        monkeypatch.setattr(module, is_private, lambda path: has_logind or "shm" in str(path))
    assert fast._sockets() == [os.fsencode(path) for path in paths.find().sockets]


@pytest.mark.parametrize("arguments", [["a b"], ["-m", "hash", "a b"], ["-C", "named", "a b"]])
def test_a_person_s_settings_are_read_alike_and_then_as_fast(
    launcher: list[str], daemon: Daemon, ram: Path, tmp_path: Path, arguments: list[str]
) -> None:
    file = tmp_path / ".config/chat/config.toml"
    file.parent.mkdir(parents=True)
    said: list[bytes] = []
    for text in (SETTINGS, SETTINGS.replace("brief", "short")):
        file.write_text(text)
        for number, way in enumerate((launcher, launcher, SLOW)):
            tap = Tap(ram / f"{len(said)}", daemon.socket)
            trace = [sys.executable, "-IS", "-X", "importtime"] if number == 1 else []
            ran = run([*trace, *way, *arguments], env={"CHATD_SOCKET": str(tap.path)})
            assert ran.status == 0
            assert number != 1 or "msgspec" not in ran.err
            tap.close()
            said.append(KEY.sub(b"", tap.said))
    assert said[0] == said[1] == said[2]
    assert said[3] == said[4] == said[5]
    assert (said[0] == said[3]) is ("-C" in arguments)


def test_settings_that_are_wrong_are_told_alike(
    launcher: list[str], daemon: Daemon, tmp_path: Path
) -> None:
    file = tmp_path / ".config/chat/config.toml"
    file.parent.mkdir(parents=True)
    for text in ("model = 1", "colour = 'red'", "think = 'show'", "options = { a = 1 }"):
        file.write_text(text)
        quick, slow = both(launcher, daemon, "-m", "reasoning", "a b")
        assert quick == slow


@pytest.mark.parametrize("name", ["CHAT_MODEL", "CHAT_SYSTEM"])
def test_the_environment_is_read_alike(
    launcher: list[str], daemon: Daemon, ram: Path, name: str
) -> None:
    said = []
    for number, way in enumerate((launcher, SLOW)):
        tap = Tap(ram / f"tap{number}", daemon.socket)
        run([*way, "a b"], env={"CHATD_SOCKET": str(tap.path), name: "echo"})
        tap.close()
        said.append(KEY.sub(b"", tap.said))
    assert said[0] == said[1]
    assert b'"echo"' in said[0]
