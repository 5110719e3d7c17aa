"""Promise 6, at a real terminal: whatever others wrote, it shows text and stays as it was.

Model text, whole and each character by itself; names of models and files, titles, errors.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.harness import CHAT, Daemon, ModelServer, configured, ram_directory
from tests.hostile.attacks import ATTACKS
from tests.terminal import Terminal, fresh, state

from chat_rpc import methods

LINES = 50
# what `chat` itself may say to a terminal: colours, to a place, erase
OWN = re.compile(rb"\x1b\[[0-9;]*[mABCGHJK]|[\r\n\t]")
CONTROL = re.compile(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]")
HALVES = [text for name, text in ATTACKS.items() if "half" in name]


@pytest.fixture(scope="module")
def hostile() -> Iterator[Daemon]:
    """A daemon whose models have such names, as have its chats."""
    names = [text.replace(",", " ") for text in ATTACKS.values()]
    models = ",".join(["echo", "letters", "hostile-model", "echoing-400", *names])
    home = ram_directory()
    server = ModelServer("model_server", "--port", "0", "--script", "echo", "--models", models)
    daemon = Daemon(home, configured(("hostile", server))).start()
    with daemon.client() as client:
        for text in ATTACKS.values():
            said = [methods.Said("user", text), methods.Said("assistant", text)]
            client.call(methods.IMPORT, methods.Import(messages=said, title=text[:200]))
    yield daemon
    daemon.stop()
    server.close()
    shutil.rmtree(home)


def look(daemon: Daemon, *arguments: str, status: int = 0, shows: str = "") -> None:
    """Run `chat` at a terminal, and demand that the terminal is as it was, but for text."""
    with Terminal([CHAT, *arguments], env={"CHATD_SOCKET": str(daemon.socket)}, lines=LINES) as at:
        assert at.wait() == status, at.text
        assert shows in at.text, at.text
        now, plain = state(at.screen), fresh(lines=LINES)
        if "-0" in arguments and "--raw" not in arguments:  # Markdown is drawn with colours
            now["colours"] = plain["colours"]
        assert now == plain
        assert not at.answered
        assert not CONTROL.search(OWN.sub(b"", at.written)), at.written


@pytest.mark.parametrize("form", [[], ["--raw"]], ids=["as it is", "raw"])
@pytest.mark.parametrize("model", ["echo", "letters"])
def test_the_text_of_a_model(hostile: Daemon, model: str, form: list[str]) -> None:
    prompt = "\n\n".join([*ATTACKS.values(), "the end"])
    look(hostile, "-0", *form, "-m", model, "--", prompt, shows="the end")


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("before", ["", "**a** `", "```\n"], ids=["first", "in a line", "in code"])
def test_a_text_that_ends_in_half_a_sequence(hostile: Daemon, half: str, before: str) -> None:
    look(hostile, "-0", "-m", "letters", "--", f"a {before}{half}")


def test_a_model_that_calls_itself_so(hostile: Daemon) -> None:
    look(hostile, "-0", "-m", "hostile-model", "x", shows="answered by")


def test_a_list_of_such_models(hostile: Daemon) -> None:
    look(hostile, "models", shows="hostile")


def test_a_model_that_is_not_there(hostile: Daemon) -> None:
    name = "".join(ATTACKS.values())
    look(hostile, "-0", "-m", name, "x", status=65, shows="no model is called")


def test_a_server_that_quotes_the_prompt(hostile: Daemon) -> None:
    look(hostile, "-0", "-m", "echoing-400", "".join(ATTACKS.values()), status=69, shows="HTTP 400")


def test_a_list_of_chats_with_such_titles(hostile: Daemon) -> None:
    look(hostile, "list", "-n", "1000", shows="TITLE")


def test_a_search_in_them(hostile: Daemon) -> None:
    look(hostile, "search", "title", shows="TEXT")


@pytest.mark.parametrize("verb", [["show"], ["export"], ["rm"], ["undelete"], ["wipe", "-y"]])
def test_a_chat_that_is_called_so(hostile: Daemon, verb: list[str]) -> None:
    title = ATTACKS["clipboard"]
    look(hostile, *verb, title)
    if verb[0] == "wipe":
        look(hostile, *verb, title, status=66, shows="no such")


def test_a_file_that_is_called_so(hostile: Daemon, tmp_path: Path) -> None:
    name = "".join(ATTACKS.values()).replace("/", " ")
    whole = name.encode()[:250].decode("utf-8", "ignore")
    (tmp_path / whole).write_text("text")
    look(hostile, "-0", "-m", "echo", "-f", str(tmp_path / whole), "read this")
    look(hostile, "show", shows="text/plain")
    look(
        hostile, "-0", "-f", str(tmp_path / f"no{whole[2:]}"), "x", status=66, shows="no such file"
    )


def test_arguments_that_are_wrong(hostile: Daemon) -> None:
    look(hostile, "list", f"--{ATTACKS['clear']}", status=2, shows="No such option")
