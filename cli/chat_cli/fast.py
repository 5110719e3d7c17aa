"""The plain question, asked and answered without any library: it costs what Python's start costs.

This is the one second codec of the wire.  It knows what is usual, and hands on what is not: another
flag, a terminal to draw on, an error, a lost connection, another attempt.  Then the code that does
everything else goes on with what is known so far.  So there is no rule and no message of its own
here, and it begins nothing that it could not hand on.
"""

import _json
import _signal  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]
import _socket
import posix
import sys
from posix import environ

from chat_cli.plain import READ_BYTES, Plain, decode, exists, load_packages, runtimes
from chat_rpc import __version__, dumps

TYPE_CHECKING = False  # typing's own constant takes as long to load as all of Python
if TYPE_CHECKING:
    from typing import Any, NoReturn

INTERRUPTED = 130
PIPE_BYTES = 4096  # PIPE_BUF of Linux
SYSTEM_SOCKET = b"/run/chatd/chatd.sock"
SYSTEM_UNIT = b"/etc/systemd/system/sockets.target.wants/chatd.socket"

_CONTINUES = range(0x80, 0xC0)  # bytes that are not the first of a character


def main() -> "NoReturn":
    """Run `chat`."""
    dumps.forbid_cores()
    arguments = sys.argv[1:]
    plain = Plain()
    try:
        if plain.takes(arguments) and (fields := plain.gather()):
            Asking(plain, fields).run()
        plain.put_back()
    except KeyboardInterrupt:  # nothing was asked yet
        posix._exit(INTERRUPTED)
    load_packages()
    from chat_cli.main import main as everything

    everything()


class Asking:
    """One question on its way."""

    def __init__(self, plain: Plain, fields: "dict[str, str]"):
        self._plain = plain
        self._fields = fields
        self._turn, self._seq = "", 0
        self._printed: list[str] = []

    def run(self) -> None:
        """Ask, print the answer and end; returns only when no chatd was there to be asked."""
        connection = _connect()
        if connection is None:
            return
        stop: BaseException | None = None
        _signal.signal(_signal.SIGTERM, _terminate)
        try:
            self._send(connection)
            if not posix.isatty(1) and self._follow(connection):
                posix._exit(0)
        except (KeyboardInterrupt, Terminated, CannotWrite) as exc:
            stop = exc
        except (OSError, StopIteration, ValueError):
            pass  # chatd has gone, or what answers is none; it is looked for again
        self._hand_on(stop)

    def _send(self, connection: "_socket.socket") -> None:
        """Ask who is there, unless nothing would be said of it, and ask the question."""
        hello = "" if self._plain.is_quiet else _request(1, "system.hello", {})
        number = 1 if self._plain.is_quiet else 2
        lines = (hello + _request(number, "turn.start", self._fields)).encode()
        while lines:
            lines = lines[connection.send(lines) :]

    def _follow(self, connection: "_socket.socket") -> bool:
        """Print what comes of it; False: something came that is not for here."""
        rest = b""
        while data := connection.recv(READ_BYTES):
            *lines, rest = (rest + data).split(b"\n")
            texts: list[str] = []
            state = ""
            for line in lines:
                state = self._take(decode(line.decode()), texts)
                if state:
                    break
            self._write("".join(texts))
            if state:
                if state == "done" and self._printed and self._printed[-1][-1] != "\n":
                    self._write("\n")
                return state == "done"
        return False

    def _take(self, message: "dict[str, Any]", texts: "list[str]") -> str:
        """Take one message; return `done`, or what is not for here, or nothing."""
        if "method" not in message:
            return self._take_answer(message)
        event = message["params"]
        if event.get("turn") != self._turn or event["seq"] <= self._seq:
            return ""
        kind: str = event.get("kind", message["method"])
        if kind == "turn.delta":
            texts.append(event["text"])
        elif kind == "turn.end":
            return "done" if _is_plain(event["ending"]) else "end"
        elif kind == "attempt" and (self._printed or texts or event.get("by")):
            return kind
        elif kind == "queued" and not self._plain.is_quiet:
            return kind
        elif kind in ("check", "refine"):
            return kind
        self._seq = event["seq"]
        return ""

    def _take_answer(self, message: "dict[str, Any]") -> str:
        result = message.get("result")
        if result is None:
            return "error"
        if "turn" in result:
            if result.get("checked"):
                return "checked"
            self._turn = result["turn"]
            return ""
        return "" if result.get("version") == __version__ else "skew"

    def _write(self, text: str) -> None:
        """Print text, in parts that a pipe takes whole or not at all; raises CannotWrite.

        So whatever stops it, no character is cut in two.
        """
        if text:
            self._printed.append(text)
        data = text.encode()
        while data:
            end = PIPE_BYTES
            while end < len(data) and data[end] in _CONTINUES:
                end -= 1
            try:
                written = posix.write(1, data[:end])
            except OSError as exc:
                raise CannotWrite(exc.errno) from None
            data = data[written:]

    def _hand_on(self, stop: "BaseException | None") -> "NoReturn":
        """Have the rest done by what does everything; `stop` is why it is to be stopped."""
        _signal.pthread_sigmask(_signal.SIG_BLOCK, [_signal.SIGINT, _signal.SIGTERM])
        load_packages()
        from chat_cli import handover

        handover.go_on(
            self._fields,
            (self._turn, self._seq),
            "".join(self._printed),
            quiet=self._plain.is_quiet,
            stop=stop,
        )


class CannotWrite(Exception):
    """stdout takes no more; its argument is the errno."""


class Terminated(Exception):
    """Somebody sent SIGTERM."""


def _terminate(_: int, __: object) -> None:
    raise Terminated


def _request(number: int, method: str, params: "dict[str, str]") -> str:
    quote = _json.encode_basestring
    fields = ",".join(f'"{name}":{quote(value)}' for name, value in params.items())
    return f'{{"jsonrpc":"2.0","id":{number},"method":"{method}","params":{{{fields}}}}}\n'


def _is_plain(ending: "dict[str, Any]") -> bool:
    """Say whether nothing is to be told of this ending."""
    odd = ("demo", "mismatch", "dropped_turns", "repaired", "agreement", "error")
    return ending["state"] == "done" and not any(ending.get(name) for name in odd)


def _connect() -> "_socket.socket | None":
    """Return a connection to a chatd that may be used, if one is there."""
    for path in _sockets():
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            connection.connect(path)
        except OSError:
            continue
        peer = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
        owner = int.from_bytes(peer[4:8], sys.byteorder)
        return connection if owner in (posix.getuid(), 0) else None
    return None


def _sockets() -> "list[bytes]":
    """Return where chatd may be, as chat_rpc.paths has it."""
    if named := environ.get(b"CHATD_SOCKET"):
        return [named]
    if exists(SYSTEM_SOCKET) or exists(SYSTEM_UNIT):
        return [SYSTEM_SOCKET]
    return [runtime + b"/chatd/chatd.sock" for runtime in runtimes()]
