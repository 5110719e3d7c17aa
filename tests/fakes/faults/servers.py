"""Faults of an address: what chatd.toml may name that is no model server at all."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class ServerFault:
    """`url` has the port of the scripted server, or of nobody, to be filled in."""

    is_: str
    url: str
    exit: int
    says: str


SERVERS: Final = {
    "refused": ServerFault(
        "a port where nothing listens", "http://127.0.0.1:{nobody}/v1", 69, "nothing listens there"
    ),
    "unknown-host": ServerFault(
        "a host that no name server knows", "http://no-such-host.invalid/v1", 69, "is not known"
    ),
    "no-tls": ServerFault(
        "`https` where `http` is spoken", "https://127.0.0.1:{port}/v1", 69, "does not speak TLS"
    ),
    "wrong-path": ServerFault(
        "another path of the server", "http://127.0.0.1:{port}/v2", 69, "lists no models"
    ),
}
