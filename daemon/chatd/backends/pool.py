"""Which model servers a user may use, and which of them answers: configured, found, or the demo."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from chat_rpc import errors
from chat_rpc.methods import Model, Probe
from chatd.backends import demo, keys, owners
from chatd.backends.engine import Engine
from chatd.boundary import boundary
from chatd.config import Config, Server

if TYPE_CHECKING:
    from chatd.backends.server import ModelServer

log = logging.getLogger(__name__)

NOT_FOR_CHAT = ("embed", "rerank", "whisper")
NAMES = 10  # of models, that an error lists


@dataclass(frozen=True, slots=True)
class Choice:
    """Who will answer a turn."""

    server: "ModelServer"
    model: str
    context_tokens: int | None = None
    is_demo: bool = False


@dataclass(slots=True)
class Known:
    """What is known of one server: its models, or why it cannot be used."""

    server: "ModelServer | None"
    name: str
    url: str
    models: dict[str, int | None] = field(default_factory=dict)  # names and their contexts
    note: str = ""
    listener: int = 0  # the inode of a found server's listener: another one is another server
    until: float = 0.0  # of the loop's clock
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)  # of many that look, one asks

    @property
    def usable(self) -> bool:
        return self.server is not None and not self.note

    def default_model(self) -> str:
        chats = [m for m in self.models if not any(word in m.lower() for word in NOT_FOR_CHAT)]
        return (chats or [*self.models, "default"])[0]


class Pool:
    """The model servers, each as one user may use it."""

    def __init__(self, config: Config, runtime: Path):
        self._config = config
        self._known: dict[tuple[int, str], Known] = {}
        self._retired: set[ModelServer] = set()  # of former settings: turns may still use them
        self.engine = Engine(demo.FILE, demo.CONTEXT, runtime / "engine.sock", config.engine)
        self._demo: ModelServer | None = None

    def configure(self, config: Config) -> None:
        """Use other servers and keys from now on; turns that run keep theirs."""
        self._config = config
        self._retired |= {known.server for known in self._known.values() if known.server}
        self._known.clear()

    async def choose(self, uid: int, asked: str | None) -> Choice:
        """Return who answers `uid`; raises NoSuchModel or ServerUnreachable."""
        if asked == demo.MODEL:
            return self._choose_demo()
        looked = await self._look(uid)
        known = [server for server in looked if server.usable]
        for candidate in known:
            if model := _match(candidate, asked):
                return _choice(candidate, model)
        for candidate in known:
            if not candidate.models and asked:  # it cannot list them, so it may have it
                return _choice(candidate, asked)
        own = {settings.name for settings in self._config.servers}
        faults = {server.name: server.note for server in looked if server.note}
        if asked in faults:
            raise errors.ServerUnreachable(faults[asked])
        why = "; ".join(note for name, note in faults.items() if name in own)
        if why and not known:  # the demo is for who has no server, not for who has one that fails
            raise errors.ServerUnreachable(why)
        if asked is not None:
            raise errors.NoSuchModel(_no_such(asked, known) + (f"; {why}" if why else ""))
        return self._choose_demo()

    async def models(self, uid: int) -> list[Model]:
        """Return what `uid` may use, the one that is chosen by default first."""
        lines = [
            Model(model=model, backend=known.name, url=known.url)
            for known in await self._look(uid)
            if known.usable
            for model in sorted(known.models, key=lambda name: name != known.default_model())
        ]
        if self._has_demo:
            lines.append(Model(model=demo.MODEL, backend="engine", url="built in", demo=True))
        return lines

    def addresses(self, uid: int) -> list[tuple[str, str, int]]:
        """Return name, URL and slots of the servers that are there for `uid`; none is asked."""
        there = [
            (each.name, str(each.url).rstrip("/"), each.slots) for each in self._config.servers
        ]
        if self._config.finding.enabled:
            there += [
                (name, _url(port), self._config.finding.slots)
                for name, port, row in self._listening()
                if owners.is_trusted(row.uid, uid)
            ]
        return there

    def why_no_demo(self) -> str:
        """Return why the demo cannot be asked; empty: it can."""
        if not self._config.engine.enabled:
            return "chatd.toml switches the built-in engine off"
        if not demo.FILE.exists():
            return "its file is not installed"
        return "" if self.engine.is_installed else "the package xllamacpp is not installed"

    async def probe(self, uid: int) -> list[Probe]:
        """Look at every server now."""
        for known in self._known.values():
            known.until = 0.0
        return [
            Probe(
                backend=known.name,
                url=known.url,
                usable=known.usable,
                models=len(known.models),
                note=known.note,
            )
            for known in await self._look(uid)
        ]

    async def forget(self, backends: set[str]) -> list[str]:
        """Make the engine forget what it was asked, and name the servers that may remember."""
        if "engine" in backends and self.engine.is_idle:
            await self.engine.close()  # it starts anew when it is needed
            backends = backends - {"engine"}
        return [f"the memory of the model server {name}" for name in sorted(backends)]

    async def close(self) -> None:
        servers = {known.server for known in self._known.values()} | {self._demo}
        for server in servers | self._retired:
            if server is not None:
                await server.close()
        await self.engine.close()

    # -- inside ---------------------------------------------------------------------------------

    @property
    def _has_demo(self) -> bool:
        return not self.why_no_demo()

    def _choose_demo(self) -> Choice:
        if not self._has_demo:
            raise errors.ServerUnreachable(f"no model server is there; {demo.GET_A_MODEL}")
        if self._demo is None:
            self._demo = _server_class()(
                "engine",
                demo.URL,
                slots=4,
                connect_s=self._config.limits.connect_s,
                unix_socket=str(self.engine.socket),
            )
        return Choice(self._demo, demo.MODEL, is_demo=True)

    async def _look(self, uid: int) -> list[Known]:
        """Return all servers, configured ones first, each with a list of models that is fresh."""
        known = [self._configured_server(settings) for settings in self._config.servers]
        if self._config.finding.enabled:
            known += self._found_servers(uid)
        now = asyncio.get_running_loop().time()
        if stale := [each for each in known if each.server is not None and now >= each.until]:
            async with asyncio.TaskGroup() as group:
                for server in stale:
                    group.create_task(self._refresh(server, now))
        return known

    def _configured_server(self, settings: Server) -> Known:
        key = (-1, settings.name)
        if key not in self._known:
            url = str(settings.url).rstrip("/")
            known = self._known[key] = Known(None, settings.name, url)
            try:
                api_key = keys.read(settings)
            except keys.KeyFault as exc:
                known.note = str(exc)
                return known
            known.server = _server_class()(
                settings.name,
                url,
                slots=settings.slots,
                connect_s=self._config.limits.connect_s,
                api_key=api_key,
            )
        return self._known[key]

    def _found_servers(self, uid: int) -> list[Known]:
        return [self._found_server(uid, *found) for found in self._listening()]

    def _listening(self) -> Iterator[tuple[str, int, owners.Row]]:
        """Yield name, port and socket of what listens where a model server usually does."""
        listeners = owners.listeners()
        for name, ports in self._config.finding.ports.items():
            for port in ports:
                if row := listeners.get(port):
                    yield name, port, row

    def _found_server(self, uid: int, name: str, port: int, row: owners.Row) -> Known:
        key = (uid, f"{name}:{port}")
        known = self._known.get(key)
        if known is None:
            from chatd.backends import http  # imports httpx2: not before the first question

            def check(local: tuple[str, int], remote: tuple[str, int]) -> None:
                others = owners.peer_owners(local, remote)
                if not others or not all(owners.is_trusted(owner, uid) for owner in others):
                    raise http.Refused(_distrust(others))

            url = _url(port)
            known = self._known[key] = Known(None, name, url)
            known.server = _server_class()(
                name,
                url,
                slots=self._config.finding.slots,
                connect_s=self._config.limits.connect_s,
                check=check,
            )
        if known.listener != row.inode:
            known.listener, known.until, known.models = row.inode, 0.0, {}
        if not owners.is_trusted(row.uid, uid):
            known.note, known.until = _distrust({row.uid}), float("inf")  # not even asked
        return known

    async def _refresh(self, known: Known, now: float) -> None:
        assert known.server is not None  # noqa: S101  # the caller looked
        finding = self._config.finding
        async with known.asking:
            if now < known.until:
                return  # somebody has asked meanwhile
            try:
                with boundary(log, f"looking at {known.name}"):
                    known.models = await known.server.models(finding.probe_timeout_s)
                known.note = ""
            except errors.RpcError as exc:
                known.models, known.note = {}, exc.message
            known.until = asyncio.get_running_loop().time() + finding.fresh_s
        log.debug("server %s: %d models", known.name, len(known.models))


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}/v1"


def plain_name(model: str) -> str:
    """Return what is left of a model's name when its decoration is taken off.

    Servers list `org/Name.gguf`, `name:latest` or a path, and answer as `name`.
    """
    return model.rpartition("/")[2].lower().removesuffix(".gguf").removesuffix(":latest")


def _match(known: Known, asked: str | None) -> str | None:
    if asked in known.models:
        return asked
    if asked is None or asked == known.name:
        return known.default_model()
    alike = [model for model in known.models if plain_name(model) == plain_name(asked)]
    return alike[0] if alike else None


def _no_such(asked: str, known: list[Known]) -> str:
    names = [name for candidate in known for name in candidate.models]
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return f"no model is called {asked}; there is: {', '.join(names[:NAMES]) or 'none'}{more}"


def _choice(known: Known, model: str) -> Choice:
    assert known.server is not None  # noqa: S101  # it is usable
    return Choice(known.server, model, known.models.get(model))


def _distrust(uids: set[int]) -> str:
    who = ", ".join(str(uid) for uid in sorted(uids)) or "nobody"
    return f"its listener belongs to uid {who}, not to you or the system: not used"


def _server_class() -> "type[ModelServer]":
    from chatd.backends.server import ModelServer  # half a second: not before chatd is up

    return ModelServer
