"""Promise 7: a restart refuses no call and loses no turn; what runs is asked again."""

import asyncio
import os
import random
import signal
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.conftest import StartDaemon, StartServer
from tests.fakes.scripts import hash_reply
from tests.harness import Daemon, configured

from chat_rpc import aio, errors, methods
from chat_rpc.client import Client, TurnEvent, ask, patiently
from chatd.inference import MAX_ATTEMPTS

QUICK = "[limits]\nstop_s = 0.3\n"


def said(events: Iterable[methods.Started | TurnEvent]) -> tuple[str, methods.State]:
    """Return what a program would have that knows of no restart."""
    text = ""
    for event in events:
        if isinstance(event, methods.Event) and event.kind == "attempt":
            text = ""
        elif isinstance(event, methods.Delta):
            text += event.text
        elif isinstance(event, methods.End):
            return text, event.ending.state
    raise AssertionError("no end")


def ask_blocking(daemon: Daemon, params: methods.TurnStart) -> tuple[str, methods.State]:
    clients: list[Client] = []

    def connect() -> Client:
        clients.append(patiently(lambda: Client(daemon.socket)))
        return clients[-1]

    try:
        return said(ask(connect, params))
    finally:
        clients[-1].close()


def ask_by_asyncio(daemon: Daemon, params: methods.TurnStart) -> tuple[str, methods.State]:
    async def events() -> list[methods.Started | TurnEvent]:
        return [event async for event in aio.ask(daemon.socket, params)]

    return said(asyncio.run(events()))


def terminate(daemon: Daemon) -> None:
    """Stop it as an administrator does, and start it again."""
    assert daemon._process is not None
    daemon._process.send_signal(signal.SIGTERM)
    assert daemon._process.wait(10) == 0
    daemon.start()


def test_callers_see_no_failure_through_restarts_and_kills(
    start_daemon: StartDaemon, start_server: StartServer
) -> None:
    server = start_server("--delay-s", "0.005", "--tokens", "40")
    daemon = start_daemon(configured(("scripted", server), extra=QUICK))
    is_over = threading.Event()
    chance = random.Random(7)

    def work(worker: int) -> int:
        count = 0
        while not is_over.is_set():
            model = "slow" if count % 3 == 0 else "hash"
            params = methods.TurnStart(
                prompt=f"{worker}.{count}", key=f"{worker}.{count}", model=model
            )
            text, state = (ask_by_asyncio if worker % 2 else ask_blocking)(daemon, params)
            assert state == "done"
            if model == "hash":
                assert text == hash_reply(params.prompt)
            else:
                assert len(text.split()) == 40
            count += 1
        return count

    with ThreadPoolExecutor(8) as pool:
        workers = [pool.submit(work, number) for number in range(8)]
        for life in range(6):
            is_over.wait(chance.uniform(0.2, 0.8))
            if life % 2:
                daemon.kill()
                daemon.start()
            else:
                terminate(daemon)
        is_over.set()
        counts = [worker.result() for worker in workers]
    assert min(counts) > 0
    with daemon.client() as client:
        status = client.call(methods.STATUS, methods.Nothing())
        assert status.turns == sum(counts), "one key made one turn"
        assert (status.running, status.queued) == (0, 0)


async def test_a_turn_that_is_not_done_is_asked_again_by_the_next_daemon(
    start_daemon: StartDaemon, start_server: StartServer
) -> None:
    server = start_server("--delay-s", "0.05", "--tokens", "20")
    daemon = start_daemon(configured(("scripted", server), extra=QUICK))
    async with aio.connect(daemon.socket) as client:
        asked = methods.TurnStart(prompt="x", key="k", model="slow")
        turn = (await client.call(methods.START, asked)).turn
        async for event in client.events(turn):
            if isinstance(event, methods.Delta):
                break
    await asyncio.to_thread(terminate, daemon)
    async with aio.connect(daemon.socket) as client:
        again = await client.call(methods.START, methods.TurnStart(
            prompt="x", key="k", model="slow", wait=True))  # fmt: skip
        assert (again.turn, again.replayed) == (turn, True)
        assert again.reply is not None
        assert again.reply.attempts == 2
        assert len(again.reply.text.split()) == 20


async def test_a_turn_that_ends_daemons_is_given_up(
    start_daemon: StartDaemon, start_server: StartServer
) -> None:
    server = start_server()
    daemon = start_daemon(configured(("scripted", server)))
    async with aio.connect(daemon.socket) as client:
        asked = methods.TurnStart(prompt="x", key="k", model="stall")
        turn = (await client.call(methods.START, asked)).turn
    for life in range(MAX_ATTEMPTS):
        async with aio.connect(daemon.socket) as client:
            await client.call(methods.ATTACH, methods.TurnAttach(turn=turn))
            async for event in client.events(turn):
                if isinstance(event, methods.Event) and event.n == life + 1:
                    break
        daemon.kill()
        daemon.start()
    async with aio.connect(daemon.socket) as client:
        kept = await client.call(methods.GET, methods.TurnGet(turn=turn))
    assert kept.state == "interrupted"


async def test_a_call_that_waits_is_told_to_come_again(
    start_daemon: StartDaemon, start_server: StartServer
) -> None:
    server = start_server()
    daemon = start_daemon(configured(("scripted", server), extra=QUICK))
    async with aio.connect(daemon.socket) as client:
        asked = methods.TurnStart(prompt="x", key="k", model="stall", wait=True)
        calling = asyncio.ensure_future(client.call(methods.START, asked))
        await asyncio.to_thread(server.counts, open_streams=1)
        assert daemon._process is not None
        daemon._process.send_signal(signal.SIGTERM)
        with pytest.raises(errors.Draining) as failure:
            async with asyncio.timeout(10):
                await calling
        assert failure.value.turn is not None
    assert await asyncio.to_thread(daemon._process.wait, 10) == 0
    daemon._process = None


async def test_a_cancel_while_chatd_stops_is_kept(
    start_daemon: StartDaemon, start_server: StartServer
) -> None:
    server = start_server("--delay-s", "0.1", "--tokens", "200")
    daemon = start_daemon(configured(("scripted", server)))
    async with aio.connect(daemon.socket) as client, aio.connect(daemon.socket) as late:
        asked = methods.TurnStart(prompt="x", key="k", model="slow")
        turn = (await client.call(methods.START, asked)).turn
        async for event in client.events(turn):
            if isinstance(event, methods.Delta):
                break
        os.kill(daemon.pid, signal.SIGTERM)
        cancelled = await late.call(methods.CANCEL, methods.TurnNamed(turn=turn))
        assert cancelled.cancelled
    assert daemon._process is not None
    await asyncio.to_thread(daemon._process.wait, 10)
    daemon.start()
    async with aio.connect(daemon.socket) as client:
        kept = await client.call(methods.GET, methods.TurnGet(turn=turn))
        assert (kept.state, kept.attempts) == ("cancelled", 1)


async def test_what_was_sent_before_the_end_is_answered(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    with daemon.client() as client:
        os.kill(daemon.pid, signal.SIGSTOP)
        ids = [client.send(methods.PING, methods.Nothing()) for _ in range(50)]
        os.kill(daemon.pid, signal.SIGTERM)
        os.kill(daemon.pid, signal.SIGCONT)
        assert all(client.receive(methods.PING, id_).pong for id_ in ids)
    assert daemon._process is not None
    assert daemon._process.wait(10) == 0
    daemon._process = None
