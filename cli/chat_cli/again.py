"""`chat retry` and `edit`: another answer to a question that was asked already."""

import os
import sys

from chat_cli import editor, link, naming, output, views
from chat_cli.answering import Shown, answer
from chat_cli.flags import AsJson, Model, Quiet
from chat_rpc import methods


def retry(
    name: naming.Named = None,
    *,
    model: Model = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Ask the same again; the answer stands beside the old one.

    The conversation goes on from the new answer; `chat select` goes back to another.

    \b
      chat retry
      chat retry -m big
      chat retry deploy@2
    """
    turn = naming.turn_of(link.connect(), name or naming.Name())
    _ask(_instead_of(turn, "", model or turn.asked), as_json=as_json, quiet=quiet)


def edit(
    name: naming.Named = None,
    *,
    model: Model = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Change a question in your editor, and ask it anew.

    $VISUAL or $EDITOR opens the question; the answer to the changed one stands beside the old one.
    What was sent with it is sent again.

    \b
      chat edit
      chat edit deploy@2
      EDITOR=nano chat edit @-1
    """
    turn = naming.turn_of(link.connect(), name or naming.Name())
    prompt = editor.edited(turn.prompt, quiet=quiet)
    if not prompt.strip() or prompt == turn.prompt:
        output.note("nothing was changed, so nothing was asked; to ask the same: chat retry")
        raise SystemExit(1)
    params = _instead_of(turn, prompt, model or turn.asked)
    params.data, params.files = turn.data, [file.file for file in turn.files]
    _ask(params, as_json=as_json, quiet=quiet)


def _instead_of(turn: methods.Turn, prompt: str, model: str | None) -> methods.TurnStart:
    return methods.TurnStart(
        prompt=prompt,
        key=os.urandom(16).hex(),
        model=model,
        instead_of=turn.turn,
        priority="interactive" if sys.stdout.isatty() else "normal",
    )


def _ask(params: methods.TurnStart, *, as_json: bool, quiet: bool) -> None:
    shown = Shown(form="json" if as_json else "text", wanted=views.Wanted(quiet=quiet))
    raise SystemExit(answer(link.Way(quiet=quiet), params, [], shown))
