"""`kill -9` at random while clients ask, drop and come again: nothing acknowledged is lost."""

import argparse
import asyncio
import os
import random
import re
import shutil
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from chat_rpc import aio, errors, methods
from tests.campaigns.caller import Caller, Strike, World
from tests.campaigns.ledger import demand
from tests.campaigns.report import Broken, Progress
from tests.harness import TROUBLE, Daemon, ModelServer, configured, ram_directory, readlink

AIMS = (
    "start-up",
    "recovery",
    "rotation",
    "compaction",
    "long line",
    "mid-stream",
    "mid-request",
    "mid-change",
)
CHANGES = (
    "chat.wipe", "chat.wipe", "chat.rename", "chat.delete", "chat.undelete", "chat.fork",
    "chat.select", "chat.checks", "turn.feedback", "turn.feedback", "file.add", "file.add",
)  # fmt: skip
# journal files as small as may be, and one that is tidied all the time
STORE = "[store]\nsegment_bytes = 4096\nhousekeeping_s = 0.2\n"
BALLAST_TURNS = 5000  # so that a start has something to read
LIFE_S = 0.3  # the longest that a daemon lives on when the first words of a reply have come
MOVE_S = 0.0001  # the lines that a moved turn had are erased in about this time
REQUEST_S = 0.0004  # a request is answered in about this time
LONG_BYTES = 2**16
ROUND_S = 60.0
RECOVERED = re.compile(r"session of uid \d+: \d+ turns in (\d+) ms")
LINE = re.compile(rb'^[0-9a-f]{8} \{"type":"(\w+)","turn":"([a-z2-7]{16})"', re.MULTILINE)
MOVED = re.compile(rb'^.{9}\{"type":"packed".*\n\Z', re.MULTILINE)  # the last line
ID = re.compile(rb'"(?:turn|chat)":"([a-z2-7]{16})"')
COUNTED = (
    "kills that missed their moment",
    "torn tails",
    "deaths in the middle of a turn's move",
    "turns asked",
    "turns acknowledged",
    "turns done",
    "turns interrupted",
    "most attempts",
    "turns compared",
    "client drops",
    "re-attached",
    "keys repeated",
    "changes of chats",
    "turns beside another",
    "turns by name",
    "turns with files",
    "turns with checks",
    "turns selected",
    "thumbs",
    "replies edited",
    "files sent",
    "files wiped",
    "files in doubt",
    "chats wiped",
    "forks in doubt",
)
ROLES: tuple[Literal["user", "assistant"], ...] = ("user", "assistant")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0, help="default: another each time")


def run(arguments: argparse.Namespace) -> Mapping[str, object]:
    """Return what was done; the first promise that is broken raises Broken, and the store stays."""
    seed = arguments.seed or random.randrange(1, 10**6)
    home = ram_directory()
    server = ModelServer("model_server", "--delay-s", "0.003")
    daemon = Daemon(home, configured(("scripted", server), extra=STORE))
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(0.0001)  # the thread that kills must not wait for the callers
    campaign = Campaign(daemon, arguments.callers, random.Random(seed))
    try:
        asyncio.run(campaign.run(arguments.kills))
        figures = campaign.figures()
        daemon.stop()
        campaign.check_files()
    except (AssertionError, errors.RpcError, TimeoutError, BaseExceptionGroup) as exc:
        where = f"seed {seed}, round {campaign.round}; {home} has the store and the log"
        raise Broken(f"{_first(exc)!r}; {where}") from exc
    finally:
        sys.setswitchinterval(interval_s)
        with suppress(AssertionError):
            daemon.kill()
        server.close()
    shutil.rmtree(home)
    return {"seed": seed, **figures}


def _first(exc: BaseException) -> BaseException:
    """Return what a group of exceptions began with."""
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return exc


def poll(holds: Callable[[], bool], what: str) -> None:
    """As wait_for, for what lasts a millisecond."""
    end = time.monotonic() + ROUND_S / 2
    while not holds():
        demand(time.monotonic() < end, f"{what} comes to pass")
        time.sleep(0.00005)


