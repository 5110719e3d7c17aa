"""Is a text a loop: the same over and over, as small models say it; not whether it is dull."""

TAIL_CHARS = 2400  # a loop that a model is in is at the end of what it says
REPEATS = 4
CYCLE_CHARS = 160  # that the repeats take together


def found_in(text: str) -> str | None:
    """Return how the text repeats itself, or None."""
    return cycle(text.rstrip()[-TAIL_CHARS:])


def cycle(tail: str) -> str | None:
    """Return what a text says again and again until its end, or None."""
    backwards = tail[::-1]
    borders = _borders(backwards)
    for end in range(len(backwards), CYCLE_CHARS - 1, -1):
        period = end - borders[end - 1]
        if end >= REPEATS * period and not tail[-period:].isspace():
            return f"the last {end} characters say the same {end // period} times"
    return None


def _borders(text: str) -> list[int]:
    """Return, for each prefix, the length of its longest border (Knuth, Morris, Pratt)."""
    borders = [0] * len(text)
    length = 0
    for index in range(1, len(text)):
        while length and text[index] != text[length]:
            length = borders[length - 1]
        length += text[index] == text[length]
        borders[index] = length
    return borders
