"""One model server, asked through the openai client; its stream is decoded here.

openai does addresses, authentication, timeouts and errors.  Its parsed stream is not used: it costs
two to ten times more CPU per token, and it takes a stream without a finish reason, a stream that
was cut and an HTML page for good replies (docs/design.md, "The model side").

Importing this takes half a second: only the pool does, once, when chatd is up.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, cast

import httpx2
import msgspec
import openai
import openai.resources.chat  # else the first turn does, and blocks everybody meanwhile
from msgspec import Meta, Struct

from chat_rpc import errors
from chatd.backends import failures, http
from chatd.backends.pieces import Finish
from chatd.backends.reply import Reply, Take
from chatd.backends.transport import Body, Check

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

Messages = list[dict[str, str]]

REFUSALS = frozenset({400, 422, 500, 501})  # by servers that know no schema, or not this one
JUDGEMENT_S = 60.0
LM_STUDIO_PORT = 1234
LINGER_S = 1.0  # for what may come after the finish reason: the usage, the end of the stream


class _Meta(Struct):
    n_ctx: int | None = None  # llama.cpp


class _Model(Struct):
    id: str
    meta: _Meta | None = None
    max_model_len: int | None = None  # vLLM
    max_context_length: int | None = None  # LM Studio

    @property
    def context_tokens(self) -> int | None:
        of_llama = self.meta.n_ctx if self.meta else None
        return of_llama or self.max_model_len or self.max_context_length


class _Models(Struct):
    data: list[_Model]


class _Whole(Struct):
    error: object = None


class _Noul(Struct):
    noul: Annotated[float, Meta(ge=0, le=1)]


class _Answers(Struct):
    verdict: _Noul


class _Judgement(Struct):
    answers: _Answers


_decode_judgement = msgspec.json.Decoder(_Judgement).decode
_decode_models = msgspec.json.Decoder(_Models).decode
_decode_whole = msgspec.json.Decoder(_Whole).decode


class ModelServer:
    """An OpenAI-compatible server at one address, as one user may use it.

    Every method raises an RpcError of the 3xxx band.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        slots: int,
        connect_s: float,
        api_key: str = "none",  # never from the environment: a cloud key is not for a local server
        unix_socket: str | None = None,
        check: Check | None = None,
    ):
        self.name = name
        self.url = url
        self.slots = slots
        self._api_key = api_key
        self._no_judges: set[str] = set()  # models
        self._json_thinkers: set[str] = set()
        self._is_lm_studio = httpx2.URL(url).port == LM_STUDIO_PORT
        self._http = http.client(connect_s=connect_s, unix_socket=unix_socket, check=check)
        self._client = openai.AsyncOpenAI(
            base_url=url,
            api_key=api_key,
            max_retries=0,
            http_client=self._http,
        )

    async def models(self, timeout_s: float) -> dict[str, int | None]:
        """Return the names that the server lists, with their context in tokens if it tells.

        Empty if it cannot say but takes chats.
        """
        with failures.told(self.name, self.url):
            response = await self._http.get(
                f"{self.url}/models",
                headers={"Authorization": f"Bearer {self._api_key}"},
                timeout=timeout_s,
            )
            status = response.status_code
            if status == 200:
                listed = _decode_models(response.content).data
                return {model.id: model.context_tokens for model in listed}
            if status >= 500 and await self._takes_chats(timeout_s):
                return {}
            if status in (401, 403, 429, 503):
                raise failures.status(self.name, status)
        raise errors.NotTheProtocol(f"{self.name} lists no models (HTTP {status})")

    async def reply(
        self,
        model: str,
        messages: Messages,
        options: Mapping[str, object],
        take: Take,
        schema: Mapping[str, object] | None = None,
    ) -> Finish:
        """Give the reply to `take` as it comes, and return its end; raises if it is not whole.

        A server that refuses a request with a `schema` is asked once more without: it is a help to
        the model, and no promise.  What `take` raises comes out here.  Cancelling closes the
        connection, which frees the server's slot.
        """
        if schema is not None:
            named = {"name": "reply", "schema": schema, "strict": True}
            form = {"response_format": {"type": "json_schema", "json_schema": named}}
            try:
                return await self._reply(model, messages, {**options, **form}, take)
            except errors.ServerError as exc:
                if failures.http_status(exc) not in REFUSALS:
                    raise
        return await self._reply(model, messages, options, take)

    async def _reply(
        self, model: str, messages: Messages, options: Mapping[str, object], take: Take
    ) -> Finish:
        reply = Reply(self.name, take)
        with failures.told(self.name, self.url):
            async with self._client.chat.completions.with_streaming_response.create(
                model=model,
                messages=cast("list[ChatCompletionMessageParam]", messages),
                stream=True,
                stream_options={"include_usage": True},
                extra_body=dict(options) or None,
            ) as response:
                await self._refuse_other_kinds(response.http_response)
                await _pour(response.http_response.extensions["body"], reply)
        return reply.finish()

    def thinks_first(self, model: str) -> bool:
        """Say whether a schema keeps this model from thinking, so that it had better come later.

        LM Studio then sends the JSON as a thought, or a poor one without thinking.
        """
        return self._is_lm_studio or model in self._json_thinkers

    def mistakes_json(self, model: str) -> None:
        """Note that JSON came as a thought."""
        self._json_thinkers.add(model)

    async def judgement(self, model: str, state: Mapping[str, str], rubric: str) -> float | None:
        """Return how likely what `state` tells meets the rubric, 0 to 1.

        None where the server has no typed judgements, or this model makes none; it is not asked
        again.  What it answers is a number and nothing else, so no text can talk it into another.
        """
        if model in self._no_judges:
            return None
        question = {"type": "noul", "instructions": f"Does the reply meet this rubric? {rubric}"}
        asked = {"model": model, "state": state, "questions": {"verdict": question}}
        with failures.told(self.name, self.url):
            response = await self._http.post(
                f"{self.url}/systemone",
                headers={"Authorization": f"Bearer {self._api_key}"},
                json=asked,
                timeout=JUDGEMENT_S,
            )
        if response.status_code == 200:
            with suppress(msgspec.DecodeError):
                return _decode_judgement(response.content).answers.verdict.noul
        self._no_judges.add(model)
        return None

    async def close(self) -> None:
        await self._http.aclose()

    async def _takes_chats(self, timeout_s: float) -> bool:
        """Say whether there is a chat endpoint: it is named without a request that it may take."""
        response = await self._http.get(f"{self.url}/chat/completions", timeout=timeout_s)
        return response.status_code == 405

    async def _refuse_other_kinds(self, response: httpx2.Response) -> None:
        """Raise what a response means that is not a stream of events."""
        kind = response.headers.get("content-type", "").lower()
        packed = response.headers.get("content-encoding", "identity")
        if packed != "identity":
            word = failures.identifier(packed)
            raise errors.NotTheProtocol(f"{self.name} packs its reply, unasked ({word})")
        if kind.startswith("application/json"):
            said = _decode_whole(await response.aread())
            if said.error:
                raise failures.reported(self.name, said.error)
            raise errors.NotTheProtocol(f"{self.name} does not stream: it answered in one piece")
        if not kind.startswith("text/event-stream"):
            word = failures.identifier(kind)
            what = f"no event stream{f' ({word})' if word else ''}"
            raise errors.NotTheProtocol(f"{self.name} sent {what}")


async def _pour(body: Body, reply: Reply) -> None:
    """Give the reply all that comes; once it has its finish reason, only what comes at once."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as clock:

            def feed(received: bytes) -> None:
                reply.feed(received)
                if reply.is_finished and clock.when() is None:
                    clock.reschedule(loop.time() + LINGER_S)

            await body.pour(feed)
    except (TimeoutError, httpx2.HTTPError):
        if not reply.is_finished:
            raise
