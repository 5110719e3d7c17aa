"""The socket: connections, their users as the kernel tells them, their lines and their limits."""

import asyncio
import logging
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

from chat_rpc import errors, methods, wire
from chatd import peers
from chatd.chats.turns import Step
from chatd.dispatch import Dispatcher

log = logging.getLogger(__name__)

BACKLOG = 4096
ACCEPTS_AT_ONCE = 64
PAUSE_READING_BYTES = 2**20
STEP_BYTES, STEPS_S = 2**20, 0.005
ADMINS = "chatd-admin"
FIRST_CALL_S = 0.5
LOOK_S = 1.0  # between two looks whether a client that sends no more is there
LAST_STEPS = 16  # of the loop, that an answer may need when its turn has ended
PAUSE_S, SAY_AGAIN_S = 0.25, 60.0  # when there is no descriptor for another connection


class Connection(asyncio.Protocol):
    """One client.

    Everything that one read brings is answered in one write: uvloop gathers what is written until
    it looks for events again.
    """

    def __init__(self, server: "Server", uid: int, *, is_admin: bool):
        self.uid = uid
        self.is_admin = is_admin
        self.unanswered = 0
        self.has_spoken = False
        self.endings: dict[str, Callable[[], None]] = {}
        self._following: Counter[str] = Counter()
        self._is_half_closed = False
        self._is_clogged = False
        self._steps: list[Step] = []  # of those who catch up, while there is no room
        self._server = server
        self._receive = server.dispatcher.receive
        self._limits = server.limits
        self._line_bytes = server.limits.line_bytes
        self._pause_bytes = min(PAUSE_READING_BYTES, self._limits.unread_bytes // 2)
        self._rest = bytearray()
        self._lines: deque[bytes] = deque()  # that came, and were not looked at yet
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # a stream socket's, but uvloop's is no subclass
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._pause_bytes)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._limits.first_line_s, self.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._stop_clock()
        self._server.forget(self)
        for turn in tuple(self.endings):
            self.endings.pop(turn)()

    def data_received(self, data: bytes) -> None:
        end = data.rfind(b"\n")
        if end < 0:
            self._rest += data
        else:
            whole = data[:end]
            if self._rest:
                self._rest += whole
                whole = bytes(self._rest)
            if self._rest or end + 1 < len(data):
                self._rest = bytearray(data[end + 1 :])
            if not self.has_spoken:
                self.has_spoken = True
                self._stop_clock()
            self._lines.extend(whole.split(b"\n"))  # no copy of a line that is alone
            self._take_lines()
        if len(self._rest) > self._line_bytes:
            self._refuse_long_line()

    def _take_lines(self) -> None:
        """Handle what came, while its answers are read: else one read's lines fill the heap."""
        while self._lines and not self._is_clogged:
            line = self._lines.popleft()
            if len(line) > self._line_bytes:
                self._lines.clear()
                self._refuse_long_line()
            elif line:
                self._receive(line, self)

    def pause_writing(self) -> None:
        self._is_clogged = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()
        self._is_clogged = False
        steps, self._steps = self._steps, []
        for step in steps:
            self.feed(step)
        self._take_lines()
        self._close_if_done()

    def send(self, line: bytes) -> None:
        if self._transport is not None:
            self._transport.write(line)

    def reply(self, answer: bytes | None) -> None:
        """Send an answer; a notification has none."""
        if answer is not None:
            self.send(answer)

    def deliver(self, line: bytes) -> bool:
        if self._is_clogged or self._transport is None:
            return False
        self._transport.write(line)
        return True

    def tell(self, line: bytes) -> bool:
        if self._transport is None:
            return False
        if self._transport.get_write_buffer_size() > self._limits.unread_bytes:
            self.send(wire.notification(b"stream.lagged", wire.encode(methods.Lagged())))
            log.info("a reader of uid %d was too slow", self.uid, extra={"uid": self.uid})
            return False
        self.send(line)
        return True

    @property
    def is_gone(self) -> bool:
        return self._transport is None

    def feed(self, step: Step) -> None:
        if self._is_clogged:
            self._steps.append(step)
        else:
            self._server.soon(lambda: self._take_step(step))

    def follow(self, turn: str) -> None:
        self._following[turn] += 1

    def leave(self, turn: str) -> None:
        if self._following[turn] > 1:
            self._following[turn] -= 1
        else:
            self._following.pop(turn, None)
            if end := self.endings.pop(turn, None):
                end()
        self._close_if_done()

    def begin_request(self) -> None:
        self.unanswered += 1

    def end_request(self) -> None:
        self.unanswered -= 1
        self._close_if_done()

    def eof_received(self) -> bool:
        """Keep our side open until all that was asked before is answered and told."""
        self._is_half_closed = True
        asyncio.get_running_loop().call_soon(self._look_for_peer)
        return self._owes_something

    def fence(self) -> None:
        """Take no more requests.

        What the kernel holds is still read and answered, and the peer's next send fails, so that
        it knows that nobody has seen it.
        """
        if self._transport is not None:
            ours = self._transport.get_extra_info("socket").fileno()
            with socket.socket(fileno=os.dup(ours)) as same, suppress(OSError):
                same.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """Close when what was written is sent."""
        if self._transport is not None:
            self._transport.close()

    def _take_step(self, step: Step) -> None:
        if self._transport is None:
            return
        if self._is_clogged or step(min(STEP_BYTES, self._pause_bytes)):
            self.feed(step)

    def _close_if_done(self) -> None:
        if self._is_half_closed and not self._owes_something:
            self.close()

    @property
    def _owes_something(self) -> bool:
        return bool(self._lines or self.unanswered or self._following)

    def _look_for_peer(self) -> None:
        """End ephemeral turns whose client has gone: all that comes is the end of what it sends."""
        if self._transport is None or not self._owes_something:
            return
        if self.endings and peers.is_hung_up(self._transport.get_extra_info("socket").fileno()):
            self._transport.abort()
        else:
            asyncio.get_running_loop().call_later(LOOK_S, self._look_for_peer)

    def _refuse_long_line(self) -> None:
        # the rest of the line must never be taken for another message
        self._rest.clear()
        limit = self._limits.line_bytes
        fault = errors.MessageTooLarge(f"a line is longer than {limit} bytes").fault()
        self.send(wire.failure(None, fault))
        self.close()

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Server:
    """Accepts connections on a listening Unix socket."""

    def __init__(
        self,
        listener: socket.socket,
        dispatcher: Dispatcher,
        limits: methods.Limits,
        tasks: asyncio.TaskGroup,
    ):
        self.dispatcher = dispatcher
        self.limits = limits
        self._listener = listener
        self._tasks = tasks
        self._connections: set[Connection] = set()
        self._of_user: Counter[int] = Counter()
        self._steps: deque[Callable[[], None]] = deque()  # of all who catch up
        self._is_stepping = False
        self._pause: asyncio.TimerHandle | None = None
        self._said_s = -SAY_AGAIN_S
        self._admins = peers.group_id(ADMINS)
        self._overflow_uid = peers.overflow_uid()

    def start(self) -> None:
        self._listener.settimeout(0)
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def stop_accepting(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        asyncio.get_running_loop().remove_reader(self._listener)

    def fence(self) -> None:
        """Take no more requests; who has connected and not spoken yet has a moment for it."""
        loop = asyncio.get_running_loop()
        for connection in tuple(self._connections):
            if connection.has_spoken:
                connection.fence()
            else:
                loop.call_later(FIRST_CALL_S, connection.fence)

    async def close(self) -> None:
        """Close all connections; who waits for what has just ended is answered first."""
        for _ in range(LAST_STEPS):
            if not any(connection.unanswered for connection in self._connections):
                break
            await asyncio.sleep(0)
        for connection in tuple(self._connections):
            connection.close()

    @property
    def connections(self) -> int:
        return len(self._connections)

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._of_user[connection.uid] -= 1
        if not self._of_user[connection.uid]:
            del self._of_user[connection.uid]

    def soon(self, step: Callable[[], None]) -> None:
        """Take a step of somebody's way soon: one after the other, and others in between."""
        self._steps.append(step)
        if not self._is_stepping:
            self._is_stepping = True
            asyncio.get_running_loop().call_soon(self._take_steps)

    def _take_steps(self) -> None:
        end = time.monotonic() + STEPS_S
        try:
            while self._steps and time.monotonic() < end:
                self._steps.popleft()()
        finally:
            self._is_stepping = bool(self._steps)
            if self._is_stepping:
                asyncio.get_running_loop().call_soon(self._take_steps)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                client, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as exc:
                self._pause_accepting(exc)
                return
            self._admit(client)

    def _pause_accepting(self, why: OSError) -> None:
        """Look away for a moment: the listener stays readable, and would be all that we do."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        self._pause = loop.call_later(PAUSE_S, loop.add_reader, self._listener, self._accept)
        if loop.time() > self._said_s + SAY_AGAIN_S:
            self._said_s = loop.time()
            log.error("cannot accept connections now, they wait: %s", why.strerror)

    def _admit(self, client: socket.socket) -> None:
        uid = peers.uid_of(client)
        try:
            self._check(uid)
        except errors.RpcError as exc:
            client.settimeout(0)
            try:
                client.send(wire.failure(None, exc.fault()))
            except OSError:
                pass  # it is gone already
            client.close()
            return
        connection = Connection(self, uid, is_admin=self._is_admin(uid, client))
        self._connections.add(connection)
        self._of_user[uid] += 1
        self._tasks.create_task(self._connect(connection, client))

    def _check(self, uid: int) -> None:
        if uid == self._overflow_uid:
            # unmapped users of another namespace all look like this one
            raise errors.NotPermitted("your user id is not known here")
        full = len(self._connections) >= self.limits.connections
        if full or self._of_user[uid] >= self.limits.connections_per_user:
            raise errors.TooManyConnections("too many connections are open", retry_after_ms=1000)

    def _is_admin(self, uid: int, client: socket.socket) -> bool:
        if uid in (0, os.geteuid()):  # a user's own chatd is theirs to reload
            return True
        return self._admins is not None and self._admins in peers.groups_of(client)

    async def _connect(self, connection: Connection, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: connection, client)
        except OSError:
            self.forget(connection)
            client.close()


def listen(path: Path) -> socket.socket:
    """Return a listening socket at `path`, put there in one step over what may be left of another.

    The caller holds the store's lock, so no living daemon listens at `path`.
    """
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listener.bind(os.fspath(draft))
    draft.chmod(0o600)
    listener.listen(BACKLOG)
    draft.rename(path)
    return listener
