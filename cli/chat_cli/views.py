"""How a reply is shown while it comes: as text, or as JSON for programs."""

import sys
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from chat_cli import fences, output
from chat_cli.following import Reply
from chat_rpc import client, errors, methods

Think = Literal["show", "hide", "stderr"]
SAYS_OTHER = (
    "chatd was restarted, and the model now says something else than above; "
    "its whole reply: chat show (turn {turn})"
)


class Sink(Protocol):
    """Where text goes, piece by piece."""

    def write(self, text: str, *, flush: bool) -> None: ...

    def finish(self) -> None:
        """No more comes: what was written ends with a newline."""

    def stop(self) -> None:
        """Nobody waits for more: what was written is shown."""


class Raw:
    """The text as it is."""

    def __init__(self, printed: str = "") -> None:
        self._last_char = printed[-1:] or "\n"

    def write(self, text: str, *, flush: bool) -> None:
        if text:
            output.write(text, flush=flush)
            self._last_char = text[-1]

    def finish(self) -> None:
        if self._last_char != "\n":
            output.write("\n")
        self._last_char = "\n"

    def stop(self) -> None:
        if sys.stdout.isatty():
            self.finish()


@dataclass(frozen=True)
class Wanted:
    """What a person wants to see."""

    extract: str | None = None  # only the first block of code; of this language, if not empty
    think: Think = "hide"
    is_held: bool = False  # nothing before the end
    print_failed: bool = False
    quiet: bool = False


PLAINLY = Wanted()


class Text:
    """The answer to `sink`: as it comes, or where it may turn out bad, at the end.

    What is told on the way goes to stderr.
    """

    def __init__(self, sink: Sink, wanted: Wanted, *, printed: str = ""):
        self._sink = sink
        self._wanted = wanted
        self._is_held = wanted.is_held or wanted.extract is not None
        self._once = Once(printed)
        self._has_begun = bool(printed)  # then the line is the answer's, and no place for a status
        self._thoughts = _thoughts_to(wanted.think, sink)

    def begin(self, reply: Reply) -> None:
        self._is_held = self._is_held or reply.is_checked

    def take(self, event: client.TurnEvent, reply: Reply, *, is_last: bool) -> None:
        if isinstance(event, methods.Delta):
            self._thoughts.finish()
            if self._is_held:
                self._tell("answering")
            else:
                self._has_begun = True
                new = self._once.more(event.text, reply.turn)
                self._sink.write(new, flush=is_last)
        elif isinstance(event, methods.End):
            self._end(reply)
        elif event.kind == "think":
            self._tell("thinking")
            self._has_begun = self._has_begun or self._wanted.think != "hide"
            self._thoughts.write(event.text or "", flush=is_last)
        else:
            self._step(event)

    def stop(self) -> None:
        output.clear_status()
        self._thoughts.finish()
        self._sink.stop()

    def _step(self, event: methods.Event) -> None:
        if event.kind == "attempt":
            self._once.again()
            self._thoughts.finish()
            self._tell(_attempt(event))
        elif event.kind == "queued" and not self._wanted.quiet and not self._has_begun:
            output.queued(f"the model is busy; place {event.place} in the queue")
        elif event.kind == "check":
            self._tell("checking")
        elif event.kind == "refine":
            self._tell(f"repairing: {'; '.join(event.reasons)}")

    def _tell(self, text: str) -> None:
        if not self._wanted.quiet and not self._has_begun:
            output.status(text)

    def _end(self, reply: Reply) -> None:
        output.clear_status()
        self._thoughts.finish()
        ending = reply.ending
        is_good = ending is not None and ending.state == "done"
        if self._is_held and (is_good or self._wanted.print_failed):
            self._sink.write(self._chosen(reply.text), flush=True)
        self._sink.finish()
        if is_good:
            self._once.finish(reply.turn)

    def _chosen(self, text: str) -> str:
        if self._wanted.extract is None:
            return text
        return _extracted(text, self._wanted.extract, quiet=self._wanted.quiet)


class Once:
    """Text that may come again: after a restart a model begins anew, and is printed on only."""

    def __init__(self, printed: str = "") -> None:
        self._printed = [printed]
        self._expected = ""  # what was printed of an attempt that is void, and must come again

    def again(self) -> None:
        self._expected = "".join(self._printed) + self._expected
        self._printed.clear()

    def more(self, text: str, turn: str) -> str:
        """Return what of it is new; raises CutOff when it is not what was printed."""
        self._printed.append(text)
        if not self._expected:
            return text
        same = min(len(text), len(self._expected))
        if text[:same] != self._expected[:same]:
            raise errors.CutOff(SAYS_OTHER.format(turn=turn))
        self._expected = self._expected[same:]
        return text[same:]

    def finish(self, turn: str) -> None:
        if self._expected:
            raise errors.CutOff(SAYS_OTHER.format(turn=turn))


class Lines:
    """`--jsonl`: each event as a line, as it came over the socket."""

    def begin(self, reply: Reply) -> None:
        pass

    def stop(self) -> None:
        pass

    def take(self, event: client.TurnEvent, reply: Reply, *, is_last: bool) -> None:
        output.write(f"{msgspec.json.encode(event).decode()}\n", flush=is_last)


class Silent:
    """`--json`: nothing before the end."""

    def begin(self, reply: Reply) -> None:
        pass

    def stop(self) -> None:
        pass

    def take(self, event: client.TurnEvent, reply: Reply, *, is_last: bool) -> None:
        pass


class _Nowhere:
    def write(self, text: str, *, flush: bool) -> None:
        pass

    def finish(self) -> None:
        pass


class _Thoughts:
    """What a model thinks, apart from what it says: dim on stderr, or in the answer."""

    def __init__(self, sink: Sink | None) -> None:
        self._sink = sink
        self._has_some = False

    def write(self, text: str, *, flush: bool) -> None:
        self._has_some = True
        if self._sink is not None:
            self._sink.write(text, flush=flush)
        else:
            output.think(text)

    def finish(self) -> None:
        if self._has_some:
            self._has_some = False
            if self._sink is not None:
                self._sink.write("\n\n", flush=True)
            else:
                output.tell("\n\n")


def _thoughts_to(think: Think, sink: Sink) -> "_Thoughts | _Nowhere":
    if think == "hide":
        return _Nowhere()
    return _Thoughts(sink if think == "show" else None)


def _attempt(event: methods.Event) -> str:
    where = f" {event.model}" if event.model else ""
    if event.by == "model":
        return f"asking{where}" + (f", attempt {event.n}" if (event.n or 1) > 1 else "")
    return "keeping the best" if event.by == "kept" else "cutting it out"


def _extracted(text: str, language: str, *, quiet: bool) -> str:
    block = fences.first(text, language)
    if block is not None:
        return block
    if fences.first(text) is not None:
        raise errors.ChecksFailed(f"the reply has no block of {language}; see it with: chat show")
    if not quiet:
        output.note("there is no block of code in the reply; all of it is printed")
    return text


def thinking(think: Think | None) -> Think:
    """Return where thoughts go: unless something is said, a person sees them, beside the answer."""
    if think is not None:
        return think
    return "stderr" if sys.stdout.isatty() and sys.stderr.isatty() else "hide"


def sink(*, is_raw: bool, printed: str = "") -> Sink:
    """Return where text goes: rendered Markdown on a terminal that can, else as it is."""
    if is_raw or not sys.stdout.isatty() or output.is_dumb():
        return Raw(printed)
    from chat_cli.drawing import Drawn

    return Drawn()
