"""The socket: connections, their users as the kernel tells them, their lines and their limits."""

import asyncio
import logging
import os
import socket
import struct
from collections import Counter
from pathlib import Path
from typing import cast

from chat_rpc import errors, methods, wire
from chatd.dispatch import Dispatcher

log = logging.getLogger(__name__)

BACKLOG = 4096
ACCEPTS_AT_ONCE = 64
PAUSE_READING_BYTES = 2**20
PEER = struct.Struct("3i")


class Connection(asyncio.Protocol):
    """One client.  Everything that one read brings is answered in one write."""

    def __init__(self, server: "Server", uid: int):
        self.uid = uid
        self.unanswered = 0
        self._server = server
        self._limits = server.limits
        self._rest = bytearray()
        self._out: list[bytes] | None = None
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # a stream socket's, but uvloop's is no subclass
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=PAUSE_READING_BYTES)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._limits.first_line_s, self.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._stop_clock()
        self._server.forget(self)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        if b"\n" in data:
            *lines, rest = self._rest.split(b"\n")
            self._rest = rest
            self._stop_clock()
            self._out = []
            for line in lines:
                if len(line) > self._limits.line_bytes:
                    self._refuse_long_line()
                    break
                if line:
                    self._server.dispatcher.receive(bytes(line), self)
            out, self._out = self._out, None
            if out and self._transport is not None:
                self._transport.writelines(out)
        if len(self._rest) > self._limits.line_bytes:
            self._refuse_long_line()

    def pause_writing(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def send(self, line: bytes) -> None:
        if self._out is not None:
            self._out.append(line)
        elif self._transport is not None:
            self._transport.write(line)

    def deliver(self, turn: str, seq: int, line: bytes) -> bool:
        if self._transport is None:
            return False
        if self._transport.get_write_buffer_size() > self._limits.unread_bytes:
            lagged = wire.encode(methods.Lagged(turn, seq - 1))
            self.send(wire.notification(b"stream.lagged", lagged))
            log.info("a reader of uid %d was too slow for turn %s", self.uid, turn)
            return False
        self.send(line)
        return True

    def close(self) -> None:
        """Close when what was written is sent."""
        if self._transport is not None:
            self._transport.close()

    def _refuse_long_line(self) -> None:
        # the rest of the line must never be taken for another message
        self._rest.clear()
        limit = self._limits.line_bytes
        fault = errors.MessageTooLarge(f"a line is longer than {limit} bytes").fault()
        if self._transport is not None:
            self._transport.writelines([*(self._out or []), wire.failure(None, fault)])
            self._out = None
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
        self._overflow_uid = int(Path("/proc/sys/kernel/overflowuid").read_text("ascii"))

    def start(self) -> None:
        self._listener.settimeout(0)
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def stop_accepting(self) -> None:
        asyncio.get_running_loop().remove_reader(self._listener)

    def close(self) -> None:
        for connection in tuple(self._connections):
            connection.close()

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._of_user[connection.uid] -= 1
        if not self._of_user[connection.uid]:
            del self._of_user[connection.uid]

    def _accept(self) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                client, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as exc:
                log.error("cannot accept a connection: %s", exc.strerror)
                return
            self._admit(client)

    def _admit(self, client: socket.socket) -> None:
        uid = PEER.unpack(client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))[1]
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
        connection = Connection(self, uid)
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
