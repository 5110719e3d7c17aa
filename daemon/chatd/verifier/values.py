"""The values of checks: what a person writes as one word, and what a program writes as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from chatd.verifier.rule import BadValue

SPAN = "a span"  # as the pages call it
HOW_MANY = 'a number, "min..max", or {"min", "max", "eq"}'


@dataclass(frozen=True, slots=True)
class Span:
    """How many there may be."""

    least: int = 0
    most: int | None = None

    def has(self, count: int) -> bool:
        return self.least <= count and (self.most is None or count <= self.most)

    def nearness(self, count: int) -> float:
        """Return how near a count comes, 0 to 1: a reply that comes nearer is on its way."""
        if count < self.least:
            return count / self.least
        return 1.0 if self.most is None or count <= self.most else self.most / count

    def words(self, one: str, many: str) -> str:
        """Return "at most 3 words"."""
        if self.most is None:
            return f"at least {_counted(self.least, one, many)}"
        if self.least == self.most:
            return f"exactly {_counted(self.most, one, many)}"
        if not self.least:
            return f"at most {_counted(self.most, one, many)}"
        return f"{self.least} to {_counted(self.most, one, many)}"


def nothing(value: Any) -> None:  # Any: JSON, in all of these
    """Refuse a value where the type takes none."""
    if value not in (None, "", True):
        raise BadValue("takes no value")


def span(value: Any) -> Span:
    """Return how many may be there: 5, "5", "5..9", "..9", "5..", {"min": 5, "max": 9, "eq": 7}."""
    if isinstance(value, dict):
        known(value, "min", "max", "eq")
        return span_of(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _span(value, value)
    if isinstance(value, str) and value.strip():
        low, dots, high = (part.strip() for part in value.partition(".."))
        if not dots:
            return _span(_whole(low), _whole(low))
        if low or high:
            return _span(_whole(low) if low else 0, _whole(high) if high else None)
    raise BadValue(f"wants {HOW_MANY}")


def span_of(value: Mapping[str, Any]) -> Span:
    """Return the span that min, max and eq of an object make."""
    low, high, exactly = (value.get(name) for name in ("min", "max", "eq"))
    if exactly is not None:
        if low is not None or high is not None:
            raise BadValue("has eq beside min or max")
        return _span(_whole(exactly), _whole(exactly))
    if low is None and high is None:
        raise BadValue("wants min, max or eq")
    return _span(0 if low is None else _whole(low), None if high is None else _whole(high))


def text(value: Any, what: str = "a text") -> str:
    """Return a text that is not empty; a number is one too."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value:
        return value
    raise BadValue(f"wants {what}")


def texts(value: Any, what: str = "a text, or a list of texts") -> list[str]:
    """Return one text or several."""
    if isinstance(value, list) and value:
        return [text(each, what) for each in value]
    return [text(value, what)]


def known(value: Mapping[str, Any], *names: str) -> None:
    """Refuse an object with other fields."""
    if set(value) - set(names):
        raise BadValue(f"has fields other than {', '.join(names)}")


def flag(value: Mapping[str, Any], name: str) -> bool:
    found = value.get(name, False)
    if not isinstance(found, bool):
        raise BadValue(f"wants true or false as {name}")
    return found


def seconds(value: Any) -> float:
    """Return a duration: 2.5, "2.5", "2.5s"."""
    try:
        found = float(str(value).removesuffix("s"))
    except ValueError:
        found = 0.0
    if isinstance(value, bool) or not 0 < found < 1e9:
        raise BadValue("wants seconds, more than none")
    return found


def decoded(value: Any, what: str) -> Any:
    """Return JSON that may have come as its text."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        raise BadValue(f"wants {what}") from None


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise BadValue(f"wants {HOW_MANY}")
    try:
        found = int(value)
    except ValueError:
        raise BadValue(f"wants {HOW_MANY}") from None
    if found < 0:
        raise BadValue("cannot want fewer than none")
    return found


def _span(least: int, most: int | None) -> Span:
    if most is not None and most < least:
        raise BadValue("has a min above its max")
    return Span(least, most)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
