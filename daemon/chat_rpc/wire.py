"""One line of the wire: JSON-RPC 2.0 envelopes, encoded and decoded; no I/O and no meaning."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

Id: TypeAlias = int | float | str | None
NO_PARAMS = Raw(b"{}")


class Request(Struct):
    """A call; without an id it is a notification and is never answered."""

    jsonrpc: Literal["2.0"]
    method: str
    params: Raw = NO_PARAMS
    id: Id | UnsetType = UNSET


class Fault(Struct):
    """The `error` member of a response; `data` holds kind, retryable, retry_after_ms and turn."""

    code: int
    message: str
    data: Any = None


class Message(Struct):
    """What a client receives: a response (id, and result or error) or a notification (method)."""

    id: Id | UnsetType = UNSET
    result: Raw | UnsetType = UNSET
    error: Fault | None = None
    method: str | None = None
    params: Raw = NO_PARAMS


decode_request = msgspec.json.Decoder(Request).decode
decode_message = msgspec.json.Decoder(Message).decode
encode = msgspec.json.Encoder().encode


def batch_decoder(most: int) -> Callable[[bytes], list[Raw]]:
    """Return what decodes an array of 1 to so many requests; another one is an empty list.

    A `list[Raw]` would be made whole first: 4 MiB of `[],` are 90 MB, and half a second.
    """
    names = [f"request_{number}" for number in range(most)]
    batch = msgspec.defstruct(
        "Batch", [(name, Raw, None) for name in names], array_like=True, forbid_unknown_fields=True
    )
    decode = msgspec.json.Decoder(batch).decode

    def decode_batch(line: bytes) -> list[Raw]:
        try:
            requests = msgspec.structs.astuple(decode(line))
        except msgspec.ValidationError:  # at the first that is too many
            return []
        return [request for request in requests if request is not None]

    return decode_batch


def is_json(line: bytes) -> bool:
    """Say whether a line is JSON at all; nothing is made of it."""
    try:
        msgspec.json.decode(line, type=Raw)
        line.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def request(id_: int, method: str, params: object) -> bytes:
    return b'{"jsonrpc":"2.0","id":%d,"method":%b,"params":%b}\n' % (
        id_,
        encode(method),
        encode(params),
    )


def response(id_: Id, result: object) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}\n' % (encode(id_), encode(result))


def failure(id_: Id, fault: Fault) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}\n' % (encode(id_), encode(fault))


def notification(method: bytes, params: bytes) -> bytes:
    """Wrap params that are encoded already: the journal and the wire share one encoding."""
    return b'{"jsonrpc":"2.0","method":"%b","params":%b}\n' % (method, params)
