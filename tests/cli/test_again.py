"""`chat retry`, `edit` and `select`: other answers to a question, side by side."""

import json
import os
import re
from pathlib import Path

import pytest
from tests.conftest import RunChat
from tests.harness import BIN, CHAT, Daemon, Ran, run
from tests.shells import Shell


def ask(chat: RunChat, words: str) -> str:
    """Ask, and return the chat's id."""
    ran = chat("-0", "--json", "-m", "echo", words)
    assert ran.status == 0, ran.err
    return str(json.loads(ran.out)["chat"])


def edit(chatd: Daemon, script: Path, text: str, *arguments: str) -> Ran:
    """Run `chat edit` with an editor that writes `text` over the question."""
    script.write_text(f'#!/bin/sh\ncat "$1" >"{script}.was"\nls -l "$1" >"{script}.ls"\n{text}\n')
    script.chmod(0o755)
    place = {"CHATD_SOCKET": str(chatd.socket), "EDITOR": str(script), "VISUAL": ""}
    return run([CHAT, "edit", *arguments], env=place)


def test_a_retry_stands_beside_the_first_answer(chat: RunChat) -> None:
    made = ask(chat, "one")
    ran = chat("retry", "-m", "hash")
    assert (ran.status, ran.out == b"one\n") == (0, False)
    assert len(json.loads(chat("show", "--json").out)["turns"]) == 1
    assert f"(answer 2 of 2; another: chat select {made[:8]}@1/1)" in chat("show").out.decode()
    assert chat("show", f"{made}@1/1").out.startswith(b"> one\n\none\n")


def test_a_retry_asks_the_model_that_was_asked(chat: RunChat) -> None:
    ask(chat, "one")
    assert chat("retry").out == b"one\n"


def test_a_retry_of_an_earlier_turn_goes_on_from_there(chat: RunChat) -> None:
    made = ask(chat, "one")
    assert chat("-0", "-q", "-m", "echo", "-C", made, "two").status == 0
    assert chat("retry", f"{made}@1").out == b"one\n"
    assert b"two" not in chat("show", made).out


def test_select_goes_back_with_what_came_after(chat: RunChat) -> None:
    made = ask(chat, "one")
    chat("-0", "-q", "-m", "echo", "-C", made, "two")
    chat("retry", f"{made}@1")
    assert chat("select", f"{made}@1/1").status == 0
    assert b"> two" in chat("show", made).out
    ran = chat("select", f"{made}@1/3")
    assert (ran.status, ran.err) == (66, "chat: that question has 2 answers, and no 3\n")
    assert chat("select", made).status == 2


def test_show_all_has_the_answers_beside(chat: RunChat) -> None:
    made = ask(chat, "one")
    chat("retry")
    assert len(json.loads(chat("show", made, "--all", "--json").out)["turns"]) == 2


def test_edit_asks_the_changed_question_beside_the_first(
    chat: RunChat, chatd: Daemon, tmp_path: Path
) -> None:
    made = ask(chat, "one")
    ran = edit(chatd, tmp_path / "ed", 'echo changed >"$1"')
    assert (ran.status, ran.out) == (0, b"changed\n")
    assert (tmp_path / "ed.was").read_text() == "one\n"
    assert (tmp_path / "ed.ls").read_text().startswith("-rw------- 1")
    assert "may keep copies" in ran.err
    assert b"(answer 2 of 2" in chat("show", made).out


def test_edit_answer_puts_a_person_s_words_beside_it(
    chat: RunChat, chatd: Daemon, tmp_path: Path
) -> None:
    made = ask(chat, "one")
    ran = edit(chatd, tmp_path / "ed", 'echo better >"$1"', "--answer")
    assert (ran.status, ran.out) == (0, b"")
    shown = chat("show", made).out
    assert b"\nbetter\n" in shown
    assert b"(answer 2 of 2" in shown
    assert chat("taste", "show").out.split(b"\t")[2] == b"edit"
    assert edit(chatd, tmp_path / "ed", "true", "--answer").status == 1


def test_good_over_says_which_of_two_answers_is_better(chat: RunChat) -> None:
    ask(chat, "one")
    assert chat("good", "--over", "2").status == 66
    chat("retry", "-m", "hash")
    assert chat("good", "--over", "1").err == "chat: better than answer 1 to 'one'\n"
    assert chat("taste", "show").out.split(b"\t")[2] == b"choice"
    assert chat("good", "--over", "1", "--undo").status == 2


def test_edit_sends_what_was_piped_in_again(chat: RunChat, chatd: Daemon, tmp_path: Path) -> None:
    assert chat("-m", "echo", "one", stdin=b"data").status == 0
    ran = edit(chatd, tmp_path / "ed", 'echo changed >"$1"')
    assert ran.out == b"changed\n\ndata\n"


@pytest.mark.parametrize("script", ["true", ': >"$1"'])
def test_edit_asks_nothing_when_nothing_was_changed(
    chat: RunChat, chatd: Daemon, tmp_path: Path, script: str
) -> None:
    ask(chat, "one")
    ran = edit(chatd, tmp_path / "ed", script)
    assert (ran.status, ran.out) == (1, b"")
    assert "nothing was asked" in ran.err


