"""A scripted model server over real HTTP, as a process: python -m tests.fakes.model_server."""

import argparse
import asyncio
import concurrent.futures.thread  # noqa: F401  # asyncio would import it too late for --uid
import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from http import HTTPStatus

from tests.fakes.answers import Call, Knobs
from tests.fakes.faults import FAULTS
from tests.fakes.http import ClientGone, Exchange, Request, listen, serve
from tests.fakes.scripts import SCRIPTS, hash_reply

__all__ = ["Counts", "ModelServer", "hash_reply", "main"]

ALL = SCRIPTS | {name: fault.script for name, fault in FAULTS.items()}


@dataclass
class Counts:
    """What has happened so far; `GET /_counts` shows it.

    requests: chat completions asked for.  open_streams: those being answered, streamed or not.
    disconnects_seen: those whose client left first.  prompts_seen: the sha256 of each request's
    last user message, in order, refused requests too; messages_seen: of every message at all.
    bodies: the last requests of scripts that keep them.
    images_seen: the sha256 of every image's address, which is its data.
    elsewhere_requests: those that came to where the script `redirect` points.
    """

    requests: int = 0
    open_streams: int = 0
    disconnects_seen: int = 0
    elsewhere_requests: int = 0
    prompts_seen: list[str] = field(default_factory=list)
    messages_seen: list[str] = field(default_factory=list)
    images_seen: list[str] = field(default_factory=list)
    bodies: list[dict[str, object]] = field(default_factory=list)


