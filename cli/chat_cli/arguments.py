"""What typer cannot say: a value that may be left out, two values for one option, many options.

An option's metavar tells of its values: `[LANG]`, or two words as in `KEY VALUE`.
"""

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from typer import BadParameter
from typer import _click as click
from typer.core import TyperCommand, TyperOption

F = TypeVar("F")

BETWEEN = "\0"  # a key and its value: no argument of a process has it


class Command(TyperCommand):
    """A command whose options may be such."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options = [param for param in self.params if isinstance(param, TyperOption)]
        return super().parse_args(ctx, list(_rewritten(args, options)))


def taking(flags: type[F]) -> Callable[[Callable[[F], None]], Callable[..., None]]:
    """Make a command that takes the fields of a dataclass as its options, all in one object."""

    def decorate(command: Callable[[F], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**given: Any) -> None:  # Any: each as its field has it
            command(flags(**given))

        fields = inspect.signature(flags).parameters.values()
        named = [field.replace(kind=inspect.Parameter.KEYWORD_ONLY) for field in fields]
        run.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]  # for typer
        return run

    return decorate


def pairs(values: Sequence[str] | None) -> list[tuple[str, str]]:
    """Return keys and values as they were given."""
    split = (value.partition(BETWEEN) for value in values or [])
    return [(key, value) for key, _, value in split]


def _rewritten(args: Sequence[str], options: Sequence[TyperOption]) -> Iterator[str]:
    by_name = {name: option for option in options for name in option.opts}
    rest = iter(args)
    for arg in rest:
        flags, last = arg[:-1], f"-{arg[-1:]}"  # of `-qx`, which is `-q -x`
        option = by_name.get(arg)
        if arg == "--":
            yield arg
            yield from rest
        elif option is None and _are_flags(flags, by_name) and _may_go_alone(by_name.get(last)):
            yield flags
            yield f"{_long(by_name[last])}="
        elif option is None or option.is_flag or option.count:
            yield arg
        elif _may_go_alone(option):
            yield f"{_long(option)}="
        else:
            yield arg
            yield from _values(option, rest)


def _values(option: TyperOption, rest: Iterator[str]) -> Iterator[str]:
    first = next(rest, None)
    if first is None:
        return
    if " " not in (option.metavar or ""):
        yield first
        return
    second = next(rest, None)
    if second is None:
        raise BadParameter(f"{option.opts[0]} takes two: {option.metavar}")
    yield f"{first}{BETWEEN}{second}"


def _may_go_alone(option: TyperOption | None) -> bool:
    return option is not None and (option.metavar or "").startswith("[")


def _long(option: TyperOption) -> str:
    return max(option.opts, key=len)


def _are_flags(text: str, by_name: dict[str, TyperOption]) -> bool:
    letters = [by_name.get(f"-{letter}") for letter in text[1:]]
    is_cluster = text[:1] == "-" and text[1:2] not in ("", "-")
    return is_cluster and all(each and (each.is_flag or each.count) for each in letters)
