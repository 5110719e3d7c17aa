"""Slips of the finger: is a word nearly a command.  It imports nothing."""


def is_near(word: str, verb: str) -> bool:
    """Say whether one letter more, less, other or swapped with its neighbour makes them equal."""
    if abs(len(word) - len(verb)) > 1 or min(len(word), len(verb)) < 3:
        return False
    begin = next((i for i, (a, b) in enumerate(zip(word, verb, strict=False)) if a != b), None)
    if begin is None:
        return True
    rest, other = word[begin:], verb[begin:]
    return (
        rest[1:] == other[1:]
        or rest[1:] == other
        or rest == other[1:]
        or (rest[:2] == other[1::-1] and rest[2:] == other[2:])
    )
