"""One function a method: decode nothing, decide nothing; call the part that does, and answer."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from msgspec import Struct

from chatd.handlers import admin, chat, file, model, rpc, system, taste, turn, validate
from chatd.handlers.context import Context, Peer, Then

Answer = Struct | Then
Waiting = Coroutine[Any, Any, Answer]  # Any: what it and its loop tell each other is nobody's
# Any: one table for handlers of many parameter types; dispatch decodes by the same name
Handler = Callable[[Context, Peer, Any], Answer | Waiting]

HANDLERS: Mapping[str, Handler] = {
    "system.hello": system.hello,
    "system.ping": system.ping,
    "system.status": system.status,
    "system.limits": system.limits,
    "system.doctor": system.doctor,
    "system.logs": system.logs,
    "turn.start": turn.start,
    "turn.attach": turn.attach,
    "turn.cancel": turn.cancel,
    "turn.get": turn.get,
    "turn.prompts": turn.prompts,
    "turn.validate": validate.validate,
    "file.add": file.add,
    "turn.refine": turn.refine,
    "turn.verdict": turn.verdict,
    "turn.feedback": taste.feedback,
    "chat.list": chat.list_,
    "chat.get": chat.get,
    "chat.search": chat.search,
    "chat.rename": chat.rename,
    "chat.delete": chat.delete,
    "chat.undelete": chat.undelete,
    "chat.fork": chat.fork,
    "chat.export": chat.export,
    "chat.import": chat.import_,
    "chat.keep": chat.keep,
    "chat.select": chat.select,
    "chat.checks": chat.checks,
    "chat.wipe": chat.wipe,
    "chat.watch": chat.watch,
    "model.list": model.list_,
    "model.probe": model.probe,
    "taste.show": taste.show,
    "taste.forget": taste.forget,
    "admin.stats": admin.stats,
    "admin.reload": admin.reload,
    "admin.drain": admin.drain,
    "rpc.discover": rpc.discover,
}
