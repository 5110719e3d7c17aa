"""The API keys of configured servers: read from a file, told to that server and to nobody else."""

import os
from pathlib import Path

from chatd.config import Server

NONE = "none"  # the model client insists on one


class KeyFault(Exception):
    """The key cannot be used; the message says why and does not hold it."""


def read(server: Server) -> str:
    """Return the server's key, NONE if it needs none; raises KeyFault."""
    file = _file(server)
    if file is None:
        return NONE
    try:
        key = file.read_bytes().strip()
    except OSError as exc:
        raise KeyFault(f"its API key cannot be read: {exc.strerror}") from None
    if not key:
        raise KeyFault("its API key is empty")
    if not all(0x20 < byte < 0x7F for byte in key):
        raise KeyFault("its API key is not one word of ASCII")
    return key.decode("ascii")


def _file(server: Server) -> Path | None:
    if server.credential is None:
        return server.api_key_file
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if directory is None:
        raise KeyFault("its API key is a credential, and systemd has passed none")
    return Path(directory) / server.credential
