"""What a model server's reply is made of."""

from dataclasses import dataclass

from chat_rpc.methods import Usage


@dataclass(frozen=True, slots=True)
class Text:
    """More of the reply, in so many chunks; each of them is a token or more."""

    text: str
    chunks: int = 1


@dataclass(frozen=True, slots=True)
class Thought:
    """More of what the model thinks before it replies."""

    text: str
    chunks: int = 1


@dataclass(frozen=True, slots=True)
class Finish:
    """The reply is over, by the server's own word; `model` is who it says has answered."""

    reason: str
    model: str | None
    usage: Usage | None


Piece = Text | Thought
