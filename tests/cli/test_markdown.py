"""Markdown on a terminal: rendered while it comes, block by block; drawn by an emulator."""

import os
import re
from collections.abc import Mapping

import pytest
from tests.conftest import StartDaemon, StartServer
from tests.fakes.scripts import hash_reply
from tests.harness import CHAT, Daemon, configured, run
from tests.terminal import Terminal

from chat_cli import markdown

SOURCE = """\
# A title

Some `code`, **bold** and a [link](http://example.org/a).
A line of its own, 日本語 and é.

- one
- two
  - three

| name | age |
|------|----:|
| Ada  | 36  |

```python
def f(x):
    return x  # wide 日本
```

![a picture](http://example.org/p.png) and <br> and &#27;[2J
"""
SHOWN = """\
A title

Some code, bold and a link (http://example.org/a).
A line of its own, 日本語 and é.

 • one
 • two
    • three

 name  age
 ─────────
 Ada    36

def f(x):
    return x  # wide 日本

a picture (http://example.org/p.png) and <br> and \ufffd[2J
"""
COLOUR = re.compile(rb"\x1b\[[0-9;]*3[0-9][0-9;]*m")


def ask(
    daemon: Daemon, model: str, prompt: str, *flags: str, env: Mapping[str, str] | None = None,
    columns: int = 80, lines: int = 24,
) -> Terminal:  # fmt: skip
    """Start `chat` at a terminal."""
    return Terminal(
        [CHAT, "-0", "-q", *flags, "-m", model, "--", prompt],
        env={"CHATD_SOCKET": str(daemon.socket), **(env or {})},
        columns=columns,
        lines=lines,
    )


def shown(terminal: Terminal) -> str:
    """Return all that stands there when it has ended well."""
    assert terminal.wait() == 0, terminal.text
    assert terminal.screen.cursor.x == 0
    # pyte has an empty cell behind a wide character
    return terminal.text


@pytest.mark.parametrize("model", ["echo", "letters"])
def test_a_reply_is_rendered_alike_at_once_and_letter_by_letter(chatd: Daemon, model: str) -> None:
    with ask(chatd, model, SOURCE, lines=60) as terminal:
        assert shown(terminal) == SHOWN.rstrip("\n")


def test_without_streaming_it_is_the_same(chatd: Daemon) -> None:
    with ask(chatd, "echo", SOURCE, "--no-stream", lines=60) as terminal:
        assert shown(terminal) == SHOWN.rstrip("\n")


def test_raw_is_the_text_itself(chatd: Daemon) -> None:
    with ask(chatd, "echo", "# Title\n\n- *a*", "--raw") as terminal:
        assert shown(terminal) == "# Title\n\n- *a*"


def test_a_dumb_terminal_gets_the_text_itself(chatd: Daemon) -> None:
    with ask(chatd, "echo", "# Title\n\n- *a*", env={"TERM": "dumb"}) as terminal:
        assert shown(terminal) == "# Title\n\n- *a*"
        assert b"\x1b" not in terminal.written


def test_no_color_is_no_colour(chatd: Daemon) -> None:
    source = "`code` [l](http://x.y)\n\n```python\ndef f(): pass\n```\n"
    with ask(chatd, "echo", source) as terminal:
        shown(terminal)
        assert COLOUR.search(terminal.written)
    with ask(chatd, "echo", source, env={"NO_COLOR": "1"}) as terminal:
        shown(terminal)
        assert not COLOUR.search(terminal.written)


@pytest.mark.parametrize("kind", ["code", "list", "lines"])
def test_a_block_taller_than_the_terminal_stands_there_once(chatd: Daemon, kind: str) -> None:
    lines = [f"line {number}" for number in range(300)]
    if kind == "code":
        source = "\n".join(["before", "", "```", *lines, "```", "", "after"])
        wanted = ["before", "", *lines, "", "after"]
    elif kind == "list":
        source = "\n".join(f"- {line}" for line in lines)
        wanted = [f" • {line}" for line in lines]
    else:
        source, wanted = "\n".join(lines), lines
    with ask(chatd, "letters", source, lines=10) as terminal:
        assert shown(terminal).split("\n") == wanted


