"""The asyncio client: a connection that ends is told of, whenever it ends."""

import asyncio
from pathlib import Path

import pytest

from chat_rpc import aio, errors, methods, wire


async def test_a_connection_that_is_refused_says_why(ram: Path) -> None:
    why = errors.TooManyConnections("too many", retry_after_ms=1000)
    connections = 0

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.write(wire.failure(None, why.fault()))
        writer.close()

    asked = methods.TurnStart(prompt="x", key="k")
    async with await asyncio.start_unix_server(refuse, ram / "s"), asyncio.timeout(10):
        with pytest.raises(errors.TooManyConnections):
            async for _ in aio.ask(ram / "s", asked):
                pass
    assert connections == 1


async def test_the_events_end_when_the_connection_does_right_after_the_answer(ram: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(wire.response(1, methods.Started(turn="t", chat="c", replayed=False)))
        writer.close()

    path = ram / "s"
    asked = methods.TurnStart(prompt="x", key="k")
    async with await asyncio.start_unix_server(answer, path), aio.connect(path) as client:
        turn = (await client.call(methods.START, asked)).turn
        for events in (client.chat_events(), client.events(turn)):
            with pytest.raises(errors.NotRunning):
                async with asyncio.timeout(10):
                    async for _ in events:
                        pass
