"""Checked turns over the real socket: repaired, given up, kept; every attempt told and kept."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.conftest import StartDaemon
from tests.harness import Daemon, ModelServer
from tests.loops import (
    BAD,
    GOOD,
    THREE,
    ask,
    bodies,
    ending_of,
    error_of,
    events_of,
    reply_of,
    steps_of,
)

from chat_rpc import aio, errors, methods
from chat_rpc.checks import Check
from chatd.inference.policy import REPAIRS, SAMPLE_TOKENS


@pytest.fixture
async def client(chatd: Daemon) -> AsyncIterator[aio.Client]:
    async with aio.connect(chatd.socket) as client:
        yield client


async def test_a_reply_that_fails_is_made_again_with_the_reason(
    client: aio.Client, scripted: ModelServer
) -> None:
    events = await events_of(client, ask(BAD, GOOD))
    assert steps_of(events) == ["attempt", "verify", "refine", "attempt", "verify"]
    assert reply_of(events) == GOOD
    ending = ending_of(events)
    assert (ending.state, ending.error) == ("done", None)
    assert ending.verdict is not None
    assert ending.verdict.verdict == "pass"
    *_, failed, told = bodies(scripted)[1]["messages"]
    assert failed == {"role": "assistant", "content": BAD}
    assert "at most 3 words" in told["content"]


async def test_the_same_failure_twice_stops(client: aio.Client, scripted: ModelServer) -> None:
    events = await events_of(client, ask(BAD, "four three two one", GOOD))
    assert scripted.counts()["requests"] == 2
    error = error_of(events)
    assert error.code == errors.ChecksFailed.code
    assert "words" in error.message


async def test_the_best_so_far_is_never_replaced_by_a_worse_one(client: aio.Client) -> None:
    two = Check(type="contains", value="tmpfs")
    params = ask("a b c d e tmpfs", "a b c d e f g", checks=[THREE, two], tries=2)
    events = await events_of(client, params)
    assert steps_of(events)[-1] == "kept 1"
    assert reply_of(events) == "a b c d e tmpfs"


async def test_every_attempt_is_kept_with_its_verdict_tokens_and_time(client: aio.Client) -> None:
    started = await client.call(methods.START, ask(BAD, GOOD, wait=True))
    assert started.reply is not None
    assert started.reply.attempts == 2
    kept = await client.call(methods.GET, methods.TurnGet(turn=started.turn, tried=True))
    assert kept.tried is not None
    assert [(t.n, t.by, t.text) for t in kept.tried] == [
        (1, "model", BAD), (2, "model", GOOD),
    ]  # fmt: skip
    verdicts = [t.verdict.verdict for t in kept.tried if t.verdict]
    assert verdicts == ["fail", "pass"]
    assert [t.usage.completion_tokens for t in kept.tried if t.usage] == [4, 3]
    assert kept.ending is not None
    assert kept.ending.usage is not None
    assert kept.ending.usage.completion_tokens == 7


async def test_a_plain_turn_is_not_retried_and_says_so(
    client: aio.Client, scripted: ModelServer
) -> None:
    started = await client.call(methods.START, ask("", GOOD, checks=[]))
    assert not started.checked
    events = [event async for event in client.events(started.turn)]
    assert error_of(events).code == errors.ChecksFailed.code
    assert scripted.counts()["requests"] == 1


async def test_a_loop_is_stopped_while_it_comes(client: aio.Client, scripted: ModelServer) -> None:
    endless = {"text": "and so on " * 5000}
    started = await client.call(methods.START, ask(endless, checks=[]))
    events = [event async for event in client.events(started.turn)]
    assert error_of(events).code == errors.ChecksFailed.code
    assert len(reply_of(events)) < 20_000
    assert scripted.counts(open_streams=0)["disconnects_seen"] == 1


async def test_an_option_reaches_the_server_and_what_is_chatd_s_is_refused(
    client: aio.Client, scripted: ModelServer
) -> None:
    options = {"temperature": 0.5, "top_k": 7}
    await client.call(methods.START, ask(GOOD, options=options, wait=True))
    body = bodies(scripted)[0]
    assert {name: body[name] for name in options} == options
    for name in ("model", "messages", "stream", "stream_options", "n"):
        with pytest.raises(errors.InvalidParams, match=name):
            await client.call(methods.START, ask(GOOD, key=name, options={name: 1}))


async def test_another_model_fails_only_where_the_one_is_required(client: aio.Client) -> None:
    other = {"text": GOOD, "model": "another"}
    started = await client.call(methods.START, ask(other, checks=[], wait=True))
    assert started.reply is not None
    assert started.reply.ending is not None
    assert started.reply.ending.mismatch
    events = await events_of(client, ask(other, GOOD, key="strict", checks=[], require_model=True))
    assert error_of(events).code == errors.ChecksFailed.code
    assert steps_of(events) == ["attempt", "verify"], "the same server would send the same"


async def test_time_that_is_up_ends_a_turn(client: aio.Client, scripted: ModelServer) -> None:
    await client.call(methods.START, ask(GOOD, key="warm", wait=True))  # all is imported now
    slow = {"text": "a b c d e f g h", "delay_s": 0.5}
    with pytest.raises(errors.TimedOut):
        await client.call(methods.START, ask(slow, checks=[], max_time_s=2, wait=True))
    assert scripted.counts(open_streams=0)["disconnects_seen"] == 1


async def test_a_fixed_sequence_of_misses_takes_exactly_so_many_calls(
    client: aio.Client, scripted: ModelServer
) -> None:
    two = Check(type="contains", value="is")
    sequences = [  # replies, calls, whether it passes
        ([GOOD], 1, True),
        ([BAD, GOOD], 2, True),
        ([BAD, "one", GOOD], 3, True),
        ([BAD, "one", "is one two three", GOOD], 3, False),
        ([BAD, "four is one two", GOOD], 3, True),
        ([BAD, BAD, GOOD], 2, False),
        (["", "", GOOD], 2, False),
        (["", BAD, GOOD], 3, True),
    ]
    calls = 0
    for number, (replies, wanted, passes) in enumerate(sequences):
        params = ask(*replies, key=f"k{number}", checks=[THREE, two])
        events = await events_of(client, params)
        assert (ending_of(events).state == "done") is passes, replies
        calls += wanted
        assert scripted.counts()["requests"] == calls, replies


async def test_a_budget_holds_where_a_server_takes_no_notice_of_it(
    client: aio.Client, scripted: ModelServer
) -> None:
    deaf = {"text": " ".join(map(str, range(30_000))), "is_deaf": True}
    json_ = Check(type="starts", value="[")
    events = await events_of(client, ask(BAD, deaf, checks=[json_], tries=2))
    assert scripted.counts(open_streams=0)["disconnects_seen"] == 1
    turn = await client.call(methods.GET, methods.TurnGet(turn=events[0].turn, tried=True))
    assert turn.tried is not None
    tokens = [each.usage.completion_tokens for each in turn.tried if each.usage]
    assert tokens[1] <= REPAIRS * SAMPLE_TOKENS
    assert bodies(scripted)[1]["max_tokens"] == REPAIRS * SAMPLE_TOKENS


async def test_after_a_kill_in_the_middle_the_next_daemon_goes_on(
    chatd: Daemon, client: aio.Client, scripted: ModelServer
) -> None:
    slow = {"text": BAD, "delay_s": 0.3}
    two = Check(type="contains", value="is")
    params = ask(BAD, slow, slow, "one", "is one two three", GOOD, checks=[THREE, two])
    started = await client.call(methods.START, params)
    attempts = 0
    async for event in client.events(started.turn):
        attempts += isinstance(event, methods.Event) and event.kind == "attempt"
        if attempts == 2:
            break
    await asyncio.to_thread(chatd.kill)
    await asyncio.to_thread(chatd.start)
    async with aio.connect(chatd.socket) as again:
        attach = methods.TurnAttach(turn=started.turn)
        await again.call(methods.ATTACH, attach)
        events = [event async for event in again.events(started.turn)]
        turn = await again.call(methods.GET, methods.TurnGet(turn=started.turn, tried=True))
    # attempt 2 was cut short, 3 says the same as 1: that ends it
    assert turn.attempts == 3
    assert error_of(events).code == errors.ChecksFailed.code
    assert steps_of(events)[-1] == "kept 1"
    assert reply_of(events) == BAD


async def test_the_next_model_of_the_chain_is_asked_when_one_fails(
    client: aio.Client, scripted: ModelServer
) -> None:
    params = ask({"status": 500}, GOOD, checks=[], models=["play:a", "play:b"], model=None)
    started = await client.call(methods.START, params)
    events = [event async for event in client.events(started.turn)]
    assert steps_of(events) == ["attempt", "verify", "attempt"]
    assert reply_of(events) == GOOD
    assert "max_tokens" not in bodies(scripted)[1]


@pytest.mark.parametrize("more", [{}, {"checks": [], "tries": 2}, {"checks": [], "best_of": 2}])
async def test_the_demo_is_not_for_replies_that_are_checked(
    start_daemon: StartDaemon, more: dict[str, Any]
) -> None:
    daemon = start_daemon()
    async with aio.connect(daemon.socket) as client:
        with pytest.raises(errors.DemoDeclined, match="checked"):
            await client.call(methods.START, ask(GOOD, model=None, wait=True, **more))
