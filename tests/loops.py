"""Questions whose replies a scripted server is told beforehand, and what came of them."""

import json
from collections.abc import Sequence
from typing import Any

from chat_rpc import aio, methods
from chat_rpc.checks import Check
from chat_rpc.client import TurnEvent
from tests.harness import ModelServer

GOOD = "It is good."
BAD = "one two three four"
THREE = Check(type="words", value="..3")


def ask(*replies: object, key: str = "k", **more: object) -> methods.TurnStart:
    """Return a question that the scripted server answers with these replies, one a request."""
    fields = {"model": "play", "checks": [THREE], **more}
    return methods.TurnStart(prompt=json.dumps(replies), key=key, **fields)  # type: ignore[arg-type]


async def events_of(client: aio.Client, params: methods.TurnStart) -> list[TurnEvent]:
    """Ask, and return all events."""
    started = await client.call(methods.START, params)
    return [event async for event in client.events(started.turn)]


def steps_of(events: Sequence[TurnEvent]) -> list[str]:
    """Return the kinds of the events, and for attempts that no model made who did, of which."""
    kinds = []
    for event in events:
        if isinstance(event, methods.Event):
            is_made = event.kind == "attempt" and event.by != "model"
            kinds.append(f"{event.by} {event.n}" if is_made else event.kind)
    return kinds


def reply_of(events: Sequence[TurnEvent]) -> str:
    """Return what comes after the last attempt event, as any client does."""
    text = ""
    for event in events:
        if isinstance(event, methods.Delta):
            text += event.text
        elif isinstance(event, methods.Event) and event.kind == "attempt":
            text = ""
    return text


def ending_of(events: Sequence[TurnEvent]) -> methods.Ending:
    last = events[-1]
    assert isinstance(last, methods.End)
    return last.ending


def error_of(events: Sequence[TurnEvent]) -> methods.Failure:
    error = ending_of(events).error
    assert error is not None
    return error


def bodies(server: ModelServer) -> list[dict[str, Any]]:  # Any: JSON
    """Return the last requests that the server got."""
    return server.counts()["bodies"]  # type: ignore[return-value]
