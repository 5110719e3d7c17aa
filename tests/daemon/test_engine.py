"""The engine: a supervised child that is there when needed, and never when not."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.fakes.gguf_models import write_counter, write_random
from tests.harness import is_alive

from chat_rpc import errors
from chatd.backends.engine import Engine
from chatd.backends.pieces import Finish, Piece, Text
from chatd.backends.server import ModelServer
from chatd.config import Engine as Settings

COUNT = "".join(f"{number} " for number in range(1000))


@pytest.fixture
async def engine(ram: Path) -> AsyncIterator[Engine]:
    write_counter(ram / "counter.gguf")
    engine = Engine(ram / "counter.gguf", 2048, ram / "e.sock", Settings())
    yield engine
    await engine.close()
    assert not engine.socket.exists()


@pytest.fixture
async def server(engine: Engine) -> AsyncIterator[ModelServer]:
    server = served_by(engine)
    yield server
    await server.close()


def served_by(engine: Engine) -> ModelServer:
    return ModelServer(
        "engine", "http://engine/v1", slots=4, connect_s=5, unix_socket=str(engine.socket)
    )


async def reply(server: ModelServer, **options: object) -> tuple[str, Finish]:
    texts: list[str] = []

    def take(piece: Piece) -> None:
        assert isinstance(piece, Text)
        texts.append(piece.text)

    finish = await server.reply("m", [{"role": "user", "content": "x"}], options, take)
    return "".join(texts), finish


async def test_eight_streams_on_four_slots_arrive_byte_by_byte(
    engine: Engine, server: ModelServer
) -> None:
    async with engine.running(), asyncio.TaskGroup() as group:
        asked = [group.create_task(reply(server, temperature=1.5)) for _ in range(8)]
    for task in asked:
        text, finish = task.result()
        assert text == COUNT
        assert finish.reason == "stop"
        assert finish.usage is not None
        assert finish.usage.completion_tokens == 1001


async def test_it_is_started_by_its_first_use_and_only_once(engine: Engine) -> None:
    assert not engine.is_running

    async def use() -> int:
        async with engine.running():
            assert engine._child is not None
            return engine._child.pid

    assert len(set(await asyncio.gather(*(use() for _ in range(5))))) == 1


async def test_a_dead_child_is_replaced_by_the_next_use(
    engine: Engine, server: ModelServer
) -> None:
    async with engine.running():
        assert engine._child is not None
        first = engine._child
        first.kill()
        await first.wait()
    async with engine.running():
        assert (await reply(server))[0] == COUNT
        assert engine._child.pid != first.pid


async def test_its_death_in_mid_reply_cuts_the_reply_off(
    engine: Engine, server: ModelServer
) -> None:
    async with engine.running():
        child = engine._child
        assert child is not None

        def take(piece: Piece) -> None:
            with suppress(ProcessLookupError):  # it is dead already
                child.kill()

        with pytest.raises(errors.CutOff):
            await server.reply("m", [{"role": "user", "content": "x"}], {}, take)


async def test_it_is_stopped_when_idle(ram: Path) -> None:
    write_counter(ram / "counter.gguf", 3)
    engine = Engine(ram / "counter.gguf", 512, ram / "e.sock", Settings(idle_s=0.05))
    async with engine.running():
        assert engine._child is not None
        child = engine._child
    async with asyncio.timeout(10):
        await child.wait()
    assert not engine.is_running
    await engine.close()


async def test_it_ends_when_its_parent_is_gone(engine: Engine) -> None:
    async with engine.running():
        child = engine._child
        assert child is not None
        assert child.stdin is not None
        child.stdin.close()  # what the kernel does when the daemon dies
        async with asyncio.timeout(10):
            assert await child.wait() == 0


async def test_it_is_closed_to_others_and_goes_first_when_memory_is_short(engine: Engine) -> None:
    async with engine.running():
        assert engine._child is not None
        process = Path(f"/proc/{engine._child.pid}")
        assert engine.socket.stat().st_mode & 0o077 == 0
        assert int((process / "oom_score_adj").read_text()) == 800
        # not dumpable: its files in /proc are root's, and nobody else may trace it
        assert (process / "environ").stat().st_uid == 0


async def test_a_broken_model_is_a_clear_failure(ram: Path) -> None:
    (ram / "broken.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    engine = Engine(ram / "broken.gguf", 512, ram / "e.sock", Settings())
    with pytest.raises(errors.ServerUnreachable, match="engine could not start"):
        async with engine.running():
            pass
    await engine.close()


async def test_dirty_text_gets_through_as_text(ram: Path) -> None:
    write_random(ram / "random.gguf")
    engine = Engine(ram / "random.gguf", 512, ram / "e.sock", Settings())
    server = served_by(engine)
    async with engine.running():
        text, _ = await reply(server, max_tokens=200, seed=1, ignore_eos=True)
    assert text
    text.encode()
    assert any(not char.isprintable() or char == "\ufffd" for char in text)
    await server.close()
    await engine.close()


async def test_a_child_that_ignores_the_end_is_killed(engine: Engine) -> None:
    async with engine.running():
        assert engine._child is not None
        pid = engine._child.pid
        os.kill(pid, signal.SIGSTOP)
    await engine.close()
    assert not is_alive(pid)
