"""The asyncio client: one connection, many calls and turns at once; for the web page and tests."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from chat_rpc import errors, methods, wire
from chat_rpc.client import RETRY_S, RETRY_STEP_S, TURN_EVENTS, TurnEvent

P = TypeVar("P", bound=msgspec.Struct)
R = TypeVar("R", bound=msgspec.Struct)

LINE_BYTES = 8 * 2**20  # twice what chatd takes, so that every answer fits
_decode_event = msgspec.json.Decoder(TurnEvent).decode


class Client:
    """A connection to chatd; made by `connect`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._reader = reader
        self._writer = writer
        self._last_id = 0
        self._waiting: dict[int, asyncio.Future[wire.Message]] = {}
        self._turns: dict[str, asyncio.Queue[TurnEvent | None]] = {}
        self._chats: asyncio.Queue[methods.ChatEvent | None] = asyncio.Queue()
        self.is_closed = False
        self._refused: wire.Fault | None = None

    async def call(self, method: methods.Method[P, R], params: P) -> R:
        """Call and return the result; raises the RpcError that chatd answers, or NotRunning."""
        if self.is_closed:
            raise self._why()
        self._last_id += 1
        answer = self._waiting[self._last_id] = asyncio.get_running_loop().create_future()
        self._writer.write(wire.request(self._last_id, method.name, params))
        with suppress(OSError):  # then the reader ends too, and `answer` with it
            await self._writer.drain()
        message = await answer
        if message.error is not None:
            raise errors.from_fault(message.error)
        return msgspec.json.decode(message.result or b"null", type=method.result)

    async def events(self, turn: str) -> AsyncIterator[TurnEvent]:
        """Yield the events of a turn that was started or attached here; ends after its End.

        Raises NotRunning when the connection is lost.
        """
        queue = self._queue(turn)
        while True:
            event = await queue.get()
            if event is None:
                raise errors.NotRunning("chatd closed the connection")
            yield event
            if isinstance(event, methods.End):
                self._turns.pop(turn, None)
                return

    async def chat_events(self) -> AsyncIterator[methods.ChatEvent]:
        """Yield what happens to the chats that are watched.

        Raises Overloaded when this reader was too slow, and must watch them again; NotRunning when
        the connection is lost.
        """
        while (event := await self._chats.get()) is not None:
            yield event
        if self.is_closed:
            raise errors.NotRunning("chatd closed the connection")
        raise errors.Overloaded("too slow to be told of all that happens to the chats")

    def _queue(self, turn: str) -> asyncio.Queue[TurnEvent | None]:
        queue = self._turns.get(turn)
        if queue is None:
            queue = self._turns[turn] = asyncio.Queue()
            if self.is_closed:
                queue.put_nowait(None)
        return queue

    async def _read(self) -> None:
        try:
            while line := await self._reader.readline():
                self._take(wire.decode_message(line))
        except (OSError, ValueError):
            pass  # lost, or a line longer than any of chatd's: either way this connection is over
        finally:
            self._end()

    def _take(self, message: wire.Message) -> None:
        if message.method is None and message.id is None and message.error is not None:
            self._refused = message.error  # and closes: a line too long, too many connections
        elif message.method is None:
            waiting = self._waiting.pop(message.id, None) if isinstance(message.id, int) else None
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
        elif message.method == "stream.lagged":
            self._chats.put_nowait(None)
        elif message.method == "chat.event":
            self._chats.put_nowait(msgspec.json.decode(message.params, type=methods.ChatEvent))
        elif message.method in TURN_EVENTS:
            event = _decode_event(message.params)
            self._queue(event.turn).put_nowait(event)

    def _why(self) -> errors.RpcError:
        if self._refused is not None:
            return errors.from_fault(self._refused)
        return errors.NotRunning("chatd closed the connection")

    def _end(self) -> None:
        self.is_closed = True
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(self._why())
        for queue in self._turns.values():
            queue.put_nowait(None)
        self._chats.put_nowait(None)


@asynccontextmanager
async def connect(path: Path) -> AsyncIterator[Client]:
    """Connect to the chatd at `path`; raises NotRunning."""
    try:
        reader, writer = await asyncio.open_unix_connection(os.fspath(path), limit=LINE_BYTES)
    except OSError as exc:
        raise errors.NotRunning(f"{path}: {exc.strerror or exc}") from exc
    client = Client(reader, writer)
    # no TaskGroup: it would wrap the caller's own exceptions into a group
    reading = asyncio.create_task(client._read())
    try:
        yield client
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        writer.close()


async def ask(
    path: Path, params: methods.TurnStart, *, retry_s: float = RETRY_S
) -> AsyncGenerator[methods.Started | TurnEvent]:
    """Ask, and yield Started and then the turn's events, the last of which is its End.

    A connection that is lost or refused is made anew, for `retry_s` before it raises: the
    key makes a second start harmless, and `attach` goes on after the last event.  Who leaves early
    closes the iterator (`contextlib.aclosing`), which closes the connection.
    """
    turn, seq = "", 0
    while True:
        async with _patiently(path, retry_s) as client:
            try:
                if turn:
                    await client.call(methods.ATTACH, methods.TurnAttach(turn=turn, after=seq))
                else:
                    started = await client.call(methods.START, params)
                    turn = started.turn
                    yield started
                async for event in client.events(turn):
                    if event.seq > seq:
                        seq = event.seq
                        yield event
                        if isinstance(event, methods.End):
                            return
            except (errors.NotRunning, errors.Draining):
                pass  # once more, with the next daemon


@asynccontextmanager
async def _patiently(path: Path, retry_s: float) -> AsyncIterator[Client]:
    """Connect, and where no chatd is there wait for the one that comes next."""
    loop = asyncio.get_running_loop()
    end = loop.time() + retry_s
    async with AsyncExitStack() as stack:
        client: Client | None = None
        while client is None:
            try:
                client = await stack.enter_async_context(connect(path))
            except errors.NotRunning as exc:
                if loop.time() > end:
                    raise errors.NotRunning(f"chatd ended and did not come back: {exc}") from exc
                await asyncio.sleep(RETRY_STEP_S)  # nothing tells when it comes
        yield client
