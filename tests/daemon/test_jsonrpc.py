"""The 15 examples of section 7 of the JSON-RPC 2.0 specification, with chatd's own methods.

chat.search stands for `subtract` and `sum`, which take two values in an order, system.ping for
`get_data`, `update` and the notifications.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.harness import Daemon
from tests.raw import daemon_with_two_chats, exchange, without_words


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with daemon_with_two_chats() as daemon:
        yield daemon


def call(method: str, params: str = "", id_: str = "") -> str:
    params = params and f', "params": {params}'
    return f'{{"jsonrpc": "2.0", "method": "{method}"{params}{id_ and f", {id_}"}}}'


def error(code: int, id_: object = None) -> dict[str, object]:
    return {"jsonrpc": "2.0", "error": code, "id": id_}


def pong(id_: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "result": {"pong": True}, "id": id_}


PING_1 = call("system.ping", "[]", '"id": "1"')
NOTIFICATION = call("system.ping", "[]")
INVALID_BATCH = [error(-32600)]


@pytest.mark.parametrize(
    ("params", "id_", "found"),
    [
        ('["tmpfs", 1]', 1, 1),
        ('["tmpfs", 2]', 2, 2),
        ('{"words": "tmpfs", "limit": 1}', 3, 1),
        ('{"limit": 1, "words": "tmpfs"}', 4, 1),
    ],
    ids=["positional", "positional, others", "named", "named, in another order"],
)
def test_params_may_be_positional_or_named(
    daemon: Daemon, params: str, id_: int, found: int
) -> None:
    (answer,) = exchange(daemon.socket, call("chat.search", params, f'"id": {id_}').encode())
    assert (answer["jsonrpc"], answer["id"], len(answer["result"]["found"])) == ("2.0", id_, found)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(call("system.ping", "[1, 2, 3, 4, 5]"), [], id="a notification"),
        pytest.param(call("foobar"), [], id="a notification of nothing"),
        pytest.param(call("foobar", id_='"id": "1"'), [error(-32601, "1")], id="no such method"),
        pytest.param(
            '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
            [error(-32700)],
            id="invalid JSON",
        ),
        pytest.param(
            '{"jsonrpc": "2.0", "method": 1, "params": "bar"}', [error(-32600)], id="no request"
        ),
        pytest.param(
            f'[{PING_1}, {{"jsonrpc": "2.0", "method"]',
            [error(-32700)],
            id="a batch of invalid JSON",
        ),
        pytest.param("[]", [error(-32600)], id="an empty batch"),
        pytest.param("[1]", [INVALID_BATCH], id="an invalid batch"),
        pytest.param("[1,2,3]", [INVALID_BATCH * 3], id="an invalid batch of three"),
        pytest.param(f"[{NOTIFICATION}, {NOTIFICATION}]", [], id="a batch of notifications"),
    ],
)
def test_the_specification_s_example_is_answered_as_it_says(
    daemon: Daemon, sent: str, expected: list[Any]
) -> None:
    assert list(map(without_words, exchange(daemon.socket, sent.encode()))) == expected


def test_a_mixed_batch_is_answered_in_one_array(daemon: Daemon) -> None:
    requests = [
        PING_1,
        NOTIFICATION,
        call("system.ping", "{}", '"id": "2"'),
        '{"foo": "boo"}',
        call("foo.get", '{"name": "myself"}', '"id": "5"'),
        call("system.ping", id_='"id": "9"'),
    ]
    (answer,) = exchange(daemon.socket, f"[{','.join(requests)}]".encode())
    assert without_words(answer) == [
        pong("1"),
        pong("2"),
        error(-32601, "5"),
        pong("9"),
        error(-32600),
    ]


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        ("[]", "params: Expected `array` of at least length 1, got 0"),
        ('["x", 5, 6]', "params: Expected `array` of at most length 2"),
        ('["x", "secret"]', "params: Expected `int`, got `str` - at `$[1]`"),
    ],
)
def test_positional_params_that_do_not_fit_are_named_by_their_place(
    daemon: Daemon, params: str, complaint: str
) -> None:
    (answer,) = exchange(daemon.socket, call("chat.search", params, '"id": 1').encode())
    assert (answer["error"]["code"], answer["error"]["message"]) == (-32602, complaint)
