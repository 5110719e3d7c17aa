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

from chat_cli.terminals import terminal
from chat_rpc import __version__, dumps

TYPE_CHECKING = False  # typing's own constant takes as long to load as all of Python
if TYPE_CHECKING:
    from typing import Any, NoReturn

INLINE_BYTES = 2**20  # of stdin; more is handed on
READ_BYTES = 2**16
PATIENCE_S = 2.0  # as in piped.py, which takes too long to load
INTERRUPTED = 130
SYSTEM_SOCKET = b"/run/chatd/chatd.sock"
SYSTEM_UNIT = b"/etc/systemd/system/sockets.target.wants/chatd.socket"

_S_IFMT, _S_IFDIR, _S_IFREG, _S_IFCHR = 0o170000, 0o040000, 0o100000, 0o020000
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
    _load_packages()
    from chat_cli.main import main as everything

    everything()


class Plain:
    """A question with plain flags only; what it cannot take in is not touched."""

    def __init__(self) -> None:
        self.is_quiet = False
        self.leaves_stdin = False
        self._words: list[str] = []
        self._values: dict[str, str] = {}
        self._goes_on = 0
        self._taken = b""

    def takes(self, arguments: "list[str]") -> bool:
        """Read the command line; False: it says something that is not known here."""
        if arguments and not _is_question(arguments):
            return False
        rest = iter(arguments)
        for argument in rest:
            if argument == "--":
                self._words += rest
            elif argument in ("-m", "-s", "-C") and argument not in self._values:
                value = next(rest, None)
                if value is None:
                    return False
                self._values[argument] = value
            elif argument in ("-c", "-cc"):
                self._goes_on += len(argument) - 1
            elif argument == "-0":
                self.leaves_stdin = True
            elif argument == "-q":
                self.is_quiet = True
            elif argument[:1] != "-":
                self._words.append(argument)
            else:
                return False
        return self._is_consistent() and not _has_settings()

    def gather(self) -> "dict[str, str] | None":
        """Return the parameters of turn.start, in their order; None: not to be done here."""
        prompt = " ".join(self._words)
        here = terminal()
        if (self._goes_on == 1 and here is None) or not _is_text(prompt, *self._values.values()):
            return None
        data = self._piped(has_words=bool(prompt.strip()))
        if data is None:
            return None
        if not prompt.strip():
            prompt, data = data, ""
        fields = {
            "prompt": prompt if prompt.strip() else None,
            "key": posix.urandom(16).hex(),
            "data": data or None,
            "system": self._values.get("-s"),
            "model": self._values.get("-m"),
            "name": self._values.get("-C"),
            "last": (None, "terminal", "anywhere")[min(self._goes_on, 2)],
            "terminal": here,
            "priority": "interactive" if posix.isatty(1) else None,
        }
        is_asked = fields["prompt"] is not None
        return {name: text for name, text in fields.items() if text} if is_asked else None

    def put_back(self) -> None:
        """Make what was read of stdin its beginning again, all of it in memory."""
        if not self._taken:
            return
        memory = posix.memfd_create("stdin")
        data = self._taken
        while data:
            written = posix.write(memory, data)
            data = data[written:] or posix.read(0, READ_BYTES)
        posix.lseek(memory, 0, 0)
        posix.dup2(memory, 0)
        posix.close(memory)

    def _is_consistent(self) -> bool:
        """Say whether the streams are open, and the flags fit together and say something."""
        are_open = all(_mode(number) is not None for number in range(3))
        is_one_chat = not (self._goes_on and "-C" in self._values)
        return are_open and is_one_chat and all(self._values.values())

    def _piped(self, *, has_words: bool) -> "str | None":
        """Return what is piped in; None: there is more to it than can be said here."""
        mode = _mode(0)
        if self.leaves_stdin or (mode == _S_IFCHR and posix.isatty(0)):
            return ""
        if mode == _S_IFDIR:
            return None
        if has_words and not self.is_quiet and mode not in (_S_IFREG, _S_IFCHR):
            _wonder()
        while len(self._taken) <= INLINE_BYTES and (part := posix.read(0, READ_BYTES)):
            self._taken += part
        try:
            return self._taken.decode() if len(self._taken) <= INLINE_BYTES else None
        except UnicodeDecodeError:
            return None


