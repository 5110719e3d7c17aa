"""HTTP to model servers: no redirects, no proxies, and each connection's owner looked at first."""

import socket
from collections.abc import Callable
from typing import Any

import httpx2

# else uvloop takes in one go all that the kernel holds, which is 6 MB of a fast server
RECEIVED_BYTES = 2**18

Check = Callable[[tuple[str, int], tuple[str, int]], None]


class Refused(Exception):
    """Whoever listens there may not see this user's prompts; the message says why."""


def client(*, connect_s: float, unix_socket: str | None, check: Check | None) -> httpx2.AsyncClient:
    """Make a client; `check(local, remote)` runs on each new TCP connection, before its first byte.

    It raises Refused to have the connection closed.
    """
    transport: httpx2.AsyncBaseTransport = httpx2.AsyncHTTPTransport(
        uds=unix_socket,
        trust_env=False,
        limits=httpx2.Limits(max_connections=None),
        socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED_BYTES)],
    )
    return httpx2.AsyncClient(
        transport=transport if check is None else _Checked(transport, check),
        timeout=httpx2.Timeout(None, connect=connect_s),
        follow_redirects=False,
        trust_env=False,  # a proxy from the environment would see the prompts
    )


class _Checked(httpx2.AsyncBaseTransport):
    """Runs a check when a connection was made, by httpcore's `trace` extension."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, check: Check):
        self._inner = inner
        self._check = check

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.extensions = {**request.extensions, "trace": self._trace}
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _trace(self, event: str, info: dict[str, Any]) -> None:  # Any: httpcore's own shape
        if event != "connection.connect_tcp.complete":
            return
        stream = info["return_value"]
        try:
            self._check(stream.get_extra_info("client_addr"), stream.get_extra_info("server_addr"))
        except Refused:
            await stream.aclose()
            raise
