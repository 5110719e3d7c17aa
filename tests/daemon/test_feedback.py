"""Feedback: replies made anew, thumbs, edits, choices, demands: kept, undone, destroyed."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.conftest import StartDaemon
from tests.harness import Daemon, ModelServer, configured, wait_for
from tests.loops import BAD, GOOD, THREE, ask, bodies, ending_of

from chat_rpc import aio, errors, methods


@pytest.fixture
async def client(chatd: Daemon) -> AsyncIterator[aio.Client]:
    async with aio.connect(chatd.socket) as client:
        yield client


async def reply_to(client: aio.Client, *replies: object, **more: object) -> methods.Turn:
    params = ask(*replies, wait=True, **{"checks": [], **more})  # type: ignore[arg-type]
    reply = (await client.call(methods.START, params)).reply
    assert reply is not None
    return reply


async def get(client: aio.Client, turn: str) -> methods.Turn:
    return await client.call(methods.GET, methods.TurnGet(turn=turn))


async def judge(client: aio.Client, turn: str, **given: object) -> methods.FeedbackTaken:
    params = methods.Feedback(turn=turn, **given)  # type: ignore[arg-type]
    return await client.call(methods.FEEDBACK, params)


async def shown(client: aio.Client) -> list[methods.FeedbackLine]:
    return (await client.call(methods.TASTE, methods.Nothing())).feedback


def lines_with(daemon: Daemon, word: str) -> int:
    """Count the journal's lines that have a word."""
    paths = daemon.store.glob("session_*/journal/*")
    return sum(word in line for path in paths for line in path.read_text().splitlines())


def restart(daemon: Daemon) -> None:
    daemon.kill()
    daemon.start()


# -- a reply made anew ----------------------------------------------------------------------------


async def test_a_reply_is_made_anew_after_what_a_person_said(
    client: aio.Client, scripted: ModelServer
) -> None:
    first = await reply_to(client, BAD, GOOD)
    params = methods.Refine(turn=first.turn, feedback="shorter, please", key="r", wait=True)
    again = (await client.call(methods.REFINE, params)).reply
    assert again is not None
    assert (again.text, again.refines, again.feedback) == (GOOD, first.turn, "shorter, please")
    assert (await get(client, first.turn)).siblings == [first.turn, again.turn]
    asked, reply, said = bodies(scripted)[-1]["messages"]
    assert asked["content"] == first.prompt
    assert reply == {"role": "assistant", "content": BAD}
    assert said["content"].startswith("shorter, please")
    assert (await client.call(methods.REFINE, params)).replayed


async def test_what_was_demanded_of_the_old_reply_is_demanded_of_the_new(
    client: aio.Client,
) -> None:
    first = await reply_to(client, GOOD, BAD, GOOD, checks=[THREE])
    params = methods.Refine(turn=first.turn, feedback="longer", key="r")
    started = await client.call(methods.REFINE, params)
    events = [event async for event in client.events(started.turn)]
    assert started.checked
    assert ending_of(events).state == "done"
    assert (await get(client, started.turn)).attempts == 2


async def test_the_chat_goes_on_from_the_new_reply_without_a_word_of_the_feedback(
    client: aio.Client, scripted: ModelServer
) -> None:
    first = await reply_to(client, BAD, GOOD)
    params = methods.Refine(turn=first.turn, feedback="shorter", key="r", wait=True)
    await client.call(methods.REFINE, params)
    await reply_to(client, "on", chat=first.chat, key="next")
    said = [message["content"] for message in bodies(scripted)[-1]["messages"]]
    assert said[1] == GOOD
    assert not any("shorter" in text for text in said)


# -- demands of a chat ----------------------------------------------------------------------------


async def test_what_a_chat_demands_holds_for_its_turns_over_a_kill(
    chatd: Daemon, client: aio.Client
) -> None:
    first = await reply_to(client, BAD)
    demand = methods.ChatChecks(chat=first.chat, checks=[THREE], tries=1)
    await client.call(methods.CHECKS, demand)
    restart(chatd)
    async with aio.connect(chatd.socket) as again:
        with pytest.raises(errors.ChecksFailed, match="words"):
            await reply_to(again, BAD, chat=first.chat, key="k2")
        own = methods.Check(type="words", value="..9")
        assert (await reply_to(again, BAD, chat=first.chat, key="k3", checks=[own])).text == BAD
        await again.call(methods.CHECKS, methods.ChatChecks(chat=first.chat))
        assert (await reply_to(again, BAD, chat=first.chat, key="k4")).text == BAD


async def test_a_copy_of_a_chat_demands_the_same(client: aio.Client) -> None:
    first = await reply_to(client, BAD)
    await client.call(methods.CHECKS, methods.ChatChecks(chat=first.chat, checks=[THREE], tries=1))
    copy = (await client.call(methods.FORK, methods.Fork(chat=first.chat))).chat
    with pytest.raises(errors.ChecksFailed, match="words"):
        await reply_to(client, BAD, chat=copy.chat, key="k2")


async def test_a_demand_that_cannot_be_is_refused_at_once(client: aio.Client) -> None:
    first = await reply_to(client, GOOD)
    bad = methods.Check(type="words", value="many")
    with pytest.raises(errors.InvalidParams, match="words"):
        await client.call(methods.CHECKS, methods.ChatChecks(chat=first.chat, checks=[bad]))


