"""`chat taste`: what is kept of a person's judgements, in numbers."""

import time
from typing import Annotated

import typer

from chat_cli import apps, link, output, spans
from chat_rpc import methods

app = apps.new(
    help="""Show or forget what you said of answers, kept as numbers.

    \b
      chat taste show
      chat taste forget --all
    """
)


@app.command()
def show(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")] = False,
) -> None:
    """List your judgements, oldest first; no text is kept of them.

    \b
      chat taste show --json | jq .style
    """
    found = link.connect().call(methods.TASTE, methods.Nothing()).feedback
    if as_json:
        for line in found:
            output.json(line)
        return
    now = time.time()
    output.table(
        ("ID", "SAID", "WHAT", "MODEL"),
        (
            (
                line.feedback,
                spans.ago(now - line.created),
                line.thumb or line.kind,
                line.model or "-",
            )
            for line in found
        ),
    )


@app.command()
def forget(
    id_: Annotated[
        str | None, typer.Argument(metavar="[ID]", show_default=False, help="As show has it.")
    ] = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Every one.")] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask whether to.")] = False,
    no_input: Annotated[
        bool, typer.Option("--no-input", help="Never ask; without -y this refuses.")
    ] = False,
) -> None:
    """Forget a judgement for good, or all of them.

    \b
      chat taste forget --all -y
    """
    if all_ == (id_ is not None):
        raise typer.BadParameter("name one judgement, or say --all")
    client = link.connect()
    if all_ and not yes:
        output.ask_yes("forget all that you said of answers?", no_input=no_input)
    gone = client.call(methods.FORGET, methods.TasteForget(feedback=id_, all=all_)).forgotten
    output.note(f"forgotten: {gone}")
