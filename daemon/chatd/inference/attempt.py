"""One attempt: a model is asked once, and what it says is journaled as it comes."""

import asyncio
from collections.abc import Mapping

from chat_rpc import errors
from chat_rpc.checks import Verdict
from chat_rpc.methods import Ending, Tried, Usage
from chatd.backends import demo
from chatd.backends.pieces import Finish, Piece, Thought
from chatd.backends.pool import Choice, plain_name
from chatd.chats import context
from chatd.chats.session import Session
from chatd.chats.turns import Turn
from chatd.config import Limits
from chatd.verifier.rule import Reply
from chatd.verifier.watch import Watch

LOOKED_CHARS = 65536  # of a reply that was shown already: its last ones are looked at


class Stopped(Exception):  # no error: the reply has shown what it is
    """The rest of a reply is not worth waiting for."""

    def __init__(self, finish: str):
        super().__init__()
        self.finish = finish


class Attempt:
    """Attempt `n` at a turn, by the model of `choice`."""

    def __init__(self, session: Session, turn: Turn, choice: Choice, limits: Limits, watch: Watch):
        self.n = turn.attempts + 1
        self.choice = choice
        self.finish: Finish | None = None
        self.dropped_turns = 0
        self.has_begun = False
        self.thought: list[str] = []
        self._has_thought = False
        self._session = session
        self._turn = turn
        self._limits = limits
        self._watch = watch
        self._chunks = 0
        self._tokens_left: float = float("inf")
        self._texts: list[str] = []
        self._chars = 0
        self.is_stopped = False
        self._loop = asyncio.get_running_loop()
        self.began_s = self._loop.time()
        self.first_s: float | None = None  # when the first piece came

    def begin(self) -> None:
        """Tell who is asked."""
        self._session.add_event(
            self._turn,
            "attempt",
            n=self.n,
            model=self.choice.model,
            backend=self.choice.server.name,
        )

    def show(self, messages: context.Messages, dropped_turns: int) -> None:
        """Note what the model will be shown; a chat that goes on gets its snapshot."""
        self.dropped_turns = dropped_turns
        if len(messages) > 1 or dropped_turns:
            snapshot = context.snapshot(self.choice.model, messages, dropped_turns)
            self._session.files.write_context(self._turn.chat, snapshot)

    async def ask(
        self,
        messages: context.Messages,
        options: Mapping[str, object],
        *,
        schema: Mapping[str, object] | None = None,
        tokens_left: int | None = None,
    ) -> None:
        """Take the whole reply; the demo's is held, any other is passed on as it comes."""
        self._tokens_left = tokens_left or self._tokens_left
        slack_s = min(0.5, self._limits.token_s / 4)
        wound = 0.0

        def take(piece: Piece) -> None:
            # comments of the server's are no piece: they do not stop the clock
            nonlocal wound
            if (now := self._loop.time()) > wound + slack_s and not clock.expired():
                wound = now  # not for every token: a timer costs as much as one
                clock.reschedule(now + self._limits.token_s + slack_s)
            self._take(piece)

        server = self.choice.server
        messages = context.with_images(self._session, messages)
        try:
            async with asyncio.timeout(self._limits.first_token_s) as clock:
                self.finish = await server.reply(
                    self.choice.model, messages, options, take, schema=schema
                )
        except Stopped as exc:
            self.is_stopped = True
            self.finish = Finish(exc.finish, None, None)
        except TimeoutError:
            raise errors.Stalled(f"{server.name} {self._lateness()}") from None

    @property
    def reply(self) -> Reply:
        """What the checks look at."""
        usage = self.finish.usage if self.finish else None
        return Reply(
            "".join(self._texts),
            self.finish.reason if self.finish else "",
            usage.completion_tokens if usage else None,
            self.total_ms,
            self._has_thought,
        )

    @property
    def total_ms(self) -> int:
        return round((self._loop.time() - self.began_s) * 1000)

    @property
    def served(self) -> str:
        """The model that answered, as its server names it; the demo is what it is."""
        served = self.finish.model if self.finish and not self.choice.is_demo else None
        return served or self.choice.model

    @property
    def is_mismatch(self) -> bool:
        return plain_name(self.served) != plain_name(self.choice.model)

    @property
    def tokens(self) -> int:
        """What it cost; a server that does not count sends a token in a chunk."""
        usage = self.finish.usage if self.finish else None
        return (usage.completion_tokens if usage else 0) or self._chunks

    def said(self) -> Tried:
        """Return it as it is told."""
        usage = (self.finish.usage or Usage()) if self.finish else None
        return Tried(
            n=self.n,
            model=self.choice.model,
            backend=self.choice.server.name,
            text="".join(self._texts),
            usage=Usage(0, self._chunks) if self.is_stopped else usage,
            total_ms=self.total_ms,
        )

    def describe(self, ending: Ending) -> None:
        """Say in the end of a turn whose reply it was."""
        ending.finish = self.finish.reason if self.finish and not self.is_stopped else None
        ending.model, ending.backend = self.served, self.choice.server.name
        ending.demo, ending.mismatch = self.choice.is_demo, self.is_mismatch
        ending.dropped_turns = self.dropped_turns

    def pass_on(self, verdict: Verdict) -> None:
        """Give the demo's reply on, if it is one."""
        text = "".join(self._texts)
        if demo.DECLINE in text:
            raise demo.declined("the built-in demo does not know that")
        if verdict.verdict == "pass":
            self.has_begun = True
            self._session.add_text(self._turn, text)

    def _lateness(self) -> str:
        if self.first_s is None:
            return f"sent no first token in {self._limits.first_token_s:g} s"
        return f"sent no more tokens in {self._limits.token_s:g} s"

    def _take(self, piece: Piece) -> None:
        if self.first_s is None:
            self.first_s = self._loop.time()
        if self._chunks + piece.chunks > self._tokens_left:
            raise Stopped("length")  # its server was told how many there may be
        self._chunks += piece.chunks
        if isinstance(piece, Thought):
            self._has_thought = True
            if self._turn.is_checked:
                self.thought.append(piece.text)
            self._session.add_event(self._turn, "think", text=piece.text)
        else:
            self._take_text(piece.text)

    def _take_text(self, text: str) -> None:
        self._texts.append(text)
        self._chars += len(text)
        if self.choice.is_demo:
            return
        self.has_begun = True
        self._session.add_text(self._turn, text)
        if not self._turn.is_checked and self._chars > 2 * LOOKED_CHARS:
            self._forget()
        if self._watch.take(text) is not None:
            raise Stopped("stop")

    def _forget(self) -> None:
        """Let go of all but the end of a reply, which nobody will need whole."""
        self._texts = ["".join(self._texts)[-LOOKED_CHARS:]]
        self._chars = LOOKED_CHARS
