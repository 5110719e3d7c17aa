"""The error table: one class for each failure that a caller can act on.

RpcError
├─ protocol faults     ParseError  InvalidRequest  NoSuchMethod  InvalidParams  InternalError
├─ 1xxx the caller     NotPermitted  TooManyConnections  MessageTooLarge  Overloaded  Draining
│                      FeatureUnknown  KeyReused  TimedOut  InvalidSettings
├─ 2xxx what it names  NoSuchTurn  NoSuchChat  Expired  NotSent
├─ 3xxx the model side ServerUnreachable  ServerError  NotTheProtocol  CutOff  Stalled  NoSuchModel
│                      ContextTooLong  DemoDeclined
├─ 4xxx the store      StoreFull  Cancelled  StoreCorrupt
└─ 5xxx the checks     ChecksFailed  CheckError

`NotRunning`, `NotChatd`, `NoSuchFile` and `BadSettings` are the clients' own: there is nobody to
send a code.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from chat_rpc.shapes import Failure
from chat_rpc.wire import Fault


class RpcError(Exception):
    """A failure with a place in the table; `message` is for a person, without conversation text."""

    code: ClassVar[int] = -32603
    kind: ClassVar[str] = "internal error"
    exit: ClassVar[int] = 70
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, turn: str | None = None, retry_after_ms: int | None = None):
        super().__init__(message)
        self.message = message
        self.turn = turn
        self.retry_after_ms = retry_after_ms

    def fault(self) -> Fault:
        data: dict[str, Any] = {"kind": self.kind, "retryable": self.retryable}
        if self.retry_after_ms is not None:
            data["retry_after_ms"] = self.retry_after_ms
        if self.turn is not None:
            data["turn"] = self.turn
        return Fault(self.code, self.message, data)


class InternalError(RpcError):
    """A bug in chatd; its log has the traceback."""


class ParseError(RpcError):
    """The line is not JSON in UTF-8."""

    code, kind = -32700, "parse error"


class InvalidRequest(RpcError):
    """The line is JSON but not a JSON-RPC 2.0 request."""

    code, kind = -32600, "invalid request"


class NoSuchMethod(RpcError):
    """No method has this name; a newer client may know more methods than the daemon."""

    code, kind, exit = -32601, "no such method", 78


class InvalidParams(RpcError):
    """A parameter is missing, unknown, of the wrong type or out of range."""

    code, kind, exit = -32602, "invalid params", 65


class NotPermitted(RpcError):
    """This user may not call this."""

    code, kind, exit = 1001, "not permitted", 77


class TooManyConnections(RpcError):
    """This user, or all users together, hold as many connections as chatd allows."""

    code, kind, exit, retryable = 1003, "too many connections", 75, True


class MessageTooLarge(RpcError):
    """The line is longer than `system.limits` says; the connection is closed."""

    code, kind, exit = 1004, "message too large", 65


class Overloaded(RpcError):
    """Too much at once: of a connection, of a user, or for a model server, which said so."""

    code, kind, exit, retryable = 1005, "overloaded", 75, True


class Draining(RpcError):
    """chatd is stopping."""

    code, kind, exit, retryable = 1006, "draining", 75, True


class FeatureUnknown(RpcError):
    """This chatd is too old for what was asked."""

    code, kind, exit = 1008, "feature unknown", 78


class KeyReused(RpcError):
    """The key belongs to another request of this user."""

    code, kind, exit = 1009, "key reused for another request", 65


class TimedOut(RpcError):
    """The call took longer than it may."""

    code, kind, exit, retryable = 1010, "timed out", 124, True


class InvalidSettings(RpcError):
    """chatd.toml cannot be used; what was read before stays in force."""

    code, kind, exit = 1011, "invalid settings", 78


class NoSuchTurn(RpcError):
    """There is no such turn, or it is another user's: the answer is the same."""

    code, kind, exit = 2001, "no such turn", 66


class NoSuchChat(RpcError):
    """There is no such chat, or it is another user's: the answer is the same."""

    code, kind, exit = 2002, "no such chat", 66


