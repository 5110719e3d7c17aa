"""`chat config` and `chat templates`: a person's own settings, changed and never spoilt."""

import os
import re
from pathlib import Path

import pytest
from tests.conftest import RunChat
from tests.harness import CHAT, Ran, run

from chat_rpc import paths, person

FILE = """\
# mine
model = "fast"   # the small one

[aliases]
fast = "qwen3-4b"
"""


@pytest.fixture
def file() -> Path:
    path = paths.person_config()
    path.parent.mkdir(parents=True)
    path.write_text(FILE)
    return path


def config(*arguments: str, **environment: str) -> Ran:
    return run([CHAT, "config", *arguments], env={"CHATD_SOCKET": "/nowhere", **environment})


def test_path_tells_where_the_file_is_or_would_be() -> None:
    assert config("path").out.decode() == f"{paths.person_config()}\n"


def test_the_profile_of_the_help_can_be_checked(chat: RunChat, file: Path) -> None:
    said = config("--help").out.decode()
    file.write_text(
        "\n".join(re.findall(r"^ +(\[checks\..*\]|checks = .*?)(?:  .*)?$", said, re.M))
    )
    ran = chat("check", "--profile", "commit-message", stdin=b"x")
    assert (ran.status, ran.err) == (0, "")


def test_get_prints_a_setting_or_all(file: Path) -> None:
    assert config("get").out.decode() == FILE
    assert config("get", "aliases.fast").out == b"qwen3-4b\n"
    assert config("get", "aliases").out == b'{"fast":"qwen3-4b"}\n'
    ran = config("get", "aliases.slow")
    assert (ran.status, ran.out, ran.err) == (1, b"", "")


def test_set_keeps_the_comments(file: Path) -> None:
    assert config("set", "model", "big").status == 0
    assert file.read_text() == FILE.replace('"fast" ', '"big" ', 1)


def test_set_leaves_the_mode_and_makes_a_new_file_its_owners_alone(file: Path) -> None:
    file.chmod(0o640)
    config("set", "model", "big")
    assert file.stat().st_mode & 0o777 == 0o640
    file.unlink()
    config("set", "model", "big")
    assert file.stat().st_mode & 0o777 == 0o600


def test_set_makes_file_and_tables() -> None:
    assert config("set", "aliases.'a.b'", "qwen 3").status == 0
    assert person.load().aliases == {"a.b": "qwen 3"}


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("options.temperature", "0.2", 0.2),
        ("options.stop", '["a"]', ["a"]),
        ("options.x", "true", True),
        ("options.word", "true story", "true story"),
    ],
)
def test_a_value_is_what_toml_has_for_it_else_text(key: str, text: str, value: object) -> None:
    assert config("set", key, text).status == 0
    assert person.load().options == {key.partition(".")[2]: value}


def test_a_number_is_text_where_text_is_wanted() -> None:
    assert config("set", "model", "42").status == 0
    assert person.load().model == "42"


@pytest.mark.parametrize(
    ("key", "value"), [("modle", "x"), ("think", "loud"), ("aliases", "x"), ("model.x", "y")]
)
def test_what_would_spoil_the_file_is_65_and_changes_nothing(
    file: Path, key: str, value: str
) -> None:
    ran = config("set", key, value)
    assert (ran.status, file.read_text()) == (65, FILE)
    assert ran.err.startswith(f"chat: {key} cannot be that; nothing was changed\n")
    assert os.listdir(file.parent) == [file.name]


def test_unset_takes_away_what_is_there(file: Path) -> None:
    assert config("unset", "aliases.fast").status == 0
    assert person.load().aliases == {}
    assert config("unset", "aliases.fast").status == 1
    assert config("unset", "checks.x").status == 1


@pytest.mark.parametrize("key", ["", "a b", "=", "x=1\ny"])
def test_what_is_no_key_is_a_usage_error(key: str) -> None:
    assert config("set", key, "x").status == 2


def test_a_link_into_dotfiles_stays_one(file: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    file.rename(real)
    file.symlink_to(real)
    assert config("set", "model", "big").status == 0
    assert file.is_symlink()
    assert "big" in real.read_text()


def test_a_broken_file_is_78_and_is_not_touched(file: Path) -> None:
    file.write_text("model = \n")
    for arguments in (["get", "model"], ["set", "model", "x"], ["unset", "model"]):
        ran = config(*arguments)
        assert ran.status == 78
        assert f"{file}:1: Invalid value" in ran.err
    assert file.read_text() == "model = \n"


def test_edit_says_whether_the_file_can_be_used(file: Path, tmp_path: Path) -> None:
    script = tmp_path / "ed"
    script.write_text('#!/bin/sh\necho "think = 1" >"$1"\n')
    script.chmod(0o755)
    ran = config("edit", EDITOR=str(script), VISUAL="")
    assert (ran.status, ran.err) == (
        78,
        f"chat: {file}:1: think: Expected `str | null`, got `int`\n",
    )


def test_templates_lists_them_and_a_broken_one_hides_no_other() -> None:
    directory = paths.templates()
    directory.mkdir(parents=True)
    (directory / "commit.md").write_text('+++\nsummary = "one"\n+++\nSay {{how}} {{words}}\n')
    (directory / "plain.md").write_text("Just this.\nAnd that.\n")
    (directory / "broken.md").write_text("+++\nx = 1\n+++\n")
    ran = run([CHAT, "templates"])
    assert ran.out.decode() == "commit\thow\tone\nplain\t-\tJust this.\n"
    assert ran.err.startswith(f"chat: {directory}/broken.md:2: x: ")
