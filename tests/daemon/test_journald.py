"""Logs under systemd: priorities and fields for the journal, and never a text."""

import logging
import os
from types import SimpleNamespace

import pytest
from tests.conftest import StartDaemon
from tests.harness import ModelServer, configured

from chat_rpc import methods
from chat_rpc.errors import InternalError
from chatd import journald, logs
from chatd.boundary import boundary

SECRET = "what-somebody-typed"


@pytest.fixture
def record() -> logging.LogRecord:
    """A line about a turn, with an exception that quotes what was typed."""
    try:
        raise KeyError(SECRET)
    except KeyError as exc:
        made = logging.getLogger("chatd.x").makeRecord(
            "chatd.x", logging.ERROR, __file__, 7, "turn %s failed", ("t1",),
            (KeyError, exc, exc.__traceback__), "f", {"turn": "t1", "uid": 1000, "method": ""},
        )  # fmt: skip
    return made


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What is sent to the journal; systemd-python needs a journal, and there is none."""
    lines: list[dict[str, object]] = []

    def send(message: str, **fields: object) -> None:
        lines.append({"MESSAGE": message, **fields})

    monkeypatch.setattr(journald, "library", lambda: SimpleNamespace(send=send))
    return lines


def test_a_line_for_the_journal_has_fields_to_look_for_and_no_text(
    record: logging.LogRecord, sent: list[dict[str, object]]
) -> None:
    handler = journald.Journal()
    handler.setFormatter(logs.TextFreeFormatter(logs.JOURNAL_FORMAT))
    handler.emit(record)
    (line,) = sent
    assert {name: line[name] for name in line if name.startswith("CHATD_")} == {
        "CHATD_TURN": "t1",
        "CHATD_UID": "1000",
    }
    assert (line["PRIORITY"], line["LOGGER"], line["CODE_LINE"]) == ("3", "chatd.x", 7)
    assert str(line["MESSAGE"]).startswith("chatd.x: turn t1 failed\nTraceback")
    assert SECRET not in str(line)


def test_a_bug_in_a_method_is_found_by_its_name(sent: list[dict[str, object]]) -> None:
    log = logging.getLogger("chatd.x")
    handler = journald.Journal()
    handler.setFormatter(logs.TextFreeFormatter(logs.JOURNAL_FORMAT))
    log.addHandler(handler)
    try:
        with pytest.raises(InternalError), boundary(log, "a request", method="chat.get", uid=1):
            raise KeyError(SECRET)
    finally:
        log.removeHandler(handler)
    assert [line["CHATD_METHOD"] for line in sent] == ["chat.get"]
    assert SECRET not in str(sent)


def test_every_line_on_stderr_has_its_priority(record: logging.LogRecord) -> None:
    lines = logs.PriorityFormatter(logs.JOURNAL_FORMAT).format(record).splitlines()
    assert len(lines) > 2
    assert all(line.startswith("<3>") for line in lines)


@pytest.mark.parametrize(
    ("level", "priority"),
    [("DEBUG", 7), ("INFO", 6), ("WARNING", 4), ("ERROR", 3), ("CRITICAL", 2)],
)
def test_each_level_has_syslog_s_priority(level: str, priority: int) -> None:
    assert journald.priority_of(logging.getLevelNamesMapping()[level]) == priority


def test_stderr_is_the_journal_only_if_it_is_the_stream_that_systemd_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not journald.has_stderr()
    status = os.fstat(journald.STDERR)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    assert journald.has_stderr()
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino + 1}")
    assert not journald.has_stderr()


def test_a_daemon_under_systemd_logs_lines_with_priorities(
    start_daemon: StartDaemon, scripted: ModelServer
) -> None:
    daemon = start_daemon(
        configured(("scripted", scripted)),
        wrapper=["sh", "-c", 'JOURNAL_STREAM=$(stat -Lc %d:%i /dev/fd/2) exec "$@"', "sh"],
    )
    with daemon.client() as client:
        asked = methods.TurnStart(prompt=SECRET, key="k", model="hash", wait=True)
        turn = client.call(methods.START, asked).turn
    lines = daemon.log.read_text().splitlines()
    if journald.library() is None:
        assert any(line.startswith("<6>chatd.inference: turn ") and turn in line for line in lines)
        assert all(line.startswith("<") for line in lines)
    else:
        assert lines == [], "systemd-python writes to the journal itself"
