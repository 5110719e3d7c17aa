"""HTTP/1.1 under the openai client: what a read brings is used at once, without a task's wake-up.

httpx2's own transport takes half of what a token costs when tokens come one by one
(docs/design.md, "What was measured").  llhttp, by httptools, parses here.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import cast

import httptools
import httpx2

BODY_BYTES = 8 * 2**20  # of a response that is wanted whole
# else uvloop takes in one go all that the kernel holds, which is 6 MB of a fast server
RECEIVED_BYTES = 2**18

Address = tuple[str, int]
Check = Callable[[Address, Address], None]
Sink = Callable[[bytes], None]
Origin = tuple[bytes, bytes, int | None]


class Transport(httpx2.AsyncBaseTransport):
    """Keeps connections alive, and makes as many as there are requests at once.

    `check(local, remote)` runs on each new TCP connection before its first byte; what it raises
    closes the connection and reaches the caller.  A response has its `Body` in `extensions`.
    """

    def __init__(self, *, unix_socket: str | None, check: Check | None):
        self._unix_socket = unix_socket
        self._check = check
        self._idle: dict[Origin, list[_Connection]] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and return the head of its response."""
        message = _head(request) + await request.aread()
        timeouts = request.extensions.get("timeout", {})
        origin = (request.url.raw_scheme, request.url.raw_host, request.url.port)
        idle = self._idle.setdefault(origin, [])
        if idle:
            with suppress(httpx2.ReadError):  # closed while it was idle: once more, on a new one
                return await idle.pop().exchange(message, idle, timeouts.get("read"))
        connection = await self._open(request, timeouts.get("connect"))
        return await connection.exchange(message, idle, timeouts.get("read"))

    async def aclose(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.close()

    async def _open(self, request: httpx2.Request, timeout_s: float | None) -> "_Connection":
        try:
            async with asyncio.timeout(timeout_s):
                connection = await self._connect(request.url)
        except TimeoutError as exc:
            raise httpx2.ConnectTimeout("no connection", request=request) from exc
        except OSError as exc:
            raise httpx2.ConnectError(str(exc), request=request) from exc
        if self._check is not None:
            try:
                self._check(*connection.addresses())
            except BaseException:
                connection.close()
                raise
        return connection

    async def _connect(self, url: httpx2.URL) -> "_Connection":
        loop = asyncio.get_running_loop()
        if self._unix_socket is not None:
            _, connection = await loop.create_unix_connection(_Connection, self._unix_socket)
        elif url.scheme == "https":
            secure = ssl.create_default_context()
            _, connection = await loop.create_connection(
                _Connection, url.host, url.port or 443, ssl=secure
            )
        else:
            _, connection = await loop.create_connection(_Connection, url.host, url.port or 80)
        return connection


class Body(httpx2.AsyncByteStream):
    """A response's body.  Closing it early closes the connection, which frees the server's slot."""

    def __init__(self, connection: "_Connection", response: "_Response", timeout_s: float | None):
        self._connection = connection
        self._response = response
        self._timeout_s = timeout_s

    async def pour(self, sink: Sink) -> None:
        """Give `sink` what comes, as it comes, to the end; raises also what `sink` raised."""
        async with asyncio.timeout(self._timeout_s):
            await self._response.pour(sink)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the body whole."""
        body = bytearray()

        def add(data: bytes) -> None:
            body.extend(data)
            if len(body) > BODY_BYTES:
                raise httpx2.RemoteProtocolError("the response is too long")

        try:
            await self.pour(add)
        except TimeoutError as exc:
            raise httpx2.ReadTimeout("the response does not end") from exc
        yield bytes(body)

    async def aclose(self) -> None:
        self._connection.release()


class _Connection(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._response = _Response()
        self._idle: list[_Connection] = []

    def addresses(self) -> tuple[Address, Address]:
        assert self._transport is not None  # noqa: S101  # called when it was made
        name = self._transport.get_extra_info
        return name("sockname"), name("peername")

    async def exchange(
        self, message: bytes, idle: list["_Connection"], timeout_s: float | None
    ) -> httpx2.Response:
        """Send a request and wait for the head of the response; comes to `idle` after its end."""
        if self._transport is None:
            raise httpx2.ReadError("the server closed the connection")
        self._response = response = _Response()
        self._idle = idle
        self._transport.write(message)
        try:
            async with asyncio.timeout(timeout_s):
                await response.head()
        except TimeoutError as exc:
            self.close()
            raise httpx2.ReadTimeout("the server is silent") from exc
        except BaseException:
            self.close()
            raise
        body = Body(self, response, timeout_s)
        return httpx2.Response(
            response.status, headers=response.headers, stream=body, extensions={"body": body}
        )

    def release(self) -> None:
        """Keep the connection for the next request, or close it if it is in the middle of this."""
        if self._response.is_whole and self._response.keeps_alive and self._transport is not None:
            self._idle.append(self)
        else:
            self.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # a stream's, but uvloop's is no subclass
        self._transport = cast(asyncio.Transport, transport)
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED_BYTES)

    def data_received(self, data: bytes) -> None:
        self._response.feed(data)
        if self._response.failure is not None:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        with suppress(ValueError):
            self._idle.remove(self)
        self._response.end()


class _Response:
    """A response while it comes; httptools calls the `on_` methods."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.keeps_alive = False
        self.is_whole = False
        self.failure: Exception | None = None
        self._has_head = False
        self._ends_with_connection = False
        self._pieces: list[bytes] = []
        self._sink: Sink | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._parser = httptools.HttpResponseParser(self)

    async def head(self) -> None:
        """Wait for status and headers."""
        while not self._has_head:
            await self._news()

    async def pour(self, sink: Sink) -> None:
        """Give the body to `sink` until it is whole."""
        self._sink = sink
        try:
            self._pass_on()  # what came with the head
            while not self.is_whole:
                await self._news()
            if self.failure is not None:
                raise self.failure
        finally:
            self._sink = None

    def feed(self, data: bytes) -> None:
        """Take what a read has brought."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.failure = httpx2.RemoteProtocolError("this is not HTTP")
        try:
            self._pass_on()  # also what came before a fault
        except Exception as exc:  # noqa: BLE001  # the sink's: it is raised where `pour` waits
            self.failure = exc
        if self.is_whole or self.failure is not None:
            self._wake()

    def end(self) -> None:
        """The connection is gone: for some responses that is their end, for others a failure."""
        self.is_whole = self.is_whole or self._ends_with_connection
        if not self.is_whole and self.failure is None:
            self.failure = httpx2.ReadError("the server closed the connection")
        self._wake()

    def on_message_begin(self) -> None:
        if self.is_whole:
            self.failure = httpx2.RemoteProtocolError("there was no request for this response")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 200:
            self.headers.clear()  # of what only announces the response
            return
        self.keeps_alive = self._parser.should_keep_alive()
        names = {name.lower() for name, _ in self.headers}
        self._ends_with_connection = not names & {b"content-length", b"transfer-encoding"}
        self._has_head = True
        self._wake()

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self.is_whole = self._has_head

    def _pass_on(self) -> None:
        if self._sink is not None and self._pieces:
            body, self._pieces = b"".join(self._pieces), []
            self._sink(body)

    async def _news(self) -> None:
        """Wait until the state is another; raises what went wrong."""
        if self.failure is not None:
            raise self.failure
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _head(request: httpx2.Request) -> bytes:
    line = b"%b %b HTTP/1.1\r\n" % (request.method.encode("ascii"), request.url.raw_path)
    fields = [b"%b: %b\r\n" % field for field in request.headers.raw]
    return b"".join([line, *fields, b"\r\n"])
