"""The attempts at a turn, read out of its events."""

from collections.abc import Iterable

from chat_rpc.methods import Delta, Event, Tried
from chatd.chats.records import TurnEvent


def tried_of(events: Iterable[TurnEvent]) -> list[Tried]:
    """Return each attempt, and each part that was cut out of one, oldest first.

    One that has neither verdict nor error nor usage was cut short by the end of a daemon.
    """
    tried: list[Tried] = []
    texts: list[list[str]] = []
    is_kept = False  # what follows is an earlier text again
    for event in events:
        if isinstance(event, Delta) and tried and not is_kept:
            texts[-1].append(event.text)
        elif not isinstance(event, Event):
            continue
        elif event.kind == "attempt":
            is_kept = event.by == "kept"
            if not is_kept:
                tried.append(_begun(event))
                texts.append([])
        elif event.kind == "verify" and tried:
            last = tried[-1]
            last.verdict, last.error = event.verdict, event.error
            last.usage, last.total_ms = event.usage, event.total_ms or 0
    for each, parts in zip(tried, texts, strict=True):
        each.text = "".join(parts)
    return tried


def _begun(event: Event) -> Tried:
    return Tried(n=event.n or 0, by=event.by, model=event.model, backend=event.backend)
