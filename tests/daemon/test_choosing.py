"""Several attempts: the best of them, a vote, a chain of models; and JSON that went astray."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
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
from chatd.backends.server import ModelServer as Asked
from chatd.chats.demands import Demands
from chatd.inference.vote import answer


@pytest.fixture
async def client(chatd: Daemon) -> AsyncIterator[aio.Client]:
    async with aio.connect(chatd.socket) as client:
        yield client


# -- the best of several --------------------------------------------------------------------------


async def test_hard_checks_go_before_soft_ones_and_the_losers_stay(client: aio.Client) -> None:
    soft = Check(type="contains", value="why", severity="soft")
    replies = ("a b c d why", "a b", "why a")
    params = ask(*replies, checks=[THREE, soft], best_of=3)
    events = await events_of(client, params)
    assert reply_of(events) == "why a"
    assert steps_of(events) == ["attempt", "verify"] * 3
    turn = await client.call(methods.GET, methods.TurnGet(turn=events[0].turn, tried=True))
    assert turn.tried is not None
    assert [each.text for each in turn.tried] == list(replies)


async def test_of_equals_the_first_is_kept_and_samples_differ_in_their_seed(
    client: aio.Client, scripted: ModelServer
) -> None:
    events = await events_of(client, ask("a b", "c d", "e f", best_of=3))
    assert reply_of(events) == "a b"
    assert steps_of(events)[-1] == "kept 1"
    seeds = [body.get("seed") for body in bodies(scripted)]
    assert len(set(seeds)) == 3


async def test_where_no_sample_passes_the_best_is_repaired(client: aio.Client) -> None:
    replies = ("a b c d e", "a b c d", "a b c d e f", GOOD)
    events = await events_of(client, ask(*replies, best_of=3))
    assert reply_of(events) == GOOD
    assert steps_of(events)[-3:] == ["refine", "attempt", "verify"]


async def test_samples_come_from_several_models_in_turn(client: aio.Client) -> None:
    params = ask("a b", "c d", "e f", best_of=3, model=None, models=["play:a", "play:b"])
    events = await events_of(client, params)
    asked = [e.model for e in events if isinstance(e, methods.Event) and e.kind == "attempt"]
    assert asked[:3] == ["play:a", "play:b", "play:a"]


# -- votes ----------------------------------------------------------------------------------------


async def test_the_answer_that_most_give_wins_with_its_share(client: aio.Client) -> None:
    params = ask("41", "42", "The 42", "42.0", checks=[], best_of=4, vote=True)
    events = await events_of(client, params)
    assert reply_of(events) == "42"
    assert ending_of(events).agreement == 0.5


async def test_a_vote_stops_when_the_rest_cannot_change_it(
    client: aio.Client, scripted: ModelServer
) -> None:
    params = ask("Yes.", "yes", "no", "no", "no", checks=[], best_of=3, vote=True)
    events = await events_of(client, params)
    assert (reply_of(events), ending_of(events).agreement) == ("Yes.", 1.0)
    assert scripted.counts()["requests"] == 2


async def test_a_reply_that_fails_has_no_vote(client: aio.Client) -> None:
    params = ask(BAD, BAD, "one", best_of=3, vote=True)
    events = await events_of(client, params)
    assert reply_of(events) == "one"
    assert ending_of(events).agreement == pytest.approx(1 / 3)


async def test_a_vote_of_one_is_refused(client: aio.Client) -> None:
    with pytest.raises(errors.InvalidParams, match="vote"):
        await client.call(methods.START, ask("42", vote=True))


@pytest.mark.parametrize(
    ("text", "same", "other"),
    [
        ("42", "42.0", "42.5"),
        ("1,234", "1234.", "1235"),
        ("$12", "12", "-12"),
        ("Yes.", " yes", "no"),
        ("**B**", "b", "a"),
        ('{"a": 1, "b": 2}', '```json\n{"b":2,"a":1}\n```', '{"a": 2}'),
    ],
)
def test_what_says_the_same_counts_as_one_answer(text: str, same: str, other: str) -> None:
    assert answer(text) == answer(same) != answer(other)


# -- a chain of models ----------------------------------------------------------------------------


async def test_the_next_model_is_asked_when_one_gets_nowhere(client: aio.Client) -> None:
    params = ask(BAD, "d c b a", GOOD, model=None, models=["play:a", "play:b"])
    events = await events_of(client, params)
    asked = [e.model for e in events if isinstance(e, methods.Event) and e.kind == "attempt"]
    assert asked == ["play:a", "play:a", "play:b"]
    assert reply_of(events) == GOOD


async def test_nothing_is_asked_again_once_something_was_shown(
    client: aio.Client, scripted: ModelServer
) -> None:
    cut = {"text": "It is", "reason": None}
    params = ask(cut, GOOD, checks=[], model=None, models=["play:a", "play:b"])
    started = await client.call(methods.START, params)
    events = [event async for event in client.events(started.turn)]
    assert error_of(events).code == errors.CutOff.code
    assert scripted.counts()["requests"] == 1


# -- room, limits, waits --------------------------------------------------------------------------


async def test_a_reply_that_was_cut_off_gets_twice_the_room_once(
    client: aio.Client, scripted: ModelServer
) -> None:
    long = "a b c d e f g h"
    nine = Check(type="words", value="..9")
    params = ask(long, checks=[nine], options={"max_tokens": 5})
    events = await events_of(client, params)
    assert reply_of(events) == long
    assert [body["max_tokens"] for body in bodies(scripted)] == [5, 10]
    assert "refine" not in steps_of(events)
    params = ask(long, key="short", checks=[nine], options={"max_tokens": 2})
    assert error_of(await events_of(client, params)).code == errors.CutOff.code
    assert [body["max_tokens"] for body in bodies(scripted)][2:] == [2, 4]


async def test_what_teaches_nothing_is_asked_again_with_other_luck(
    client: aio.Client, scripted: ModelServer
) -> None:
    events = await events_of(client, ask("", GOOD, options={"temperature": 0.5}))
    assert reply_of(events) == GOOD
    first, second = bodies(scripted)
    assert second["messages"] == first["messages"]
    assert second["temperature"] == pytest.approx(0.7)
    assert second["seed"] != first.get("seed")


async def test_a_server_that_says_when_is_asked_again_then(client: aio.Client) -> None:
    events = await events_of(client, ask({"status": 429, "retry_after": 1}, GOOD))
    assert reply_of(events) == GOOD
    [failed] = [e for e in events if isinstance(e, methods.Event) and e.error is not None]
    assert failed.error is not None
    assert failed.error.retry_after_ms == 1000
    timings = ending_of(events).timings
    assert timings is not None
    assert timings.total_ms >= 1000


# -- schemas --------------------------------------------------------------------------------------

SCHEMA = {"type": "object", "required": ["age"], "properties": {"age": {"type": "integer"}}}


def of_schema(*replies: object, **more: Any) -> methods.TurnStart:  # Any: of turn.start
    return ask(*replies, checks=[Check(type="schema", value=SCHEMA)], **more)


async def test_a_schema_is_sent_and_the_reply_is_checked_all_the_same(
    client: aio.Client, scripted: ModelServer
) -> None:
    events = await events_of(client, of_schema('{"age": "old"}', '{"age": 3}'))
    assert reply_of(events) == '{"age": 3}'
    form = bodies(scripted)[0]["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["schema"] == SCHEMA


async def test_a_server_that_refuses_a_schema_is_asked_once_without(
    client: aio.Client, scripted: ModelServer
) -> None:
    events = await events_of(client, of_schema({"no_schema": True, "text": '{"age": 3}'}))
    assert reply_of(events) == '{"age": 3}'
    assert steps_of(events) == ["attempt", "verify"]
    assert ["response_format" in body for body in bodies(scripted)] == [True, False]


async def test_json_that_came_as_a_thought_is_the_reply_and_is_told_as_repaired(
    client: aio.Client, scripted: ModelServer
) -> None:
    astray = {"text": "", "reasoning": '{"age": 3}'}
    events = await events_of(client, of_schema(astray))
    assert reply_of(events) == '{"age": 3}'
    assert steps_of(events)[-2:] == ["repair 1", "verify"]
    assert ending_of(events).repaired
    await events_of(client, of_schema('{"age": "x"}', '{"age": 4}', key="next"))
    told = ["response_format" in body for body in bodies(scripted)][1:]
    assert told == [False, True], "that model thinks first: the schema comes with the repair"


async def test_json_is_cut_out_of_its_fence_only_where_that_is_asked_for(
    client: aio.Client,
) -> None:
    fenced = 'Here it is:\n```json\n{"age": 3}\n```'
    events = await events_of(client, of_schema(fenced, extract=True))
    assert (reply_of(events), ending_of(events).repaired) == ('{"age": 3}', True)
    events = await events_of(client, of_schema(fenced, key="strict", tries=1))
    assert error_of(events).code == errors.ChecksFailed.code


def test_demands_are_plain_unless_something_is_asked_for() -> None:
    assert not Demands().is_held
    assert Demands(best_of=2).is_held


async def test_a_schema_comes_late_on_lm_studio_s_port() -> None:
    for port, late in ((1234, True), (8080, False)):
        server = Asked("s", f"http://127.0.0.1:{port}/v1", slots=1, connect_s=1)
        assert server.thinks_first("m") is late
        await server.close()
