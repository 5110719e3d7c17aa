"""`chat` as shells use it: words, stdin, loops, pipes, signals; its streams and exit codes."""

import hashlib
import json
import os
import pty
import select
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import RunChat, StartDaemon, StartServer
from tests.fakes.scripts import hash_reply
from tests.harness import CHAT, DEADLINE_S, Daemon, ModelServer, Ran, configured, run, wait_for

from chat_cli.terminal import safe
from chat_rpc import methods


def test_words_are_the_question_and_stdout_is_the_answer(chat: RunChat) -> None:
    ran = chat("-m", "hash", "What", "is", "tmpfs?")
    assert (ran.status, ran.out.decode(), ran.err) == (0, hash_reply("What is tmpfs?") + "\n", "")


def test_stdin_alone_is_the_question(chat: RunChat) -> None:
    ran = chat("-m", "echo", stdin=b"What is\ntmpfs?\n")
    assert (ran.status, ran.out) == (0, b"What is\ntmpfs?\n")


def test_stdin_comes_after_the_words(chat: RunChat) -> None:
    ran = chat("-m", "echo", "review", stdin=b"a diff\n")
    assert ran.out == b"review\n\na diff\n"


def test_0_leaves_a_loop_s_input_alone(chatd: Daemon) -> None:
    loop = f'while read -r line; do {CHAT} -0 -m echo "hi $line"; done'
    ran = run(["sh", "-c", loop], stdin=b"1\n2\n3\n", env={"CHATD_SOCKET": str(chatd.socket)})
    assert (ran.status, ran.out) == (0, b"hi 1\nhi 2\nhi 3\n")


def test_a_hundred_calls_eight_at_a_time_never_swap_an_answer(
    chatd: Daemon, tmp_path: Path
) -> None:
    script = f'{CHAT} -0 -m hash "question $1" > {tmp_path}/$1.out 2> {tmp_path}/$1.err'
    ran = run(
        ["xargs", "-P8", "-I{}", "sh", "-c", script, "sh", "{}"],
        stdin="\n".join(map(str, range(100))).encode(),
        env={"CHATD_SOCKET": str(chatd.socket)},
    )
    assert ran.status == 0, ran.err
    for number in range(100):
        assert (tmp_path / f"{number}.out").read_text() == hash_reply(f"question {number}") + "\n"
        assert (tmp_path / f"{number}.err").read_text() == ""
    listed = run([CHAT, "list", "-n", "1000"], env={"CHATD_SOCKET": str(chatd.socket)})
    titles = {line.split("\t")[-1] for line in listed.out.decode().splitlines()}
    assert titles == {f"question {number}" for number in range(100)}


def test_ctrl_c_is_130_keeps_what_was_said_and_frees_the_slot(
    chatd: Daemon, scripted: ModelServer
) -> None:
    process = subprocess.Popen(
        [CHAT, "-0", "-m", "stall", "x"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "CHATD_SOCKET": str(chatd.socket)},
    )
    assert process.stdout is not None
    said = os.read(process.stdout.fileno(), 100)
    process.send_signal(signal.SIGINT)
    rest, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert scripted.counts(open_streams=0)["disconnects_seen"] == 1
    with chatd.client() as client:
        chat = client.call(methods.CHATS, methods.Page()).chats[0]
        turn = client.call(methods.CHAT, methods.ChatGet(chat=chat.chat)).turns[0]
    assert turn.state == "cancelled"
    assert turn.text.encode() == (said + rest).rstrip(b"\n") != b""


def test_a_closed_pipe_is_141_without_a_word_and_stops_the_turn(
    chatd: Daemon, scripted: ModelServer
) -> None:
    script = f"{{ {CHAT} -0 -m slow x; echo $? >&2; }} | head -c 1"
    ran = run(["sh", "-c", script], env={"CHATD_SOCKET": str(chatd.socket)})
    assert ran.err == "141\n"
    assert scripted.counts(open_streams=0)["disconnects_seen"] == 1


def test_a_full_disk_is_73_with_its_reason(chatd: Daemon) -> None:
    ran = run(
        ["sh", "-c", f"{CHAT} -0 -m hash x > /dev/full"], env={"CHATD_SOCKET": str(chatd.socket)}
    )
    assert ran.status == 73
    assert ran.err == "chat: the answer cannot be written: No space left on device\n"


@pytest.mark.parametrize(
    ("model", "status"),
    [("nofinish", 4), ("cut", 4), ("length", 4), ("empty", 3), ("html", 69), ("e500", 69)],
)
def test_a_reply_that_is_not_good_is_never_a_0(chat: RunChat, model: str, status: int) -> None:
    ran = chat("-0", "-m", model, "x")
    assert ran.status == status
    assert len(ran.err.splitlines()) == 1
    assert ran.err.startswith("chat: ")


def test_the_partial_text_of_a_cut_reply_is_printed(chat: RunChat) -> None:
    ran = chat("-0", "-m", "nofinish", "x")
    assert ran.out.strip()


def test_a_model_that_is_not_there_is_65_and_tells_which_are(chat: RunChat) -> None:
    ran = chat("-0", "-m", "nope", "x")
    assert ran.status == 65
    assert "hash" in ran.err


