"""What is demanded of a reply: held until the verdict, and never passed off as good if it fails.

The scripted model `play` says one reply after the other, as the question has them.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.conftest import RunChat
from tests.harness import CHAT, DEADLINE_S, Daemon, ModelServer, is_alive, wait_for
from tests.terminal import Terminal

from chat_cli import report
from chat_cli.following import Reply
from chat_rpc import methods

CUT = {"text": "one two three", "reason": "length"}


def play(*replies: object) -> str:
    return json.dumps(list(replies))


def test_only_the_reply_that_passed_is_printed(chat: RunChat) -> None:
    ran = chat("-0", "-m", "play", "--check", "words:..2", play("one two three", "one two"))
    assert (ran.status, ran.out, ran.err) == (0, b"one two\n", "")


def test_a_reply_that_fails_is_3_prints_nothing_and_names_each_check(chat: RunChat) -> None:
    checks = ("--check", "words:..2", "--check", "contains:tmpfs", "--check", "chars:..99")
    ran = chat("-0", "-m", "play", *checks, "--tries", "1", play("one two three"))
    assert (ran.status, ran.out) == (3, b"")
    said = ran.err.splitlines()
    assert [line.split(":")[1].strip() for line in said[:2]] == ["words", "contains"]
    assert len(said) == 3
    assert "at most 2" in said[0]


def test_print_failed_prints_it_and_is_3_all_the_same(chat: RunChat) -> None:
    ran = chat("-0", "-m", "play", "--check", "words:..2", "--print-failed", play("one two three"))
    assert (ran.status, ran.out) == (3, b"one two three\n")


def test_cut_off_goes_before_failed(chat: RunChat) -> None:
    ran = chat("-0", "-m", "play", "--check", "contains:tmpfs", "--tries", "1", play(CUT))
    assert (ran.status, ran.out) == (4, b"")


def test_a_check_that_cannot_run_is_5_and_no_pass(chat: RunChat) -> None:
    ran = chat("-0", "-m", "play", "--check", "exec:/nowhere/to/be/found", play("text"))
    assert (ran.status, ran.out) == (5, b"")
    assert "/nowhere/to/be/found" in ran.err


def test_an_unknown_check_is_65_and_nothing_is_asked(chat: RunChat, scripted: ModelServer) -> None:
    ran = chat("-0", "--check", "wrods:3", "x y")
    assert ran.status == 65
    assert "wrods" in ran.err
    assert scripted.counts()["requests"] == 0


def test_an_exec_check_gets_the_reply_on_its_stdin_and_nowhere_else(
    chat: RunChat, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    script = tmp_path / "check"
    script.write_text(f"#!/bin/sh\ncat >{seen}\ntr '\\0' '\\n' </proc/$$/environ >{seen}.env\n")
    script.chmod(0o755)
    ran = chat("-0", "-m", "play", "--check", f"exec:{script} a 'b c'", play("canary reply\n"))
    assert (ran.status, ran.out) == (0, b"canary reply\n")
    assert seen.read_text() == "canary reply\n"
    assert "canary" not in (tmp_path / "seen.env").read_text()


def test_what_an_exec_check_says_on_stderr_is_what_the_model_is_told(chat: RunChat) -> None:
    check = """exec:sh -c 'grep -q two || { echo "say two" >&2; exit 1; }'"""
    ran = chat("-0", "-m", "play", "--jsonl", "--check", check, play("one", "two"))
    events = [json.loads(line) for line in ran.out.splitlines()]
    refined = [event for event in events if event.get("kind") == "refine"]
    assert ran.status == 0
    assert "say two" in str(refined[0]["reasons"])
    assert events[-1]["ending"]["verdict"]["verdict"] == "pass"


def test_an_exec_check_that_hangs_ends_with_all_its_children(chat: RunChat, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    check = json.dumps(
        {"argv": ["sh", "-c", f"sleep 99 & echo $$ $! >{pids}; wait"], "timeout_s": 0.5}
    )
    ran = chat("-0", "-m", "play", "--tries", "1", "--check", f"exec:{check}", play("text"))
    assert (ran.status, ran.out) == (5, b"")
    wait_for(lambda: not any(is_alive(int(pid)) for pid in pids.read_text().split()), "an end")


def test_an_exec_check_that_does_not_read_is_no_trouble(chat: RunChat) -> None:
    text = " ".join(map(str, range(40_000)))
    ran = chat("-m", "play", "--check", "exec:true", stdin=play(text).encode())
    assert (ran.status, ran.out.decode()) == (0, f"{text}\n")


def test_with_x_the_code_is_checked_and_printed(chat: RunChat, tmp_path: Path) -> None:
    good, bad = "So:\n\n```sh\necho hi\n```\n", "So:\n\n```sh\nif then\n```\n"
    check = f"exec:sh -c 'tee -a {tmp_path}/seen | sh -n || exit 1'"
    ran = chat("-0", "-m", "play", "-x", "--check", check, play(bad, good))
    assert (ran.status, ran.out) == (0, b"echo hi\n")
    assert (tmp_path / "seen").read_text() == "if then\necho hi\n"


def test_a_schema_in_short_is_json_of_that_form(chat: RunChat) -> None:
    good, bad = '{"name": "Ada", "age": 36}', '{"name": "Ada", "age": "36"}'
    ran = chat("-0", "-m", "play", "--schema", "name, age int", play(bad, good))
    assert (ran.status, json.loads(ran.out)) == (0, {"name": "Ada", "age": 36})


def test_repair_cuts_the_json_out_and_says_so(chat: RunChat) -> None:
    ran = chat("-0", "-m", "play", "--repair", "--schema", "a int", play('Sure! {"a": 1} Bye.'))
    assert (ran.status, json.loads(ran.out)) == (0, {"a": 1})
    assert "cut out" in ran.err


def test_what_a_chat_demands_holds_a_plain_question_too(chat: RunChat, chatd: Daemon) -> None:
    chat("-0", "-m", "play", "-C", "demanding", play("first"))
    with chatd.client() as client:
        demand = methods.Check(type="words", value="..2")
        client.call(methods.CHECKS, methods.ChatChecks(chat="demanding", checks=[demand], tries=1))
    ran = chat("-0", "-m", "echo", "-C", "demanding", "one two three")
    assert (ran.status, ran.out) == (3, b"")


def test_the_next_model_is_asked_when_one_fails(chat: RunChat) -> None:
    ran = chat("-0", "-m", "e500", "-m", "echo", "x y")
    assert (ran.status, ran.out) == (0, b"x y\n")


def test_the_best_of_several_is_printed(chat: RunChat) -> None:
    replies = play("one two three", "one", "one two three")
    ran = chat("-0", "-m", "play", "--best-of", "3", "--check", "words:..2", replies)
    assert (ran.status, ran.out) == (0, b"one\n")


def test_a_vote_prints_what_most_say_and_how_many(chat: RunChat) -> None:
    ran = chat("-0", "-m", "play", "--best-of", "3", "--vote", play("yes", "no", "yes"))
    assert (ran.status, ran.out) == (0, b"yes\n")
    assert "67% of the attempts say so" in ran.err


def test_json_has_every_attempt_with_its_verdict(chat: RunChat) -> None:
    ran = chat("-0", "-m", "play", "--json", "--check", "words:..2", play("a b c", "a"))
    report = json.loads(ran.out)
    said = [(each["text"], each["verdict"]["verdict"]) for each in report["attempts"]]
    assert said == [("a b c", "fail"), ("a", "pass")]
    assert (report["text"], report["verdict"]["verdict"]) == ("a", "pass")


def test_another_model_than_required_is_3(chat: RunChat) -> None:
    ran = chat("-0", "-m", "wrong-model", "--require-model", "x y")
    assert (ran.status, ran.out) == (3, b"")


def test_max_time_is_124_and_what_was_said_stands(chat: RunChat) -> None:
    ran = chat("-0", "-m", "stall", "--max-time", "4s", "x y")
    assert ran.status == 124
    assert b"first" in ran.out


def test_an_ephemeral_question_leaves_nothing(chat: RunChat) -> None:
    ran = chat("-0", "--ephemeral", "--json", "-m", "echo", "canary words")
    assert json.loads(ran.out)["text"] == "canary words"
    assert chat("list").out == b""


def test_an_ephemeral_question_whose_chatd_dies_is_cut_off(chatd: Daemon) -> None:
    process = subprocess.Popen(
        [CHAT, "-0", "--ephemeral", "-m", "stall", "x y"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "CHATD_SOCKET": str(chatd.socket)},
    )
    assert process.stdout is not None
    os.read(process.stdout.fileno(), 100)
    chatd.kill()
    chatd.start()
    _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 4
    assert b"ephemeral" in err


def test_a_file_is_put_after_the_words(chat: RunChat, tmp_path: Path) -> None:
    file = tmp_path / "a file.py"
    file.write_text("print(1)\n")
    ran = chat("-0", "-m", "echo", "-f", str(file), "explain")
    assert ran.status == 0, ran.err
    assert ran.out.startswith(b"explain\n")
    assert b"a file.py" in ran.out
    assert b"print(1)" in ran.out


def test_a_file_alone_is_a_question(chat: RunChat, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("What is tmpfs?")
    ran = chat("-0", "-m", "echo", "-f", str(file))
    assert ran.status == 0, ran.err
    assert b"What is tmpfs?" in ran.out


def test_stdin_is_a_file_where_it_is_named(chat: RunChat) -> None:
    ran = chat("-m", "echo", "-f", "-", "explain", stdin=b"the data")
    assert ran.out.startswith(b"explain\n")
    assert b"stdin" in ran.out
    assert b"the data" in ran.out


def test_much_on_stdin_is_sent_in_parts(chat: RunChat) -> None:
    data = b"".join(b"line %d\n" % number for number in range(500_000))  # over 4 MiB
    ran = chat("-m", "hash", "summarise", stdin=data)
    assert (ran.status, ran.err) == (0, "")


def test_an_image_is_sent_as_one(chat: RunChat, tmp_path: Path) -> None:
    file = tmp_path / "dot"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(3_000_000))
    ran = chat("-0", "-m", "hash", "-f", str(file), "what is this?")
    assert ran.status == 0, ran.err
    shown = json.loads(chat("show", "--json").out)
    assert [each["media"] for each in shown["turns"][0]["files"]] == ["image/png"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"%PDF-1.7 x", "pdftotext"),
        (b"\x1f\x8b\x08\x00", "zcat"),
        (b"\xff\xfeh\x00i\x00", "iconv"),
        (b"ok \xff", "byte 3"),
        (b"a\x00b", "zero byte"),
    ],
)
def test_a_file_that_is_neither_text_nor_an_image_is_65_and_says_what_to_do(
    chat: RunChat, tmp_path: Path, content: bytes, says: str
) -> None:
    file = tmp_path / "f"
    file.write_bytes(content)
    ran = chat("-0", "-f", str(file), "x y")
    assert (ran.status, ran.out) == (65, b"")
    assert says in ran.err
    assert str(file) in ran.err


def test_a_file_that_is_not_there_is_66(chat: RunChat) -> None:
    assert chat("-0", "-f", "/nowhere/a", "x y").status == 66


def test_a_directory_is_no_file(chat: RunChat, tmp_path: Path) -> None:
    assert chat("-0", "-f", str(tmp_path), "x y").status == 65


def test_stdin_twice_is_2(chat: RunChat) -> None:
    assert chat("-f", "-", "-f", "-", "x y").status == 2
    assert chat("-0", "-f", "-", "x y").status == 2


@pytest.mark.parametrize(("dropped", "says"), [(0, ""), (3, "its first 3 turns were left out")])
def test_turns_that_a_model_was_not_shown_are_told(
    capsys: pytest.CaptureFixture[str], dropped: int, says: str
) -> None:
    ending = methods.Ending(state="done", dropped_turns=dropped)
    assert report.tell(Reply(ending=ending)) == 0
    assert says in capsys.readouterr().err


def test_steps_are_told_on_a_terminal_in_one_line_that_goes(chatd: Daemon) -> None:
    command = [CHAT, "-0", "--raw", "-m", "play", "--check", "words:..2", play("a b c", "a b")]
    with Terminal(command, env={"CHATD_SOCKET": str(chatd.socket)}) as terminal:
        assert terminal.wait() == 0
        assert b"asking play" in terminal.written
        assert b"attempt 2" in terminal.written
        assert b"repairing: words" in terminal.written
        assert terminal.text == "a b\nchat: play, scripted"


def test_steps_are_not_told_in_a_pipe(chat: RunChat) -> None:
    ran = chat("-0", "-m", "play", "--check", "words:..2", play("a b c", "a b"))
    assert (ran.out, ran.err) == (b"a b\n", "")
