"""A reply while it comes: the events of the stream in, its text and its end out."""

from collections.abc import Callable

import msgspec
from msgspec import Struct

from chat_rpc import errors
from chat_rpc.methods import Usage
from chatd.backends import sse
from chatd.backends.pieces import Finish, Piece, Text, Thought


class _Delta(Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    finish_reason: str | None = None


class _Chunk(Struct):
    choices: list[_Choice] = []
    model: str | None = None
    usage: Usage | None = None
    error: object = None


Take = Callable[[Piece], None]

_decode_chunk = msgspec.json.Decoder(_Chunk).decode


class Reply:
    """One reply of the server that is called `name`."""

    def __init__(self, name: str, take: Take):
        self._name = name
        self._take = take
        self._events = sse.Parser()
        self._texts: list[str] = []
        self._finish: str | None = None
        self._served: str | None = None
        self._usage: Usage | None = None

    def feed(self, received: bytes) -> None:
        """Take bytes of the stream; tokens that came together are one piece.

        Raises EventTooLong, DecodeError, UnicodeDecodeError; ServerError where the server says it.
        """
        try:
            for data in self._events.feed(received):
                if data != b"[DONE]":
                    self._add(_decode_chunk(data))
        finally:
            self._flush()  # also what came before an error

    def _add(self, chunk: _Chunk) -> None:
        if chunk.error:
            raise errors.ServerError(f"{self._name} reported an error in mid-reply")
        self._served = chunk.model or self._served
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices[:1]:
            delta = choice.delta
            if thought := delta.reasoning_content or delta.reasoning:
                self._flush()
                self._take(Thought(thought))
            if delta.content:
                self._texts.append(delta.content)
            self._finish = choice.finish_reason or self._finish

    def _flush(self) -> None:
        if self._texts:
            text, self._texts = "".join(self._texts), []
            self._take(Text(text))

    def finish(self) -> Finish:
        """Return the end; raises CutOff if the server has not said that it is one."""
        if self._finish is None:
            raise errors.CutOff(f"{self._name} ended the reply without a finish reason")
        return Finish(self._finish, self._served, self._usage)