def test_json_is_one_object_for_good_and_bad_replies(chat: RunChat) -> None:
    good = chat("-0", "-m", "hash", "--json", "x")
    report = json.loads(good.out)
    assert (good.status, report["state"], report["text"]) == (0, "done", hash_reply("x"))
    assert report["usage"]["completion_tokens"] > 0
    bad = chat("-0", "-m", "nofinish", "--json", "x")
    report = json.loads(bad.out)
    assert (bad.status, report["state"], report["error"]["code"]) == (4, "failed", 3004)
    none = chat("-0", "-m", "nope", "--json", "x")
    assert json.loads(none.out)["error"]["kind"] == "no such model"


def test_system_prompt_is_sent(chat: RunChat, scripted: ModelServer) -> None:
    chat("-0", "-m", "hash", "-s", "Be brief", "x")
    seen = scripted.counts()["messages_seen"]
    assert isinstance(seen, list)
    assert hashlib.sha256(b"Be brief").hexdigest() in seen


def test_another_model_s_answer_is_said_on_stderr_and_hushed_by_q(chat: RunChat) -> None:
    assert "not the model that was asked" in chat("-0", "-m", "wrong-model", "x").err
    assert chat("-0", "-q", "-m", "wrong-model", "x").err == ""


@pytest.mark.parametrize("stdin", [b"", b" \n"])
def test_nothing_to_ask_is_2_with_an_example(chat: RunChat, stdin: bytes) -> None:
    ran = chat(stdin=stdin)
    assert (ran.status, ran.out) == (2, b"")
    assert 'chat "What is tmpfs?"' in ran.err


def test_stdin_that_is_not_text_is_65_and_nothing_is_asked(
    chat: RunChat, scripted: ModelServer
) -> None:
    ran = chat("-m", "hash", "x", stdin=b"ok \xff")
    assert ran.status == 65
    assert "byte 3" in ran.err
    assert scripted.counts()["requests"] == 0


def test_text_arrives_as_it_is_off_a_terminal(chat: RunChat) -> None:
    ran = chat("-m", "echo", stdin="\x1b[31mré\u202ed\x07\n".encode())
    assert ran.out == "\x1b[31mré\u202ed\x07\n".encode()


def test_a_terminal_gets_no_control_sequence(chatd: Daemon) -> None:
    attack = "\x1b]52;c;ZWNobw==\x07a\x9b31mb\rc\u202ed\x08"
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [CHAT, "-q", "--raw", "-m", "echo"],
        stdin=subprocess.PIPE,
        stdout=follower,
        stderr=follower,
        env={**os.environ, "CHATD_SOCKET": str(chatd.socket)},
    ) as process:
        os.close(follower)
        assert process.stdin is not None
        process.stdin.write(attack.encode())
        process.stdin.close()
        shown = b""
        while select.select([leader], [], [], DEADLINE_S)[0]:
            try:
                shown += os.read(leader, 4096)
            except OSError:  # the other side is closed
                break
    os.close(leader)
    text = shown.decode().replace("\r\n", "\n")
    assert text.strip() == safe(attack).strip()
    assert not set(text) & set("\x1b\x07\x9b\r\u202e\x08")


def kill_in_mid_reply(daemon: Daemon, model: str, *, between: Callable[[], None]) -> Ran:
    """Run `chat`, kill the daemon while the reply comes, and start it again."""
    process = subprocess.Popen(
        [CHAT, "-0", "-m", model, "x"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "CHATD_SOCKET": str(daemon.socket)},
    )
    assert process.stdout is not None
    said = os.read(process.stdout.fileno(), 100)
    daemon.kill()
    between()
    daemon.start()
    rest, err = process.communicate(timeout=DEADLINE_S)
    return Ran(process.returncode, said + rest, err.decode())


def test_the_daemon_s_death_in_mid_reply_is_not_seen(
    start_daemon: StartDaemon, scripted: ModelServer, tmp_path: Path
) -> None:
    daemon = start_daemon(configured(("scripted", scripted)))
    undisturbed = run([CHAT, "-0", "-m", "slow", "x"], env={"CHATD_SOCKET": str(daemon.socket)})
    ran = kill_in_mid_reply(daemon, "slow", between=lambda: None)
    assert ran == undisturbed


def test_a_model_that_says_something_else_after_the_daemon_s_death_is_4(
    start_daemon: StartDaemon, start_server: StartServer
) -> None:
    first = start_server("--models", "m", "--script", "slow", "--delay-s", "0.1")
    second = start_server("--models", "m", "--script", "hash")
    daemon = start_daemon(configured(("first", first)))

    def another_model() -> None:
        daemon.config = configured(("second", second))

    ran = kill_in_mid_reply(daemon, "m", between=another_model)
    assert ran.status == 4, ran
    with daemon.client() as client:
        chat = client.call(methods.CHATS, methods.Page()).chats[0]
        turn = client.call(methods.CHAT, methods.ChatGet(chat=chat.chat)).turns[0]
    assert turn.turn in ran.err
    assert (turn.state, turn.text, turn.attempts) == ("done", hash_reply("x"), 2)


def test_a_daemon_that_does_not_come_back_is_79_and_says_so(
    start_daemon: StartDaemon, scripted: ModelServer
) -> None:
    daemon = start_daemon(configured(("scripted", scripted)))
    process = subprocess.Popen(
        [CHAT, "-0", "-m", "stall", "x"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "CHATD_SOCKET": str(daemon.socket)},
    )
    assert process.stdout is not None
    os.read(process.stdout.fileno(), 100)
    daemon.kill()
    _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 79, err
    wait_for(lambda: not os.path.exists(f"/proc/{process.pid}"), "chat is gone")
