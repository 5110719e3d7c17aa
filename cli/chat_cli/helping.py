"""`chat help`: the pages of `manual`, and each command's own help."""

from typing import Annotated

import typer

from chat_cli import apps, manual, output
from chat_cli.verbs import VERBS


def help_(
    topic: Annotated[
        str | None,
        typer.Argument(metavar="[TOPIC]", show_default=False, help="A command, or one of these."),
    ] = None,
) -> None:
    """Tell of a command, or of names, checks, exit-codes or env.

    \b
      chat help exit-codes
      chat help keep         the same as chat keep -h
    """
    if topic is None:
        output.line(manual.overview())
    elif topic in manual.TOPICS:
        output.line(manual.TOPICS[topic]())
    elif topic in VERBS:
        apps.of(VERBS[topic])(["--help"], prog_name=f"chat {topic}", standalone_mode=False)
    else:
        topics = ", ".join(manual.TOPICS)
        raise typer.BadParameter(f"there is no help on {topic!r}, only on each command, {topics}")
