"""HTTP under the openai client: what servers do with a connection, and what is made of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from chatd.backends.transport import BODY_BYTES, Address, Check, Transport

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Last(bytes):
    """An answer after which the server closes the connection."""


class Server:
    """Answers each request with the next of `answers`."""

    def __init__(self, *answers: bytes):
        self._answers = list(answers)
        self.connections = 0
        self.requests: list[bytes] = []
        self.closed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        answer = b""
        try:
            while not isinstance(answer, Last):
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                answer = self._answers.pop(0)
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has closed it
        finally:
            self.closed.set()
            writer.close()


@asynccontextmanager
async def asking(server: Server, check: Check | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a server on a port of its own."""
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    transport = Transport(unix_socket=None, check=check)
    async with httpx2.AsyncClient(
        transport=transport, base_url=f"http://127.0.0.1:{port}", timeout=5, trust_env=False
    ) as client:
        yield client
    listener.close()


async def test_a_connection_is_used_again() -> None:
    server = Server(HELLO, HELLO)
    async with asking(server) as client:
        assert [(await client.get("/")).text for _ in range(2)] == ["hello", "hello"]
    assert server.connections == 1


async def test_a_connection_that_was_closed_while_it_was_idle_is_made_anew() -> None:
    server = Server(Last(HELLO), HELLO)
    async with asking(server) as client:
        await client.get("/")
        await server.closed.wait()
        assert (await client.get("/")).text == "hello"
    assert server.connections == 2


async def test_a_request_that_is_lost_on_a_used_connection_is_sent_again() -> None:
    server = Server(HELLO, Last(), HELLO)
    async with asking(server) as client:
        assert [(await client.get("/")).text for _ in range(2)] == ["hello", "hello"]
    assert (server.connections, len(server.requests)) == (2, 3)


async def test_a_body_may_end_with_the_connection() -> None:
    async with asking(Server(Last(b"HTTP/1.0 200 OK\r\n\r\nhello"))) as client:
        assert (await client.get("/")).text == "hello"


async def test_what_only_announces_a_response_is_none() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    async with asking(Server(early + HELLO)) as client:
        response = await client.get("/")
    assert (response.status_code, response.text) == (200, "hello")
    assert "link" not in response.headers


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKED + b"5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"",
    ],
    ids=["chunks", "length", "head", "nothing"],
)
async def test_a_response_that_is_cut_off_is_an_error(answer: bytes) -> None:
    async with asking(Server(Last(answer))) as client:
        with pytest.raises(httpx2.ReadError):
            await client.get("/")


@pytest.mark.parametrize(
    "answer", [b"220 mail.example ESMTP\r\n\r\n", HELLO + HELLO, CHUNKED + b"zz\r\nhello\r\n"]
)
async def test_what_is_not_http_is_an_error(answer: bytes) -> None:
    async with asking(Server(Last(answer))) as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.get("/")


async def test_a_body_without_end_is_not_taken_into_memory() -> None:
    piece = b"%x\r\n%b\r\n" % (2**20, b"x" * 2**20)
    async with asking(Server(CHUNKED + piece * (BODY_BYTES // 2**20 + 1))) as client:
        with pytest.raises(httpx2.RemoteProtocolError, match="too long"):
            await client.get("/")


async def test_a_silent_server_is_not_waited_for() -> None:
    server = Server(CHUNKED)
    async with asking(server) as client:
        with pytest.raises(httpx2.ReadTimeout):
            await client.get("/", timeout=0.1)
        await server.closed.wait()


async def test_leaving_a_body_early_closes_the_connection() -> None:
    server = Server(CHUNKED + b"5\r\nhello\r\n")
    async with asking(server) as client:
        async with client.stream("GET", "/"):
            assert not server.closed.is_set()
        await server.closed.wait()


async def test_what_the_sink_raises_comes_out_where_the_body_is_poured() -> None:
    class Enough(Exception):
        pass

    def sink(data: bytes) -> None:
        raise Enough

    server = Server(CHUNKED + b"5\r\nhello\r\n")
    async with asking(server) as client:
        with pytest.raises(Enough):
            async with client.stream("GET", "/") as response:
                await response.extensions["body"].pour(sink)
        await server.closed.wait()


async def test_a_peer_that_is_refused_gets_no_byte() -> None:
    class Refused(Exception):
        pass

    def check(local: Address, remote: Address) -> None:
        assert remote[0] == "127.0.0.1"
        raise Refused

    server = Server(HELLO)
    async with asking(server, check) as client:
        with pytest.raises(Refused):
            await client.get("/")
        await server.closed.wait()
    assert not server.requests


async def test_a_server_may_listen_at_a_path(ram: Path) -> None:
    server = Server(HELLO)
    listener = await asyncio.start_unix_server(server.serve, ram / "s")
    transport = Transport(unix_socket=str(ram / "s"), check=None)
    async with httpx2.AsyncClient(transport=transport, timeout=5) as client:
        assert (await client.get("http://server/")).text == "hello"
    listener.close()