class Campaign:
    """The daemon, its callers, and who kills it."""

    def __init__(self, daemon: Daemon, callers: int, chance: random.Random):
        self.round = 0
        self._daemon = daemon
        self._chance = chance
        self._world = World(daemon.socket, daemon.store / f"session_{os.getuid()}")
        self._journal = self._world.session / "journal"
        self._callers = [
            Caller(f"c{number}", self._world, random.Random(chance.random()))
            for number in range(callers)
        ]
        self._hits: Counter[str] = Counter()
        self._log_read = 0
        self._starts_s: list[float] = []
        self._recoveries_s: list[float] = []
        self._ballast = methods.Import(
            title="ballast",
            messages=[
                methods.Said(role, f"{role} {number} é " * 9)
                for number in range(BALLAST_TURNS)
                for role in ROLES
            ],
        )
        self._ballast_id = ""

    async def run(self, kills: int) -> None:
        """Kill so often; then let every caller see all its turns to their ends, and compare."""
        await self._load()
        progress = Progress("kill", kills)
        async with asyncio.TaskGroup() as group:
            working = [group.create_task(caller.run()) for caller in self._callers]
            while self._hits.total() < kills:
                self.round += 1
                async with asyncio.timeout(ROUND_S):
                    await self._kill(min(AIMS, key=lambda aim: self._hits[aim]))
                progress.show(self._hits.total())
            await asyncio.to_thread(self._start)
            self._world.is_over = True
            self._world.is_up.set()
            async with asyncio.timeout(ROUND_S):
                await asyncio.wait(working)
        async with aio.connect(self._world.socket) as link:
            await self._check(link)

    def figures(self) -> dict[str, object]:
        done = self._world.figures
        return {
            **{f"kills, {aim}": self._hits[aim] for aim in AIMS},
            **{name: done[name] for name in COUNTED},
            "lost, twice, gaps, wrong bytes": "0 (the first would have ended this)",
            "start to READY, median": f"{statistics.median(self._starts_s):.2f} s",
            "recovery, median": f"{statistics.median(self._recoveries_s) * 1000:.0f} ms",
            "recovery, longest": f"{max(self._recoveries_s) * 1000:.0f} ms",
        }

    # -- one life ----------------------------------------------------------------------------------

    async def _kill(self, aim: str) -> None:
        """Start a daemon, kill it at the moment that is aimed at, and look at what it left."""
        if aim in ("start-up", "recovery"):
            hit = await asyncio.to_thread(self._kill_at_the_start, aim)
        else:
            await asyncio.to_thread(self._start)
            self._world.heard.clear()
            self._world.is_up.set()
            await self._world.heard.wait()
            await asyncio.sleep(self._chance.uniform(0, LIFE_S))
            hit = await self._kill_at_work(aim)
            self._world.is_up.clear()
        log = self._look_at_the_dead()
        if aim == "recovery":
            hit = hit and not RECOVERED.search(log)
        if hit:
            self._hits[aim] += 1
        else:
            self._world.figures["kills that missed their moment"] += 1

    def _start(self) -> None:
        began_s = time.monotonic()
        self._daemon.start()
        self._starts_s.append(time.monotonic() - began_s)

    def _kill_at_the_start(self, aim: str) -> bool:
        """Kill at some time after exec, or after the journal was opened; was it before READY?"""
        ready = self._daemon.launch()
        within_s = statistics.median(self._starts_s)
        if aim == "recovery":
            last = max(os.listdir(self._journal))  # all are opened, and then they are read
            poll(lambda: last in self._open_files(), "the journal is opened")
            within_s = statistics.median(self._recoveries_s)
        self._kill_within(within_s)
        with open(ready, "rb") as pipe:
            return not pipe.read()

    async def _kill_at_work(self, aim: str) -> bool:
        if aim == "mid-request":
            return await self._kill_at_a_request("turn.start")
        if aim == "mid-change":
            return await self._kill_at_a_request(self._chance.choice(CHANGES))
        if aim == "mid-stream":
            await asyncio.to_thread(self._daemon.kill)
            return any(caller.is_midway for caller in self._callers)
        await asyncio.to_thread(self._kill_at_a_change, aim)
        return True

    async def _kill_at_a_request(self, method: str) -> bool:
        """Kill when a caller has sent such a request; was it not answered?"""
        strike = self._world.strike = Strike(method, lambda: self._kill_within(REQUEST_S))
        return not await strike.was_answered

    def _kill_at_a_change(self, aim: str) -> None:
        """Kill when the end of the journal tells that what is aimed at has begun."""
        before = self._sign(aim)

        def has_begun() -> bool:
            nonlocal before
            before, was = self._sign(aim), before
            return bool(before) and before != was

        poll(has_begun, f"{aim} of the journal")
        self._kill_within(MOVE_S)

    def _sign(self, aim: str) -> object:
        last = max(self._journal.iterdir())
        match aim:
            case "rotation":
                return last
            case "compaction":
                return MOVED.search(last.read_bytes()) is not None
            case _:
                return last.stat().st_size // LONG_BYTES

    def _open_files(self) -> set[str]:
        folder = Path(f"/proc/{self._daemon.pid}/fd")
        return {os.path.basename(readlink(link)) for link in folder.iterdir()}

    def _kill_within(self, longest_s: float) -> None:
        time.sleep(self._chance.uniform(0, longest_s))
        self._daemon.kill()

    # -- what must hold ----------------------------------------------------------------------------

    def _look_at_the_dead(self) -> str:
        """Demand that its log tells of no trouble, and count what its death left; its log."""
        log = self._daemon.log.read_text()[self._log_read :]
        self._log_read += len(log)
        demand(not TROUBLE.search(log) and "damage" not in log, "no trouble in the log", log)
        self._recoveries_s += [int(ms) / 1000 for ms in RECOVERED.findall(log)]
        files = sorted(self._journal.iterdir())
        texts = [file.read_bytes() for file in files]
        self._world.figures["torn tails"] += texts[-1][-1:] not in (b"", b"\n")
        kinds: dict[bytes, set[bytes]] = {}
        for kind, turn in LINE.findall(b"".join(texts)):
            kinds.setdefault(turn, set()).add(kind)
        half_moved = any(b"packed" in each and len(each) > 1 for each in kinds.values())
        self._world.figures["deaths in the middle of a turn's move"] += half_moved
        return log

    async def _load(self) -> None:
        """Give the daemon something to read at each start, and learn how long that takes."""
        await asyncio.to_thread(self._start)
        async with aio.connect(self._world.socket) as link:
            self._ballast_id = (await link.call(methods.IMPORT, self._ballast)).chat.chat
        for _ in range(2):
            await asyncio.to_thread(self._daemon.kill)
            self._look_at_the_dead()
            await asyncio.to_thread(self._start)
        await asyncio.to_thread(self._daemon.kill)
        self._look_at_the_dead()

    async def _check(self, link: aio.Client) -> None:
        """Demand that all that was acknowledged is there, and nothing that nobody asked for."""
        for caller in self._callers:
            await caller.check_all(link)
        ballast = await link.call(methods.EXPORT, methods.ChatNamed(chat=self._ballast_id))
        demand(ballast.messages == self._ballast.messages, "what was imported is there")
        known = {self._ballast_id, *(chat.id for caller in self._callers for chat in caller.chats)}
        page = await link.call(methods.CHATS, methods.Page(limit=1000))
        others = [line.chat for line in page.chats if line.chat not in known]
        in_doubt = self._world.figures["forks in doubt"]
        demand(page.next is None and len(page.chats) - len(others) == len(known), "chats are there")
        demand(len(others) <= in_doubt, "one key makes one turn", others)
        await self._check_taste(link)
        for other in others:
            chat = await link.call(methods.CHAT, methods.ChatGet(chat=other))
            demand(not any(turn.attempts for turn in chat.turns), "a fork asks no model", other)

    async def _check_taste(self, link: aio.Client) -> None:
        """Demand that the judgements are there that were acknowledged, and none taken back."""
        page = await link.call(methods.TASTE, methods.Nothing())
        kept = {line.feedback for line in page.feedback}
        for caller in self._callers:
            demand(caller.felt <= kept, "judgements are kept", caller.felt - kept)
            demand(not caller.unfelt & kept, "what is taken back is gone", caller.unfelt & kept)

    def check_files(self) -> None:
        """Demand that no byte of the journal and no file is of a turn or chat that was wiped."""
        kept = b"".join(file.read_bytes() for file in self._journal.iterdir())
        ids = {id_.decode() for id_ in ID.findall(kept)}
        ids |= {file.name.split(".")[0] for file in self._world.session.rglob("*.*")}
        demand(
            not ids & set(self._world.wiped), "what was wiped is gone", ids & set(self._world.wiped)
        )
        demand(b'"type":"quarantined"' not in kept, "no turn was set aside")
        files = {file.name for file in (self._world.session / "files").iterdir()}
        known = {f"{id_}.bin" for caller in self._callers for id_ in caller.files}
        clung = {f"{id_}.bin" for caller in self._callers for id_ in caller.clung}
        others = files - known - clung
        in_doubt = self._world.figures["files in doubt"]
        demand(known <= files, "files are there", known - files)
        demand(len(others) <= in_doubt, "no file that nobody sent", others)
