"""The asyncio client: a connection that ends is told of, whenever it ends."""

import asyncio
from pathlib import Path

import pytest

from chat_rpc import aio, errors, methods, wire


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
