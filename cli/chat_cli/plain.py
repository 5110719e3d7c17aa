"""What is asked, where it is said plainly: flags, words and stdin, for the fast start."""

import posix
import sys
from posix import environ

from chat_cli.terminals import terminal

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


def _has_settings() -> bool:
    """Say whether the person has settings, which are read elsewhere."""
    if environ.get(b"CHAT_MODEL") or environ.get(b"CHAT_SYSTEM"):
        return True
    home = environ.get(b"XDG_CONFIG_HOME") or (environ.get(b"HOME") or b"") + b"/.config"
    return exists(home + b"/chat/config.toml")


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
