"""Model servers are found on loopback without configuration, if their owner may be trusted."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.conftest import StartDaemon
from tests.fakes.gguf_models import write_counter
from tests.fakes.replay_server import Recording
from tests.harness import DEADLINE_S, Daemon, ModelServer

from chat_rpc import errors, methods
from chatd.backends import owners

FAKES = Path(__file__).parents[1] / "fakes"
RECORDED = sorted((FAKES / "recorded").glob("*.json"))
STRANGER = 12345

StartInside = Callable[..., ModelServer]

pytestmark = pytest.mark.skipif(
    os.getuid() != 0, reason="needs root to make a network namespace and be other users"
)


@pytest.fixture
def inside() -> Iterator[Sequence[str]]:
    """A command that runs another one in a private network namespace."""
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec sleep 1000"],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"ready\n"
    yield ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
    holder.kill()
    holder.wait(DEADLINE_S)
    holder.stdout.close()


@pytest.fixture
def start(inside: Sequence[str]) -> Iterator[StartInside]:
    """Starts servers in the namespace, by default as root, that is: as the system."""
    started: list[ModelServer] = []

    def start_server(module: str, *arguments: str, uid: int = 0) -> ModelServer:
        # it becomes the other user itself: that user may not be able to read this checkout
        become = ["--uid", str(uid)] if uid else []
        server = ModelServer(module, *arguments, *become, wrapper=inside)
        started.append(server)
        return server

    yield start_server
    for server in started:
        server.close()


@pytest.fixture
def finder(start_daemon: StartDaemon, inside: Sequence[str]) -> Daemon:
    """A daemon in the namespace, without any configuration."""
    return start_daemon("", wrapper=inside)


def ask(daemon: Daemon, prompt: str = "x", model: str | None = None) -> methods.Turn:
    with daemon.client() as client:
        key = os.urandom(8).hex()
        asked = methods.TurnStart(prompt=prompt, key=key, model=model, wait=True)
        started = client.call(methods.START, asked)
    assert started.reply is not None
    return started.reply


def probe(daemon: Daemon) -> list[methods.Probe]:
    with daemon.client() as client:
        return client.call(methods.PROBE, methods.Nothing()).servers


@pytest.mark.parametrize("recording", RECORDED, ids=lambda path: path.stem)
def test_a_published_server_is_found_on_its_port_and_asked(
    finder: Daemon, start: StartInside, recording: Path
) -> None:
    start("replay_server", str(recording))
    published = Recording.read(recording)
    reply = ask(finder)
    assert reply.state == "done"
    assert reply.text
    assert reply.ending is not None
    assert not reply.ending.demo
    [found] = probe(finder)
    assert found.usable
    assert found.url == f"http://127.0.0.1:{published.port}/v1"


def test_llama_cpp_started_by_hand_is_found_and_every_token_arrives(
    finder: Daemon, start: StartInside, tmp_path: Path
) -> None:
    counter = tmp_path / "counter.gguf"
    write_counter(counter)
    start("llama_server", str(counter), "--port", "8080")
    reply = ask(finder)
    assert reply.text == "".join(f"{number} " for number in range(1000))
    assert reply.ending is not None
    assert reply.ending.backend == "llamacpp"


def test_llama_cpp_s_new_port_is_known_too(
    finder: Daemon, start: StartInside, tmp_path: Path
) -> None:
    counter = tmp_path / "counter.gguf"
    write_counter(counter, 3)
    start("llama_server", str(counter), "--port", "9931")
    assert ask(finder).text == "0 1 2 "


def test_a_server_of_another_user_never_sees_a_prompt(finder: Daemon, start: StartInside) -> None:
    squatter = start("model_server", "--port", "8080", "--script", "echo", uid=STRANGER)
    with pytest.raises(errors.RpcError) as failure:
        ask(finder, "a prompt for nobody else", model="echo")
    assert isinstance(failure.value, errors.NoSuchModel)
    [refused] = probe(finder)
    assert not refused.usable
    assert str(STRANGER) in refused.note
    counts = squatter.counts()
    assert (counts["requests"], counts["prompts_seen"], counts["messages_seen"]) == (0, [], [])


def test_a_squatter_who_comes_later_never_sees_a_prompt(finder: Daemon, start: StartInside) -> None:
    mine = start("model_server", "--port", "8080", "--script", "hash", "--models", "m")
    assert ask(finder, model="m").state == "done"
    mine.kill()
    squatter = start("model_server", "--port", "8080", "--script", "hash", "--models", "m",
                     uid=STRANGER)  # fmt: skip
    with pytest.raises(errors.RpcError):
        ask(finder, "a prompt for nobody else", model="m")
    assert squatter.counts()["messages_seen"] == []


def test_a_trusted_server_is_used_although_a_squatter_is_there(
    finder: Daemon, start: StartInside
) -> None:
    squatter = start("model_server", "--port", "1234", "--models", "m", uid=STRANGER)
    start("model_server", "--port", "8080", "--script", "hash", "--models", "m")
    reply = ask(finder, model="m")
    assert reply.ending is not None
    assert reply.ending.backend == "llamacpp"
    assert squatter.counts()["messages_seen"] == []


def test_what_listens_and_is_no_model_server_is_not_asked(
    finder: Daemon, start: StartInside
) -> None:
    other = start("model_server", "--port", "8080", "--models-status", "404")
    [found] = probe(finder)
    assert not found.usable
    with pytest.raises(errors.NoSuchModel):
        ask(finder, "a prompt", model="hash")
    assert other.counts()["messages_seen"] == []


def test_a_server_that_cannot_list_its_models_can_be_asked(
    finder: Daemon, start: StartInside
) -> None:
    start("model_server", "--port", "8000", "--script", "hash", "--models-status", "500")
    assert ask(finder).state == "done"
    assert ask(finder, model="whatever").state == "done"


def test_nothing_beyond_loopback_is_trusted_by_the_table() -> None:
    assert owners.is_trusted(1000, 1000)
    assert owners.is_trusted(0, 1000)
    assert owners.is_trusted(999, 1000)
    assert not owners.is_trusted(1001, 1000)
    assert not owners.is_trusted(1000, 0)


def test_the_owner_of_an_accepted_connection_counts_as_well(inside: Sequence[str]) -> None:
    """Who accepts and then leaves the port to the true server is still found out."""
    script = f"""
import os, socket, sys
sys.path.insert(0, {str(Path(owners.__file__).parents[2])!r})
from chatd.backends import owners
listener = socket.create_server(("127.0.0.1", 8080))
client = socket.create_connection(("127.0.0.1", 8080))
os.seteuid({STRANGER})
stolen, _ = listener.accept()
os.seteuid(0)
print(*sorted(owners.peer_owners(client.getsockname(), client.getpeername())))
"""
    done = subprocess.run(
        [*inside, sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    assert done.stdout.split() == ["0", str(STRANGER)]
