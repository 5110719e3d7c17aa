"""HTTP/1.1 by hand, for the fakes: enough to answer a client or to break off anywhere."""

import asyncio
import json
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

EVENT_STREAM = {"Content-Type": "text/event-stream"}
JSON = {"Content-Type": "application/json"}


class ClientGone(Exception):
    """The client closed its side before the answer was whole."""


@dataclass(frozen=True)
class Request:
    """One request; the names of its headers are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        """The body as a JSON object; empty when it is anything else."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


class Exchange:
    """One request and the pen to answer it with, rightly or wrongly."""

    def __init__(self, request: Request, writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
        self.request = request
        self.keeps_open = True
        self._writer = writer
        self._gone = gone
        self._is_chunked = False

    async def reply(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a whole answer; its length is added."""
        self._put_head(status, {**headers, "Content-Length": str(len(body))})
        self._writer.write(body)
        await self._drain()

    async def reply_json(
        self, status: int, value: object, headers: Mapping[str, str] = JSON
    ) -> None:
        """Send a whole answer in JSON."""
        await self.reply(status, json.dumps(value).encode(), headers)

    async def start(
        self, headers: Mapping[str, str], *, status: int = 200, is_chunked: bool = True
    ) -> None:
        """Open an answer of unknown length: in HTTP chunks, or ended by closing the connection."""
        self._is_chunked = is_chunked
        self.keeps_open = is_chunked
        framing = {"Transfer-Encoding": "chunked"} if is_chunked else {"Connection": "close"}
        self._put_head(status, {**headers, **framing})
        await self._drain()

    async def write(self, data: bytes) -> None:
        """Send some of an opened answer, as one chunk. Raises ClientGone."""
        if self._gone.is_set():
            raise ClientGone
        self._writer.write(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)
        await self._drain()

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are; unless an answer follows, the connection is closed after them."""
        self.keeps_open = False
        self._writer.write(data)
        await self._drain()

    def finish(self) -> None:
        """End an opened answer in the regular way."""
        if self._is_chunked:
            # not drained: a client that leaves on the last event has still got a whole answer
            self._writer.write(b"0\r\n\r\n")

    async def pause(self, delay_s: float) -> None:
        """Wait as a busy model does. Raises ClientGone as soon as the client leaves."""
        if delay_s <= 0:
            return
        try:
            async with asyncio.timeout(delay_s):
                await self._gone.wait()
        except TimeoutError:
            return
        raise ClientGone

    async def hang(self) -> None:
        """Say nothing more until the client leaves, then raise ClientGone."""
        await self._gone.wait()
        raise ClientGone

    def reset(self) -> None:
        """Break the connection off with a TCP reset."""
        self.keeps_open = False
        own_socket = self._writer.get_extra_info("socket")
        # no lingering: closing then sends RST, not FIN
        own_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def _put_head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())

    async def _drain(self) -> None:
        try:
            await self._writer.drain()
        except ConnectionError as exc:
            raise ClientGone from exc


class _NotHttp(Exception):
    """The client speaks something else; TLS, most likely."""


Handler = Callable[[Exchange], Awaitable[None]]


class _StdinClosed(Exception):
    """Whoever started this process wants it no more."""


class _WatchedReader(asyncio.StreamReader):
    """A stream that says that its peer is gone even while nobody reads from it."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = asyncio.Event()

    def feed_eof(self) -> None:
        super().feed_eof()
        self.gone.set()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self.gone.set()


async def serve(open_doors: Callable[[asyncio.TaskGroup], Awaitable[int]]) -> None:
    """Run what `open_doors` opens until stdin closes; `READY <port>` on stdout says where it is."""
    try:
        async with asyncio.TaskGroup() as conversations:
            port = await open_doors(conversations)
            sys.stdout.write(f"READY {port}\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.buffer.read)
            raise _StdinClosed
    except* _StdinClosed:
        pass


async def listen(conversations: asyncio.TaskGroup, handle: Handler, host: str, port: int) -> int:
    """Take connections on `port` (0: any), each a task of the group; return the port."""

    def connect() -> asyncio.StreamReaderProtocol:
        reader = _WatchedReader()

        def converse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            conversations.create_task(_converse(handle, reader, writer))

        return asyncio.StreamReaderProtocol(reader, converse)

    server = await asyncio.get_running_loop().create_server(connect, host, port)
    conversations.create_task(_keep_open(server))
    return int(server.sockets[0].getsockname()[1])


async def _keep_open(server: asyncio.Server) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        server.close()


async def _converse(handle: Handler, reader: _WatchedReader, writer: asyncio.StreamWriter) -> None:
    try:
        while (request := await _read_request(reader)) is not None:
            exchange = Exchange(request, writer, reader.gone)
            await handle(exchange)
            if not exchange.keeps_open:
                break
    except _NotHttp:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    except (ClientGone, ConnectionError):
        pass  # the peer went away; nothing is owed to it
    finally:
        writer.close()


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readexactly(1)
        if not head.isalpha():
            raise _NotHttp
        head += await reader.readuntil(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").rstrip().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    except asyncio.IncompleteReadError:
        return None
    method, target, _ = start.split(" ")
    url = urlsplit(target)
    return Request(method, url.path, dict(parse_qsl(url.query)), headers, body)
