"""The terminal filter: text that others wrote never becomes a control sequence."""

# Controls but newline and tab; DEL and the C1 set; what hides or reorders text, or hides in it.
_UNSAFE_RANGES = (
    (0x00, 0x08), (0x0B, 0x0C), (0x0E, 0x1F), (0x7F, 0x9F), (0x061C, 0x061C), (0x180E, 0x180E),
    (0x200B, 0x200B), (0x200E, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE01EF),
)  # fmt: skip
# a table and not a pattern: `re` costs a plain question half of what Python's own start does
_UNSAFE = {code: "\ufffd" for first, last in _UNSAFE_RANGES for code in range(first, last + 1)}


def safe(text: str) -> str:
    """Return text for a terminal: each unsafe character becomes U+FFFD, each CR a newline.

    Works on any piece of a stream, for every character is judged by itself.
    """
    if text.isascii() and text.isprintable():  # the quick way for most
        return text
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_UNSAFE)


def safe_line(text: str) -> str:
    """Return text for one line of a terminal: a name or a title cannot begin another line."""
    return " ".join(safe(text).split())
