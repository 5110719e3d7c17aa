"""Faults that HTTP has a word for: a status, a redirect, an error in the words of each server."""

import time
from email.utils import formatdate

from tests.fakes.answers import Call, refuse
from tests.fakes.faults.table import fault
from tests.fakes.http import JSON

HTML = b"<html><body><h1>Bad gateway</h1></body></html>"
TOO_LONG = "the conversation is too long for faulty"

STATUSES = {
    400: ("invalid_request_error", 69, r"answered HTTP 400 \(invalid_request_error\)"),
    401: ("authentication_error", 69, "wants an API key"),
    403: ("permission_error", 69, "wants an API key"),
    404: ("not_found_error", 65, "does not have this model"),
    413: ("request_too_large", 65, TOO_LONG),
    422: ("validation_error", 69, r"answered HTTP 422 \(validation_error\)"),
    429: ("rate_limit_error", 75, "is too busy .* try again later"),
    500: ("server_error", 69, r"answered HTTP 500 \(server_error\)"),
    502: ("bad_gateway", 69, "answered HTTP 502"),
    503: ("unavailable_error", 75, "is too busy .* try again later"),
    504: ("timeout", 69, "answered HTTP 504"),
}


def _status(status: int, kind: str, exit_: int, says: str) -> None:
    @fault(f"e{status}", f"answers HTTP {status}", exit_, says)
    async def script(call: Call) -> None:
        await refuse(call, status, kind)


for _code, (_kind, _exit, _says) in STATUSES.items():
    _status(_code, _kind, _exit, _says)


# What comes in Retry-After, and what is made of it; a date is 90 s ahead.
WAITS = {
    "seconds": ("7", "in 7 s"),
    "date": ("", "in 90 s"),
    "past": ("Wed, 21 Oct 2015 07:28:00 GMT", "in 1 s"),
    "huge": ("99999999999999999999", "in a day or later"),
    "nonsense": ("soon; -1", "later"),
}


def _wait(name: str, header: str, says: str) -> None:
    does = f"answers HTTP 429, Retry-After: {header or '(a date)'}"

    @fault(f"e429-{name}", does, 75, f"is too busy .* try again {says}")
    async def script(call: Call) -> None:
        value = header or formatdate(time.time() + 90, usegmt=True)
        await refuse(call, 429, "rate_limit_error", {"Retry-After": value})


for _name, (_header, _when) in WAITS.items():
    _wait(_name, _header, _when)


@fault("loading", "answers HTTP 503: it loads its model (llama.cpp)", 75, "still loading its model")
async def _loading(call: Call) -> None:
    error = {"message": "Loading model", "type": "unavailable_error", "code": 503}
    await call.exchange.reply_json(503, {"error": error})


@fault("html-502", "answers HTTP 502 with a web page", 69, "answered HTTP 502")
async def _html_502(call: Call) -> None:
    await call.exchange.reply(502, HTML, {"Content-Type": "text/html"})


@fault("redirect", "sends elsewhere", 69, "sends elsewhere .* which is not followed")
async def _redirect(call: Call) -> None:
    await call.exchange.reply(307, b"", {"Location": call.redirect_to})


@fault("echoing-400", "answers HTTP 400 and quotes the prompt", 69, "answered HTTP 400")
async def _echoing_400(call: Call) -> None:
    error = {"message": f"cannot parse: {call.prompt}", "type": f"bad prompt: {call.prompt}"}
    await call.exchange.reply_json(400, {"error": error})


# How servers say that a chat is too long for the model: the status, and the body.
LONG = {
    "llama.cpp": (
        400,
        {
            "error": {
                "code": 400,
                "message": "request (9000 tokens) exceeds the available context size (4096)",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 9000,
                "n_ctx": 4096,
            }
        },
    ),
    "openai": (
        400,
        {
            "error": {
                "message": "Your messages resulted in 9000 tokens.",
                "type": "invalid_request_error",
                "param": "messages",
                "code": "context_length_exceeded",
            }
        },
    ),
    "vllm": (
        400,
        {
            "error": {
                "message": "This model's maximum context length is 4096 tokens.",
                "type": "BadRequestError",
                "param": None,
                "code": 400,
            }
        },
    ),
    "sglang": (
        400,
        {
            "object": "error",
            "message": "The input (9000 tokens) is longer than the model's context length (4096).",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
    ),
    "lm-studio": (
        400,
        {"error": "Cannot truncate prompt with n_keep (9000) >= n_ctx (4096)"},
    ),
    "tgi": (
        422,
        {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096", "error_type": "validation"},
    ),
    "litellm": (
        400,
        {"error": {"message": "litellm.ContextWindowExceededError", "type": None, "code": "400"}},
    ),
}


def _long(server: str, status: int, body: object) -> None:
    @fault(f"long-{server}", f"finds the chat too long, as {server} says it", 65, TOO_LONG)
    async def script(call: Call) -> None:
        await call.exchange.reply_json(status, body, JSON)


for _server, (_long_status, _body) in LONG.items():
    _long(_server, _long_status, _body)
