"""What is asked, where it is said plainly: flags, words and stdin, for the fast start."""

import _json
import posix
import sys
from posix import environ

from chat_cli.terminals import terminal

TYPE_CHECKING = False  # typing's own constant takes as long to load as all of Python
if TYPE_CHECKING:
    from typing import Any

SETTINGS = b"chat-settings.json"  # in a runtime directory: what remembering.py has written
INLINE_BYTES = 2**20  # of stdin; more is handed on
READ_BYTES = 2**16
PATIENCE_S = 2.0  # as in piped.py, which takes too long to load

_S_IFMT, _S_IFDIR, _S_IFREG, _S_IFCHR = 0o170000, 0o040000, 0o100000, 0o020000


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
        return self._is_consistent()

    def gather(self) -> "dict[str, str] | None":
        """Return the parameters of turn.start, in their order; None: not to be done here."""
        prompt = " ".join(self._words)
        settings = _settings()
        here = terminal()
        if (
            settings is None
            or (self._goes_on == 1 and here is None)
            or not _is_text(prompt, *self._values.values())
        ):
            return None
        data = self._piped(has_words=bool(prompt.strip()))
        if data is None:
            return None
        if not prompt.strip():
            prompt, data = data, ""
        model = self._values.get("-m") or settings.get("model")
        is_old = self._goes_on or "-C" in self._values  # it may have a system prompt already
        fields = {
            "prompt": prompt if prompt.strip() else None,
            "key": posix.urandom(16).hex(),
            "data": data or None,
            "system": self._values.get("-s") or (None if is_old else settings.get("system")),
            "model": settings["aliases"].get(model, model),
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
        name = self._values.get("-C", "")
        is_one_chat = not (self._goes_on and name) and "@" not in name
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


def load_packages() -> None:
    """Let packages be imported: the launcher has started Python without them."""
    if sys.flags.no_site and "site" not in sys.modules:
        import site

        site.main()


def exists(path: bytes) -> bool:
    try:
        posix.lstat(path)
    except OSError:
        return False
    return True


def _is_question(arguments: "list[str]") -> bool:
    """Say whether the first argument is neither a command nor nearly one."""
    first = arguments[0]
    if first[:1] == "-" or " " in first:
        return True
    from chat_cli.slips import is_near
    from chat_cli.verbs import VERBS

    stands_alone = len(arguments) == 1 or arguments[1][:1] == "-"
    return first not in VERBS and not (stands_alone and any(is_near(first, verb) for verb in VERBS))


def _settings() -> "dict[str, Any] | None":
    """Return the person's settings; None: they are to be read elsewhere."""
    home = environ.get(b"XDG_CONFIG_HOME") or (environ.get(b"HOME") or b"") + b"/.config"
    file = home + b"/chat/config.toml"
    stamp = stamp_of(file)
    copy: dict[str, Any] = {"is_plain": True, "stamp": stamp, "aliases": {}}
    if stamp:
        copy = _copy() or {}
    if copy.get("stamp") != stamp or not copy.get("is_plain") or (not stamp and exists(file)):
        return None
    named = {"model": environ.get(b"CHAT_MODEL"), "system": environ.get(b"CHAT_SYSTEM")}
    return copy | {name: said.decode("utf-8", "replace") for name, said in named.items() if said}


def _copy() -> "dict[str, Any] | None":
    for runtime in runtimes():
        try:
            with open(runtime + b"/" + SETTINGS, encoding="utf-8") as file:
                found: dict[str, Any] = decode(file.read())
                return found
        except (OSError, ValueError, StopIteration):
            pass  # there is none, or somebody has written into it
    return None


def runtimes() -> "list[bytes]":
    """Return where a user's own chatd may be, as chat_rpc.paths has it, best first."""
    user = posix.getuid()
    return [
        path for path in (b"/run/user/%d" % user, b"/dev/shm/chatd-%d" % user) if _is_private(path)
    ]


def stamp_of(path: bytes) -> str:
    """Return what changes when a file does; empty: there is none."""
    try:
        status = posix.stat(path)
    except OSError:
        return ""
    size, changed = status.st_size, status.st_ctime_ns
    return f"{status.st_dev} {status.st_ino} {size} {status.st_mtime_ns} {changed}"


def _is_private(directory: bytes) -> bool:
    try:
        status = posix.lstat(directory)
    except OSError:
        return False
    is_mine = status.st_mode & _S_IFMT == _S_IFDIR and status.st_uid == posix.getuid()
    return is_mine and not status.st_mode & 0o077


def decode(text: str) -> "Any":  # Any: JSON
    return _scan(text, 0)[0]


class _Context:
    """What json.decoder.JSONDecoder is to the scanner of `_json`."""

    strict = True
    object_hook = object_pairs_hook = array_hook = None
    parse_float, parse_int, parse_constant = float, int, float
    memo: "dict[str, str]" = {}  # noqa: RUF012  # the scanner's own


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
        load_packages()
        from chat_cli import piped

        piped.tell_of_silence()


def _mode(number: int) -> "int | None":
    try:
        return posix.fstat(number).st_mode & _S_IFMT
    except OSError:
        return None


_scan = _json.make_scanner(_Context)  # type: ignore[arg-type]  # anything with these
