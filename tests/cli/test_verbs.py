"""Verbs against bare words, and what each verb prints."""

import json
import re

import pytest
from tests.conftest import RunChat
from tests.harness import CHAT, Daemon, run
from typer.main import get_command

from chat_cli import apps
from chat_cli.slips import is_near
from chat_cli.verbs import VERBS, Verb
from chat_rpc import __version__


def test_a_verb_is_a_verb_only_as_the_whole_first_word(chat: RunChat) -> None:
    assert chat("-0", "-m", "echo", "list my files").out == b"list my files\n"
    assert chat("-m", "echo", "-0", "list").out == b"list\n"


@pytest.mark.parametrize(
    "words", [["list", "my", "files"], ["models", "of", "ships"], ["status", "--loud"]]
)
def test_a_verb_whose_arguments_do_not_parse_names_the_way_to_ask(
    chat: RunChat, words: list[str]
) -> None:
    ran = chat(*words)
    assert (ran.status, ran.out) == (2, b"")
    assert f"chat -- {' '.join(words)}" in ran.err


@pytest.mark.parametrize("way", [["--"], ["ask", "-0", "-m", "echo", "--"]])
def test_two_dashes_or_ask_always_ask(chat: RunChat, way: list[str]) -> None:
    if way == ["--"]:
        ran = chat("-0", "-m", "echo", "--", "list", "--loud")
    else:
        ran = chat(*way, "list", "--loud")
    assert ran.out == b"list --loud\n"


def test_a_near_verb_is_asked_with_a_hint(chat: RunChat) -> None:
    ran = chat("modles", "-m", "echo", "-0")
    assert ran.out == b"modles\n"
    assert "the command is: chat models" in ran.err
    assert "command" not in chat("-0", "-m", "echo", "what is a list").err


@pytest.mark.parametrize(
    ("word", "verb", "near"),
    [
        ("lsit", "list", True), ("lst", "list", True), ("lists", "list", True),
        ("lost", "list", True), ("last", "list", True), ("listing", "list", False),
        ("hi", "list", False), ("show", "list", False), ("shows", "show", True),
    ],
)  # fmt: skip
def test_near_is_one_slip(word: str, verb: str, near: bool) -> None:  # noqa: FBT001
    assert is_near(word, verb) is near


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_verb_explains_itself(verb: str, flag: str) -> None:
    ran = run([CHAT, verb, flag])
    assert ran.status == 0
    assert ran.out.startswith(b"Usage: chat " + verb.encode())
    assert b"\x1b" not in ran.out


def test_help_gives_examples_and_tells_of_more() -> None:
    ran = run([CHAT, "--help"])
    assert ran.status == 0
    for words in (b'chat "What is tmpfs?"', b"exit-codes", b"models"):
        assert words in ran.out


def test_version_needs_no_daemon() -> None:
    ran = run([CHAT, "--version"], env={"CHATD_SOCKET": "/nowhere"})
    assert (ran.status, ran.out.decode()) == (0, f"chat {__version__}\n")


def test_list_and_show_tell_what_was_said(chat: RunChat) -> None:
    chat("-m", "echo", "first question", stdin=b"with data")
    chat("-0", "-m", "nofinish", "second")
    rows = [line.split("\t") for line in chat("list").out.decode().splitlines()]
    assert [row[-1] for row in rows] == ["second", "first question"]
    assert [row[4] for row in rows] == ["failed", "done"]
    shown = chat("show", rows[1][0]).out.decode()
    assert shown.startswith("> first question\n> \n> with data\n\nfirst question\n\nwith data\n")
    assert "(failed: " in chat("show").out.decode()
    assert json.loads(chat("show", "--json").out)["title"] == "second"
    lines = [json.loads(line) for line in chat("list", "--json").out.splitlines()]
    assert [line["turns"] for line in lines] == [1, 1]


def test_show_of_nothing_is_66(chat: RunChat) -> None:
    assert chat("show").status == 66
    assert chat("show", "zzzz").status == 66


def test_words_that_were_read_as_a_conversation_s_name_can_be_asked(chat: RunChat) -> None:
    ran = chat("good", "morning")
    assert (ran.status, ran.out) == (66, b"")
    assert ran.err.endswith("'good' is a command; to ask a model: chat -- good morning\n")
    assert "chat --" not in chat("show").err, "there are no words"
    assert "chat --" not in chat("-C", "a" * 16, "-n", "hello").err


def test_models_are_listed_with_their_servers(chat: RunChat) -> None:
    ran = chat("models")
    assert ran.status == 0
    assert "hash\tscripted\thttp://127.0.0.1:" in ran.out.decode()
    lines = [json.loads(line) for line in chat("models", "--json").out.splitlines()]
    assert {"echo", "hash"} <= {line["model"] for line in lines}


def test_status_tells_how_chatd_is(chat: RunChat, chatd: Daemon) -> None:
    text = chat("status").out.decode()
    assert f"pid {chatd.pid}" in text
    assert str(chatd.store) in text
    assert "tmpfs" in text
    report = json.loads(chat("status", "--json").out)
    assert (report["pid"], report["store"]["filesystem"]) == (chatd.pid, "tmpfs")


def test_no_flag_is_a_usage_error_with_help(chat: RunChat) -> None:
    ran = chat("--colour", "x")
    assert ran.status == 2
    assert re.search(r"no such option.*--colour", ran.err, re.IGNORECASE)


@pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))
def test_the_summary_of_a_verb_is_the_first_line_of_its_help(verb: Verb) -> None:
    assert (get_command(apps.of(verb)).help or "").splitlines()[0] == verb.summary
