"""The published answers of real model servers, over HTTP: python -m tests.fakes.replay_server."""

import argparse
import asyncio
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from tests.fakes.http import Exchange, listen, serve


@dataclass(frozen=True)
class Recording:
    """What one server answers, and where that is published.

    Bodies are exact.  Headers are without those of the framing (Content-Length and the like), which
    are added.  Each of `chat_lines` is an event, sent as a chunk of its own with the empty line
    that ends it.  `bad_request_*` answers a chat completion without messages.
    """

    server: str
    port: int
    source: list[str]
    models_status: int
    models_headers: dict[str, str]
    models_body: str
    chat_headers: dict[str, str]
    chat_lines: list[str]
    bad_request_status: int
    bad_request_headers: dict[str, str]
    bad_request_body: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a recording; a relative path may also start where this module lies."""
        found = path if path.exists() else Path(__file__).parent / path
        return cls(**json.loads(found.read_text(encoding="utf-8")))

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request as the server did."""
        match exchange.request.method, exchange.request.path:
            case "GET", "/v1/models":
                body = self.models_body.encode()
                await exchange.reply(self.models_status, body, self.models_headers)
            case "POST", "/v1/chat/completions":
                await self._chat(exchange)
            case "GET", "/v1/chat/completions":  # Starlette's answer; other servers say 404
                await exchange.reply_json(405, {"detail": "Method Not Allowed"})
            case _:
                await exchange.reply_json(404, {"error": "not in the recording"})

    async def _chat(self, exchange: Exchange) -> None:
        asked = exchange.request.json()
        if not asked.get("messages"):
            body = self.bad_request_body.encode()
            await exchange.reply(self.bad_request_status, body, self.bad_request_headers)
            return
        if asked.get("stream") is not True:
            await exchange.reply_json(501, {"error": "only the streamed answer was recorded"})
            return
        options = asked.get("stream_options")
        wants_usage = isinstance(options, dict) and options.get("include_usage") is True
        await exchange.start(self.chat_headers)
        for line in self.chat_lines:
            # every one of these servers sends this event only to those who ask for it
            if wants_usage or '"choices":[],' not in line:
                await exchange.write(f"{line}\n\n".encode())
        exchange.finish()


async def _open_door(options: argparse.Namespace, conversations: asyncio.TaskGroup) -> int:
    recording = Recording.read(options.recording)
    port = recording.port if options.port is None else options.port
    return await listen(conversations, recording.handle, options.host, port)


def main() -> None:
    """Serve until stdin closes."""
    parser = argparse.ArgumentParser(description="Replay what a real model server answers.")
    parser.add_argument("recording", type=Path, help="recorded/NAME.json")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, help="default: the server's own; 0 takes any")
    asyncio.run(serve(partial(_open_door, parser.parse_args())))


if __name__ == "__main__":
    main()
