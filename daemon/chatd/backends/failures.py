"""What goes wrong at a model server, as errors of the table.

A server's own words are read here and stay here, but for a plain identifier: they may quote the
prompt.
"""

import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime

import httpx2
import msgspec
import openai

from chat_rpc import errors
from chatd.backends import http, sse

# What servers say when a chat is longer than the model's context: llama.cpp, OpenAI and what
# imitates it, vLLM, SGLang, LM Studio, Ollama, text-generation-inference, Anthropic.
TOO_LONG = re.compile(
    r"exceed_context_size|context_length_exceeded|ContextWindowExceeded"
    r"|context (length|size|window)|n_ctx|prompt is too long|prompt too long|inputs` tokens",
    re.IGNORECASE,
)
LOADING = re.compile(r"\bloading\b", re.IGNORECASE)
WORD = re.compile(r"[A-Za-z0-9_.-]{1,60}")
LONGEST_WAIT_S = 86400.0  # that a client is told; a server may say anything


@contextmanager
def told(name: str, url: str) -> Iterator[None]:
    """Turn what the client raises for the server `name` into an RpcError of the 3xxx band."""
    try:
        yield
    except http.Refused as exc:
        raise errors.ServerUnreachable(f"{name} at {url}: {exc}") from None
    except openai.APIStatusError as exc:
        raise _status(name, exc.status_code, exc.response.headers, exc.body) from exc
    except (openai.APITimeoutError, httpx2.TimeoutException) as exc:
        raise errors.ServerUnreachable(f"{name} at {url} did not answer") from exc
    except (openai.APIConnectionError, httpx2.ConnectError) as exc:
        raise _connection(name, url, exc) from exc
    except httpx2.RemoteProtocolError as exc:
        raise errors.NotTheProtocol(f"{name} sent what is not HTTP") from exc
    except httpx2.HTTPError as exc:
        raise errors.CutOff(f"{name} closed the connection in mid-reply") from exc
    except sse.EventTooLong as exc:
        raise errors.NotTheProtocol(f"{name} sent an event of over 8 MiB") from exc
    except UnicodeDecodeError as exc:
        raise errors.NotTheProtocol(f"{name} sent text that is not UTF-8") from exc
    except (msgspec.DecodeError, RecursionError) as exc:
        raise errors.NotTheProtocol(f"{name} sent what is not the protocol") from exc


def reported(name: str, error: object) -> errors.RpcError:
    """Return what a server means that reports an error where a reply should be."""
    if TOO_LONG.search(str(error)):
        return errors.ContextTooLong(f"the conversation is too long for {name}")
    word = _type_of(error)
    return errors.ServerError(f"{name} reported an error{f' ({word})' if word else ''}")


def http_status(error: errors.RpcError) -> int:
    """Return the HTTP status that was the answer; 0: it went wrong elsewhere."""
    cause = error.__cause__
    return cause.status_code if isinstance(cause, openai.APIStatusError) else 0


def identifier(text: object) -> str:
    """Return `text` if it is a plain identifier: anything longer may echo a prompt."""
    plain = str(text or "").partition(";")[0].strip().replace("/", "-")
    return plain if WORD.fullmatch(plain) else ""


def status(name: str, code: int) -> errors.RpcError:
    """Return what an HTTP status means of which no body tells more."""
    return _status(name, code, {}, None)


def _status(name: str, code: int, headers: Mapping[str, str], said: object) -> errors.RpcError:
    http_code = f"(HTTP {code})"
    if code == 413 or (400 <= code < 500 and code != 429 and TOO_LONG.search(str(said))):
        return errors.ContextTooLong(f"the conversation is too long for {name} {http_code}")
    if code in (401, 403):
        return errors.ServerError(f"{name} wants an API key {http_code}")
    if code == 404:
        return errors.NoSuchModel(f"{name} does not have this model {http_code}")
    if code in (429, 503):
        return _busy(name, http_code, headers, said)
    if 300 <= code < 400:
        return errors.ServerError(f"{name} sends elsewhere {http_code}, which is not followed")
    word = _type_of(said)
    return errors.ServerError(f"{name} answered HTTP {code}{f' ({word})' if word else ''}")


def _busy(name: str, http_code: str, headers: Mapping[str, str], said: object) -> errors.Overloaded:
    does = "is still loading its model" if LOADING.search(str(said)) else "is too busy"
    wait_s = _retry_after_s(headers.get("retry-after", ""))
    if wait_s is None:
        return errors.Overloaded(f"{name} {does} {http_code}; try again later")
    when = "in a day or later" if wait_s > LONGEST_WAIT_S else f"in {max(1, wait_s):.0f} s"
    wait_ms = round(min(wait_s, LONGEST_WAIT_S) * 1000)
    return errors.Overloaded(f"{name} {does} {http_code}; try again {when}", retry_after_ms=wait_ms)


def _retry_after_s(value: str) -> float | None:
    """Return what a Retry-After header asks for: seconds, or a date; None if it is neither."""
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _connection(name: str, url: str, exc: Exception) -> errors.RpcError:
    """Return why there was no connection, or no answer over it."""
    causes = list(_causes(exc))
    for cause in causes:
        if isinstance(cause, http.Refused):
            return errors.ServerUnreachable(f"{name} at {url}: {cause}")
        if isinstance(cause, httpx2.RemoteProtocolError):
            return errors.NotTheProtocol(f"{name} at {url} does not speak HTTP")
        for kind, why in _WHY:
            if isinstance(cause, kind):
                return errors.ServerUnreachable(f"{name} at {url} {why}")
    return errors.ServerUnreachable(f"{name} at {url} does not answer")


_WHY: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLCertVerificationError, "shows a certificate that is not trusted"),
    (ssl.SSLError, "does not speak TLS: is it http, not https?"),
    (socket.gaierror, "has a host name that is not known"),
    (ConnectionRefusedError, "does not answer: nothing listens there"),
    (httpx2.ReadError, "closed the connection without an answer"),
)


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__


def _type_of(error: object) -> str:
    return identifier(error.get("type")) if isinstance(error, dict) else ""
