"""The flags of a question: what they send, what they print, and what is refused."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import RunChat
from tests.fakes.scripts import hash_reply
from tests.harness import CHAT, DEADLINE_S, Daemon, ModelServer, Ran, run

FENCED = "Here:\n\n```python\nprint(1)\n```\n\nand\n\n```sh\nls\n```\n"


def test_a_dry_run_shows_the_request_and_sends_nothing(
    chat: RunChat, scripted: ModelServer, tmp_path: Path
) -> None:
    file = tmp_path / "a.txt"
    file.write_text("content")
    ran = chat("-n", "-m", "hash", "-s", "Be brief", "-f", str(file), "-o", "top_k", "3", "x")
    request = json.loads(ran.out)
    assert request["method"] == "turn.start"
    params = request["params"]
    assert (params["prompt"], params["system"], params["model"]) == ("x", "Be brief", "hash")
    assert params["options"] == {"top_k": 3}
    assert params["files"] == [{"name": "a.txt", "media": "text/plain", "size_bytes": 7}]
    assert "--ephemeral" in ran.err
    assert scripted.counts()["requests"] == 0


def test_an_option_is_json_where_it_can_be(chat: RunChat) -> None:
    ran = chat(
        "-n", "-0", "-o", "a", "0.5", "-o", "b", "true", "-o", "c", "word", "-o", "d", "[1]", "x"
    )
    assert json.loads(ran.out)["params"]["options"] == {"a": 0.5, "b": True, "c": "word", "d": [1]}


def test_an_option_without_a_value_is_2(chat: RunChat) -> None:
    ran = chat("-0", "x", "-o", "a")
    assert ran.status == 2
    assert "KEY VALUE" in ran.err


def test_jsonl_is_the_events_as_they_came(chat: RunChat) -> None:
    ran = chat("-0", "-m", "hash", "--jsonl", "x")
    events = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.status == 0
    assert {event["type"] for event in events} == {"delta", "event", "end"}
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert "".join(e["text"] for e in events if e["type"] == "delta") == hash_reply("x")
    assert events[-1]["ending"]["state"] == "done"


def test_jsonl_ends_with_the_failure_where_nothing_was_asked(chat: RunChat) -> None:
    ran = chat("--jsonl", "-f", "/nowhere", "x")
    assert ran.status == 66
    refused = chat("-0", "-m", "nope", "--jsonl", "x")
    assert json.loads(refused.out.splitlines()[-1])["ending"]["error"]["kind"] == "no such model"


def test_x_prints_only_the_first_block_of_code(chat: RunChat) -> None:
    assert chat("-m", "echo", "-x", stdin=FENCED.encode()).out == b"print(1)\n"
    assert chat("-m", "echo", "-xsh", stdin=FENCED.encode()).out == b"ls\n"
    assert chat("-m", "echo", "--extract=sh", stdin=FENCED.encode()).out == b"ls\n"
    assert chat("-m", "echo", "-qx", stdin=FENCED.encode()).out == b"print(1)\n"


def test_x_takes_no_word_of_the_question(chat: RunChat) -> None:
    assert chat("-0", "-m", "echo", "-x", "word").out == b"word\n"


def test_x_without_a_block_prints_all_and_says_so(chat: RunChat) -> None:
    ran = chat("-0", "-m", "echo", "-x", "no code")
    assert (ran.status, ran.out) == (0, b"no code\n")
    assert "no block" in ran.err


def test_x_without_a_block_of_that_language_is_3_and_prints_nothing(chat: RunChat) -> None:
    ran = chat("-m", "echo", "-xrust", stdin=FENCED.encode())
    assert (ran.status, ran.out) == (3, b"")
    assert "no block of rust" in ran.err


def test_u_tells_tokens_and_times(chat: RunChat) -> None:
    ran = chat("-0", "-q", "-u", "-m", "hash", "x")
    assert "1 tokens in, 8 out" in ran.err


def test_v_tells_every_attempt(chat: RunChat) -> None:
    ran = chat("-0", "-v", "-m", "hash", "x")
    assert "attempt 1 (model): hash at scripted" in ran.err


def test_no_stream_prints_nothing_before_the_end(chat: RunChat) -> None:
    cut = chat("-0", "-m", "nofinish", "--no-stream", "x")
    assert (cut.status, cut.out) == (4, b"")
    assert chat("-0", "-m", "hash", "--no-stream", "x").out.decode() == hash_reply("x") + "\n"


def test_thinking_is_off_stdout_unless_it_is_asked_for(chat: RunChat) -> None:
    hidden = chat("-0", "-m", "reasoning", "x")
    assert (hidden.out.decode(), hidden.err) == (hash_reply("x") + "\n", "")
    aside = chat("-0", "-m", "reasoning", "--think", "stderr", "x")
    assert (aside.out.decode(), aside.err) == (hash_reply("x") + "\n", "let me think\n\n")
    shown = chat("-0", "-m", "reasoning", "--think", "show", "x")
    assert shown.out.decode() == f"let me think\n\n{hash_reply('x')}\n"


def test_json_holds_what_was_thought_and_every_attempt(chat: RunChat) -> None:
    report = json.loads(chat("-0", "-m", "reasoning", "--json", "x").out)
    assert report["thought"] == "let me think"
    assert [attempt["n"] for attempt in report["attempts"]] == [1]
    assert report["attempts"][0]["text"] == hash_reply("x")


def test_c_without_a_terminal_is_2_and_names_C(chat: RunChat) -> None:
    ran = run(["setsid", "-w", CHAT, "-0", "-c", "x"], env={"CHATD_SOCKET": "/nowhere"})
    assert ran.status == 2
    assert "-C NAME" in ran.err


def test_two_ways_to_name_a_chat_are_2(chat: RunChat) -> None:
    assert chat("-0", "-cc", "-C", "a", "x").status == 2


@pytest.mark.parametrize("text", ["", "0", "-1", "soon", "1e3", "∞"])
def test_no_duration_is_2(chat: RunChat, text: str) -> None:
    ran = chat("-0", "--max-time", text, "x")
    assert ran.status == 2
    assert "write 60s, 30min, 12h, 7d or 2w" in ran.err


def test_a_priority_only_lowers(chat: RunChat) -> None:
    ran = chat("-n", "-0", "--priority", "interactive", "x")
    assert "only lowers" in ran.err
    assert "priority" not in json.loads(ran.out)["params"]
    low = chat("-n", "-0", "--priority", "batch", "x")
    assert json.loads(low.out)["params"]["priority"] == "batch"


def test_sigterm_stops_the_turn(chatd: Daemon, scripted: ModelServer) -> None:
    process = subprocess.Popen(
        [CHAT, "-0", "-m", "stall", "x"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "CHATD_SOCKET": str(chatd.socket)},
    )
    assert process.stdout is not None
    os.read(process.stdout.fileno(), 100)
    process.terminate()
    _, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, err) == (143, b"")
    assert scripted.counts(open_streams=0)["disconnects_seen"] == 1


def test_a_silent_pipe_is_told_after_a_while(chatd: Daemon) -> None:
    ran = run(["sh", "-c", f"sleep 3 | {CHAT} -m echo x"], env={"CHATD_SOCKET": str(chatd.socket)})
    assert (ran.status, ran.out) == (0, b"x\n")
    assert "waiting for stdin" in ran.err
    assert "-0" in ran.err


@pytest.mark.parametrize("closed", ["<&-", "2>&-"])
def test_a_stream_that_is_closed_is_no_trouble(chatd: Daemon, closed: str) -> None:
    ran = run(
        ["sh", "-c", f"{CHAT} -m wrong-model x {closed}"], env={"CHATD_SOCKET": str(chatd.socket)}
    )
    assert (ran.status, ran.out.decode()) == (0, hash_reply("x") + "\n")


def test_a_closed_stdout_is_73(chatd: Daemon) -> None:
    ran = run(["sh", "-c", f"{CHAT} -0 -m hash x >&-"], env={"CHATD_SOCKET": str(chatd.socket)})
    assert (ran.status, ran.err.count("\n")) == (73, 1)
    assert "Bad file descriptor" in ran.err


def params_of(ran: Ran) -> dict[str, Any]:  # Any: JSON
    assert ran.status == 0, ran.err
    params: dict[str, Any] = json.loads(ran.out)["params"]
    return params


def settings(home: Path, text: str) -> None:
    """Write the person's own config.toml."""
    file = home / ".config" / "chat" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text)


