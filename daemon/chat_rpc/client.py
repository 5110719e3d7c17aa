"""The blocking client: one connection, typed calls, a turn's events; for the command line."""

import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

import msgspec

from chat_rpc import errors, methods, wire

P = TypeVar("P", bound=msgspec.Struct)
R = TypeVar("R", bound=msgspec.Struct)
TurnEvent = methods.Delta | methods.Event | methods.End
TURN_EVENTS = ("turn.delta", "turn.event", "turn.end")

RETRY_S, RETRY_STEP_S = 5.0, 0.05


class Known(NamedTuple):
    """A turn, and the last of its events that was heard."""

    turn: str
    seq: int


_PEER = struct.Struct("3i")
_decode_event = msgspec.json.Decoder(TurnEvent).decode


class Client:
    """A connection to chatd.  Calls raise the RpcError that chatd answers, or NotRunning."""

    def __init__(self, path: Path, *, timeout_s: float | None = None):
        self.path = path
        self._last_id = 0
        self._buffer = bytearray()
        self._lines: list[bytes] = []  # whole lines, last first
        self._early: list[TurnEvent] = []  # events that came while an answer was waited for
        self._socket = _connect(path, timeout_s)

    def send(self, method: methods.Method[P, R], params: P) -> int:
        """Send a call and return its id; `receive` waits for the answer."""
        self._last_id += 1
        line = wire.request(self._last_id, method.name, params)
        try:
            self._socket.sendall(line)
        except OSError as exc:
            self._raise_refusal()
            raise self._gone() from exc
        return self._last_id

    def receive(self, method: methods.Method[P, R], id_: int) -> R:
        """Wait for the answer to call `id_`."""
        while True:
            message = self._next_message()
            if message.method is not None:
                self._keep(message)
            elif message.id == id_ or message.id is None:
                if message.error is not None:
                    raise errors.from_fault(message.error)
                return msgspec.json.decode(message.result or b"null", type=method.result)

    def call(self, method: methods.Method[P, R], params: P) -> R:
        return self.receive(method, self.send(method, params))

    def events(self) -> Iterator[TurnEvent]:
        """Yield what comes of the turns that this connection started or attached, for ever."""
        while True:
            while self._early:
                yield self._early.pop(0)
            message = self._next_message()
            if message.method is not None:
                self._keep(message)

    def is_idle(self) -> bool:
        """Say whether nothing is waiting to be read: the moment to flush what was printed."""
        return not self._lines and not self._early

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _raise_refusal(self) -> None:
        """Raise what chatd said before it closed: a line that is too long, too many connections."""
        try:
            while True:
                message = self._next_message()
                if message.id is None and message.error is not None:
                    raise errors.from_fault(message.error)
        except errors.NotRunning:
            pass  # it said nothing

    def _keep(self, message: wire.Message) -> None:
        if message.method in TURN_EVENTS:
            self._early.append(_decode_event(message.params))

    def _next_message(self) -> wire.Message:
        while not self._lines:
            try:
                data = self._socket.recv(65536)
            except OSError as exc:
                raise self._gone() from exc
            if not data:
                raise self._gone()
            self._buffer += data
            *lines, rest = self._buffer.split(b"\n")
            self._buffer = rest
            self._lines = [bytes(line) for line in reversed(lines)]
        try:
            return wire.decode_message(self._lines.pop())
        except msgspec.DecodeError:
            raise errors.NotChatd(f"what answers at {self.path} is not chatd") from None

    def _gone(self) -> errors.NotRunning:
        return errors.NotRunning(f"chatd at {self.path} closed the connection")


def ask(
    connect: Callable[[], Client],
    params: P,
    method: methods.Method[P, methods.Started] = methods.START,  # type: ignore[assignment]  # P
    *,
    known: Known | None = None,
    retry_s: float = RETRY_S,
) -> Iterator[methods.Started | TurnEvent]:
    """Ask, and yield Started and then the turn's events, the last of which is its End.

    A connection that is lost or refused is made anew with `connect`, for `retry_s` before
    it raises: the key makes a second start harmless, and `attach` goes on after the last event.
    `known`: what somebody has heard of it who lost the connection.  An ephemeral turn ends with its
    connection: then it raises CutOff.
    """
    turn, seq = known or Known("", 0)
    client = patiently(connect, retry_s) if known else connect()
    while True:
        try:
            if turn:
                client.call(methods.ATTACH, methods.TurnAttach(turn=turn, after=seq))
            else:
                started = client.call(method, params)
                turn = started.turn
                yield started
            for event in client.events():
                if event.turn == turn and event.seq > seq:
                    seq = event.seq
                    yield event
                    if isinstance(event, methods.End):
                        return
        except (errors.NotRunning, errors.Draining) as exc:
            client.close()
            if turn and getattr(params, "ephemeral", False):
                raise errors.CutOff("chatd ended, and with it this turn: it was ephemeral") from exc
            client = patiently(connect, retry_s)


def patiently(connect: Callable[[], Client], retry_s: float = RETRY_S) -> Client:
    """Connect, and where no chatd is there wait for the one that comes next."""
    end = time.monotonic() + retry_s
    while True:
        try:
            return connect()
        except errors.NotRunning as exc:
            if time.monotonic() > end:
                raise errors.NotRunning(f"chatd ended and did not come back: {exc}") from exc
            time.sleep(RETRY_STEP_S)  # nothing tells when it comes


def _connect(path: Path, timeout_s: float | None) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout_s)
    try:
        connection.connect(os.fspath(path))
    except PermissionError as exc:
        connection.close()
        raise errors.NotPermitted(f"{path}: permission denied") from exc
    except OSError as exc:
        connection.close()
        raise errors.NotRunning(f"{path}: {exc.strerror or exc}") from exc
    connection.settimeout(None)
    owner = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
    if owner not in (os.getuid(), 0):
        connection.close()
        raise errors.NotPermitted(f"{path} is served by uid {owner}, not by you or root: not used")
    return connection
