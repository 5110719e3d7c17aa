"""The short form of the fuzz campaign, with lines of its own in each run."""

import os

from tests.campaigns.fuzz import fuzz


def test_mutated_lines_get_the_right_answers_and_leave_the_store_in_order() -> None:
    figures = fuzz(20_000, seed=int.from_bytes(os.urandom(4)))
    assert isinstance(figures["lines"], int)
    assert figures["lines"] >= 20_000
    assert isinstance(figures["reached a handler"], int)
    assert figures["reached a handler"] > 0.2 * figures["lines"]