def test_flags_go_before_a_template_and_that_before_the_person_s_own(
    chat: RunChat, tmp_path: Path
) -> None:
    settings(
        tmp_path,
        """
        model = "mine"
        system = "mine"
        options = { a = 1, b = 1, c = 1 }
        aliases = { fast = "qwen3-4b" }
        """,
    )
    template = tmp_path / ".config/chat/templates/t.md"
    template.parent.mkdir()
    template.write_text('+++\nsystem = "its"\noptions = { b = 2, c = 2 }\n+++\nSay {{what}}')
    alone = params_of(chat("-n", "-0", "x"))
    assert (alone["model"], alone["system"]) == ("mine", "mine")
    filled = params_of(chat("-n", "-0", "-t", "t", "-p", "what", "hi", "-m", "fast"))
    assert (filled["prompt"], filled["system"]) == ("Say hi", "its")
    assert filled["model"] == "qwen3-4b"
    said = params_of(chat("-n", "-0", "-t", "t", "-p", "what", "hi", "-o", "c", "3", "-s", "said"))
    assert (said["system"], said["options"]) == ("said", {"a": 1, "b": 2, "c": 3})


def test_a_template_that_lacks_a_parameter_is_2(chat: RunChat, tmp_path: Path) -> None:
    template = tmp_path / ".config/chat/templates/t.md"
    template.parent.mkdir(parents=True)
    template.write_text("Say {{what}}")
    ran = chat("-n", "-0", "-t", "t")
    assert ran.status == 2
    assert "-p what" in ran.err


