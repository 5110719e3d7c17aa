"""The numbers that are kept of a text: some forty, and none that could tell what it says."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatd.style import style_of

BULLETS = "Sure! Here are some:\n\n- one\n- two\n- three\n\nLet me know if you have any questions!"
PROSE = "It is a file system in memory. It may go to swap, however, and is gone with the machine."
CODE = "Use this:\n\n```python\nprint('a')\nprint('b')\n```\n"


@given(st.text(max_size=500))
def test_any_text_has_the_same_numbers_and_all_are_finite(text: str) -> None:
    numbers = style_of(text)
    assert numbers.keys() == style_of("").keys()
    assert all(0 <= number <= 60 for number in numbers.values()), numbers


@pytest.mark.parametrize("text", ["\n", " \n", "```\n", "| ", "**a", "a.b ", "sorry "])
def test_a_long_text_takes_no_longer_than_a_turn_of_the_loop_may(text: str) -> None:
    began_s = time.thread_time()
    style_of(text * 1_000_000)
    assert time.thread_time() - began_s < 0.5


def test_there_are_about_forty() -> None:
    assert 40 <= len(style_of("")) <= 48


@pytest.mark.parametrize(
    ("name", "more", "less"),
    [
        ("bullets", BULLETS, PROSE),
        ("opens with a courtesy", BULLETS, PROSE),
        ("closes with a courtesy", BULLETS, PROSE),
        ("code", CODE, PROSE),
        ("code blocks", CODE, PROSE),
        ("hedging", PROSE, BULLETS),
        ("linking words", PROSE, BULLETS),
        ("exclamations", BULLETS, PROSE),
        ("words a sentence", PROSE, CODE),
        ("length", PROSE * 10, PROSE),
        ("beyond 100 words", PROSE * 10, PROSE),
        ("novelty", PROSE, PROSE * 10),
        ("beyond ascii", "Größe — ½", PROSE),
    ],
)
def test_a_number_tells_what_it_is_named_after(name: str, more: str, less: str) -> None:
    assert style_of(more)[name] > style_of(less)[name]


def test_words_of_the_same_shape_have_the_same_numbers() -> None:
    assert style_of("My password is hunter2.") == style_of("My passport is burnet2.")
