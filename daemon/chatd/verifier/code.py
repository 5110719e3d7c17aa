"""Checks of code: does it parse.  Nothing of it is run."""

import ast
import subprocess
import warnings
from collections.abc import Callable
from typing import Any

from chatd.verifier import fences, values
from chatd.verifier.rule import (
    HOLDS,
    BadValue,
    CannotRun,
    Found,
    Reply,
    Request,
    Rule,
    kind,
    missed,
)
from chatd.verifier.structure import TOO_DEEP, json_fault, toml_fault, xml_fault, yaml_fault

BASH = ("bash", "--norc", "--noprofile", "-O", "extglob", "-n")
BASH_S = 10.0


@kind(value="python, bash, json, yaml, toml or xml", example="code:python", is_heavy=True)
def code(value: Any) -> Rule:
    """The code in the reply parses, as this language; it is not run.

    Looked at is each block that names the language; if none does, each that names no language; in
    a reply without blocks, all of it. `exec` checks other languages.
    """
    name = values.text(value, f"one of {', '.join(PARSERS)}").lower()
    language = NAMES.get(name, name)
    if language not in PARSERS:
        raise BadValue(f"wants one of {', '.join(PARSERS)}")
    fault = PARSERS[language]

    def look(request: Request, reply: Reply) -> Found:
        blocks = _blocks(reply.text, language)
        if not blocks:
            return missed(f"there is no block of {language}")
        for number, block in enumerate(blocks, 1):
            if why := fault(block):
                return missed(f"block {number}: {why}" if len(blocks) > 1 else why)
        return HOLDS

    return Rule(f"have {language} that parses", look)


def python_fault(text: str) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that are none: no fault
            ast.parse(text)
    except SyntaxError as exc:
        return f"{exc.msg}, line {exc.lineno}"
    except ValueError as exc:
        return str(exc)
    except (RecursionError, MemoryError):
        return TOO_DEEP
    return None if text.strip() else "it is empty"


def bash_fault(text: str) -> str | None:
    """By bash itself, which with -n reads and runs nothing."""
    try:
        ran = subprocess.run(BASH, input=text.encode(), capture_output=True, timeout=BASH_S, env={})
    except FileNotFoundError:
        raise CannotRun("there is no bash on this machine") from None
    except subprocess.TimeoutExpired:
        raise CannotRun("bash took too long") from None
    if ran.returncode == 0:
        return None if text.strip() else "it is empty"
    said = ran.stderr.decode("utf-8", "replace").partition("\n")[0]
    return said.removeprefix("bash: ")


def _blocks(text: str, language: str) -> list[str]:
    found = fences.fences(text)
    if not found:
        return [text]
    named = [fence.body for fence in found if NAMES.get(fence.language, fence.language) == language]
    return named or [fence.body for fence in found if not fence.language]


PARSERS: dict[str, Callable[[str], str | None]] = {
    "python": python_fault,
    "bash": bash_fault,
    "json": json_fault,
    "yaml": yaml_fault,
    "toml": toml_fault,
    "xml": xml_fault,
}
NAMES = {"py": "python", "python3": "python", "sh": "bash", "shell": "bash", "yml": "yaml"}
KINDS = (code,)
