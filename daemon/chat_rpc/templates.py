"""A person's templates, ~/.config/chat/templates/NAME.md: a prompt with what goes with it.

Between two lines of `+++` a template may say, in TOML, what it is asked with; the rest is the
prompt.  `{{name}}` stands for a parameter, and `{{words}}` for what was asked beside it.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct, structs

from chat_rpc import errors, paths, toml
from chat_rpc.person import Demand

WORDS = "words"

_PLACEHOLDER = re.compile(r"\{\{ *([A-Za-z_][\w-]*) *\}\}")
_FENCE = "+++"
_END = re.compile(r"^\+\+\+[ \t]*$", re.MULTILINE)


class Front(Struct, forbid_unknown_fields=True, frozen=True):
    """What stands between the lines of `+++`."""

    summary: str = ""  # for `chat templates`
    model: str | None = None
    system: str | None = None
    options: dict[str, Any] = {}  # Any: JSON, for the model server
    checks: list[Demand] = []
    profiles: list[str] = []  # of [checks.NAME] in config.toml
    tries: Annotated[int, Meta(ge=1, le=10)] | None = None
    extract: bool = False
    params: dict[str, str] = {}  # those that need not be given


class MissingParameters(ValueError):
    """Some are not given, or some that are given stand nowhere in it."""


class Template(Struct, frozen=True):
    """One template, read."""

    name: str
    front: Front
    body: str

    def parameters(self) -> list[str]:
        """Return the names that stand in it, each once."""
        found = _PLACEHOLDER.findall(f"{self.front.system or ''} {self.body}")
        return [name for name in dict.fromkeys(found) if name != WORDS]

    def filled(self, params: Mapping[str, str], words: str = "") -> "Template":
        """Return it with a prompt for its body; words that it has no place for come after it.

        Raises MissingParameters, for a person to read.
        """
        known = {**self.front.params, **params, WORDS: words}
        if surplus := [name for name in params if name not in self.parameters()]:
            has = ", ".join(self.parameters()) or "none"
            raise MissingParameters(
                f"the template {self.name} has no {{{{{surplus[0]}}}}}; its parameters: {has}"
            )
        if missing := [name for name in self.parameters() if name not in known]:
            flags = " ".join(f"-p {name} ..." for name in missing)
            raise MissingParameters(f"the template {self.name} needs {flags}")
        prompt, system = (
            text and _PLACEHOLDER.sub(lambda found: known[found[1]], text)
            for text in (self.body, self.front.system)
        )
        if words and WORDS not in _PLACEHOLDER.findall(self.body):
            prompt = f"{prompt}\n\n{words}"
        return Template(self.name, structs.replace(self.front, system=system), prompt or "")


def load(name: str, defaults: Mapping[str, str] | None = None) -> Template:
    """Read a template; raises NoSuchFile and BadSettings.

    `defaults` are the person's own parameters for it; they go before the template's.
    """
    path = paths.templates() / f"{name}.md"
    if "/" in name or not path.exists():
        there = ", ".join(names())
        raise errors.NoSuchFile(
            f"there is no template {path}" + (f"; there are: {there}" if there else "")
        )
    template = _read(path, toml.text_of(path))
    params = {**template.front.params, **(defaults or {})}
    return structs.replace(template, front=structs.replace(template.front, params=params))


def names() -> list[str]:
    return sorted(path.stem for path in paths.templates().glob("*.md"))


def _read(path: Path, text: str) -> Template:
    first, _, rest = text.partition("\n")
    if first.strip() == "---":
        raise errors.BadSettings(f"{path}:1: not YAML but TOML, between two lines of {_FENCE}")
    if first.strip() != _FENCE:
        return Template(path.stem, Front(), text.strip("\n"))
    head, *body = _END.split(rest, maxsplit=1)
    if not body:
        raise errors.BadSettings(f"{path}:1: the line of {_FENCE} that ends this is missing")
    return Template(path.stem, toml.read(path, head, Front, lines_before=1), body[0].strip("\n"))
