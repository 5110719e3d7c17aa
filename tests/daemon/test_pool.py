"""Which server is asked: one that cannot be looked at spoils nothing for the others."""

import asyncio
from pathlib import Path

import pytest
from tests.conftest import StartServer

from chatd import config
from chatd.backends.pool import Pool

SERVER = '[[servers]]\nname = "{name}"\nurl = "{url}"\n'


def pool(ram: Path, *servers: str) -> Pool:
    file = ram / "chatd.toml"
    file.write_text("[finding]\nenabled = false\n" + "".join(servers))
    return Pool(config.load(file), ram)


@pytest.mark.parametrize("bad", ["http://127.0.0.1:9/v1", "http://a..b/v1"])
async def test_a_server_that_cannot_be_looked_at_spoils_nothing(
    ram: Path, start_server: StartServer, bad: str
) -> None:
    good = SERVER.format(name="good", url=start_server().url)
    servers = pool(ram, SERVER.format(name="bad", url=bad), good)
    choice = await servers.choose(1000, None)
    assert choice.server.name == "good"
    await servers.close()


async def test_of_many_turns_that_look_for_models_at_once_one_asks(ram: Path) -> None:
    asked = 0
    body = b'{"data":[{"id":"m"}]}'

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    servers = pool(ram, SERVER.format(name="s", url=f"http://127.0.0.1:{port}/v1"))
    choices = await asyncio.gather(*(servers.choose(1000, None) for _ in range(100)))
    assert {choice.model for choice in choices} == {"m"}
    assert asked == 1
    await servers.close()
    listener.close()
