"""`chat good` and `chat bad`: a thumb for an answer."""

from typing import Annotated

import typer

from chat_cli import link, naming, output
from chat_rpc import methods

Reason = Annotated[
    str, typer.Argument(metavar="[REASON]", show_default=False, help="It goes with the chat.")
]
Undo = Annotated[bool, typer.Option("--undo", help="Take back what you said of it.")]
Over = Annotated[
    int | None,
    typer.Option(
        "--over", metavar="M", min=1, help="Better than the M-th answer to the same question."
    ),
]


def good(
    name: naming.Named = None, reason: Reason = "", *, over: Over = None, undo: Undo = False
) -> None:
    """Say that an answer is good; of good ones chatd learns.

    Kept of it are numbers: how long the answer was, how it was set, and your thumb.

    \b
      chat good
      chat good deploy@2 "that was the cause"
      chat good --over 1          better than the first answer
      chat good --undo
    """
    if over is None:
        _judge(name, "good", reason, undo=undo)
    elif undo or reason:
        raise typer.BadParameter("--over goes without --undo and without a reason")
    else:
        _choose(name, over)


def bad(name: naming.Named = None, reason: Reason = "", *, undo: Undo = False) -> None:
    """Say that an answer is bad.

    `chat refine` has it made anew as well.

    \b
      chat bad
      chat bad @-1 "far too long"
    """
    _judge(name, "bad", reason, undo=undo)


def _judge(name: naming.Name | None, thumb: methods.Thumb, reason: str, *, undo: bool) -> None:
    client = link.connect()
    turn = naming.turn_of(client, name or naming.Name())
    said = methods.Feedback(
        turn=turn.turn, thumb=None if undo else thumb, reason="" if undo else reason
    )
    client.call(methods.FEEDBACK, said)
    place = f"the answer to {' '.join(turn.prompt.split())[:50]!r}"
    output.note(f"taken back, of {place}" if undo else f"{thumb}: {place}")


def _choose(name: naming.Name | None, over: int) -> None:
    client = link.connect()
    turn = naming.turn_of(client, name or naming.Name())
    other = naming.sibling(turn, over)
    client.call(methods.FEEDBACK, methods.Feedback(turn=turn.turn, over=other))
    output.note(f"better than answer {over} to {' '.join(turn.prompt.split())[:50]!r}")
