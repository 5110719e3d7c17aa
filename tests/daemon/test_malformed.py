"""Lines that are no JSON, or JSON and no request: the right code, and the connection lives on."""

import json
import socket
from collections.abc import Iterator
from io import BufferedRWPair
from typing import Any

import pytest
from tests.harness import DEADLINE_S
from tests.hostile.malformed import PARSE, REQUEST, TEMPLATE, Case, cases
from tests.raw import own_daemon

PING = b'{"jsonrpc":"2.0","id":%d,"method":"system.ping"}'
PONG = {"pong": True}


@pytest.fixture(scope="module")
def wire() -> Iterator[BufferedRWPair]:
    """One connection, for all cases: each finds it as the one before has left it."""
    with own_daemon() as daemon, socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE_S)
        client.connect(str(daemon.socket))
        with client.makefile("rwb") as stream:
            yield stream


def answer_to(wire: BufferedRWPair, line: bytes) -> Any:
    """Return the one answer to a line; the ping after it shows that there is no other."""
    wire.write(line + b"\n" + PING % 1000 + b"\n")
    wire.flush()
    answer = json.loads(wire.readline())
    assert json.loads(wire.readline()) == {"jsonrpc": "2.0", "id": 1000, "result": PONG}
    return answer


def code_of(answer: Any) -> int | None:
    assert answer["jsonrpc"] == "2.0"
    return answer["error"]["code"] if "error" in answer else None


def test_there_are_hundreds_of_cases() -> None:
    assert len({case.text for case in cases()}) >= 200


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_it_gets_its_code_wherever_it_stands(wire: BufferedRWPair, case: Case) -> None:
    alone = answer_to(wire, case.text)
    assert (code_of(alone), alone["id"]) == (case.alone, None)
    as_params = answer_to(wire, TEMPLATE % case.text)
    id_ = None if case.as_params == PARSE else 7
    assert (code_of(as_params), as_params["id"]) == (case.as_params, id_)
    in_a_batch = answer_to(wire, b"[%b,%b,%b]" % (PING % 1, case.text, PING % 2))
    if case.alone == PARSE:
        assert (code_of(in_a_batch), in_a_batch["id"]) == (PARSE, None)
    else:
        assert [(code_of(each), each["id"]) for each in in_a_batch] == [
            (None, 1),
            (REQUEST, None),
            (None, 2),
        ]
