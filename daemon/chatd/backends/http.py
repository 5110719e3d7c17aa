"""HTTP to model servers: no redirects, no proxies, and each connection's owner looked at first."""

import httpx2

from chatd.backends.transport import Check, Transport


class Refused(Exception):
    """Whoever listens there may not see this user's prompts; the message says why."""


def client(*, connect_s: float, unix_socket: str | None, check: Check | None) -> httpx2.AsyncClient:
    """Make a client; `check(local, remote)` raises Refused to have a new connection closed."""
    return httpx2.AsyncClient(
        transport=Transport(unix_socket=unix_socket, check=check),
        headers={"Accept-Encoding": "identity"},  # what `pour` gives is not decompressed
        timeout=httpx2.Timeout(None, connect=connect_s),
        follow_redirects=False,
        trust_env=False,  # a proxy from the environment would see the prompts
    )
