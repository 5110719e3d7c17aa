"""chatd without its socket: the real dispatcher and store in this process, put together as
`chatd.__main__` does, with a model that answers out of its hat.  It is not a daemon: no signals.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

import msgspec

from chat_rpc import errors, methods
from chatd.backends.pieces import Finish, Text, Thought
from chatd.backends.pool import Known, Pool
from chatd.backends.reply import Take
from chatd.backends.server import ModelServer
from chatd.chats import compaction, conversations
from chatd.chats.quota import Quota
from chatd.chats.sessions import Sessions
from chatd.chats.turns import Step
from chatd.config import Config, Engine, Finding
from chatd.dispatch import Dispatcher
from chatd.handlers import HANDLERS, Handler
from chatd.handlers.context import Context, Peer
from chatd.inference import Inference, loop
from chatd.scheduler import Scheduler
from chatd.store.tmpfs import Store
from chatd.verifier.apart import Verifier

UIDS = (1000, 2000)
LIFETIME_S = 86400.0
SEGMENT_BYTES = 16 * 1024
STORE_BYTES = 6 * 2**20  # of which the reserve is four: some turns find it full
SLOW_S = 1.0  # of CPU time: the machine does other things too
LOOKS = 300  # each after a hundred turns of the loop

LIMITS = methods.Limits(
    line_bytes=4 * 2**20, unanswered_requests=64, connections_per_user=256, connections=2048,
    first_line_s=10, unread_bytes=8 * 2**20,
)  # fmt: skip


class Echo(ModelServer):
    """A model server that needs no HTTP: it says again what it is asked, or fails in some way."""

    async def models(self, timeout_s: float) -> dict[str, int | None]:
        return {"echo": None, "small": 64}

    async def reply(
        self,
        model: str,
        messages: list[dict[str, str]],
        options: Mapping[str, object],
        take: Take,
        schema: Mapping[str, object] | None = None,
    ) -> Finish:
        asked = messages[-1]["content"]
        chance = crc32(asked.encode("utf-8", "surrogatepass"))
        if chance % 13 == 0:
            raise errors.ContextTooLong("too long for echo")
        if chance % 3 == 0:
            take(Thought("hm"))
        for word in asked.split(" "):
            take(Text(f"{word} "))
            if chance % 2:
                await asyncio.sleep(0)
        if chance % 11 == 0:
            raise errors.CutOff("echo was cut")
        return Finish("length" if chance % 7 == 0 else "stop", "echo", methods.Usage(1, 1))


class Servers(Pool):
    """The pool, which finds nobody but Echo."""

    def __init__(self, config: Config, runtime: Path, echo: Echo):
        super().__init__(config, runtime)
        self._echo = echo

    async def _look(self, uid: int) -> list[Known]:
        return [Known(self._echo, "echo", self._echo.url, models=await self._echo.models(1))]


@dataclass(eq=False)
class Line:
    """A line, and the connection that sent nothing else: so its answers are this line's."""

    text: bytes
    uid: int
    is_admin: bool
    unanswered: int = 0  # of earlier lines, which never are
    waiting: int = 0
    answers: list[bytes] = field(default_factory=list)
    handled: int = 0
    offers: int = 0
    notices: int = 0
    took_s: float = 0.0
    is_gone: bool = False
    following: Counter[str] = field(default_factory=Counter)
    endings: dict[str, Callable[[], None]] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """All that this connection waits for was answered and told."""
        return not self.waiting and (self.is_gone or not self.following)

    def begin_request(self) -> None:
        self.unanswered += 1
        self.waiting += 1

    def end_request(self) -> None:
        self.unanswered -= 1
        self.waiting -= 1

    def send(self, line: bytes) -> None:
        self.answers.append(line)

    def reply(self, answer: bytes | None) -> None:
        if answer is not None:
            self.send(answer)

    def follow(self, turn: str) -> None:
        self.following[turn] += 1

    def leave(self, turn: str) -> None:
        if self.following[turn] > 1:
            self.following[turn] -= 1
        else:
            self.following.pop(turn, None)
            if end := self.endings.pop(turn, None):
                end()

    def lose(self) -> None:
        """The client is gone."""
        self.is_gone = True
        for turn in tuple(self.endings):
            self.endings.pop(turn)()

    def feed(self, step: Step) -> None:
        asyncio.get_running_loop().call_soon(self._take, step)

    def _take(self, step: Step) -> None:
        if not self.is_gone and step(2**20):
            self.feed(step)

    def tell(self, line: bytes) -> bool:
        if self.is_gone:
            return False
        self._note(line)
        return self.notices < 50  # then it is too slow

    def deliver(self, line: bytes) -> bool:
        self.offers += 1
        if self.is_gone or self.offers % 50 == 0:  # now and then it has no room
            return False
        self._note(line)
        return True

    def _note(self, line: bytes) -> None:
        notice = msgspec.json.decode(line)
        assert notice["method"] in methods.NOTIFICATIONS, notice["method"]
        self.notices += 1


