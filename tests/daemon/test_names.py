"""Names from the wire: whatever is in them, they have one right answer and never become a path."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct
from tests.conftest import StartDaemon
from tests.harness import Daemon, ModelServer, configured

from chat_rpc import errors, methods

LONG = "canary/" * 600
HOSTILE = (
    "..", ".", "/", "../canary", "/canary", "../../canary\0.txt", "canary\0", "%2e%2e%2fcanary",
    "\u2024\u2024/canary", "\uff0e\uff0e\uff0fcanary", "canary\n", "~/canary", "$(canary)", LONG,
)  # fmt: skip
STORE = re.compile(
    r"lock|epoch|reserve|session_\d+(/(journal(/\d{6}\.ndj)?|context(/[a-z2-7]{16}\.json)?"
    r"|files(/[a-z2-7]{16}\.(part|bin))?|(prompts|responses)(/[a-z2-7]{16}\.txt)?))?"
)


def of_turn(name: str) -> Iterator[tuple[str, Struct]]:
    """Yield every call that names a turn."""
    yield "turn.attach", methods.TurnAttach(turn=name)
    yield "turn.get", methods.TurnNamed(turn=name)
    yield "turn.start", methods.TurnStart(prompt="x", key="k", instead_of=name)
    yield "turn.cancel", methods.TurnNamed(turn=name)


def of_chat(name: str) -> Iterator[tuple[str, Struct]]:
    """Yield every call that names a chat."""
    for method in ("chat.get", "chat.delete", "chat.undelete", "chat.export"):
        yield method, methods.ChatNamed(chat=name)
    yield "chat.rename", methods.Rename(chat=name, title="t")
    yield "chat.keep", methods.Keep(chat=name, lifetime_s=60)
    yield "chat.fork", methods.Fork(chat=name)
    yield "chat.wipe", methods.Wipe(chat=name)
    yield "chat.watch", methods.Watch(chat=name)
    yield "chat.list", methods.Page(after=name)
    yield "turn.start", methods.TurnStart(prompt="x", key="k", chat=name)


def of_file(name: str) -> Iterator[tuple[str, Struct]]:
    """Yield every call that names a file."""
    yield "file.add", methods.FileAdd(data="", file=name)
    yield "turn.start", methods.TurnStart(prompt="x", key="k", files=[name])


@pytest.fixture
def traced(start_daemon: StartDaemon, scripted: ModelServer, ram: Path) -> Daemon:
    """A daemon of which every path that it gives to the kernel is noted."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    strace = ["strace", "-f", "-qq", "-s", "9000", "-e", "trace=%file", "-o", str(ram / "trace")]
    return start_daemon(configured(("scripted", scripted)), wrapper=strace)


def test_no_name_from_the_wire_becomes_a_path(traced: Daemon, ram: Path) -> None:
    with traced.client() as client:

        def refused(method: str, params: Struct) -> type[errors.RpcError]:
            with pytest.raises(errors.RpcError) as caught:
                client.call(methods.METHODS[method], params)
            return caught.type

        for number, name in enumerate(HOSTILE):
            too_long = errors.InvalidParams if len(name) > 64 else None
            for method, params in of_turn(name):
                assert refused(method, params) is (too_long or errors.NoSuchTurn)
            for method, params in of_chat(name):
                assert refused(method, params) is (too_long or errors.NoSuchChat)
            for method, params in of_file(name):
                assert refused(method, params) is (too_long or errors.NotSent)
            if not too_long:  # a title and a file's name may be anything: they are text
                named = methods.TurnStart(prompt="x", key=f"n{number}", name=name, model="no")
                client.call(methods.START, named)
                client.call(methods.FILE, methods.FileAdd(data="", name=name))
                client.call(methods.WIPE, methods.Wipe(all=True))
            asked = methods.TurnStart(prompt="x", key=f"m{number}", model=name, wait=True)
            assert refused("turn.start", asked) is errors.NoSuchModel
            if name.strip("."):  # dots are good in a key
                asked = methods.TurnStart(prompt="x", key=name)
                assert refused("turn.start", asked) is errors.InvalidParams
        for key in ("..", "."):
            client.call(
                methods.START, methods.TurnStart(prompt="x", key=key, model="hash", wait=True)
            )
    traced.stop()
    trace = (ram / "trace").read_text("utf-8", "replace")
    assert "000001.ndj" in trace, "the trace sees what is opened"
    assert "canary" not in trace
    for path in traced.store.rglob("*"):
        assert STORE.fullmatch(str(path.relative_to(traced.store))), path