class Asking:
    """One question on its way."""

    def __init__(self, plain: Plain, fields: "dict[str, str]"):
        self._plain = plain
        self._fields = fields
        self._turn, self._seq = "", 0
        self._printed: list[str] = []
        self._unwritten = b""

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
        except OSError:
            pass  # chatd has gone; it is looked for again
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
                state = self._take(_decode(line.decode(), 0)[0], texts)
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
        """Print text; raises CannotWrite.  What is printed is known then to the byte."""
        if text:
            self._printed.append(text)
            self._unwritten = text.encode()
            while self._unwritten:
                try:
                    written = posix.write(1, self._unwritten)
                except OSError as exc:
                    raise CannotWrite(exc.errno) from None
                self._unwritten = self._unwritten[written:]

    def _hand_on(self, stop: "BaseException | None") -> "NoReturn":
        """Have the rest done by what does everything; `stop` is why it is to be stopped."""
        half = 0  # a character that a stop has cut is finished
        while half < len(self._unwritten) and self._unwritten[half] in _CONTINUES:
            half += 1
        _signal.pthread_sigmask(_signal.SIG_BLOCK, [_signal.SIGINT, _signal.SIGTERM])
        _load_packages()
        from chat_cli import handover

        handover.go_on(
            self._fields,
            (self._turn, self._seq),
            "".join(self._printed),
            half=self._unwritten[:half],
            quiet=self._plain.is_quiet,
            stop=stop,
        )


class CannotWrite(Exception):
    """stdout takes no more; its argument is the errno."""


class Terminated(Exception):
    """Somebody sent SIGTERM."""


class _Context:
    """What json.decoder.JSONDecoder is to the scanner of `_json`."""

    strict = True
    object_hook = object_pairs_hook = array_hook = None
    parse_float, parse_int, parse_constant = float, int, float
    memo: "dict[str, str]" = {}  # noqa: RUF012  # the scanner's own


_decode = _json.make_scanner(_Context)  # type: ignore[arg-type]  # anything with these


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


def _is_question(arguments: "list[str]") -> bool:
    """Say whether the first argument is neither a command nor nearly one."""
    first = arguments[0]
    if first[:1] == "-" or " " in first:
        return True
    from chat_cli.slips import is_near
    from chat_cli.verbs import VERBS

    stands_alone = len(arguments) == 1 or arguments[1][:1] == "-"
    return first not in VERBS and not (stands_alone and any(is_near(first, verb) for verb in VERBS))


def _has_settings() -> bool:
    """Say whether the person has settings, which are read elsewhere."""
    if environ.get(b"CHAT_MODEL") or environ.get(b"CHAT_SYSTEM"):
        return True
    home = environ.get(b"XDG_CONFIG_HOME") or (environ.get(b"HOME") or b"") + b"/.config"
    return _exists(home + b"/chat/config.toml")


def _is_text(*texts: str) -> bool:
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True


def _wonder() -> None:
    """Tell the person what is waited for, when stdin is silent for long."""
    import select

    if not select.select([0], [], [], PATIENCE_S)[0]:
        _load_packages()
        from chat_cli import piped

        piped.tell_of_silence()


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
    if _exists(SYSTEM_SOCKET) or _exists(SYSTEM_UNIT):
        return [SYSTEM_SOCKET]
    user = posix.getuid()
    runtimes = [b"/run/user/%d" % user, b"/dev/shm/chatd-%d" % user]
    return [
        runtime + b"/chatd/chatd.sock"
        for runtime in runtimes
        if runtime != runtimes[0] or _is_private(runtime)
    ]


def _is_private(directory: bytes) -> bool:
    try:
        status = posix.lstat(directory)
    except OSError:
        return False
    is_mine = status.st_mode & _S_IFMT == _S_IFDIR and status.st_uid == posix.getuid()
    return is_mine and not status.st_mode & 0o077


def _exists(path: bytes) -> bool:
    try:
        posix.lstat(path)
    except OSError:
        return False
    return True


def _mode(number: int) -> "int | None":
    try:
        return posix.fstat(number).st_mode & _S_IFMT
    except OSError:
        return None


def _load_packages() -> None:
    """Let packages be imported: the launcher has started Python without them."""
    if sys.flags.no_site and "site" not in sys.modules:
        import site

        site.main()