def test_columns_says_how_wide(chatd: Daemon) -> None:
    with ask(chatd, "echo", "word " * 12, env={"COLUMNS": "20"}) as terminal:
        assert shown(terminal).split("\n") == ["word word word word"] * 3


def test_a_wide_line_fills_the_terminal_and_no_more(chatd: Daemon) -> None:
    with ask(chatd, "letters", "日" * 30, columns=20) as terminal:
        assert shown(terminal).split("\n") == ["日" * 10] * 3


def test_a_terminal_that_is_made_narrower_gets_the_rest_narrower(
    start_server: StartServer, start_daemon: StartDaemon
) -> None:
    server = start_server("--models", "slow", "--tokens", "100", "--delay-s", "0.05")
    daemon = start_daemon(configured(("slow", server)))
    with ask(daemon, "slow", "x", columns=60) as terminal:
        terminal.wait_for("0 1 2 3")
        terminal.resize(20, 24)
        text = shown(terminal)
    rows = text.split("\n")
    assert rows[-1].endswith(" 99")
    assert all(len(row) <= 20 for row in rows)
    # what was drawn wider may stand there in part, but nothing is missing
    assert " ".join(map(str, range(40, 100))) in " ".join(rows)


def test_a_character_that_is_written_as_a_number_is_filtered_too(chatd: Daemon) -> None:
    with ask(chatd, "echo", "a &#27;[31m &#x202e; &rlm; `&#7;` b") as terminal:
        text = shown(terminal)
    assert "\u202e" not in text
    assert "\u200f" not in text
    assert b"[31m" in terminal.written
    assert b"\x1b[31m" not in terminal.written


def test_a_line_is_shown_before_it_has_ended(
    start_server: StartServer, start_daemon: StartDaemon
) -> None:
    server = start_server("--models", "slow", "--tokens", "9999", "--delay-s", "0.05")
    daemon = start_daemon(configured(("slow", server)))
    with ask(daemon, "slow", "x") as terminal:
        terminal.wait_for("0 1 2 3")
        terminal.interrupt()
        assert terminal.wait() == 130


def test_what_was_said_is_there_after_ctrl_c(chatd: Daemon) -> None:
    with ask(chatd, "stall", "x") as terminal:
        terminal.wait_for("first")
        terminal.interrupt()
        assert terminal.wait() == 130
        assert "first" in terminal.text


def test_what_a_model_thinks_stands_dim_before_the_answer(chatd: Daemon) -> None:
    with ask(chatd, "reasoning", "x y") as terminal:
        assert shown(terminal) == f"let me think\n\n{hash_reply('x y')}"
        assert b"\x1b[2m" in terminal.written
    with ask(chatd, "reasoning", "x y", "--think", "hide") as terminal:
        assert shown(terminal) == hash_reply("x y")


def test_only_the_last_block_can_change() -> None:
    source = "# a\n\nb\nc\n\n- d\n\n  e\n\n```\nf\n\n# g\n"
    assert markdown.blocks(source) == ["# a\n\n", "b\nc\n\n", "- d\n\n  e\n\n", "```\nf\n\n# g\n"]
    assert "".join(markdown.blocks(source)) == source
    for end in range(len(source)):
        assert "".join(markdown.blocks(source[:end])) == source[:end]


@pytest.mark.parametrize("name", ["rich", "markdown_it", "pygments"])
def test_off_a_terminal_nothing_of_it_is_loaded(chatd: Daemon, name: str) -> None:
    script = "import sys; from chat_cli import main; s = main.run(sys.argv[1:]); " + (
        f"sys.exit(any(m.split('.')[0] == {name!r} for m in sys.modules) or s)"
    )
    ran = run(
        [os.fspath(CHAT).replace("bin/chat", "bin/python"), "-c", script, "-0", "-m", "echo", "x"],
        env={"CHATD_SOCKET": str(chatd.socket)},
    )
    assert ran.status == 0, ran
