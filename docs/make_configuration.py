"""Makes docs/configuration.md from chatd.config: each section and setting of chatd.toml.

python docs/make_configuration.py [--check]
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pages import publish, sentences, size, table, wrapped
from pydantic import BaseModel, HttpUrl
from pydantic.fields import FieldInfo

from chatd import config

INTRODUCTION = """\
# chatd.toml

<!-- made by docs/make_configuration.py from daemon/chatd/config.py: do not edit -->

The settings of the daemon. Everything has a default: no file, and an empty one, are good.

| chatd | reads |
| --- | --- |
| of a user | `~/.config/chatd/chatd.toml`, or `$XDG_CONFIG_HOME/chatd/chatd.toml` |
| of the system, `chatd --system` | `/etc/chatd/chatd.toml` |
| `chatd --config FILE` | `FILE`, which must exist |

One file is read, never two, and it is read once, when chatd starts. `chatd` with both `--socket`
and `--store` reads none but what `--config` names.

A setting that is unknown or wrong ends chatd with exit code 78 and a line that names the file, the
line in it and the setting. It does not show the value, for that may be a secret:

```
{mistake}
```
"""

TABLES = """\
## Tables

A setting stands in the table that its section below is named after; `[[servers]]` may be there many
times. `--store` on the command line goes before `store.path`, whose default is `/mnt/ai_tmpfs` for
the system's chatd, and `tmpfs` beside the socket for a user's own.
"""

EXAMPLE = """\
# one model server on another machine, and one here on an unusual port
[[servers]]
name = "gpu"
url = "http://10.0.0.5:8000/v1"
api_key_file = "/etc/chatd/gpu.key"   # a file with nothing but the key
slots = 16

[[servers]]
name = "spare"
url = "http://127.0.0.1:9000/v1"

[finding]
enabled = true
ports = { ollama = [11434], llamacpp = [8080, 8081] }   # instead of the usual ones

[engine]
enabled = false   # no demo model

[limits]
first_token_s = 900   # a large model may have to be loaded first

[store]
chat_lifetime_s = 604800   # a week

[logging]
level = "WARNING"
levels = { "chatd.backends" = "DEBUG" }
"""

MISTAKE = "[limits]\ntoken_s = 0\n"

NAMES: dict[object, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    Path: "path",
    HttpUrl: "URL",
    NoneType: "none",
}


def main() -> None:
    parts = [INTRODUCTION.replace("{mistake}", explained(MISTAKE)), "## Example\n"]
    parts.append(f"```toml\n{EXAMPLE}```\n")
    parts += [TABLES, *sections()]
    publish("configuration.md", "\n".join(parts))


def explained(text: str) -> str:
    """Return what chatd says of a chatd.toml that it cannot use."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "chatd.toml"
        file.write_text(text, encoding="utf-8")
        try:
            config.load(file)
        except config.ConfigError as exc:
            return f"chatd: {exc}".replace(str(file), "/etc/chatd/chatd.toml")
    raise AssertionError("chatd takes what should be a mistake")


def sections() -> Iterator[str]:
    for name, field in config.Config.model_fields.items():
        section = section_in(field.annotation)
        if section is not None:
            yield f"## {name}\n\n{wrapped(sentences(section))}\n\n{fields_table(section)}"


def section_in(annotation: Any) -> type[BaseModel] | None:  # Any: whatever stands in a model
    """Return the section that a setting is, or of which it is a list."""
    inner = get_args(annotation)[0] if get_origin(annotation) is list else annotation
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None


def fields_table(section: type[BaseModel]) -> str:
    rows = []
    for name, field in section.model_fields.items():
        kind = ", ".join([type_name(field.annotation), *bounds(field)])
        rows.append((f"`{name}`", kind, default_of(name, field), field.description or ""))
    return table(("setting", "type", "default", "meaning"), rows) + "\n"


def type_name(annotation: Any) -> str:  # Any: whatever stands in a model
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in arguments)
    if origin in (UnionType, Union):
        return " or ".join(type_name(part) for part in arguments if part is not NoneType)
    if origin is list:
        return f"array of {type_name(arguments[0])}s"
    if origin is dict:
        return f"table, each value: {type_name(arguments[1])}"
    return NAMES[annotation]


def bounds(field: FieldInfo) -> Iterator[str]:
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "pattern": "like"}
    for rule in field.metadata:
        for name, word in words.items():
            if (value := getattr(rule, name, None)) is not None:
                yield f"{word} `{value}`" if name == "pattern" else f"{word} {value}"


def default_of(name: str, field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None:
        return "none"
    if name.endswith("bytes"):
        return size(field.default)
    return f"`{toml_of(field.default)}`"


def toml_of(value: object) -> str:
    if isinstance(value, dict):
        pairs = (f"{key} = {toml_of(inner)}" for key, inner in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(toml_of(inner) for inner in value)}]"
    return json.dumps(value)


if __name__ == "__main__":
    main()
