"""What every command's Typer has in common."""

import typer


def new(**options: str | bool) -> typer.Typer:
    """Return a Typer without boxes, tracebacks and completions of its own."""
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        **options,  # type: ignore[arg-type]  # each as Typer has it
    )
