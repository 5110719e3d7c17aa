"""`chat config`: the person's own config.toml; what its settings mean is in chat_rpc.person."""

import os
import subprocess
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from chat_cli import apps, editor, output
from chat_rpc import errors, paths, toml
from chat_rpc.person import Person

Key = Annotated[
    str, typer.Argument(metavar="KEY", show_default=False, help="model, aliases.fast, ...")
]

app = apps.new(
    help="""Show or change your own settings, config.toml.

    \b
      model = "fast"            asked where none is named
      system = "Be brief."      the system prompt where none is given
      think = "hide"            what becomes of a model's thinking: show, hide, stderr
      [aliases]                 short names of models
      fast = "qwen3-4b"
      [options]                 for the model server
      temperature = 0.2
      [checks.commit-message]   what --check commit-message demands
      checks = ["lines:1..10"]
      [templates.commit]        parameters of a template
      lang = "French"

    \b
      chat config set aliases.fast qwen3-4b
      chat config get model
    """
)


@app.command()
def get(
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", show_default=False, help="Default: all.")
    ] = None,
) -> None:
    """Print a setting, or the whole file. Exits with 1 if it is not set.

    \b
      chat config get aliases.fast
    """
    if key is None:
        output.write(_text())
        return
    found: Any = tomllib.loads(_good_text())  # Any: whatever stands there
    for part in _parts(key):
        if not isinstance(found, dict) or part not in found:
            raise SystemExit(1)
        found = found[part]
    if isinstance(found, str):
        output.line(found)
    else:
        output.json(found)


@app.command(name="set")
def set_(
    key: Key,
    value: Annotated[
        str, typer.Argument(metavar="VALUE", show_default=False, help="Text, or as TOML has it.")
    ],
) -> None:
    """Change a setting; comments stay.

    \b
      chat config set model qwen3-4b
      chat config set options.temperature 0.2
      chat config set checks.short.checks '["words:1-50"]'
    """
    _good_text()
    mistake = errors.BadSettings("")
    for said in _meanings(value):
        try:
            _change(_parts(key), said)
        except errors.BadSettings as exc:
            mistake = exc
        else:
            return
    raise errors.InvalidParams(f"{key} cannot be that; nothing was changed\n{mistake.message}")


@app.command()
def unset(key: Key) -> None:
    """Take a setting away. Exits with 1 if it is not there.

    \b
      chat config unset aliases.fast
    """
    _change(_parts(key), None)


@app.command()
def edit() -> None:
    """Open the file in your editor, and say whether it can be used.

    \b
      EDITOR=nano chat config edit
    """
    file = paths.person_config()
    _make_directory(file)
    ended = subprocess.run([*editor.command(), os.fspath(file)], check=False).returncode
    toml.read(file, _text(), Person)
    raise SystemExit(1 if ended else 0)


@app.command()
def path() -> None:
    """Tell where the file is, or would be.

    \b
      cat "$(chat config path)"
    """
    output.line(os.fspath(paths.person_config()))


def _text() -> str:
    file = paths.person_config()
    return toml.text_of(file) if os.path.lexists(file) else ""


def _good_text() -> str:
    text = _text()
    toml.read(paths.person_config(), text, Person)
    return text


def _parts(key: str) -> list[str]:
    """Return the parts of a dotted key; one with a dot in it has quotes, as in TOML."""
    try:
        inner: object = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        inner = None
    if inner is None or "\n" in key:
        raise typer.BadParameter(f"{key!r} is no key; model, aliases.fast and the like are")
    parts = []
    while isinstance(inner, dict):
        [(part, inner)] = inner.items()
        parts.append(part)
    return parts


def _meanings(value: str) -> list[object]:
    """Return what a person may mean: a number, list or truth where it is one, else text."""
    try:
        return [tomllib.loads(f"value = {value}")["value"], value]
    except tomllib.TOMLDecodeError:
        return [value]


def _change(parts: list[str], value: object) -> None:
    """Set one key, or with None take it away, if the file is a good one then."""
    import tomlkit  # here only: it takes longer to load than everything else

    document = tomlkit.parse(_good_text())
    table: Any = document  # Any: tomlkit's tables
    for part in parts[:-1]:
        if not isinstance(table.get(part, {}), dict):
            raise errors.BadSettings(f"{part} is no table")
        if part not in table:
            if value is None:
                raise SystemExit(1)
            table[part] = tomlkit.table()
        table = table[part]
    if value is not None:
        table[parts[-1]] = value
    elif parts[-1] in table:
        del table[parts[-1]]
    else:
        raise SystemExit(1)
    file, changed = paths.person_config(), tomlkit.dumps(document)
    toml.read(file, changed, Person)
    _write(file, changed)


def _write(file: Path, text: str) -> None:
    _make_directory(file)
    file = Path(os.path.realpath(file))  # a link into somebody's dotfiles stays one
    new = file.with_name(f".{file.name}.new")
    output.save(new, text, overwrite=True)
    try:
        if file.exists():
            new.chmod(file.stat().st_mode)
        new.replace(file)
    except OSError as exc:
        raise output.CannotWrite(f"{file}: {exc.strerror}") from exc


def _make_directory(file: Path) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise output.CannotWrite(f"{file.parent}: {exc.strerror}") from exc
