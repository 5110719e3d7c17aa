"""chatd.toml: every field is explained, and a mistake is named with file, line and field."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from chatd import config


def _sections(section: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield name, inner
    yield "servers", config.Server


def test_every_field_is_explained() -> None:
    for name, section in _sections(config.Config):
        for key, field in section.model_fields.items():
            assert field.description, f"{name}.{key}"


def test_an_empty_file_is_a_good_one(tmp_path: Path) -> None:
    file = tmp_path / "chatd.toml"
    file.write_text("")
    assert config.load(file) == config.Config() == config.load(None)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[limits]\ntoken_s = -1\n", 2, "limits.token_s: "),
        ("[limits]\n# why\n\ntoken = 1\n", 4, "limits.token: "),
        ("[[servers]]\nname='a'\nurl='http://x'\n[[servers]]\nname='b'\n", 4, "servers.1.url: "),
        ("[[servers]]\nname='a'\nurl='nowhere'\n", 3, "servers.0.url: "),
        ("[logging]\nlevel = 'LOUD'\n", 2, "logging.level: "),
        ("[logging]\n[logging.levels]\nopenai = 'DEBUG'\n", 1, "openai is not a logger"),
        ("colour = 1\n", 1, "colour: "),
        ("[finding]\nenabled = \n", 2, "line 2"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, line: int, words: str) -> None:
    file = tmp_path / "chatd.toml"
    file.write_text(text)
    with pytest.raises(config.ConfigError) as failure:
        config.load(file)
    message = str(failure.value)
    assert words in message
    assert f"{file}:{line}:" in message or f"line {line}" in message, message


def test_a_mistake_in_a_secret_does_not_show_it(tmp_path: Path) -> None:
    file = tmp_path / "chatd.toml"
    file.write_text("[[servers]]\nname = 'a'\nurl = 'sk-very-secret'\n")
    with pytest.raises(config.ConfigError) as failure:
        config.load(file)
    assert "sk-very-secret" not in str(failure.value)


def test_two_servers_of_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "chatd.toml"
    file.write_text("[[servers]]\nname='a'\nurl='http://x'\n" * 2)
    with pytest.raises(config.ConfigError, match="the name a is there twice"):
        config.load(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match=r"nowhere\.toml: No such file"):
        config.load(tmp_path / "nowhere.toml")
