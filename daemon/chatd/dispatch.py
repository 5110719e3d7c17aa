"""One line in, one answer out: decoding, the call, and the boundary where every failure ends."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Protocol

import msgspec
from msgspec import UNSET, Struct

from chat_rpc import errors, methods, wire
from chatd.boundary import boundary
from chatd.handlers import Answer, Handler
from chatd.handlers.context import Context, Peer, Then

log = logging.getLogger(__name__)


class Caller(Peer, Protocol):
    """A connection: it sends lines, and counts the requests that it still has to answer."""

    unanswered: int

    def send(self, line: bytes) -> None: ...


class Dispatcher:
    """Calls the handler that a line names, and sends its answer."""

    def __init__(self, handlers: Mapping[str, Handler], context: Context, tasks: asyncio.TaskGroup):
        self._context = context
        self._tasks = tasks
        self._unanswered = context.limits.unanswered_requests
        self._methods = {
            name: (handler, msgspec.json.Decoder(methods.METHODS[name].params).decode)
            for name, handler in handlers.items()
        }

    def receive(self, line: bytes, caller: Caller) -> None:
        """Handle one line; the answer is sent before this returns unless the method must wait."""
        id_: wire.Id = None
        wants_answer = True
        try:
            with boundary(log, "a request"):
                request = _decode(line)
                wants_answer = request.id is not UNSET
                id_ = None if request.id is UNSET else request.id
                answer = self._call(request, caller)
                if isawaitable(answer):
                    self._wait_for(id_, answer, caller, wants_answer=wants_answer)
                    return
        except errors.RpcError as exc:
            if wants_answer:
                caller.send(wire.failure(id_, exc.fault()))
            return
        self._answer(id_, answer, caller, wants_answer=wants_answer)

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
        self, id_: wire.Id, answer: Awaitable[Answer], caller: Caller, *, wants_answer: bool
    ) -> None:
        async def wait() -> None:
            try:
                with boundary(log, "a request"):
                    result = await answer
            except errors.RpcError as exc:
                if wants_answer:
                    caller.send(wire.failure(id_, exc.fault()))
            else:
                self._answer(id_, result, caller, wants_answer=wants_answer)
            finally:
                caller.unanswered -= 1

        caller.unanswered += 1
        self._tasks.create_task(wait())

    def _answer(self, id_: wire.Id, answer: Answer, caller: Caller, *, wants_answer: bool) -> None:
        then: Callable[[], None] | None = None
        result: Struct
        if isinstance(answer, Then):
            result, then = answer
        else:
            result = answer
        if wants_answer:
            caller.send(wire.response(id_, result))
        if then is not None:
            then()


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