def test_an_editor_that_fails_has_nothing_asked_and_nothing_is_left(
    chat: RunChat, chatd: Daemon, tmp_path: Path
) -> None:
    ask(chat, "one")
    ran = edit(chatd, tmp_path / "ed", 'readlink -f "$1" >&2; touch "$1~"; exit 3')
    path, note = ran.err.splitlines()[-2:]
    assert (ran.status, note) == (1, "chat: ed ended with 3; nothing was asked")
    assert not os.path.exists(os.path.dirname(path))
    assert edit(chatd, tmp_path / "ed", "", "nowhere").status == 66


def test_vim_is_told_to_keep_no_copies(chat: RunChat, chatd: Daemon, tmp_path: Path) -> None:
    ask(chat, "one")
    vim = tmp_path / "bin/vim"
    vim.parent.mkdir()
    vim.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >"{tmp_path}/arguments"\n')
    vim.chmod(0o755)
    place = {"CHATD_SOCKET": str(chatd.socket), "VISUAL": f"{vim} -X", "EDITOR": ""}
    ran = run([CHAT, "edit"], env=place)
    told = (tmp_path / "arguments").read_text().splitlines()
    assert told[:4] == ["-X", "-n", "-i", "NONE"]
    assert "noundofile" in told[5]
    assert "may keep copies" not in ran.err


def test_no_editor_is_told(chat: RunChat, chatd: Daemon) -> None:
    ask(chat, "one")
    place = {"CHATD_SOCKET": str(chatd.socket), "EDITOR": "nowhere", "VISUAL": ""}
    ran = run([CHAT, "edit"], env=place)
    assert (ran.status, ran.err) == (66, "chat: there is no editor nowhere: set EDITOR\n")


def test_refine_has_the_answer_made_anew_beside_the_old_one(chat: RunChat) -> None:
    made = ask(chat, "one")
    ran = chat("refine", "shorter, please")
    assert ran.status == 0, ran.err
    assert "(answer 2 of 2" in chat("show", made).out.decode()
    assert chat("refine", "shorter", "nowhere").status == 66
    assert chat("refine").status == 2
    assert "chat -- refine this and that" in chat("refine", "this", "and", "that").err


@pytest.mark.parametrize("thumb", ["good", "bad"])
def test_a_thumb_is_given_and_taken_back(chat: RunChat, thumb: str) -> None:
    made = ask(chat, "one")
    assert chat(thumb, made, "that was it").err == f"chat: {thumb}: the answer to 'one'\n"
    assert json.loads(chat("show", made, "--json").out)["turns"][0]["thumb"] == thumb
    row = chat("taste", "show").out.decode().strip().split("\t")
    assert (row[2], row[3]) == (thumb, "echo")
    assert chat(thumb, "@-1", "--undo").err == "chat: taken back, of the answer to 'one'\n"
    assert chat("taste", "show").out == b""


def test_taste_is_forgotten_one_by_one_or_at_once(chat: RunChat) -> None:
    for words in ("one", "two", "three"):
        chat("good", ask(chat, words))
    first = chat("taste", "show").out.decode().split("\t")[0]
    assert chat("taste", "forget", first).err == "chat: forgotten: 1\n"
    assert chat("taste", "forget", "--all").status == 2
    assert chat("taste", "forget", "--all", "-y").err == "chat: forgotten: 2\n"
    assert chat("taste", "forget", "nowhere").status == 66
    assert chat("taste", "forget").status == 2


def test_show_attempts_has_each_with_its_verdict(chat: RunChat) -> None:
    assert (
        chat("-0", "-q", "-m", "echo", "--check", "words:100..", "--tries", "2", "hi").status == 3
    )
    for name in ([], ["@-1"]):
        shown = chat("show", *name, "--attempts").out.decode()
        failed = r"fail \(words: must have at least 100 words: it has 1\)"
        assert re.search(rf"\[attempt 1, model: {failed}, 1 token, \d\.\d\d s\]", shown)
        assert "[attempt 2, model: fail" in shown


def test_show_tells_of_thumb_and_feedback(chat: RunChat) -> None:
    ask(chat, "one")
    chat("refine", "shorter, please")
    chat("good")
    shown = chat("show").out.decode()
    assert "(made anew, after: shorter, please)\n(good)\n" in shown
    chat("bad", "@-1", "too long")
    assert "\n(bad: too long)\n" in chat("show").out.decode()


def test_without_an_id_it_is_the_chat_that_was_used_last_in_this_terminal(
    chat: RunChat, chatd: Daemon, tmp_path: Path
) -> None:
    place = {"PATH": f"{BIN}:{os.environ['PATH']}", "CHATD_SOCKET": str(chatd.socket)}
    with Shell("bash", "", tmp_path, place) as here:
        here.type("chat -0 -q -m echo asked he''re\n")
        here.read_until(r"asked here\s(?s:.)*READY>")
        ask(chat, "asked elsewhere")
        here.type("chat show\n")
        shown = here.read_until(r"\r\n\r\n(?s:.)*READY>")
    assert "> asked here" in shown
    assert chat("show").out.startswith(b"> asked elsewhere")


def test_edit_sends_the_files_again(chat: RunChat, chatd: Daemon, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("what the file says")
    assert chat("-0", "-m", "echo", "-f", str(notes), "one").status == 0
    notes.unlink()
    ran = edit(chatd, tmp_path / "ed", 'echo changed >"$1"')
    assert ran.out.startswith(b"changed\n")
    assert b"what the file says" in ran.out