class Expired(RpcError):
    """It was there, and its time is over."""

    code, kind, exit = 2003, "expired", 66


class NotSent(RpcError):
    """There is no such file, or it is another user's: the answer is the same."""

    code, kind, exit = 2004, "no such file", 66


class ServerUnreachable(RpcError):
    """The model server does not answer."""

    code, kind, exit, retryable = 3001, "model server unreachable", 69, True


class ServerError(RpcError):
    """The model server answered with an HTTP error, or reported one in the stream."""

    code, kind, exit, retryable = 3002, "model server error", 69, True


class NotTheProtocol(RpcError):
    """What answered does not speak the OpenAI protocol."""

    code, kind, exit = 3003, "not the protocol", 69


class CutOff(RpcError):
    """The reply is not whole: no finish reason came, or the token limit ended it."""

    code, kind, exit, retryable = 3004, "cut off", 4, True


class Stalled(RpcError):
    """The model server stopped sending tokens."""

    code, kind, exit, retryable = 3005, "stalled", 4, True


class NoSuchModel(RpcError):
    """No server that this user may use lists this model."""

    code, kind, exit = 3006, "no such model", 65


class ContextTooLong(RpcError):
    """The conversation is longer than the model's context."""

    code, kind, exit = 3007, "context too long", 65


class DemoDeclined(RpcError):
    """No model is there but the demo, and it declined."""

    code, kind, exit = 3008, "no model but the demo, which declined", 69


class StoreFull(RpcError):
    """The RAM store, or this user's share of it, is full."""

    code, kind, exit = 4001, "store full", 73


class Cancelled(RpcError):
    """The turn was cancelled."""

    code, kind, exit = 4002, "cancelled", 130


class StoreCorrupt(RpcError):
    """The turn's record is damaged; the others are not."""

    code, kind, exit = 4003, "store corrupt, turn quarantined", 70


class ChecksFailed(RpcError):
    """The reply failed a check."""

    code, kind, exit = 5001, "checks failed", 3


class CheckError(RpcError):
    """A check could not run, so nothing is known of the reply."""

    code, kind, exit = 5002, "a check could not run", 5


class NotRunning(RpcError):
    """chatd does not answer; never sent, only met by a client."""

    code, kind, exit, retryable = 0, "chatd is not running", 79, True


class NotChatd(RpcError):
    """What answers at chatd's socket is something else; never sent, only met by a client."""

    code, kind, exit = 0, "not chatd", 79


class NoSuchFile(RpcError):
    """A file that a person named cannot be read; never sent, only met by a client."""

    code, kind, exit = 0, "no such file", 66


class BadSettings(RpcError):
    """A person's own settings or template cannot be used; never sent, only met by a client."""

    code, kind, exit = 0, "bad settings", 78


def table() -> list[type[RpcError]]:
    """Return every error that may cross the wire, by code."""
    return sorted(_descendants(RpcError), key=lambda error: (error.code > 0, abs(error.code)))


def from_failure(failure: Failure, turn: str | None = None) -> RpcError:
    """Return the error that a turn ended with."""
    kind = _BY_CODE.get(failure.code, RpcError)
    return kind(failure.message, turn=turn, retry_after_ms=failure.retry_after_ms)


def is_retryable(code: int) -> bool:
    """Say whether what failed so may go well another time."""
    return _BY_CODE.get(code, RpcError).retryable


def from_fault(fault: Fault) -> RpcError:
    """Return the error that a fault on the wire stands for; an unknown code becomes an RpcError."""
    data = fault.data if isinstance(fault.data, dict) else {}
    kind = _BY_CODE.get(fault.code, RpcError)
    return kind(fault.message, turn=data.get("turn"), retry_after_ms=data.get("retry_after_ms"))


def _descendants(error: type[RpcError]) -> Iterator[type[RpcError]]:
    for child in error.__subclasses__():
        if child.code:
            yield child
        yield from _descendants(child)


_BY_CODE = {error.code: error for error in table()}
