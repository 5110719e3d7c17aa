"""One line in, one answer out: decoding, the call, and the boundary where every failure ends."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import cache
from types import CoroutineType
from typing import Protocol

import msgspec
from msgspec import UNSET, Raw, Struct

from chat_rpc import errors, methods, wire
from chatd.boundary import boundary, stopped
from chatd.handlers import Answer, Handler, Waiting
from chatd.handlers.context import Context, Peer, Then

log = logging.getLogger(__name__)

Reply = Callable[[bytes | None], object]

ARRAY = ord("[")
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

decode_request = wire.decode_request


class Caller(Peer, Protocol):
    """A connection: it sends lines, and counts the requests that it still has to answer."""

    unanswered: int

    def begin_request(self) -> None: ...

    def end_request(self) -> None: ...

    def send(self, line: bytes) -> None: ...

    def reply(self, answer: bytes | None) -> None: ...


class Dispatcher:
    """Calls the handler that a line names, and sends its answer."""

    def __init__(self, handlers: Mapping[str, Handler], context: Context, tasks: asyncio.TaskGroup):
        self._context = context
        self._tasks = tasks
        self._unanswered = context.limits.unanswered_requests
        self._decode_batch = wire.batch_decoder(self._unanswered)
        self._methods = {
            name: (handler, msgspec.json.Decoder(methods.METHODS[name].params).decode)
            for name, handler in handlers.items()
        }

    def receive(self, line: bytes, caller: Caller) -> None:
        """Handle one line; the answer is sent before this returns unless a method must wait."""
        if line[0] != ARRAY and line.lstrip()[:1] != b"[":
            self._request(line, caller, caller.reply)
            return
        try:
            if not wire.is_json(line):
                raise errors.ParseError("the line is not JSON in UTF-8")
            if not (requests := self._decode_batch(line)):
                raise errors.InvalidRequest(f"a batch has 1 to {self._unanswered} requests")
        except errors.RpcError as exc:
            caller.send(wire.failure(None, exc.fault()))
            return
        batch = Batch(caller, len(requests))
        for request in requests:
            self._request(bytes(request), caller, batch.add)

    def _request(self, line: bytes, caller: Caller, reply: Reply) -> None:
        """Handle one request; `reply` gets its answer, or None for a notification, once."""
        id_: wire.Id = None
        method = ""
        try:
            try:
                if not line.isascii():
                    line.decode()  # the decoder passes over what it does not use, whatever it is
                request = decode_request(line)
            except UNDECODABLE:
                raise _malformed(line) from None
            if request.id is UNSET:
                reply = _hushed(reply)
            else:
                id_ = request.id
            method = request.method
            answer = self._call(request, caller)
        except Exception as exc:  # noqa: BLE001  # see boundary
            error = stopped(exc, log, "a request", method=method, uid=caller.uid)
            reply(wire.failure(id_, error.fault()))
            return
        if isinstance(answer, CoroutineType):
            caller.begin_request()
            self._tasks.create_task(_wait(id_, method, answer, caller, reply))
        else:
            _answer(id_, answer, reply)  # type: ignore[arg-type]  # every Coroutine here is of that type

    def _call(self, request: wire.Request, caller: Caller) -> Answer | Waiting:
        try:
            handler, decode = self._methods[request.method]
        except KeyError:
            raise errors.NoSuchMethod("there is no such method") from None
        if caller.unanswered >= self._unanswered:
            raise errors.Overloaded("too many requests are unanswered", retry_after_ms=100)
        try:
            params = decode(request.params)
        except UNDECODABLE as exc:
            if not bytes(request.params).startswith(b"["):
                raise errors.InvalidParams(_place(exc)) from exc
            params = _by_position(methods.METHODS[request.method].params, request.params)
        return handler(self._context, caller, params)


class Batch:
    """The answers of a batch, sent as one line when all are there."""

    def __init__(self, caller: Caller, size: int):
        self._caller = caller
        self._left = size
        self._answers: list[bytes] = []

    def add(self, answer: bytes | None) -> None:
        self._left -= 1
        if answer is not None:
            self._answers.append(answer.rstrip())
        if not self._left and self._answers:
            self._caller.send(b"[%b]\n" % b",".join(self._answers))


async def _wait(id_: wire.Id, method: str, answer: Waiting, caller: Caller, reply: Reply) -> None:
    try:
        with boundary(log, "a request", method=method, uid=caller.uid):
            result = await answer
    except errors.RpcError as exc:
        reply(wire.failure(id_, exc.fault()))
    else:
        _answer(id_, result, reply)
    finally:
        caller.end_request()


def _answer(id_: wire.Id, answer: Answer, reply: Reply) -> None:
    if isinstance(answer, Then):
        reply(wire.response(id_, answer.result))
        answer.do()
    else:
        reply(wire.response(id_, answer))


def _hushed(reply: Reply) -> Reply:
    """Return what a notification's answer is given to: it is as if there were none."""
    return lambda _: reply(None)


def _malformed(line: bytes) -> errors.RpcError:
    if wire.is_json(line):
        return errors.InvalidRequest("the line is no JSON-RPC 2.0 request")
    return errors.ParseError("the line is not JSON in UTF-8")


def _by_position(kind: type[Struct], params: Raw) -> Struct:
    """Return params that came as an array: the fields in their order."""
    try:
        return msgspec.convert(
            msgspec.json.decode(params, type=_as_array(kind)), kind, from_attributes=True
        )
    except UNDECODABLE as exc:
        raise errors.InvalidParams(_place(exc)) from exc


@cache
def _as_array(kind: type[Struct]) -> type[Struct]:
    return msgspec.defstruct(kind.__name__, [], bases=(kind,), array_like=True)


def _place(exc: Exception) -> str:
    """Return what is wrong with the params; what stands there may be a prompt and stays out."""
    text = str(exc)
    if isinstance(exc, msgspec.ValidationError) and text.startswith(("Expected", "Object missing")):
        return f"params: {text}"
    _, found, place = text.rpartition(" - at ")
    return f"params: not valid at {place}" if found else "params: a field is unknown or not valid"
