"""The terminal filter: no control sequence gets through, whole or in parts; text does."""

import unicodedata

import pyte
import pytest
from tests.hostile.attacks import ATTACKS
from tests.terminal import fresh, state

from chat_cli.terminal import safe, safe_line

ENOUGH = 40
JOINERS = "\u200c\u200d"  # of scripts and of emoji: they are text


def is_text(char: str) -> bool:
    if "\U000e0100" <= char <= "\U000e01ef":  # unseen, and as many as there are bytes
        return False
    return char in f"\n\t{JOINERS}" or unicodedata.category(char) not in ("Cc", "Cf", "Zl", "Zp")


def test_there_are_enough_attacks() -> None:
    assert len(ATTACKS) > ENOUGH


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
def test_nothing_but_text_gets_through(text: str) -> None:
    assert all(map(is_text, safe(text)))


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_in_two_parts_is_none_either(text: str) -> None:
    for middle in range(len(text) + 1):
        screen = pyte.Screen(80, 24)
        stream = pyte.ByteStream(screen)
        for part in (text[:middle], text[middle:]):
            shown = safe(part)
            assert all(map(is_text, shown))
            stream.feed(shown.replace("\n", "\r\n").encode())
        assert state(screen) == fresh()


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
def test_a_name_stays_on_its_line(text: str) -> None:
    line = safe_line(f"a {text} b")
    assert all(map(is_text, line))
    assert not set("\n\t") & set(line)


def test_text_is_left_as_it_is() -> None:
    text = "Plain, naïve, 日本語, עברית, 😀, e\u0301.\n\tIndented \u00a0 so.\n"
    assert safe(text) == text
