"""One question on its way: followed through lost connections until its reply has ended."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import msgspec

from chat_cli import exec_check, fences, output
from chat_rpc import client, errors, methods

Connect = Callable[[], client.Client]
P = TypeVar("P", bound=msgspec.Struct)


@dataclass
class Reply:
    """What has come of a question so far.  The text is that of the last attempt."""

    turn: str = ""
    chat: str = ""
    asked: str | None = None  # the model that was asked for
    is_checked: bool = False  # the text is not to be believed before the end
    tried: list[methods.Tried] = field(default_factory=list)
    ending: methods.Ending | None = None
    _texts: list[str] = field(default_factory=list)
    _thoughts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def thought(self) -> str:
        return "".join(self._thoughts)

    def begin(self, started: methods.Started) -> None:
        self.turn, self.chat = started.turn, started.chat
        self.is_checked = self.is_checked or started.checked

    def take(self, event: client.TurnEvent) -> None:
        if isinstance(event, methods.Delta):
            self._texts.append(event.text)
        elif isinstance(event, methods.End):
            self._keep_text()
            self.ending = event.ending
        elif event.kind == "attempt":
            self._begin_attempt(event)
        elif event.kind == "think":
            self._thoughts.append(event.text or "")
        elif event.kind == "verify" and (attempt := self._attempt(event.n)):
            attempt.verdict, attempt.usage = event.verdict, event.usage
            attempt.total_ms, attempt.error = event.total_ms or 0, event.error

    def _begin_attempt(self, event: methods.Event) -> None:
        self._keep_text()
        self._texts.clear()
        self._thoughts.clear()
        self.tried.append(
            methods.Tried(
                n=event.n or len(self.tried) + 1,
                by=event.by,
                model=event.model,
                backend=event.backend,
            )
        )

    def _keep_text(self) -> None:
        if self.tried:
            self.tried[-1].text = self.text

    def _attempt(self, n: int | None) -> methods.Tried | None:
        return next((tried for tried in reversed(self.tried) if tried.n == n), None)


class View(Protocol):
    """Where a reply is shown while it comes."""

    def begin(self, reply: Reply) -> None:
        """The turn has its id now."""

    def take(self, event: client.TurnEvent, reply: Reply, *, is_last: bool) -> None:
        """One event, which `reply` has taken already; `is_last`: nothing more is waiting."""

    def stop(self) -> None:
        """It is given up: what has come is shown."""


class Following:
    """Follows one turn.  What it is asked with, and where it is shown, are the caller's."""

    def __init__(
        self,
        connect: Connect,
        view: View,
        reply: Reply | None = None,
        *,
        language: str | None = None,
    ):
        """`language`: of the code that alone is printed, and so checked; empty: of any."""
        self.reply = reply or Reply()
        self._language = language
        self._connect_anew = connect
        self._view = view
        self._client: client.Client | None = None

    def run(
        self,
        params: P,
        method: methods.Method[P, methods.Started] = methods.START,  # type: ignore[assignment]  # P
        *,
        known: client.Known | None = None,
    ) -> Reply:
        """Ask, show, and return the reply when it has ended, well or not.

        Ctrl-C, SIGTERM and a stdout that takes no more cancel the turn: what was said is kept.
        """
        try:
            for event in client.ask(self._connect, params, method, known=known):
                self._take(event)
        except (
            KeyboardInterrupt, errors.TimedOut, output.CannotWrite, output.ClosedPipe,
            output.Terminated,
        ):  # fmt: skip
            self.cancel(params, method)
            with suppress(output.CannotWrite, output.ClosedPipe):
                self._view.stop()
            raise
        except errors.RpcError:
            self._view.stop()
            raise
        return self.reply

    def cancel(
        self,
        params: P,
        method: methods.Method[P, methods.Started] = methods.START,  # type: ignore[assignment]  # P
    ) -> None:
        """Stop the turn; what was said is kept.  If chatd is gone, there is nothing to stop."""
        with suppress(errors.RpcError):
            server = self._client or self._connect()
            if not self.reply.turn:  # it was on its way: its key tells which it is
                self.reply.begin(server.call(method, params))
            server.call(methods.CANCEL, methods.TurnNamed(turn=self.reply.turn))

    def _connect(self) -> client.Client:
        self._client = self._connect_anew()
        return self._client

    def _take(self, event: methods.Started | client.TurnEvent) -> None:
        if isinstance(event, methods.Started):
            self.reply.begin(event)
            self._view.begin(self.reply)
            return
        self.reply.take(event)
        is_last = self._client is None or self._client.is_idle()
        self._view.take(event, self.reply, is_last=is_last)
        if isinstance(event, methods.Event) and event.check is not None:
            self._check(event, event.check)

    def _check(self, event: methods.Event, asked: methods.CheckAsked) -> None:
        text = self.reply.text
        if self._language is not None:
            text = fences.first(text, self._language) or text
        word, reason = exec_check.run(asked.argv, text, asked.timeout_s)
        answer = methods.TurnVerdict(
            turn=event.turn, n=event.n or 0, check=asked.id, verdict=word, reason=reason
        )
        if self._client is not None:
            with suppress(errors.NotRunning, errors.Draining):  # the next chatd asks anew
                self._client.call(methods.VERDICT, answer)
