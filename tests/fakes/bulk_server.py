"""A model server for much: replies made beforehand, `short` in one write, `long` in very many.

python -m tests.fakes.bulk_server --megabytes N
"""

import argparse
import asyncio
import hashlib
import json
import time
from collections.abc import Iterator
from functools import partial

from tests.fakes.http import EVENT_STREAM, Exchange, listen, serve

# the head says that chunks follow, and what is written is in chunks already
FRAMED = {**EVENT_STREAM, "Transfer-Encoding": "chunked"}
SHORT = "A short reply."
FILLER = "".join(hashlib.sha256(b"%d" % number).hexdigest() + " \u00e9\n" for number in range(120))
NUMBER = "00000000"  # in front of each piece, so that none is like another


def pieces(megabytes: int) -> Iterator[str]:
    """Yield the pieces of the long reply, about 8 KB each."""
    for number in range(megabytes * 10**6 // len(NUMBER + FILLER) + 1):
        yield f"{number:08}{FILLER}"


def digest(megabytes: int) -> str:
    """Return what the SHA-256 of the long reply must be."""
    whole = hashlib.sha256()
    for piece in pieces(megabytes):
        whole.update(piece.encode())
    return whole.hexdigest()


def _chunk(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    event = b"data: %b\n\n" % json.dumps({"choices": [choice]}).encode()
    return b"%x\r\n%b\r\n" % (len(event), event)


class BulkServer:
    """Knows how long it took to hand over the last long reply."""

    def __init__(self, megabytes: int):
        self._megabytes = megabytes
        self._send_ms = 0
        self._end = _chunk("", "stop") + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
        self._short = _chunk(SHORT) + self._end
        self._long = _chunk(NUMBER + FILLER).partition(NUMBER.encode())

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request."""
        match exchange.request.path:
            case "/v1/models":
                models = [{"id": name, "object": "model"} for name in ("short", "long")]
                await exchange.reply_json(200, {"object": "list", "data": models})
            case "/_counts":
                await exchange.reply_json(200, {"send_ms": self._send_ms})
            case _:
                await exchange.start(FRAMED, is_chunked=False)
                exchange.keeps_open = True
                if exchange.request.json().get("model") == "long":
                    await self._send_long(exchange)
                else:
                    await exchange.write(self._short)

    async def _send_long(self, exchange: Exchange) -> None:
        began = time.monotonic()
        before, _, after = self._long
        for number, _ in enumerate(pieces(self._megabytes)):
            await exchange.write(b"%b%08d%b" % (before, number, after))
        self._send_ms = round(1000 * (time.monotonic() - began))
        await exchange.write(self._end)


async def _open_doors(options: argparse.Namespace, conversations: asyncio.TaskGroup) -> int:
    return await listen(conversations, BulkServer(options.megabytes).handle, "127.0.0.1", 0)


def main() -> None:
    """Serve until stdin closes."""
    parser = argparse.ArgumentParser(description="A model server for much.")
    parser.add_argument("--megabytes", type=int, default=1, help="in the reply of `long`")
    asyncio.run(serve(partial(_open_doors, parser.parse_args())))


if __name__ == "__main__":
    main()
