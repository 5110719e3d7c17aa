"""A reply that begins with `<think>`: what is thought aloud in there is no part of the answer."""

OPEN, CLOSE = "<think>", "</think>"
BLANKS = 1000  # before the block, at most


class Opening:
    """The beginning of one reply, split as it comes; a `<think>` after any answer is answer."""

    def __init__(self) -> None:
        self._held = ""  # what may be the beginning of a tag
        self._is_inside = False
        self._has_thought = False
        self.is_settled = False  # what comes from now on is answer

    def split(self, text: str) -> tuple[str, str]:
        """Return what is thought and what is answer, now that `text` has come."""
        if self.is_settled:
            return "", text
        text, self._held = self._held + text, ""
        if not self._is_inside:
            return self._begin(text)
        thought, closed, rest = text.partition(CLOSE)
        if not closed:
            whole = len(text) - _begun(text, CLOSE)
            self._held = text[whole:]
            return text[:whole], ""
        self._is_inside = False
        more, answer = self._begin(rest)
        return thought + more, answer

    def rest(self) -> tuple[str, str]:
        """Return what was held when the reply ended."""
        held, self._held = self._held, ""
        return (held, "") if self._is_inside else ("", held)

    def _begin(self, text: str) -> tuple[str, str]:
        begun = text.lstrip()
        if begun.startswith(OPEN):
            self._is_inside = self._has_thought = True
            return self.split(begun.removeprefix(OPEN))
        text = begun if self._has_thought else text
        if OPEN.startswith(begun) and len(text) < BLANKS:
            self._held = text
            return "", ""
        self.is_settled = True
        return "", text


def _begun(text: str, tag: str) -> int:
    """Say how many characters at the end of `text` may be the beginning of `tag`."""
    return next((n for n in range(len(tag) - 1, 0, -1) if text.endswith(tag[:n])), 0)