class ModelServer:
    """The routes; the script is named by the request's model, or else it is `script`."""

    def __init__(
        self, script: str, models: Sequence[str], models_status: int, key: str, knobs: Knobs
    ) -> None:
        self.counts = Counts()
        self.redirect_to = ""
        self._script = script
        self._models = models
        self._models_status = models_status
        self._key = key
        self._knobs = knobs
        self._plays: Counter[str] = Counter()
        self._changed = asyncio.Event()

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request."""
        request = exchange.request
        self._note(request)
        match request.method, request.path:
            case "GET", "/_counts":
                await self._show_counts(exchange)
            case _ if not self._is_let_in(request):
                await _refuse(exchange, 401, "authentication_error", "a key is needed")
            case "GET", "/v1/models":
                await self._list_models(exchange)
            case "POST", "/v1/chat/completions":
                await self._chat(exchange)
            case "POST", "/v1/systemone" if request.json().get("model") == "typed":
                await _judge(exchange)
            case "GET", "/v1/chat/completions":
                await _refuse(exchange, 405, "invalid_request_error", "POST it")
            case _:
                await _refuse(exchange, 404, "not_found_error", "no such path")

    async def handle_elsewhere(self, exchange: Exchange) -> None:
        """Answer what followed a redirect, so that a test sees it."""
        self.counts.elsewhere_requests += 1
        self._note(exchange.request)
        self._tell()
        await _refuse(exchange, 404, "not_found_error", "nobody should come here")

    async def _show_counts(self, exchange: Exchange) -> None:
        """Show the counts; with `?name=number` only once they are all equal to that."""
        wanted = {name: int(value) for name, value in exchange.request.query.items()}
        while any(getattr(self.counts, name) != value for name, value in wanted.items()):
            await self._changed.wait()
        await exchange.reply_json(200, asdict(self.counts))

    async def _list_models(self, exchange: Exchange) -> None:
        status = self._models_status
        if status != 200:
            plain = {"Content-Type": "text/plain; charset=utf-8"}
            await exchange.reply(status, HTTPStatus(status).phrase.encode(), plain)
            return
        data = [
            {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "fake"}
            for name in self._models
        ]
        await exchange.reply_json(200, {"object": "list", "data": data})

    async def _chat(self, exchange: Exchange) -> None:
        body = exchange.request.json()
        model, messages = body.get("model"), body.get("messages")
        if not isinstance(model, str) or not isinstance(messages, list):
            text = "'model' and 'messages' are required"
            await _refuse(exchange, 400, "invalid_request_error", text)
            return
        self.counts.requests += 1
        options = body.get("stream_options")
        call = Call(
            exchange,
            self._knobs,
            number=self.counts.requests,
            model=model,
            prompt=_prompt_of(exchange.request),
            is_stream=body.get("stream") is True,
            wants_usage=isinstance(options, dict) and options.get("include_usage") is True,
            redirect_to=self.redirect_to,
            first=_first_of(exchange.request),
            body=body,
        )
        if model.startswith("play"):
            self._plays[call.first] += 1
            call = replace(call, turn=self._plays[call.first])
            self.counts.bodies = [*self.counts.bodies[-9:], body]
        self.counts.open_streams += 1
        self._tell()
        try:
            await ALL.get(model.partition(":")[0], ALL[self._script])(call)
        except ClientGone:
            self.counts.disconnects_seen += 1
            raise
        finally:
            self.counts.open_streams -= 1
            self._tell()

    def _note(self, request: Request) -> None:
        messages = _messages_of(request)
        if messages:
            self.counts.prompts_seen.append(_sha256(_prompt_of(request)))
            self.counts.messages_seen += [_sha256(text) for _, text in messages]
            self.counts.images_seen += [_sha256(url) for url in _images_of(request)]

    def _is_let_in(self, request: Request) -> bool:
        return not self._key or request.headers.get("authorization") == f"Bearer {self._key}"

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


PLAYERS = ("play:a", "play:b")


async def _judge(exchange: Exchange) -> None:
    """Answer a typed question with the number at the end of its instructions."""
    questions = exchange.request.json()["questions"]
    chance = float(str(questions).rstrip("'}").split()[-1])
    await exchange.reply_json(200, {"answers": {"verdict": {"type": "noul", "noul": chance}}})


def _messages_of(request: Request) -> list[tuple[str, str]]:
    """The role and the text of each message; a text in parts is joined."""
    messages = request.json().get("messages")
    found: list[tuple[str, str]] = []
    for message in messages if isinstance(messages, list) else []:
        if isinstance(message, dict):
            content = message.get("content")
            parts = content if isinstance(content, list) else [{"text": content}]
            texts = [part.get("text") for part in parts if isinstance(part, dict)]
            found.append((str(message.get("role")), "".join(str(text or "") for text in texts)))
    return found


def _images_of(request: Request) -> list[str]:
    """The address of each image, in order."""
    messages = request.json().get("messages")
    parts = [
        part
        for message in (messages if isinstance(messages, list) else [])
        if isinstance(message["content"], list)
        for part in message["content"]
    ]
    return [str(part["image_url"]["url"]) for part in parts if part["type"] == "image_url"]


def _prompt_of(request: Request) -> str:
    """The last user message, or nothing."""
    prompts = [text for role, text in _messages_of(request) if role == "user"]
    return prompts[-1] if prompts else ""


def _first_of(request: Request) -> str:
    """The first user message, or nothing."""
    prompts = [text for role, text in _messages_of(request) if role == "user"]
    return prompts[0] if prompts else ""


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def _refuse(exchange: Exchange, status: int, kind: str, text: str) -> None:
    await exchange.reply_json(status, {"error": {"message": text, "type": kind, "code": status}})


async def _open_doors(options: argparse.Namespace, conversations: asyncio.TaskGroup) -> int:
    """Listen on two ports: the server's own, and the one that the script `redirect` points to."""
    models = options.models.split(",") if options.models else [*ALL, *PLAYERS]
    knobs = Knobs(options.tokens, options.delay_s)
    if options.uid:  # only now: everything that it needs to read has been read
        os.setgroups([])
        os.setgid(options.uid)
        os.setuid(options.uid)
    server = ModelServer(options.script, models, options.models_status, options.require_key, knobs)
    elsewhere = await listen(conversations, server.handle_elsewhere, options.host, 0)
    server.redirect_to = f"http://{options.host}:{elsewhere}/elsewhere"
    return await listen(conversations, server.handle, options.host, options.port)


def main() -> None:
    """Serve until stdin closes."""
    parser = argparse.ArgumentParser(description="A scripted model server.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes any; READY tells which")
    parser.add_argument("--script", default="hash", choices=sorted(ALL))
    parser.add_argument("--models", default="", help="names, with commas; default: the scripts'")
    parser.add_argument("--models-status", type=int, default=200, help="status of GET /v1/models")
    parser.add_argument("--require-key", default="", help="401 without this bearer key")
    parser.add_argument("--tokens", type=int, default=20, help="how many `slow` sends")
    parser.add_argument("--delay-s", type=float, default=0.0, help="the pause before each token")
    parser.add_argument("--uid", type=int, default=0, help="listen as this user")
    asyncio.run(serve(partial(_open_doors, parser.parse_args())))


if __name__ == "__main__":
    main()
