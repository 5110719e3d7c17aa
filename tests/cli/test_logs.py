"""`chat logs` and `chat status`: what chatd tells its user of itself."""

import json
import os
import re
import subprocess

from tests.conftest import RunChat
from tests.harness import CHAT, DEADLINE_S, Daemon, wait_for


def test_logs_are_lines_about_the_caller_without_a_word_of_what_was_said(chat: RunChat) -> None:
    turn = json.loads(chat("-0", "--json", "-m", "echo", "a canary of words").out)["turn"]
    lines = chat("logs").out.decode().splitlines()
    assert any(turn in line for line in lines)
    assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:+]+ [A-Z]+ chatd\S* ", line) for line in lines)
    assert "canary" not in "\n".join(lines)


def test_logs_prints_the_last_lines_that_it_is_asked_for(chat: RunChat) -> None:
    for _ in range(3):
        chat("-0", "-q", "-m", "echo", "hello")
    every = chat("logs", "--json").out.splitlines()
    assert chat("logs", "-n", "2", "--json").out.splitlines() == every[-2:]
    assert chat("logs", "-n", "0").out == b""
    assert {"n", "time", "level", "logger", "message"} == set(json.loads(every[0]))


def test_logs_can_be_followed(chat: RunChat, chatd: Daemon) -> None:
    following = subprocess.Popen(
        [CHAT, "logs", "-n", "0", "-f"],
        stdout=subprocess.PIPE,
        env={**os.environ, "CHATD_SOCKET": str(chatd.socket)},
    )
    assert following.stdout is not None
    os.set_blocking(following.stdout.fileno(), False)
    heard: list[bytes] = []

    def hears() -> bool:
        chat("-0", "-q", "-m", "echo", "hello")  # again: the first may come before it follows
        heard.append(following.stdout.read() or b"")  # type: ignore[union-attr]
        return b"chatd" in b"".join(heard)

    wait_for(hears, "a line of the log")
    following.terminate()
    following.wait(DEADLINE_S)
    following.stdout.close()


def test_status_tells_of_user_and_servers(chat: RunChat) -> None:
    chat("-0", "-q", "-m", "echo", "hello")
    said = chat("status").out.decode()
    assert re.search(r"^you     \S+ \(uid \d+\): 1 conversation, 1 turn, 0 running", said, re.M)
    assert re.search(r"^server  scripted at http://127.0.0.1:\d+\S*: 0 of 64 busy$", said, re.M)
