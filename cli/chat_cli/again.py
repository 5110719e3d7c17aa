"""`chat retry`, `refine` and `edit`: another answer to a question that was asked already."""

from typing import Annotated

import typer

from chat_cli import editor, link, naming, output, question, terminals, views
from chat_cli.answering import Shown, answer, refined
from chat_cli.flags import AsJson, Model, Quiet
from chat_rpc import methods, person


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
    _ask(_instead_of(turn, "", model), as_json=as_json, quiet=quiet)


def refine(
    feedback: Annotated[
        str, typer.Argument(metavar="WORDS", show_default=False, help="Such as: shorter, please")
    ],
    name: naming.Named = None,
    *,
    model: Model = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Have an answer made anew, after what you say of it.

    The new one stands beside the old one. The words are one argument: put them in quotes.

    \b
      chat refine "shorter, please"
      chat refine "in French" deploy@2
    """
    turn = naming.turn_of(link.connect(), name or naming.Name())
    params = methods.Refine(
        turn=turn.turn,
        feedback=feedback,
        key=question.new_key(),
        model=person.load().model_of(model or turn.asked),
        priority=question.priority(None),
    )
    raise SystemExit(refined(link.Way(quiet=quiet), params, _shown(as_json=as_json, quiet=quiet)))


def edit(
    name: naming.Named = None,
    *,
    is_answer: Annotated[
        bool, typer.Option("--answer", help="Change the answer instead; no model is asked.")
    ] = False,
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
      chat edit --answer
    """
    turn = naming.turn_of(link.connect(), name or naming.Name())
    if is_answer:
        _mend(turn, quiet=quiet)
        return
    prompt = editor.edited(turn.prompt, quiet=quiet)
    if not prompt.strip() or prompt == turn.prompt:
        output.note("nothing was changed, so nothing was asked; to ask the same: chat retry")
        raise SystemExit(1)
    params = _instead_of(turn, prompt, model)
    params.data, params.files = turn.data, [file.file for file in turn.files]
    _ask(params, as_json=as_json, quiet=quiet)


def _mend(turn: methods.Turn, *, quiet: bool) -> None:
    """Put a person's own words beside an answer."""
    text = editor.edited(turn.text, quiet=quiet)
    if not text.strip() or text == turn.text:
        output.note("nothing was changed")
        raise SystemExit(1)
    link.connect().call(methods.FEEDBACK, methods.Feedback(turn=turn.turn, edited=text))
    output.note("the changed answer stands beside the old one")


def _instead_of(turn: methods.Turn, prompt: str, model: str | None) -> methods.TurnStart:
    return methods.TurnStart(
        prompt=prompt,
        key=question.new_key(),
        model=person.load().model_of(model or turn.asked),
        instead_of=turn.turn,
        terminal=terminals.terminal(),
        priority=question.priority(None),
    )


def _ask(params: methods.TurnStart, *, as_json: bool, quiet: bool) -> None:
    shown = _shown(as_json=as_json, quiet=quiet)
    raise SystemExit(answer(link.Way(quiet=quiet), params, [], shown))


def _shown(*, as_json: bool, quiet: bool) -> Shown:
    wanted = views.Wanted(think=views.thinking(None), quiet=quiet)
    return Shown(form="json" if as_json else "text", wanted=wanted)
