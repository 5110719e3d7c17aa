"""One line in, one answer out: decoding, the call, and the boundary where every failure ends."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import msgspec
from msgspec import UNSET, Struct

from chat_rpc import errors, methods, wire
from chatd.boundary import boundary
from chatd.handlers import Answer, Handler
from chatd.handlers.context import Context, Peer, Then

log = logging.getLogger(__name__)

Reply = Callable[[bytes | None], object]


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
        if line.lstrip()[:1] != b"[":
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
        wants_answer = True
        try:
            with boundary(log, "a request"):
                request = _decode(line)
                wants_answer = request.id is not UNSET
                id_ = None if request.id is UNSET else request.id
                answer = self._call(request, caller)
                if not isinstance(answer, Struct | Then):
                    self._wait_for(id_, answer, caller, reply if wants_answer else _hushed(reply))
                    return
        except errors.RpcError as exc:
            reply(wire.failure(id_, exc.fault()) if wants_answer else None)
            return
        _answer(id_, answer, reply if wants_answer else _hushed(reply))

    def _call(self, request: wire.Request, caller: Caller) -> Answer | Awaitable[Answer]:
        try:
            handler, decode = self._methods[request.method]
        except KeyError:
            raise errors.NoSuchMethod("there is no such method") from None
        if caller.unanswered >= self._unanswered:
            raise errors.Overloaded("too many requests are unanswered", retry_after_ms=100)
        try:
            params = decode(request.params)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise errors.InvalidParams(_place(exc)) from exc
        return handler(self._context, caller, params)

    def _wait_for(
        self, id_: wire.Id, answer: Awaitable[Answer], caller: Caller, reply: Reply
    ) -> None:
        async def wait() -> None:
            try:
                with boundary(log, "a request"):
                    result = await answer
            except errors.RpcError as exc:
                reply(wire.failure(id_, exc.fault()))
            else:
                _answer(id_, result, reply)
            finally:
                caller.end_request()

        caller.begin_request()
        self._tasks.create_task(wait())


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


def _answer(id_: wire.Id, answer: Answer, reply: Reply) -> None:
    result, then = answer if isinstance(answer, Then) else (answer, None)
    reply(wire.response(id_, result))
    if then is not None:
        then()


def _hushed(reply: Reply) -> Reply:
    return lambda _: reply(None)


def _decode(line: bytes) -> wire.Request:
    try:
        return wire.decode_request(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if wire.is_json(line):
            raise errors.InvalidRequest("the line is no JSON-RPC 2.0 request") from None
        raise errors.ParseError("the line is not JSON in UTF-8") from None


def _place(exc: Exception) -> str:
    """Return what is wrong with the params; what stands there may be a prompt and stays out."""
    text = str(exc)
    if isinstance(exc, msgspec.ValidationError) and text.startswith(("Expected", "Object missing")):
        return f"params: {text}"
    _, found, place = text.rpartition(" - at ")
    return f"params: not valid at {place}" if found else "params: a field is unknown or not valid"
