"""One model server, asked through the openai client; its stream is decoded here.

openai does addresses, authentication, timeouts and errors.  Its parsed stream is not used: it costs
two to ten times more CPU per token, and it takes a stream without a finish reason, a stream that
was cut and an HTML page for good replies (docs/design.md, "The model side").

Importing this takes half a second: only the pool does, once, when chatd is up.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NoReturn, cast

import httpx2
import msgspec
import openai
import openai.resources.chat  # else the first turn does, and blocks everybody meanwhile
from msgspec import Struct

from chat_rpc import errors
from chatd.backends import http, sse
from chatd.backends.pieces import Finish
from chatd.backends.reply import Reply, Take
from chatd.backends.transport import Check

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

CONTEXT_CODES = ("exceed_context_size_error", "context_length_exceeded", "ContextWindowExceeded")
WORD = re.compile(r"[A-Za-z0-9_.-]{1,60}")


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


_decode_models = msgspec.json.Decoder(_Models).decode


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
        async with self._errors():
            response = await self._http.get(
                f"{self.url}/models",
                headers={"Authorization": f"Bearer {self._api_key}"},
                timeout=timeout_s,
            )
            status = response.status_code
            if status == 200:
                listed = _decode_models(response.content).data
                return {model.id: model.context_tokens for model in listed}
            if status in (401, 403):
                raise errors.ServerError(f"{self.name} wants an API key (HTTP {status})")
            if status >= 500 and await self._takes_chats(timeout_s):
                return {}
        raise errors.NotTheProtocol(f"{self.name} lists no models (HTTP {status})")

    async def reply(
        self,
        model: str,
        messages: list[dict[str, str]],
        options: Mapping[str, object],
        take: Take,
    ) -> Finish:
        """Give the reply to `take` as it comes, and return its end; raises if it is not whole.

        What `take` raises comes out here.  Cancelling closes the connection, which frees the
        server's slot.
        """
        reply = Reply(self.name, take)
        async with (
            self._errors(),
            self._client.chat.completions.with_streaming_response.create(
                model=model,
                messages=cast("list[ChatCompletionMessageParam]", messages),
                stream=True,
                stream_options={"include_usage": True},
                extra_body=dict(options) or None,
            ) as response,
        ):
            kind = response.headers.get("content-type", "")
            if not kind.startswith("text/event-stream"):
                raise errors.NotTheProtocol(f"{self.name} sent no event stream {_word(kind)}")
            await response.http_response.extensions["body"].pour(reply.feed)
        return reply.finish()

    async def close(self) -> None:
        await self._http.aclose()

    async def _takes_chats(self, timeout_s: float) -> bool:
        """Say whether there is a chat endpoint: it is named without a request that it may take."""
        response = await self._http.get(f"{self.url}/chat/completions", timeout=timeout_s)
        return response.status_code == 405

    @asynccontextmanager
    async def _errors(self) -> AsyncIterator[None]:
        """Turn what the client raises into the error table; the server's own words stay out."""
        try:
            yield
        except http.Refused as exc:
            raise errors.ServerUnreachable(f"{self.name} at {self.url}: {exc}") from None
        except openai.APIStatusError as exc:
            self._refuse(exc)
        except (openai.APITimeoutError, httpx2.TimeoutException) as exc:
            raise errors.ServerUnreachable(f"{self.name} at {self.url} did not answer") from exc
        except (openai.APIConnectionError, httpx2.ConnectError) as exc:
            cause = exc.__cause__
            if isinstance(cause, http.Refused):
                why = f"{self.name} at {self.url}: {cause}"
                raise errors.ServerUnreachable(why) from None
            if isinstance(cause, httpx2.RemoteProtocolError):
                raise errors.NotTheProtocol(f"{self.name} does not speak HTTP") from exc
            raise errors.ServerUnreachable(f"{self.name} at {self.url} does not answer") from exc
        except httpx2.RemoteProtocolError as exc:
            raise errors.NotTheProtocol(f"{self.name} sent what is not HTTP") from exc
        except httpx2.HTTPError as exc:
            raise errors.CutOff(f"{self.name} closed the connection in mid-reply") from exc
        except sse.EventTooLong as exc:
            raise errors.NotTheProtocol(f"{self.name} sent an event of over 8 MiB") from exc
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise errors.NotTheProtocol(f"{self.name} sent what is not the protocol") from exc

    def _refuse(self, exc: openai.APIStatusError) -> NoReturn:
        status, code = exc.status_code, f"{exc.code or ''} {exc.type or ''}"
        if any(known in code for known in CONTEXT_CODES):
            raise errors.ContextTooLong(f"the conversation is too long for {self.name}") from exc
        if status == 404:
            raise errors.NoSuchModel(f"{self.name} does not have this model") from exc
        message = f"{self.name} answered HTTP {status} {_word(exc.type or '')}".rstrip()
        raise errors.ServerError(message) from exc


def _word(text: str) -> str:
    """Return `text` if it is a plain identifier: anything longer may echo a prompt."""
    plain = text.partition(";")[0].strip().replace("/", "-")
    return plain if WORD.fullmatch(plain) else ""
