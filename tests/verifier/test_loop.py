"""The loop detector in short; the campaign `repeats` has the figures, of many more texts."""

import inspect
import random
import time

import pytest
from tests.campaigns import texts

from chatd.verifier import loop

CLEAN = [text for kind in texts.clean(None).values() for text in kind[:25]]
PROSE = [doc for name in dir(inspect) if (doc := inspect.getdoc(getattr(inspect, name)))]
MADE = texts.made([text for text in PROSE if len(text) > 200], 6)


def test_few_texts_that_others_wrote_are_taken_for_loops() -> None:
    assert len(CLEAN) >= 25  # a bare machine has no /usr/share/doc, but has Python's own code
    flagged = [text for text in CLEAN if loop.found_in(text)]
    assert len(flagged) <= max(1, len(CLEAN) * 0.02)


@pytest.mark.parametrize("mechanism", MADE)
def test_loops_of_each_mechanism_are_noticed(mechanism: str) -> None:
    missed = [text for text in MADE[mechanism] if not loop.found_in(text)]
    assert len(missed) <= 2


@pytest.mark.parametrize(
    "text",
    [
        "-" * 500,
        "| 0 | 0 | 0 | 0 |\n" * 40,
        "=====\n" * 80,
        " " * 3000,
        "0, 0, 0, 0, 0, 0, 0, 0,\n" * 40,
        "Ha ha ha ha ha! " + "It was a good one, and so was the next. " * 2,
        "\n".join(f"| {n} | {n * n} | a row of {n:x} |" for n in range(9)),
        "Row, row, row your boat, gently down the stream.\n" * 2,
        '<div class="box"></div>\n' * 12,
    ],
)
def test_rules_empty_tables_and_a_chorus_are_no_loops(text: str) -> None:
    assert loop.found_in(text) is None


def test_in_pieces_a_loop_is_noticed_while_it_comes() -> None:
    begun = PROSE[0][:300]
    text = begun + " It goes on and on for ever." * 40
    for size in (1, 4, 1000):
        tail, seen = loop.Tail(), 0
        for begin in range(0, len(text), size):
            seen = begin + size
            if tail.feed(text[begin : begin + size]):
                break
        assert seen < len(begun) + 150 + loop.LOOK + size


def test_what_is_noticed_in_pieces_is_noticed_in_the_whole() -> None:
    chance = random.Random(0)
    for made in MADE.values():
        for text in made:
            tail, end = loop.Tail(), 0
            while end < len(text):
                size = chance.randint(1, 9)
                found = tail.feed(text[end : end + size])
                end += size
                if found:
                    assert loop.found_in(text[:end])
                    break


def test_a_long_text_costs_no_more_than_its_length() -> None:
    text = "".join(chr(97 + number * number % 23) for number in range(10**6))
    began = time.process_time()
    loop.found_in(text)
    tail = loop.Tail()
    for begin in range(0, 200_000, 4):
        tail.feed(text[begin : begin + 4])
    assert time.process_time() - began < 5
