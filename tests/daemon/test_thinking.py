"""A leading <think> block is thought and no answer, wherever the stream is cut."""

import pytest

from chatd.backends.thinking import BLANKS, Opening

SPLITS = {
    # text: what is thought in it, and what is answer
    "<think>why</think>\n\nso <think>x</think>": ("why", "so <think>x</think>"),
    "\n <think>\nwhy</thin ks</think>so": ("\nwhy</thin ks", "so"),
    "<think></think>so": ("", "so"),
    "<think>a</think>\n<think>b</think>so": ("ab", "so"),
    "<think>never closed</thi": ("never closed</thi", ""),
    "so": ("", "so"),
    "  so, <think>": ("", "  so, <think>"),
    "<thinking>": ("", "<thinking>"),
    "<thi": ("", "<thi"),
    " \n": ("", " \n"),
    "": ("", ""),
}


def split(*parts: str) -> tuple[str, str]:
    opening = Opening()
    found = [*map(opening.split, parts), opening.rest()]
    return "".join(thought for thought, _ in found), "".join(answer for _, answer in found)


@pytest.mark.parametrize(("text", "expected"), SPLITS.items())
def test_only_a_block_at_the_beginning_is_thought(text: str, expected: tuple[str, str]) -> None:
    assert split(text) == expected
    assert split(*text) == expected
    for middle in range(len(text)):
        assert split(text[:middle], text[middle:]) == expected


def test_blanks_are_not_held_for_ever() -> None:
    opening = Opening()
    assert opening.split(" " * BLANKS) == ("", " " * BLANKS)
    assert opening.is_settled
