"""A person's settings and templates: read, filled, and refused with file and line."""

from pathlib import Path

import pytest

from chat_rpc import errors, paths, person, templates
from chat_rpc.checks import Check

SETTINGS = """\
model = "fast"
system = "Be brief."
think = "hide"

[aliases]
fast = "qwen3-4b"

[checks.commit-message]
checks = ["lines:1-3", { type = "regex", value = "^[a-z]" }]
tries = 3

[templates.commit]
lang = "French"
"""
COMMIT = """\
+++
summary = "a commit message"
system = "Write in {{lang}}."
profiles = ["commit-message"]
params = { lang = "English" }
+++

Say in {{style}} words what this changes.
"""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CHAT_MODEL", "CHAT_SYSTEM"):
        monkeypatch.delenv(name, raising=False)


def settle(text: str) -> Path:
    path = paths.person_config()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def make_template(name: str, text: str) -> Path:
    path = paths.templates() / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_no_file_is_a_good_one() -> None:
    assert person.load() == person.Person()


def test_settings_are_read() -> None:
    settle(SETTINGS)
    mine = person.load()
    assert (mine.model_of(None), mine.model_of("fast"), mine.model_of("x")) == (
        "qwen3-4b",
        "qwen3-4b",
        "x",
    )
    profile = mine.checks["commit-message"]
    assert profile.checks == ["lines:1-3", Check(type="regex", value="^[a-z]")]
    assert (profile.tries, mine.think) == (3, "hide")


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    settle(SETTINGS)
    monkeypatch.setenv("CHAT_MODEL", "big")
    monkeypatch.setenv("CHAT_SYSTEM", "")
    assert (person.load().model, person.load().system) == ("big", "Be brief.")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("model = 1\n", 1, "model: Expected `str"),
        ("\n\nmodle = 'x'\n", 3, "modle: Object contains unknown field"),
        ("[aliases]\na = 'b'\nfast = 1\n", 3, "aliases.fast: Expected `str`"),
        ("think = 'x'\n", 1, "think: Invalid enum value"),
        ("[checks.c]\ntries = 0\n", 1, "checks.c: Expected `int` >= 1"),
        ("a = \n", 1, "Invalid value"),
        ("model = 'x'\n\n[", 3, ""),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, line: int, says: str) -> None:
    path = settle(text)
    with pytest.raises(errors.BadSettings) as caught:
        person.load()
    assert caught.value.exit == 78
    assert caught.value.message.startswith(f"{path}:{line}: {says}")


def test_every_mistake_is_told_at_once() -> None:
    settle("model = 1\n[aliases]\na = 2\nb = 3\n")
    with pytest.raises(errors.BadSettings) as caught:
        person.load()
    assert len(caught.value.message.splitlines()) == 3


def test_a_template_is_filled() -> None:
    make_template("commit", COMMIT)
    template = templates.load("commit")
    assert template.parameters() == ["lang", "style"]
    filled = template.filled({"style": "few"}, "and be kind")
    assert filled.body == "Say in few words what this changes.\n\nand be kind"
    assert filled.front.system == "Write in English."


def test_the_persons_parameters_go_before_the_templates() -> None:
    make_template("commit", COMMIT)
    filled = templates.load("commit", {"lang": "French"}).filled({"style": "few"})
    assert filled.front.system == "Write in French."


def test_words_stand_where_the_template_wants_them_and_are_no_template() -> None:
    make_template("ask", "Q: {{words}}\nA:")
    assert templates.load("ask").filled({}, "{{x}} \\1").body == "Q: {{x}} \\1\nA:"


@pytest.mark.parametrize(
    ("params", "says"), [({}, "needs -p style ..."), ({"style": "", "x": ""}, "has no {{x}}")]
)
def test_parameters_that_do_not_fit_are_named(params: dict[str, str], says: str) -> None:
    make_template("commit", COMMIT)
    with pytest.raises(templates.MissingParameters, match=says):
        templates.load("commit").filled(params)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("---\nmodel: x\n---\n", 1, "not YAML but TOML"),
        ("+++\nmodel = 'x'\n", 1, "is missing"),
        ("+++\n\nmodle = 'x'\n+++\n", 3, "modle: Object contains unknown field"),
        ("+++\nx\n+++\n", 2, ""),
    ],
)
def test_a_template_that_is_wrong_is_told_with_its_line(text: str, line: int, says: str) -> None:
    path = make_template("t", text)
    with pytest.raises(errors.BadSettings) as caught:
        templates.load("t")
    assert caught.value.message.startswith(f"{path}:{line}: ")
    assert says in caught.value.message


@pytest.mark.parametrize("name", ["nowhere", "../../secret", "", "a/b"])
def test_a_template_that_is_not_there_is_66_and_the_others_are_named(name: str) -> None:
    make_template("commit", COMMIT)
    (paths.templates().parent.parent / "secret.md").write_text("x")
    with pytest.raises(errors.NoSuchFile, match="there are: commit") as caught:
        templates.load(name)
    assert caught.value.exit == 66
