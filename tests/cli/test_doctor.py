"""`chat doctor`, `help`, `admin`: what is found, and that it is told with what to do."""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.cli.conftest import InPrivate
from tests.conftest import RunChat, StartDaemon
from tests.harness import CHAT, Daemon, ModelServer, Ran, configured, run

from chat_cli import doctor, manual, traces
from chat_cli.exits import EXITS
from chat_rpc import paths


def found(ran: Ran) -> dict[str, dict[str, str]]:
    """Return the last finding of each name."""
    return {line["name"]: line for line in map(json.loads, ran.out.splitlines())}


def test_all_is_good_where_a_server_answers(chat: RunChat) -> None:
    ran = chat("doctor", "--json")
    assert ran.status == 0
    said = found(ran)
    assert said["chatd"]["state"] == said["server"]["state"] == said["settings"]["state"] == "good"
    assert "scripted at http://127.0.0.1:" in said["server"]["says"]


def test_a_chatd_that_does_not_answer_is_bad(tmp_path: Path) -> None:
    ran = run([CHAT, "doctor", "--json"], env={"CHATD_SOCKET": str(tmp_path / "s")})
    assert ran.status == 1
    assert "which CHATD_SOCKET names" in found(ran)["chatd"]["says"]


def test_a_socket_that_may_not_be_entered_is_bad_and_explained(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    os.chmod(tmp_path / "s", 0)
    # root may enter all the same, but for this
    powerless = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    command = [*(powerless if os.getuid() == 0 else []), CHAT, "doctor", "--json"]
    ran = run(command, env={"CHATD_SOCKET": str(tmp_path / "s")})
    listener.close()
    assert (ran.status, found(ran)["chatd"]["state"]) == (1, "bad")
    assert "permission denied" in found(ran)["chatd"]["says"]


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[Callable[[bytes | None], dict[str, str]]]:
    """Something else at a socket, which answers with some bytes, or never."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()

    def serve(answer: bytes) -> None:
        with suppress(OSError):  # the listener is closed at the end
            while True:
                connection, _ = listener.accept()
                connection.recv(65536)
                connection.sendall(answer)
                connection.close()

    def start(answer: bytes | None) -> dict[str, str]:
        if answer is not None:
            threading.Thread(target=serve, args=[answer]).start()
        return {"CHATD_SOCKET": str(tmp_path / "s")}

    yield start
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.mark.parametrize("words", [["list"], ["-0", "hello"]])
def test_what_is_not_chatd_is_told_in_one_line(
    impostor: Callable[[bytes | None], dict[str, str]], words: list[str]
) -> None:
    ran = run([CHAT, *words], env=impostor(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    assert (ran.status, ran.out) == (79, b"")
    assert ran.err.endswith("/s is not chatd\n")
    assert len(ran.err.splitlines()) == 1


def test_doctor_finds_a_chatd_that_is_none(
    impostor: Callable[[bytes | None], dict[str, str]],
) -> None:
    ran = run([CHAT, "doctor", "--json"], env=impostor(b"220 mail\n"))
    assert (ran.status, found(ran)["chatd"]["state"]) == (1, "bad")


def test_doctor_does_not_wait_for_a_chatd_that_does_not_answer(
    impostor: Callable[[bytes | None], dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATD_SOCKET", impostor(None)["CHATD_SOCKET"])
    monkeypatch.setattr(doctor, "PATIENCE_S", 0.2)
    finding = next(doctor.findings())
    assert (finding.name, finding.state) == ("chatd", "bad")
    assert "does not answer" in finding.says


def test_a_socket_that_was_left_behind_is_a_warning_and_nothing_is_started(
    in_private: InPrivate, tmp_path: Path
) -> None:
    ran = in_private("""
        mkdir -m 700 /dev/shm/chatd-$(id -u) /dev/shm/chatd-$(id -u)/chatd
        python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' \
            /dev/shm/chatd-$(id -u)/chatd/chatd.sock
        $CHAT doctor --json; status=$?
        ls /dev/shm/chatd-$(id -u)/chatd; exit $status
    """)
    finding = json.loads(ran.out.splitlines()[0])
    assert (ran.status, finding["name"], finding["state"]) == (0, "chatd", "warning")
    assert "left behind" in finding["says"]
    assert ran.out.splitlines()[-1] == b"chatd.sock"


def test_no_place_for_a_store_is_bad(in_private: InPrivate) -> None:
    ran = in_private("""
        mkdir -m 755 /dev/shm/chatd-$(id -u); $CHAT doctor --json
    """)
    finding = json.loads(ran.out.splitlines()[0])
    assert (ran.status, finding["state"]) == (1, "bad")
    assert "not yours alone" in finding["says"]


def test_no_model_server_is_told_with_the_usual_ports(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("[finding]\nenabled = false\n[engine]\nenabled = false\n")
    ran = run([CHAT, "doctor", "--json"], env={"CHATD_SOCKET": str(daemon.socket)})
    said = found(ran)["server"]
    assert (ran.status, said["state"]) == (1, "bad")
    assert "1234" in said["do"]


def test_a_server_that_is_down_is_a_warning(
    start_daemon: StartDaemon, scripted: ModelServer
) -> None:
    daemon = start_daemon(configured(("scripted", scripted)))
    scripted.kill()
    ran = run([CHAT, "doctor", "--json"], env={"CHATD_SOCKET": str(daemon.socket)})
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert any(line["state"] == "warning" and scripted.url in line["says"] for line in lines)


def test_broken_settings_are_bad(chat: RunChat) -> None:
    file = paths.person_config()
    file.parent.mkdir(parents=True)
    file.write_text("modle = 1\n")
    ran = chat("doctor", "--json")
    assert (ran.status, found(ran)["settings"]["state"]) == (1, "bad")
    assert found(ran)["settings"]["says"].startswith(f"{file}:1: modle")


@pytest.mark.parametrize(
    ("name", "line", "counts"),
    [
        (".bash_history", "chat what is tmpfs", True),
        (".bash_history", 'chat "what is tmpfs"', True),
        (".bash_history", "chat listen to me", True),
        (".bash_history", "chat list", False),
        (".bash_history", "chat -0 hi", False),
        (".bash_history", "chats are fun", False),
        (".bash_history", "git diff | chat review", False),
        (".zsh_history", ": 1700000000:0;chat hello", True),
        (".local/share/fish/fish_history", "- cmd: chat hello", True),
    ],
)
def test_questions_in_the_shells_history_are_counted_and_not_shown(
    tmp_path: Path,
    name: str,
    line: str,
    counts: bool,  # noqa: FBT001
) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"ls\n{line}\n")
    finding = next(traces.findings(tmp_path))
    assert finding.state == ("warning" if counts else "good")
    assert (f"{file} (1)" in finding.says) is counts
    assert "tmpfs" not in finding.says


@pytest.mark.parametrize("place", [".vim/undo", ".local/state/nvim/swap", ".emacs.d/backups"])
def test_copies_that_an_editor_kept_are_bad(tmp_path: Path, place: str) -> None:
    copy = tmp_path / place / "%run%user%1000%chat-edit-abcd%question.md"
    copy.parent.mkdir(parents=True)
    copy.touch()
    editor = next(each for each in traces.findings(tmp_path) if each.name == "editor")
    assert editor.state == "bad"
    assert str(copy) in editor.says


def test_what_lm_studio_keeps_is_told(tmp_path: Path) -> None:
    for name in ("conversations/1.json", "server-logs/2026-11/1.log"):
        file = tmp_path / ".lmstudio" / name
        file.parent.mkdir(parents=True)
        file.touch()
    said = [each for each in traces.findings(tmp_path) if each.name == "lm-studio"]
    assert [each.state for each in said] == ["warning", "warning"]
    assert "1 files" in said[0].says


def test_doctor_changes_nothing(tmp_path: Path) -> None:
    run([CHAT, "doctor"], env={"CHATD_SOCKET": str(tmp_path / "s")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("topic", manual.TOPICS)
def test_every_topic_has_its_page(topic: str) -> None:
    ran = run([CHAT, "help", topic])
    assert (ran.status, ran.err) == (0, "")
    assert ran.out


def test_help_tells_every_exit_code() -> None:
    told = run([CHAT, "help", "exit-codes"]).out.decode()
    assert [int(line.split()[0]) for line in told.splitlines()] == list(EXITS)


def test_help_on_a_command_is_its_own() -> None:
    assert run([CHAT, "help", "keep"]).out == run([CHAT, "keep", "-h"]).out


def test_help_on_nothing_that_is_there_names_the_topics_and_the_way_to_ask() -> None:
    ran = run([CHAT, "help", "me"])
    assert (ran.status, ran.out) == (2, b"")
    assert "exit-codes" in ran.err
    assert "chat -- help me" in ran.err


@pytest.mark.skipif(os.getuid() != 0, reason="only root and chatd-admin may count")
def test_admin_counts_users_reloads_and_stops(chat: RunChat) -> None:
    chat("-0", "-q", "-m", "echo", "hello")
    row = chat("admin", "stats").out.decode().split("\t")
    assert row[:3] == ["root", "1", "1"]
    assert chat("admin", "reload").err == "chat: changed: nothing\n"
    assert chat("admin").status == 2


def test_a_chatd_of_another_version_is_a_warning(
    chatd: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATD_SOCKET", str(chatd.socket))
    monkeypatch.setattr(doctor, "__version__", "0.0.1")
    finding = next(each for each in doctor.findings() if each.name == "version")
    assert (finding.state, finding.do) == ("warning", "restart chatd, or update chat")