# -- thumbs, edits, choices -----------------------------------------------------------------------


async def test_a_thumb_is_kept_over_a_kill_and_can_be_changed_and_taken_back(
    chatd: Daemon, client: aio.Client
) -> None:
    first = await reply_to(client, GOOD)
    await judge(client, first.turn, thumb="bad", reason="too smug")
    await judge(client, first.turn, thumb="good", reason="it is plain")
    assert lines_with(chatd, "smug") == 0, "the reason went with the thumb"
    restart(chatd)
    async with aio.connect(chatd.socket) as again:
        kept = await get(again, first.turn)
        assert (kept.thumb, kept.reason) == ("good", "it is plain")
        [line] = await shown(again)
        assert (line.kind, line.thumb, line.model) == ("thumb", "good", "play")
        assert (await judge(again, first.turn)).feedback is None
        assert (await get(again, first.turn)).thumb is None
        assert await shown(again) == []
    restart(chatd)
    async with aio.connect(chatd.socket) as again:
        assert (await get(again, first.turn)).thumb is None
        assert await shown(again) == []


async def test_numbers_outlive_the_chat_and_hold_no_text(chatd: Daemon, client: aio.Client) -> None:
    first = await reply_to(client, "A peculiar xylophone.")
    await judge(client, first.turn, thumb="good", reason="such xylophones")
    await client.call(methods.WIPE, methods.Wipe(chat=first.chat))
    assert len(await shown(client)) == 1
    assert lines_with(chatd, "xylophone") == 0
    restart(chatd)
    async with aio.connect(chatd.socket) as again:
        assert len(await shown(again)) == 1
        await again.call(methods.WIPE, methods.Wipe(all=True))
        assert await shown(again) == []
    assert lines_with(chatd, "felt") == 0


async def test_an_edited_reply_is_a_sibling_s_and_the_better_one(client: aio.Client) -> None:
    first = await reply_to(client, GOOD)
    taken = await judge(client, first.turn, edited="It is good, and here is why: it works.")
    edited = await get(client, taken.turn)
    assert edited.text == "It is good, and here is why: it works."
    assert edited.siblings == [first.turn, taken.turn]
    assert edited.ending is not None
    assert edited.ending.finish == "edited"
    [line] = await shown(client)
    assert line.over is not None
    assert line.style["length"] > line.over["length"]
    chat = await client.call(methods.CHAT, methods.ChatGet(chat=first.chat))
    assert [turn.turn for turn in chat.turns] == [taken.turn]


async def test_a_choice_is_between_siblings_only(client: aio.Client) -> None:
    first = await reply_to(client, GOOD, BAD)
    other = await reply_to(client, GOOD, key="other")
    params = methods.TurnStart(prompt="", key="again", instead_of=first.turn, wait=True)
    second = await client.call(methods.START, params)
    await judge(client, second.turn, over=first.turn)
    [line] = await shown(client)
    assert line.kind == "choice"
    for over in (other.turn, second.turn):
        with pytest.raises(errors.InvalidParams, match="sibling"):
            await judge(client, second.turn, over=over)


async def test_one_judgement_is_forgotten_for_good(chatd: Daemon, client: aio.Client) -> None:
    first = await reply_to(client, GOOD)
    taken = await judge(client, first.turn, edited="Better.")
    await judge(client, first.turn, thumb="bad")
    forget = methods.TasteForget(feedback=taken.feedback)
    assert (await client.call(methods.FORGET, forget)).forgotten == 1
    assert [line.kind for line in await shown(client)] == ["thumb"]
    assert taken.feedback is not None
    assert lines_with(chatd, taken.feedback) == 0
    with pytest.raises(errors.NoSuchTurn):
        await client.call(methods.FORGET, forget)
    with pytest.raises(errors.InvalidParams):
        await client.call(methods.FORGET, methods.TasteForget())


@pytest.mark.parametrize(
    "given", [{"thumb": "good", "edited": "x"}, {"reason": "why"}, {"edited": " "}]
)
async def test_a_judgement_that_is_none_is_refused(
    client: aio.Client, given: dict[str, object]
) -> None:
    first = await reply_to(client, GOOD)
    with pytest.raises(errors.InvalidParams):
        await judge(client, first.turn, **given)


async def test_feedback_survives_compaction(
    start_daemon: StartDaemon, scripted: ModelServer
) -> None:
    extra = "[store]\nsegment_bytes = 4096\nhousekeeping_s = 0.2\n"
    daemon = start_daemon(configured(("scripted", scripted), extra=extra))
    async with aio.connect(daemon.socket) as client:
        first = await reply_to(client, GOOD, key="first")
        await judge(client, first.turn, thumb="good", reason="plain")
        segment = sorted(daemon.store.glob("session_*/journal/*"))[0]
        for number in range(60):
            turn = await reply_to(client, " ".join(map(str, range(200))), key=f"k{number}")
            await client.call(methods.WIPE, methods.Wipe(chat=turn.chat))
        await asyncio.to_thread(wait_for, lambda: not segment.exists(), "the segment is emptied")
        assert (await get(client, first.turn)).thumb == "good"
    restart(daemon)
    async with aio.connect(daemon.socket) as client:
        assert (await get(client, first.turn)).thumb == "good"
        assert len(await shown(client)) == 1
