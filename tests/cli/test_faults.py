"""Each fault of a model server gives the right exit code, and one line that says the cause."""

import re
from collections.abc import Iterator

import pytest
from tests.fakes.faults import FAULTS
from tests.fakes.faults.servers import SERVERS
from tests.faults import PAGE, PROMPT, Faulty, Outcome, faulty, row

from chat_cli.terminal import safe
from chat_rpc import methods

ENOUGH = 40


@pytest.fixture(scope="module")
def world() -> Iterator[Faulty]:
    with faulty() as world:
        yield world


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_told_as_what_it_is(world: Faulty, case: str) -> None:
    expected, outcome = FAULTS[case], world.outcome(case)
    check(outcome, case, expected.exit, expected.says)
    if case == "loop":  # it is stopped somewhere
        assert 1 < outcome.out.count(expected.out) < 400
    else:
        assert outcome.out == expected.out + "\n" * bool(expected.out), outcome.out[:100]
    assert world.server.counts()["elsewhere_requests"] == 0


@pytest.mark.parametrize("case", SERVERS)
def test_a_server_that_is_none_is_told_by_its_name(world: Faulty, case: str) -> None:
    outcome = world.outcome(case)
    check(outcome, case, SERVERS[case].exit, SERVERS[case].says)
    assert case in outcome.err
    assert outcome.out == ""


def check(outcome: Outcome, case: str, exit_: int, says: str) -> None:
    assert outcome.exit == exit_, outcome.err
    lines = outcome.err.splitlines()
    is_checked = case in FAULTS and bool(FAULTS[case].flags)
    assert bool(says) <= len(lines) <= bool(says) + is_checked, outcome.err
    assert re.search(says, outcome.err.rstrip()), outcome.err
    assert safe(outcome.err) == outcome.err
    assert PROMPT not in outcome.err
    assert "canary" not in outcome.err
    assert row(case, outcome) in PAGE.read_text().splitlines(), "run python -m tests.faults"


def test_there_are_enough_faults_and_each_is_on_the_page() -> None:
    told = re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(told) == sorted([*FAULTS, *SERVERS])
    assert len(told) > ENOUGH


def test_what_was_said_before_a_fault_is_kept(world: Faulty) -> None:
    world.outcome("eof-in-event")
    with world.daemon.client() as client:
        chat = client.call(methods.CHATS, methods.Page(limit=1)).chats[0]
        (turn,) = client.call(methods.CHAT, methods.ChatGet(chat=chat.chat)).turns
    assert (turn.text, turn.state) == (FAULTS["eof-in-event"].out, "failed")


def test_a_server_s_wait_reaches_the_client_in_milliseconds(world: Faulty) -> None:
    world.outcome("e429-seconds")
    with world.daemon.client() as client:
        chat = client.call(methods.CHATS, methods.Page(limit=1)).chats[0]
        (turn,) = client.call(methods.CHAT, methods.ChatGet(chat=chat.chat)).turns
    assert turn.ending is not None
    assert turn.ending.error is not None
    assert turn.ending.error.retry_after_ms == 7000
