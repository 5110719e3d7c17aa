"""What is done to conversations from the shell: kept, deleted, destroyed, carried, forked."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import RunChat
from tests.harness import Daemon

from chat_cli import forms, naming, spans
from chat_rpc.methods import Export, Said

DEPLOY = [Said("system", "Be brief."), Said("user", "q1"), Said("assistant", "## User\n\nno")]


def ids(chat: RunChat, *flags: str) -> list[str]:
    return [json.loads(line)["chat"] for line in chat("list", "--json", *flags).out.splitlines()]


def ask(chat: RunChat, words: str, *flags: str) -> None:
    assert chat("-0", "-q", "-m", "echo", *flags, words).status == 0


def imported(chat: RunChat, *turns: tuple[str, str]) -> str:
    said = [
        {"role": role, "content": text}
        for turn in turns
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]
    ran = chat("import", "-", "--title", "deploy", stdin=json.dumps(said).encode())
    assert ran.status == 0, ran.err
    return ran.out.decode().strip()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("4fq", (("4fq"), None, None)),
        ("4fq@2", ("4fq", 2, None)),
        ("a title@-1/3", ("a title", -1, 3)),
        ("@", (None, -1, None)),
        ("@2", (None, 2, None)),
        ("me@home", ("me@home", None, None)),
        ("x@y@1", ("x@y", 1, None)),
    ],
)
def test_a_name_has_a_chat_a_turn_and_an_answer(text: str, name: object) -> None:
    assert naming.parse(text) == name


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("5m", 300),
        ("30min", 1800),
        ("7d", 604800),
        ("1.5h", 5400),
        ("60", 60),
        ("500ms", 0.5),
    ],
)
def test_a_span_is_read_as_people_write_it(text: str, seconds: float) -> None:
    assert spans.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "d", "-1d", "7 moons", "1e9d"])
def test_what_is_no_span_is_refused_with_the_way_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="write 60s"):
        spans.parse(text)


def test_list_tells_when_each_ends(chat: RunChat) -> None:
    ask(chat, "hello")
    assert chat("list").out.split(b"\t")[2] == b"in 24 h"
    assert chat("keep", ids(chat)[0], "--for", "7d").status == 0
    assert chat("list").out.split(b"\t")[2] == b"in 7 d"


def test_keep_says_until_when(chat: RunChat) -> None:
    made = imported(chat, ("q", "a"))
    ran = chat("keep", made, "--for", "2w")
    assert (ran.status, ran.err) == (
        0,
        "chat: 'deploy' ends in 14 d 0 h, unless it is used before\n",
    )
    for wrong in ("soon", "10s", "2000d"):
        assert chat("keep", made, "--for", wrong).status == 2


def test_what_is_demanded_of_a_chat_holds_for_its_next_answers_until_it_does_not(
    chat: RunChat,
) -> None:
    made = imported(chat, ("q", "a"))
    ran = chat("demand", made, "--check", "words:..2", "--tries", "1")
    assert ran.err == "chat: of each answer in 'deploy' is demanded: words\n"
    assert chat("-0", "-m", "hash", "-C", "deploy", "x").status == 3
    assert chat("demand", made).err.endswith("is demanded: nothing more\n")
    assert chat("-0", "-m", "hash", "-C", "deploy", "x").status == 0
    wrong = chat("demand", made, "--check", "wrods:3")
    assert wrong.status == 65
    assert "did you mean words?" in wrong.err


def test_a_chat_that_is_renamed_is_named_so(chat: RunChat) -> None:
    first = imported(chat, ("q", "a"))
    assert chat("rename", first[:6], "the big one").status == 0
    assert chat("list").out.endswith(b"\tthe big one\n")


def test_a_turn_is_shown_by_its_number(chat: RunChat) -> None:
    made = imported(chat, ("one", "first"), ("two", "second"))
    assert chat("show", made + "@1").out == b"> one\n\nfirst\n\n"
    assert chat("show", "@-1").out == b"> two\n\nsecond\n\n"
    ran = chat("show", made + "@3")
    assert (ran.status, ran.err) == (66, "chat: 'deploy' has 2 turns, and no 3\n")
    assert chat("show", made + "@0").status == 2


def test_search_finds_words_and_says_1_where_there_are_none(chat: RunChat) -> None:
    made = imported(chat, ("what is a tmpfs", "a file system"))
    hit = chat("search", "File", "system").out.decode().split("\t")
    assert (hit[0], hit[1]) == (made[:8], "deploy")
    ran = chat("search", "nowhere")
    assert (ran.status, ran.out, ran.err) == (1, b"", "")


def test_what_is_deleted_is_told_the_way_back(chat: RunChat) -> None:
    made = imported(chat, ("q", "a"))
    ran = chat("rm", made)
    assert ran.status == 0
    assert f"chat undelete {made[:8]}" in ran.err
    assert ids(chat) == []
    assert chat("undelete", made[:8]).status == 0
    assert ids(chat) == [made]


def test_wipe_wants_a_yes(chat: RunChat) -> None:
    made = imported(chat, ("q", "a"))
    for flags in ([], ["--no-input"]):
        ran = chat("wipe", made, *flags)
        assert (ran.status, ids(chat)) == (2, [made])
        assert "say -y" in ran.err
    assert chat("wipe", "nowhere").status == 66
    assert chat("wipe").status == 2
    assert chat("wipe", "--all", "deploy", "-y").status == 2


def test_what_was_deleted_can_be_destroyed_before_its_hour_is_over(chat: RunChat) -> None:
    made = imported(chat, ("q", "a"))
    chat("rm", made)
    assert chat("wipe", made, "-y").status == 0
    assert ids(chat, "--deleted") == []
    assert chat("wipe", made, "-y").status == 66


def test_wipe_says_what_it_destroyed_and_what_it_cannot_reach(chat: RunChat) -> None:
    ask(chat, "hello")
    imported(chat, ("q", "a"))
    ran = chat("wipe", "--all", "-y")
    assert (ran.status, ids(chat)) == (0, [])
    assert "destroyed: 2 conversations with 2 turns" in ran.err
    assert "not reached: the memory of the model server scripted" in ran.err
    assert "scrollback" in ran.err


@pytest.mark.parametrize("form", forms.Form)
def test_what_is_exported_can_be_imported(chat: RunChat, form: forms.Form, tmp_path: Path) -> None:
    made = imported(chat, ("one", "first\n\n```\n## User\n```"), ("two", "second"))
    file = tmp_path / "out.txt"
    assert chat("export", made, "--to", form, "-o", str(file)).status == 0
    again = chat("import", str(file), "--title", "again").out.decode().strip()
    shown = chat("show", again).out
    assert shown == chat("show", made).out
    assert chat("export", again, "--to", "openai").out == chat("export", made, "--to", "openai").out


said = st.builds(
    Said,
    st.sampled_from(["system", "user", "assistant"]),
    st.lists(
        st.sampled_from(["## User", "\\## User", "# x", "", "```", "\\\\## System", "words"]),
        max_size=5,
    ).map(lambda lines: "\n".join(lines).strip("\n")),
)


@given(st.lists(said, min_size=1))
def test_markdown_is_read_as_it_was_written(messages: list[Said]) -> None:
    chat = Export("a title", messages)
    assert forms.read(forms.write(chat, forms.Form.MARKDOWN)) == chat


def test_an_exported_file_is_the_persons_alone_and_overwrites_none(
    chat: RunChat, tmp_path: Path
) -> None:
    imported(chat, ("q", "a"))
    file = tmp_path / "out.json"
    assert chat("export", "-o", str(file)).status == 0
    assert os.stat(file).st_mode & 0o777 == 0o600
    assert json.loads(file.read_text())["title"] == "deploy"
    ran = chat("export", "-o", str(file))
    assert (ran.status, ran.err) == (73, f"chat: {file} is there already; --force overwrites it\n")
    assert chat("export", "-o", str(file), "--force").status == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no conversation"),
        ("hello", "no conversation"),
        ("{", "not JSON"),
        ("{}", '"messages"'),
        ("[1]", "message 1 has no role"),
        ('[{"role": "tool", "content": ""}]', "message 1 has no role"),
        ('[{"role": "user", "content": [{"type": "image_url"}]}]', "more than text"),
        ('[{"role": "user", "content": null}]', "more than text"),
    ],
)
def test_what_cannot_be_imported_is_65_and_says_why(chat: RunChat, text: str, says: str) -> None:
    ran = chat("import", "-", stdin=text.encode())
    assert (ran.status, ran.out) == (65, b"")
    assert ran.err.startswith("chat: stdin: ")
    assert says in ran.err
    assert len(ran.err.splitlines()) == 1


def test_parts_of_text_are_one_message() -> None:
    parts = '[{"role": "user", "content": [{"type": "text", "text": "a"}, {"text": "b"}]}]'
    assert forms.read(parts).messages == [Said("user", "ab")]


def test_a_file_that_is_not_there_is_66(chat: RunChat) -> None:
    ran = chat("import", "nowhere.md")
    assert (ran.status, ran.err) == (66, "chat: nowhere.md: No such file or directory\n")


def test_a_fork_goes_as_far_as_it_is_told(chat: RunChat) -> None:
    made = imported(chat, ("one", "first"), ("two", "second"))
    copy = chat("fork", made + "@1").out.decode().strip()
    assert chat("show", copy).out == b"> one\n\nfirst\n\n"
    assert chat("show", "deploy (2)").out == b"> one\n\nfirst\n\n"
    assert chat("show", "deploy@1").out == chat("show", "deploy (2)").out, "each has its name"
    assert chat("fork").status == 0
    assert len(ids(chat)) == 3


@pytest.mark.parametrize(
    ("verb", "status"),
    [
        (["show", ""], 2),
        (["show", "x" * 201], 2),
        (["rm", ""], 2),
        (["search", ""], 2),
        (["rename", "x", ""], 2),
        (["rename", "x", "y@2"], 2),
        (["rename", "x", "\udcff"], 65),
        (["search", "\udcff"], 65),
        (["keep", "x", "--for", "1e5d"], 2),
    ],
)
def test_what_cannot_be_is_refused_in_plain_words(
    chat: RunChat, verb: list[str], status: int
) -> None:
    ran = chat(*verb)
    assert (ran.status, ran.out) == (status, b"")
    assert "Traceback" not in ran.err
    assert "$" not in ran.err


def test_nothing_that_is_named_wrongly_is_touched(chat: RunChat, chatd: Daemon) -> None:
    for verb in (["rm"], ["rename"], ["keep"], ["undelete"], ["select"], ["rename", "x"]):
        assert chat(*verb).status == 2
    for verb in (["rm"], ["keep"], ["undelete"], ["wipe", "-y"], ["fork"], ["export"], ["retry"]):
        assert chat(*verb, "nowhere").status == 66
    assert chat("retry").status == 66
