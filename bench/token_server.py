"""A model server whose answers are made beforehand, so that it is never what is waited for.

python -m bench.token_server: the model's name says how the tokens come.
"""

import argparse
import asyncio
import json
import random
from functools import partial
from string import ascii_lowercase

from tests.fakes.http import EVENT_STREAM, Exchange, listen, serve

WRITE_BYTES = 65536
BLANK = " "  # at the end of every token
WORD_LETTERS = 5
# the head says that chunks follow, and what is written is in chunks already
FRAMED = {**EVENT_STREAM, "Transfer-Encoding": "chunked"}


class TokenServer:
    """`one` is a reply of one token; `burst` comes as fast as it is read, `paced` one by one."""

    def __init__(self, tokens: int, paced_tokens: int, pace_s: float):
        self._pace_s = pace_s
        self._chunks = {
            "one": _reply("one", 1),
            "burst": _reply("burst", tokens),
            "paced": _reply("paced", paced_tokens),
        }
        self._burst = b"".join(self._chunks["burst"])

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request."""
        if exchange.request.path == "/v1/models":
            models = [{"id": name, "object": "model"} for name in self._chunks]
            await exchange.reply_json(200, {"object": "list", "data": models})
            return
        await exchange.start(FRAMED, is_chunked=False)
        match exchange.request.json().get("model"):
            case "burst":
                for begin in range(0, len(self._burst), WRITE_BYTES):
                    await exchange.write(self._burst[begin : begin + WRITE_BYTES])
            case "paced":
                for chunk in self._chunks["paced"]:
                    await exchange.pause(self._pace_s)
                    await exchange.write(chunk)
            case _:
                await exchange.write(b"".join(self._chunks["one"]))


def _reply(model: str, tokens: int) -> list[bytes]:
    """Return the chunks of a reply: an event for each token, and the regular end."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000}

    def event(delta: dict[str, str], finish: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: " + json.dumps({**head, "model": model, "choices": [choice]}).encode()

    said = [event({"content": token}, None) for token in _tokens(tokens)]
    events = [*said, event({}, "stop"), b"data: [DONE]"]
    return [*(b"%x\r\n%b\n\n\r\n" % (len(data) + 2, data) for data in events), b"0\r\n\r\n"]


def _tokens(count: int) -> list[str]:
    """Return words of one length that are no loop: chatd would stop it."""
    chance = random.Random(0)
    return ["".join(chance.choices(ascii_lowercase, k=WORD_LETTERS)) + BLANK for _ in range(count)]


async def _open_doors(options: argparse.Namespace, conversations: asyncio.TaskGroup) -> int:
    server = TokenServer(options.tokens, options.paced_tokens, options.pace_s)
    return await listen(conversations, server.handle, "127.0.0.1", 0)


def main() -> None:
    """Serve until stdin closes."""
    parser = argparse.ArgumentParser(description="A model server with answers made beforehand.")
    parser.add_argument("--tokens", type=int, required=True, help="in the reply of `burst`")
    parser.add_argument("--paced-tokens", type=int, required=True, help="in that of `paced`")
    parser.add_argument("--pace-s", type=float, required=True, help="between two of `paced`")
    asyncio.run(serve(partial(_open_doors, parser.parse_args())))


if __name__ == "__main__":
    main()
