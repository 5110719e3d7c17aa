"""`chat check`: any text, no model; 0 for a pass, 3 for a fail, 5 for what could not be checked."""

import json
from pathlib import Path

from tests.conftest import RunChat, StartDaemon
from tests.harness import CHAT, run


def test_a_text_that_passes_says_nothing(chat: RunChat) -> None:
    ran = chat("check", "--check", "words:..5", "-", stdin=b"tmpfs is RAM\n")
    assert (ran.status, ran.out, ran.err) == (0, b"", "")


def test_what_fails_has_a_line_each_and_exit_3(chat: RunChat, tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    file.write_text('{"name": "a", "age": "old"}')
    (tmp_path / "schema.json").write_text('{"properties": {"age": {"type": "integer"}}}')
    schema = ("--schema", str(tmp_path / "schema.json"))
    ran = chat(
        "check", str(file), *schema, "--check", "not-contains:old", "--check", "soft-words:1"
    )
    assert ran.status == 3
    lines = ran.err.splitlines()
    assert [line.split(":")[2].strip() for line in lines] == ["contains", "words (soft)", "schema"]
    assert "is not of type" in lines[2]
    short = chat("check", str(file), "--schema", "name, age")
    assert short.status == 0, short.err


def test_exec_runs_as_the_caller_and_what_cannot_run_is_5(chat: RunChat) -> None:
    good = chat("check", "--check", "exec:grep -q tmpfs", stdin=b"tmpfs")
    bad = chat("check", "--check", "exec:sh -c 'echo no >&2; exit 1'", stdin=b"x")
    none = chat("check", "--check", "exec:no-such-program-here", stdin=b"x")
    assert (good.status, bad.status, none.status) == (0, 3, 5)
    assert bad.err == "chat: fail: exec: no\n"


def test_a_bad_check_is_one_line_and_65(chat: RunChat) -> None:
    ran = chat("check", "--check", "wrods:3", stdin=b"x")
    assert (ran.status, ran.err) == (65, "chat: there is no check `wrods` (did you mean words?)\n")


def test_json_is_the_whole_verdict(chat: RunChat) -> None:
    ran = chat("check", "--json", "--no-check", "no-loop", stdin=b"")
    verdict = json.loads(ran.out)
    assert ran.status == 3
    assert verdict["verdict"] == "fail"
    assert [result["id"] for result in verdict["checks"]] == ["whole", "nonempty"]


def test_no_model_server_is_needed(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("[finding]\nenabled = false\n[engine]\nenabled = false\n")
    ran = run([CHAT, "check"], stdin=b"x", env={"CHATD_SOCKET": str(daemon.socket)})
    assert ran.status == 0


def test_a_judge_is_a_model_so_it_cannot_run_here_and_that_is_5(chat: RunChat) -> None:
    ran = chat("check", "--check", "judge:polite", stdin=b"x")
    assert (ran.status, ran.out) == (5, b"")
    assert "no model is asked here" in ran.err
