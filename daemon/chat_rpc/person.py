"""A person's own settings, ~/.config/chat/config.toml: what their requests are sent with.

The command line and the page read them.  The daemon does not; its settings are chatd.toml.
"""

import os
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, structs

from chat_rpc import paths, toml
from chat_rpc.checks import Check

Think = Literal["show", "hide", "stderr"]
Demand = str | Check  # `type:value`, or a table


class Profile(Struct, forbid_unknown_fields=True, frozen=True):
    """`[checks.NAME]`: what is demanded of a reply where NAME is asked for."""

    checks: list[Demand] = []
    without: list[str] = []
    tries: Annotated[int, Meta(ge=1, le=10)] | None = None


class Person(Struct, forbid_unknown_fields=True, frozen=True):
    """The whole of config.toml; no file and an empty one are the same.

    $CHAT_MODEL and $CHAT_SYSTEM go before it, and what a command line says before both.
    """

    model: str | None = None  # asked where none is named; an alias will do
    system: str | None = None  # the system prompt where none is given
    think: Think | None = None  # what becomes of a model's thinking
    aliases: dict[str, str] = {}  # short names of models
    options: dict[str, Any] = {}  # Any: JSON, for the model server
    checks: dict[str, Profile] = {}
    templates: dict[str, dict[str, str]] = {}  # `[templates.NAME]`: its parameters, where not given

    def model_of(self, name: str | None) -> str | None:
        """Return the model that is meant: `name`, or the person's own, without its alias."""
        name = name or self.model
        return None if name is None else self.aliases.get(name, name)


def load() -> Person:
    """Read the person's settings; raises BadSettings, which names file and line."""
    path = paths.person_config()
    person = toml.read(path, toml.text_of(path), Person) if os.path.lexists(path) else Person()
    named = {"model": os.environ.get("CHAT_MODEL"), "system": os.environ.get("CHAT_SYSTEM")}
    return structs.replace(person, **{name: value for name, value in named.items() if value})
