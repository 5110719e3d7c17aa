"""What chatd tells a user of itself: prompts, its log, the servers; never anything of another's."""

import logging
import os
import re
from collections.abc import AsyncIterator

import pytest
from tests.conftest import StartDaemon
from tests.fakes.scripts import hash_reply
from tests.harness import Daemon, ModelServer, configured

from chat_rpc import aio, errors, methods
from chatd import logs, ring

NOBODY = 54321


@pytest.fixture
async def client(chatd: Daemon) -> AsyncIterator[aio.Client]:
    async with aio.connect(chatd.socket) as client:
        yield client


async def ask(client: aio.Client, prompt: str = "", **how: object) -> methods.Turn:
    """Have a whole turn."""
    asked = {"prompt": prompt, "key": os.urandom(8).hex(), "model": "hash", "wait": True, **how}
    started = await client.call(methods.START, methods.TurnStart(**asked))  # type: ignore[arg-type]  # passed through
    assert started.reply is not None
    return started.reply


async def prompts(client: aio.Client, limit: int = 10) -> list[str]:
    return (await client.call(methods.PROMPTS, methods.Recent(limit=limit))).prompts


# -- prompts ---------------------------------------------------------------------------------------


async def test_prompts_come_newest_first_and_each_once(chatd: Daemon) -> None:
    async with aio.connect(chatd.socket) as client:
        await ask(client, "one", data="piped")
        two = await ask(client, "two")
        await ask(client, "one")
        await ask(client, data="only piped")
        await ask(client, instead_of=two.turn)
        await ask(client, "x" * 5000)
    chatd.kill()
    chatd.start()
    async with aio.connect(chatd.socket) as client:
        assert await prompts(client) == ["two", "one"]
        assert await prompts(client, 1) == ["two"]


async def test_prompts_of_a_chat_that_was_deleted_or_wiped_are_not_told(client: aio.Client) -> None:
    deleted, wiped = await ask(client, "one"), await ask(client, "two")
    await ask(client, "three")
    await client.call(methods.DELETE, methods.ChatNamed(chat=deleted.chat))
    await client.call(methods.WIPE, methods.Wipe(chat=wiped.chat))
    assert await prompts(client) == ["three"]
    await client.call(methods.UNDELETE, methods.ChatNamed(chat=deleted.chat))
    assert await prompts(client) == ["three", "one"]


async def test_the_prompt_of_a_turn_that_runs_is_told(client: aio.Client) -> None:
    asked = methods.TurnStart(prompt="one", key="k", model="stall")
    turn = (await client.call(methods.START, asked)).turn
    assert await prompts(client) == ["one"]
    await client.call(methods.CANCEL, methods.TurnNamed(turn=turn))


# -- the log ---------------------------------------------------------------------------------------


async def test_the_log_tells_of_the_callers_turns_and_no_word_of_them(client: aio.Client) -> None:
    turn = await ask(client, "canary")
    page = await client.call(methods.LOGS, methods.Logs())
    assert any(turn.turn in line.message and line.level == "INFO" for line in page.lines)
    assert not any(
        word in line.message for line in page.lines for word in ("canary", hash_reply("canary"))
    )


async def test_the_log_goes_on_after_the_last_line_that_is_known(client: aio.Client) -> None:
    await ask(client, "one")
    page = await client.call(methods.LOGS, methods.Logs())
    assert page.last == page.lines[-1].n
    assert (await client.call(methods.LOGS, methods.Logs(after=page.last))).lines == []
    turn = await ask(client, "two")
    more = (await client.call(methods.LOGS, methods.Logs(after=page.last))).lines
    assert more
    assert all(line.n > page.last for line in more)
    assert turn.turn in more[-1].message
    first = await client.call(methods.LOGS, methods.Logs(limit=1))
    assert (first.lines[0].n, first.last) == (1, 1)


