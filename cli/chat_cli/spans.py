"""Lengths of time, as people write and read them: 90s, 30min, 12h, 7d, 2w."""

import re

SECONDS = {"": 1, "ms": 1e-3, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_WRITTEN = re.compile(r"(\d+(?:\.\d+)?) *([a-z]*)")


def parse(text: str) -> float:
    """Return the seconds of `7d`, `60` and the like; raises ValueError with the ways to write."""
    written = _WRITTEN.fullmatch(text.strip().lower())
    if written is None or written[2] not in SECONDS or not float(written[1]):
        raise ValueError(f"{text!r} is no time: write 60s, 30min, 12h, 7d or 2w")
    return float(written[1]) * SECONDS[written[2]]


def rough(seconds: float) -> str:
    """Return the span in its largest unit."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def ago(seconds: float) -> str:
    return "now" if seconds < 60 else f"{rough(seconds)} ago"


def exact(seconds: float) -> str:
    """Return the span in its two largest units."""
    minutes = round(seconds / 60)
    hours, days = minutes // 60, minutes // 1440
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
