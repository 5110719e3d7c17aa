"""`chat models` and `chat status`: what there is, and how it is."""

from typing import Annotated

import typer

from chat_cli import link, output, people, spans
from chat_rpc import errors, methods

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


def models(*, as_json: AsJson = False) -> None:
    """List the models that you can ask; the first is the default.

    \b
      chat models
      chat models --json | jq -r .model
    """
    client = link.connect()
    probed = client.call(methods.PROBE, methods.Nothing()).servers
    found = client.call(methods.MODELS, methods.Nothing()).models
    if as_json:
        for model in found:
            output.json(model)
    else:
        output.table(
            ("MODEL", "SERVER", "ADDRESS"),
            ((model.model, model.backend, model.url) for model in found),
        )
    for server in probed:
        if not server.usable:
            output.note(f"not used: {server.note}")
        elif not server.models:
            output.note(f"{server.backend} at {server.url} cannot list its models; it can be asked")
    if all(model.demo for model in found) and not any(server.usable for server in probed):
        output.note(
            "no model server is there. Start one on this machine, on its usual port (LM Studio "
            "1234, Ollama 11434, llama.cpp 8080, vLLM 8000): chatd finds it by itself"
        )
    if not found and not any(server.usable for server in probed):
        raise errors.ServerUnreachable("there is no model to ask")


def status(
    *,
    as_json: AsJson = False,
    no_start: Annotated[bool, typer.Option("--no-start", help="Do not start chatd.")] = False,
) -> None:
    """Tell how chatd is: who, what waits, what servers there are.

    \b
      chat status
      watch -n 60 'chat status --json | jq .queued'
    """
    client = link.connect(may_start=not no_start)
    link.warn_of_skew(client.call(methods.HELLO, methods.Nothing()))
    now = client.call(methods.STATUS, methods.Nothing())
    if as_json:
        output.json(now)
        return
    store = now.store
    output.line(f"chatd {now.version}, pid {now.pid}, up {spans.exact(now.uptime_s)}")
    output.line(f"socket  {now.socket}")
    output.line(
        f"store   {store.path} ({store.filesystem}, "
        f"{output.size(store.used_bytes)} of {output.size(store.size_bytes)} used"
        f"{', may be swapped to a disk' if store.may_swap else ''})"
    )
    has = f"{output.count(now.chats, 'conversation')}, {output.count(now.turns, 'turn')}"
    output.line(
        f"you     {people.name_of(now.uid)} (uid {now.uid}): "
        f"{has}, {now.running} running, {now.queued} queued"
    )
    output.line(f"engine  {now.engine}")
    for server in now.servers:
        waiting = f", {server.queued} waiting" if server.queued else ""
        output.line(
            f"server  {server.backend} at {server.url}: "
            f"{server.busy} of {server.slots} busy{waiting}"
        )
