"""The wall's clock is for people: when it jumps by a year, nothing ends early or too late."""

import os
from pathlib import Path

import pytest
from tests.conftest import StartDaemon, StartServer
from tests.harness import Daemon, configured, wait_for

from chat_rpc import aio, errors, methods

YEAR_S = 366 * 86400
# `time.time` of the daemon's process, moved by what a file says
CLOCK = """
import os, time
real = time.time
def moved():
    with open(os.environ["CLOCK"]) as shift:
        return real() + float(shift.read())
time.time = moved
"""
CONFIG = "[limits]\ntoken_s = 1\nfirst_token_s = 2\nfirst_line_s = 2\n"


class Clock:
    """The wall's clock of a daemon."""

    def __init__(self, folder: Path):
        self._shift = folder / "shift"
        (folder / "sitecustomize.py").write_text(CLOCK)
        self.environment = {"PYTHONPATH": str(folder), "CLOCK": str(self._shift)}
        self.jump(0)

    def jump(self, by_s: int) -> None:
        draft = self._shift.with_suffix(".new")
        draft.write_text(str(by_s))
        draft.rename(self._shift)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.fixture
def chatd(start_daemon: StartDaemon, start_server: StartServer, clock: Clock) -> Daemon:
    server = start_server("--tokens", "60", "--delay-s", "0.05")
    config = configured(("scripted", server), extra=CONFIG)
    return start_daemon(config, environment=clock.environment)


def ask(prompt: str, model: str) -> methods.TurnStart:
    return methods.TurnStart(prompt=prompt, key=prompt, model=model)


def keep_house(daemon: Daemon) -> None:
    """Return when housekeeping has been there: it takes the reserve back when it is done."""
    reserve = daemon.store / "reserve"
    os.truncate(reserve, 0)
    wait_for(lambda: reserve.stat().st_size > 0, "housekeeping")


@pytest.mark.parametrize("by_s", [-YEAR_S, YEAR_S], ids=["back", "ahead"])
async def test_when_the_wall_s_clock_jumps_what_runs_goes_on_and_what_stalls_is_told(
    chatd: Daemon, clock: Clock, by_s: int
) -> None:
    async with aio.connect(chatd.socket) as client:
        slow = await client.call(methods.START, ask("slow", "slow"))
        stalled = await client.call(methods.START, ask("stall", "stall"))
        stalls = client.events(stalled.turn)
        speaks = client.events(slow.turn)
        for events in (stalls, speaks):
            while not isinstance(await anext(events), methods.Delta):
                pass
        clock.jump(by_s)
        for events, code in ((stalls, errors.Stalled.code), (speaks, None)):
            *_, end = [event async for event in events]
            assert isinstance(end, methods.End)
            assert (end.ending.error.code if end.ending.error else None) == code
            assert end.ending.timings is not None
            assert 900 < end.ending.timings.total_ms < 30_000
        if by_s > 0:  # else nothing could end early
            keep_house(chatd)
        again = await client.call(methods.START, ask("slow", "slow"))
        assert again.replayed, "its key is known"
        later = await client.call(methods.START, ask("later", "hash"))
        assert [event async for event in client.events(later.turn)]
        listed = (await client.call(methods.CHATS, methods.Page())).chats
        assert [chat.title for chat in listed] == ["later", "stall", "slow"]
        jump_s = listed[0].created - listed[1].created
        assert abs(jump_s - by_s) < 60, "the daemon's clock has jumped"
        ends = [chat.ends - listed[0].created for chat in listed]
        assert all(86000 < end < 86500 for end in ends), "a day from now, by any clock"
        found = await client.call(methods.SEARCH, methods.Search(words="l"))
        assert [hit.title for hit in found.found] == ["later", "stall", "slow"]
