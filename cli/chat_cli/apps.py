"""A command as what typer can run."""

from importlib import import_module
from typing import Any

import typer

from chat_cli import arguments
from chat_cli.verbs import Verb


def new(help: str | None = None) -> typer.Typer:  # as Typer calls it
    """Return a Typer without boxes, tracebacks and completions of its own."""
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help=help,
    )


def of(verb: Verb) -> typer.Typer:
    """Import a command's code, and return what can be run."""
    module, _, name = verb.place.partition(":")
    found: Any = getattr(import_module(f"chat_cli.{module}"), name)  # Any: a function or a Typer
    if isinstance(found, typer.Typer):
        return found
    app = new()
    app.command(verb.name, cls=arguments.Command)(found)
    return app