async def test_after_a_restart_the_log_is_told_from_its_beginning(chatd: Daemon) -> None:
    async with aio.connect(chatd.socket) as client:
        for number in range(5):
            await ask(client, str(number))
        last = (await client.call(methods.LOGS, methods.Logs())).last
    chatd.kill()
    chatd.start()
    async with aio.connect(chatd.socket) as client:
        page = await client.call(methods.LOGS, methods.Logs(after=last))
        assert 0 < page.last < last
        assert page.lines[0].n == 1


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
async def test_the_log_tells_a_user_nothing_of_another(
    start_daemon: StartDaemon, scripted: ModelServer
) -> None:
    daemon = start_daemon(configured(("scripted", scripted)))
    async with aio.connect(daemon.socket) as client:
        for number in range(3):
            await ask(client, str(number))
    daemon.home.parent.chmod(0o711)
    daemon.home.chmod(0o711)
    daemon.socket.chmod(0o666)
    os.seteuid(NOBODY)
    try:
        other = aio.connect(daemon.socket)
        client = await other.__aenter__()
    finally:
        os.seteuid(0)
    assert (await client.call(methods.LOGS, methods.Logs())) == methods.LogPage([], 0)
    turn = await ask(client, "x", model="hash")
    lines = (await client.call(methods.LOGS, methods.Logs())).lines
    assert [line.n for line in lines] == list(range(1, len(lines) + 1))
    assert all(turn.turn in line.message for line in lines)
    await other.__aexit__(None, None, None)


def test_the_log_keeps_the_last_lines_of_each_user_and_what_a_bug_is_but_not_its_words() -> None:
    kept = ring.Ring()
    kept.setFormatter(logs.TextFreeFormatter())
    log = logging.getLogger("chatd.test")
    log.propagate = False
    log.addHandler(kept)
    log.setLevel("INFO")
    for number in range(ring.KEPT + 10):
        log.info("line %d", number, extra={"uid": 1})
    log.info("of nobody")
    try:
        raise KeyError("".join(["can", "ary"]))
    except KeyError:
        log.exception("a bug", extra={"uid": 2})
    log.removeHandler(kept)
    page = kept.page(1, 0, 2 * ring.KEPT)
    assert (len(page.lines), page.lines[0].message, page.last) == (
        ring.KEPT,
        "line 10",
        ring.KEPT + 10,
    )
    (bug,) = kept.page(2, 0, 10).lines
    assert (bug.n, bug.level) == (1, "ERROR")
    assert re.search(r"a bug\n(.*\n)*.*builtins.KeyError", bug.message)
    assert "canary" not in bug.message


# -- the servers -----------------------------------------------------------------------------------


async def test_status_tells_of_each_server_how_busy_it_is_and_what_waits_for_it(
    start_daemon: StartDaemon, scripted: ModelServer
) -> None:
    daemon = start_daemon(configured(("scripted", scripted), slots=1))
    async with aio.connect(daemon.socket) as client:

        async def servers() -> list[methods.ServerStatus]:
            return (await client.call(methods.STATUS, methods.Nothing())).servers

        idle = methods.ServerStatus(backend="scripted", url=scripted.url, slots=1, busy=0, queued=0)
        assert await servers() == [idle]
        started = []
        for number in range(3):
            asked = methods.TurnStart(prompt="x", key=f"k{number}", model="stall")
            started.append((await client.call(methods.START, asked)).turn)
        async for event in client.events(started[2]):
            if isinstance(event, methods.Event) and event.kind == "queued":
                break
        (server,) = await servers()
        assert (server.busy, server.queued) == (1, 2)
        for turn in reversed(started):
            await client.call(methods.CANCEL, methods.TurnNamed(turn=turn))
        assert await servers() == [idle]


async def test_status_asks_no_server_and_waits_for_none(start_daemon: StartDaemon) -> None:
    extra = '[[servers]]\nname = "far"\nurl = "http://192.0.2.1:9/v1/"\n'
    daemon = start_daemon(f"[finding]\nenabled = false\n{extra}")
    async with aio.connect(daemon.socket) as client:
        (server,) = (await client.call(methods.STATUS, methods.Nothing())).servers
        assert (server.backend, server.url) == ("far", "http://192.0.2.1:9/v1")
        with pytest.raises(errors.InvalidParams):
            await client.call(methods.LOGS, methods.Logs(limit=0))
