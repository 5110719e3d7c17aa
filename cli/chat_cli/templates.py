"""`chat templates`: what `-t` can name; they are read in chat_rpc.templates."""

from typing import Annotated

import typer

from chat_cli import output
from chat_rpc import errors, paths, templates

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


def list_(*, as_json: AsJson = False) -> None:
    """List your templates, which -t names.

    A template is a file ~/.config/chat/templates/NAME.md: a prompt, in which {{lang}} stands for
    what -p lang gives, and {{words}} for the words of the question (else they come after it). It
    may begin with settings, between two lines of +++:

    \b
      +++
      summary = "a commit message for what is piped in"
      model = "small"
      system = "You write in {{lang}}."
      params = { lang = "English" }
      +++
      Write a commit message for this change.

    \b
      git diff --staged | chat -t commit -p lang French
    """
    found = []
    for name in templates.names():
        try:
            found.append(templates.load(name))
        except errors.RpcError as exc:  # one that is broken hides no other
            output.note(exc.message)
    if as_json:
        for template in found:
            output.json({"name": template.name, "front": template.front, "prompt": template.body})
        return
    if not templates.names():
        output.note(f"there is none in {paths.templates()}; to make one: chat templates -h")
        return
    output.table(
        ("NAME", "PARAMETERS", "SUMMARY"),
        (
            (
                template.name,
                " ".join(template.parameters()) or "-",
                template.front.summary or template.body.partition("\n")[0],
            )
            for template in found
        ),
    )
