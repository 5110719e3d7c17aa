"""The terminal filter: text that others wrote never becomes a control sequence."""

import re

# Controls but newline and tab; DEL and the C1 set; what hides or reorders text; tags.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_RETURN = re.compile("\r\n?")


def safe(text: str) -> str:
    """Return text for a terminal: each unsafe character becomes U+FFFD, each CR a newline.

    Works on any piece of a stream, for every character is judged by itself.
    """
    if text.isprintable():
        return text
    return _UNSAFE.sub("\ufffd", _RETURN.sub("\n", text))
