"""Logging: each line once, to the right places, and never what a person typed."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import StartDaemon

from chat_rpc import errors, methods
from chatd import logs
from chatd.config import Logging


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("chatd").setLevel(logging.NOTSET)


def test_a_line_comes_once_however_often_logging_is_configured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for _ in range(3):
        logs.configure(Logging())
    logging.getLogger("chatd.x").info("turn %s", "t1")
    assert len(re.findall(r"INFO chatd\.x: turn t1", capsys.readouterr().err)) == 1


def test_a_file_is_written_only_when_configured_and_is_rotated(tmp_path: Path) -> None:
    file = tmp_path / "chatd.log"
    logs.configure(Logging(file=file, file_bytes=4096, file_backups=2))
    for number in range(200):
        logging.getLogger("chatd.x").info("line %d, which is not a short one", number)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "chatd.log", "chatd.log.1", "chatd.log.2",
    ]  # fmt: skip
    assert file.stat().st_size <= 4096


def test_levels_are_per_logger(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Logging(level="WARNING", levels={"chatd.store": "DEBUG"}))
    logging.getLogger("chatd.server").info("not this")
    logging.getLogger("chatd.store").debug("this")
    err = capsys.readouterr().err
    assert "this" in err
    assert "not this" not in err


def test_a_traceback_tells_where_and_not_what(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Logging())
    try:
        try:
            dict[str, str]()["my secret prompt"]
        except KeyError as exc:
            raise ValueError("my secret reply") from exc
    except ValueError:
        logging.getLogger("chatd.x").exception("turn %s failed", "t1")
    err = capsys.readouterr().err
    assert "test_logs.py" in err
    assert "builtins.KeyError" in err
    assert "builtins.ValueError" in err
    assert not re.search(r"KeyError: |ValueError: ", err)


def test_the_model_client_s_own_loggers_never_go_below_warnings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure(Logging(level="DEBUG"))
    for name in logs.SILENCED:
        logging.getLogger(f"{name}.any").info("Request options: a prompt")
    assert "prompt" not in capsys.readouterr().err


def test_a_log_on_the_tmpfs_is_begun_anew_before_it_fills_it(start_daemon: StartDaemon) -> None:
    config = "[finding]\nenabled = false\n[engine]\nenabled = false\n[logging]\nfile_bytes = 4096\n"
    daemon = start_daemon(config)
    with daemon.client() as client:
        for number in range(200):
            asked = methods.TurnStart(prompt="x", key=f"k{number}", wait=True)
            with pytest.raises(errors.ServerUnreachable):
                client.call(methods.START, asked)
        last = client.call(methods.CHATS, methods.Page(limit=1)).chats[0].chat
        turn = client.call(methods.CHAT, methods.ChatGet(chat=last)).turns[0].turn
    assert turn in daemon.log.read_text()
    assert daemon.log.stat().st_size < 5000