def test_checks_are_said_short_by_profile_or_as_a_schema(chat: RunChat, tmp_path: Path) -> None:
    settings(tmp_path, '[checks.brief]\nchecks = ["words:..9"]\nwithout = ["no-loop"]\ntries = 2\n')
    params = params_of(
        chat("-n", "-0", "x", "--check", "brief", "--check", "not-contains:no", "--schema", "a int")
    )
    assert [each["type"] for each in params["checks"]] == ["words", "contains", "schema"]
    assert params["checks"][1]["not"] is True
    assert params["checks"][2]["value"]["properties"] == {"a": {"type": "integer"}}
    assert (params["without"], params["tries"]) == (["no-loop"], 2)


def test_with_x_the_checks_look_at_the_code(chat: RunChat) -> None:
    params = params_of(chat("-n", "-0", "-x", "x", "--check", "code:sh", "--check", "exec:sh -n"))
    assert [check.get("on") for check in params["checks"]] == ["code", None]


@pytest.mark.parametrize("schema", ["a b c", "a: ", "", "a int, b foo", "{", "/nowhere.json", "x"])
def test_no_schema_is_an_error_and_nothing_is_asked(chat: RunChat, schema: str) -> None:
    assert chat("-n", "-0", "x", "--schema", schema).status in (65, 66)


def test_a_schema_is_read_from_a_file(chat: RunChat, tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    file.write_text('{"type": "array"}')
    params = params_of(chat("-n", "-0", "x", "--schema", str(file)))
    assert params["checks"] == [{"type": "schema", "value": {"type": "array"}}]


def test_further_models_are_a_chain(chat: RunChat) -> None:
    params = params_of(chat("-n", "-0", "-m", "a", "-m", "b", "-m", "c", "x"))
    assert (params["model"], params["models"]) == ("a", ["b", "c"])


def test_no_chat_gets_a_name_that_would_name_a_turn(chat: RunChat) -> None:
    ran = chat("-0", "-m", "echo", "-C", "report@2", "x y")
    assert (ran.status, ran.out) == (2, b"")
    assert "-C report@2" in ran.err
    assert chat("list").out == b""
