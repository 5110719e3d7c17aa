"""A box in which install.sh --system has put chatd, with people and a model server."""

import hashlib
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from chat_rpc import methods
from chat_rpc.client import Client, TurnEvent, ask, patiently
from tests.box.box import Box
from tests.fakes.scripts import hash_reply
from tests.harness import ROOT, ModelServer, Ran

TREE, WHEELS = "/srv/chatd", "/srv/wheels"
PYTHON = "/usr/bin/python3"
PIP = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": WHEELS}  # there is no network in a box
INSTALL_S = 300.0
CONFIG = "/etc/chatd/chatd.toml"
STORE = "/mnt/ai_tmpfs"
MOUNT = "mnt-ai_tmpfs.mount"
UNITS = ("chatd.socket", "chatd.service")
FAULTY = "/usr/local/lib/faulty_chatd.py"
DROP_INS = "/run/systemd/system"
PEOPLE = {"alice": "chatd", "bob": "chatd", "mallory": ""}  # who is in which group
ELSEWHERE = "192.0.2.1"  # an address of the box that is not loopback


def fetch_wheels(directory: Path) -> Path:
    """Return a folder with what install.sh lets pip download; it is fetched once."""
    lock = ROOT / "requirements/run.txt"
    said = subprocess.check_output([PYTHON, "-V"], text=True)
    version = ".".join(said.split()[1].split(".")[:2])
    wheels = directory / f"{version}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if not wheels.exists():
        part = Path(tempfile.mkdtemp(dir=directory))
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes"),
                *("--only-binary", ":all:", "--python-version", version),
                *("--dest", str(part), "--requirement", str(lock)),
            ],
            check=True,
            timeout=INSTALL_S,
            capture_output=True,
        )
        part.chmod(0o755)  # pip runs as anybody
        part.rename(wheels)
    return wheels


def install(box: Box, *arguments: str, user: str | None = None, tree: str = TREE) -> Ran:
    """Run install.sh in a box, as the README says."""
    return box.run(f"{tree}/install.sh", *arguments, user=user, env=PIP, timeout_s=INSTALL_S)


def add_people(box: Box) -> None:
    for name, group in PEOPLE.items():
        groups = ["--groups", group] if group else []
        box.do("useradd", "--create-home", *groups, name)


class Machine:
    """The box, its chatd and its model server; enter it once for many tests."""

    def __init__(self, wheels: Path, *options: str):
        self._options = options  # of the model server
        self.box = Box([(ROOT, TREE), (wheels, WHEELS)])
        self.words: list[str] = []  # every prompt that was made here, and what it is answered
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.box)
            self.installed = install(self.box, "--system")
            assert self.installed.status == 0, self.installed
            add_people(self.box)
            self.box.do("ip", "address", "add", f"{ELSEWHERE}/32", "dev", "lo")
            self.server = self.start_server(*self._options)
            stack.callback(self.server.close)
            self.config = self.config_of(self.server)
            self.configure(self.config)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start_server(self, *arguments: str) -> ModelServer:
        """Start a scripted model server in the box, as root."""
        environment = {"PYTHONPATH": TREE, "PYTHONDONTWRITEBYTECODE": "1"}
        return ModelServer(
            "model_server",
            *arguments,
            wrapper=self.box.command(env=environment),
            python=PYTHON,
        )

    def config_of(self, server: ModelServer, name: str = "scripted", extra: str = "") -> str:
        return (
            f'[finding]\nenabled = false\n{extra}\n[[servers]]\nname = "{name}"\n'
            f'url = "{server.url}"\nslots = 64\n'
        )

    def configure(self, text: str) -> None:
        """Write chatd.toml as an administrator would, and restart."""
        self.box.path(CONFIG).write_text(text)
        self.restart()

    def restart(self) -> None:
        self.systemctl("reset-failed")  # or else, after ten in a minute, systemd does no more
        self.systemctl("restart", "chatd.service")

    def systemctl(self, *arguments: str) -> str:
        return self.box.do("systemctl", *arguments)

    def show(self, name: str, unit: str = "chatd.service") -> str:
        """Return one property of a unit."""
        return self.box.show(unit, name)

    def kill(self, signal: str) -> None:
        """Send the daemon a signal, and its engine none."""
        self.systemctl("kill", "--kill-who=main", "--signal", signal, "chatd.service")

    @property
    def restarts(self) -> int:
        """How often systemd has started chatd again by itself."""
        return int(self.show("NRestarts"))

    @property
    def pid(self) -> int:
        """The daemon's process id in the box."""
        return int(self.show("MainPID"))

    def journal(self, *arguments: str, since_s: float = 0) -> str:
        """Return what the journal has since a time: of chatd, or what `arguments` name."""
        arguments = arguments or ("-u", "chatd.service")
        self.box.do("journalctl", "--sync")
        return self.box.do("journalctl", "--no-pager", "--all", f"--since=@{since_s:f}", *arguments)

    @contextmanager
    def changed(self, unit: str, text: str) -> Iterator[None]:
        """Have a drop-in for a unit meanwhile."""
        path = f"{DROP_INS}/{unit}.d/60-test.conf"
        self.box.write(path, text)
        self.systemctl("daemon-reload")
        try:
            yield
        finally:
            self.box.path(path).unlink()
            self.systemctl("daemon-reload")

    @contextmanager
    def faulty(self, settings: str = "") -> Iterator[None]:
        """Have chatd run with the faults of tests/fakes/faulty_chatd.py meanwhile."""
        self.box.write(FAULTY, (ROOT / "tests/fakes/faulty_chatd.py").read_text())
        start = f"ExecStart=\nExecStart=/opt/chatd/current/bin/python3 -I {FAULTY} --system\n"
        with self.changed("chatd.service", f"[Service]\n{start}{settings}"):
            self.restart()
            yield
        self.box.path(FAULTY).unlink()
        self.restart()

    def client(self) -> Client:
        return self.box.client()

    def prompt(self) -> str:
        """Return words that are nowhere else in the world, and remember to search for them."""
        word = f"canary{secrets.token_hex(12)}"
        # of the reply, a part that the prompt cannot bring along
        self.words += [word, hash_reply(word)[:17]]
        return word

    def ask(self, prompt: str, model: str = "hash") -> methods.Turn:
        """Ask as root, and return the whole turn."""
        params = methods.TurnStart(prompt=prompt, key=secrets.token_hex(8), model=model, wait=True)
        with patiently(self.client) as client:
            reply = client.call(methods.START, params).reply
        assert reply is not None
        return reply

    def follow(self, params: methods.TurnStart) -> Iterator[TurnEvent]:
        """Ask as root, and yield the turn's events; what chatd loses meanwhile is asked again."""
        with ExitStack() as opened:
            for event in ask(lambda: opened.enter_context(self.client()), params):
                if not isinstance(event, methods.Started):
                    yield event

    def answers(self) -> bool:
        """Say whether a new question gets its right answer."""
        prompt = self.prompt()
        return self.ask(prompt).text == hash_reply(prompt)

    def chat(
        self,
        *arguments: str,
        user: str = "alice",
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Ran:
        return self.box.run("/usr/local/bin/chat", *arguments, user=user, stdin=stdin, env=env)

    def restore(self) -> None:
        """Have all as after the installation: for the next test."""
        if self.box.path(CONFIG).read_text() != self.config:
            self.configure(self.config)
        self.systemctl("reset-failed")
        self.systemctl("start", "chatd.socket", "chatd.service")
        assert self.answers()
