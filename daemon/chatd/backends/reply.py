"""A reply while it comes: the events of the stream in, its text and its end out."""

from collections.abc import Callable
from contextlib import suppress

import msgspec
from msgspec import Struct

from chat_rpc import errors
from chat_rpc.methods import Usage
from chatd.backends import failures, sse
from chatd.backends.pieces import Finish, Piece, Text, Thought
from chatd.backends.thinking import Opening

NAME_CHARS = 200  # of a model


class _Delta(Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None


class _Choice(Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(Struct):
    choices: list[_Choice] | None = None
    model: str | None = None
    usage: msgspec.Raw = msgspec.Raw()  # a wrong one spoils no reply
    error: object = None


Take = Callable[[Piece], None]

_decode_chunk = msgspec.json.Decoder(_Chunk).decode
_decode_usage = msgspec.json.Decoder(Usage | None).decode


class Reply:
    """One reply of the server that is called `name`."""

    def __init__(self, name: str, take: Take):
        self._name = name
        self._take = take
        self._events = sse.Parser()
        self._opening = Opening()
        self._kind: type[Piece] = Text
        self._texts: list[str] = []  # of one kind, that came together
        self._finish: str | None = None
        self._is_over = False
        self._is_refusal = False
        self._served: str | None = None
        self._usage: Usage | None = None

    @property
    def is_finished(self) -> bool:
        """Say whether the server has said that the reply is whole, or why it is not."""
        return self._finish is not None

    def feed(self, received: bytes) -> None:
        """Take bytes of the stream; tokens that came together are one piece.

        Raises EventTooLong, DecodeError, UnicodeDecodeError; ServerError where the server says it.
        """
        try:
            for data in self._events.feed(received):
                if data == b"[DONE]":
                    self._is_over = True
                if not self._is_over:
                    self._add(_decode_chunk(data))
        finally:
            self._flush()  # also what came before an error

    def finish(self) -> Finish:
        """Return the end; raises CutOff if the server has not said that it is one."""
        self._say_both(*self._opening.rest())
        self._flush()
        if self._finish is None:
            if self._events.has_noise:
                raise errors.NotTheProtocol(f"{self._name} sent what is no event stream")
            raise errors.CutOff(f"{self._name} ended the reply without a finish reason")
        if self._is_refusal:
            raise errors.ChecksFailed("the model refused to answer")
        served = " ".join((self._served or "").split())[:NAME_CHARS]  # one line, whatever it sent
        return Finish(self._finish, served or None, self._usage)

    def _add(self, chunk: _Chunk) -> None:
        if chunk.error:
            raise failures.reported(self._name, chunk.error)
        self._served = chunk.model or self._served
        if chunk.usage:
            with suppress(msgspec.DecodeError):
                self._usage = _decode_usage(chunk.usage) or self._usage
        for choice in chunk.choices or ():
            if choice.index == 0:  # of several at once, the others are not asked for
                self._choose(choice)

    def _choose(self, choice: _Choice) -> None:
        self._finish = choice.finish_reason or self._finish
        if (delta := choice.delta) is None:
            return
        if thought := delta.reasoning_content or delta.reasoning:
            self._say(Thought, thought)
        if delta.refusal:
            self._is_refusal = True
            self._say(Text, delta.refusal)
        if delta.content:
            if self._opening.is_settled:
                self._say(Text, delta.content)
            else:
                self._say_both(*self._opening.split(delta.content))

    def _say_both(self, thought: str, answer: str) -> None:
        if thought:
            self._say(Thought, thought)
        if answer:
            self._say(Text, answer)

    def _say(self, kind: type[Piece], text: str) -> None:
        if kind is not self._kind:
            self._flush()
            self._kind = kind
        self._texts.append(text)

    def _flush(self) -> None:
        if self._texts:
            texts, self._texts = self._texts, []
            self._take(self._kind("".join(texts), len(texts)))
