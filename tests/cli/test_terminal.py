"""The terminal filter: no control sequence gets through, whole or in parts; text does."""

import unicodedata

import pytest

from chat_cli.terminal import safe

ATTACKS = {
    "clipboard": "\x1b]52;c;ZWNobw==\x07",
    "link": "\x1b]8;;http://x\x1b\\text\x1b]8;;\x1b\\",
    "title": "\x1b]0;title\x07",
    "title report": "\x1b[21t",
    "device attributes": "\x1b[c\x1bP$qm\x1b\\",
    "C1 CSI": "\x9b31m",
    "C1 OSC": "\x9d52;c;AA\x9c",
    "clear": "\x1b[2J\x1b[H",
    "other screen": "\x1b[?1049h",
    "paste end": "\x1b[201~\nrm -rf ~\n",
    "overwrite": "safe\rother",
    "backspace": "abc\x08\x08\x08xyz",
    "reordered": "\u202eexe.cod",
    "isolated": "\u2066x\u2069",
    "tags": "\U000e0041\U000e0042",
    "bell": "\x07",
    "next line": "\x85",
    "delete": "\x7f",
    "half a sequence": "\x1b",
    "file": "\x1b]1337;File=inline=1:AAAA\x07",
    "picture": "\x1b_Gf=100;AAAA\x1b\\",
    "sixel": "\x1bPq#0\x1b\\",
    "answer back": "\x05",
    "character set": "\x0e\x0f",
    "zero width": "a\u200bb\ufeff",
    "line separator": "a\u2028b",
}


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
def test_nothing_but_text_gets_through(text: str) -> None:
    for char in safe(text):
        assert char in "\n\t" or unicodedata.category(char)[0] != "C", f"{char!r}"


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_in_parts_is_none_either(text: str) -> None:
    for char in "".join(safe(part) for part in text):
        assert char in "\n\t" or unicodedata.category(char)[0] != "C", f"{char!r}"


def test_text_is_left_as_it_is() -> None:
    text = "Plain, naïve, 日本語, עברית, 😀, e\u0301.\n\tIndented \u00a0 so.\n"
    assert safe(text) == text