@dataclass
class World:
    """The parts that the checks look at."""

    root: Path
    store: Store
    sessions: Sessions
    inference: Inference
    dispatcher: Dispatcher

    def take(self, line: Line) -> None:
        """Give a line to the dispatcher, which must come back soon."""
        began_s = time.thread_time()
        self.dispatcher.receive(line.text, line)
        line.took_s = time.thread_time() - began_s
        assert line.took_s < SLOW_S, f"a line took {line.took_s:.1f} s"

    async def settle(self, lines: list[Line]) -> None:
        """Return when every request is answered, every turn has ended and was told."""
        for _ in range(LOOKS):
            for _ in range(100):
                await asyncio.sleep(0)
            if not self.inference.unfinished and all(line.is_done for line in lines):
                return
        raise AssertionError("a request is not answered, or a turn has no end that was told")

    def keep_house(self) -> None:
        """What chatd does every ten seconds."""
        for session in self.sessions:
            for steps in (conversations.expire(session), compaction.compact(session)):
                for _ in steps:
                    pass


@asynccontextmanager
async def world_in(root: Path, echo: Echo) -> AsyncIterator[World]:
    """A store in the directory `root`, and all that works on it."""
    store = Store(root, segment_bytes=SEGMENT_BYTES)
    config = Config(finding=Finding(enabled=False), engine=Engine(enabled=False))
    pool, scheduler = Servers(config, root.parent, echo), Scheduler()
    sessions = sessions_of(store)
    pause_s, loop.PAUSE_S = loop.PAUSE_S, 0.0  # nothing here waits for a clock
    try:
        async with asyncio.TaskGroup() as tasks:
            verifier = Verifier()
            inference = Inference(pool, scheduler, verifier, config.limits, tasks)
            context = Context(
                sessions=sessions,
                pool=pool,
                scheduler=scheduler,
                inference=inference,
                verifier=verifier,
                limits=LIMITS,
                socket=root / "none",
                began_s=time.monotonic(),
                connections=lambda: 1,
                stop=lambda: None,
                reload=lambda: methods.Reloaded(changed=[], waiting=[]),
                look_at_settings=lambda: methods.Finding(name="x", state="good", says=""),
            )
            handlers = {name: _counted(handler) for name, handler in HANDLERS.items()}
            yield World(root, store, sessions, inference, Dispatcher(handlers, context, tasks))
    finally:
        loop.PAUSE_S = pause_s
        store.close()


def sessions_of(store: Store) -> Sessions:
    return Sessions(store, Quota(store, own_mount=False, store_bytes=STORE_BYTES), LIFETIME_S)


def _counted(handler: Handler) -> Handler:
    def count(context: Context, peer: Peer, params: object) -> object:
        assert isinstance(peer, Line)
        peer.handled += 1
        return handler(context, peer, params)

    return count  # type: ignore[return-value]  # as the handler's, whatever that is
