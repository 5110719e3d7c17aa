"""Checks during a reply: it is stopped when no word to come can mend it, and not before."""

import random

import pytest

from chat_rpc.checks import parse
from chatd.verifier.rule import Reply, Request
from chatd.verifier.verify import prepare, verify
from chatd.verifier.watch import Watch

CHANCE = random.Random(0)
WORDS = "the file system keeps what is written to it in pages of memory and gives them back".split()
SENTENCES = "".join(f"This {' '.join(CHANCE.sample(WORDS, 8))}.\n" for _ in range(200))
LOOP = "Well. " + "I say it again and again. " * 40

# the check, a reply that it stops
STOPPED = [
    ("no-loop", LOOP),
    ("words:..20", SENTENCES),
    ("chars:..100", SENTENCES),
    ("lines:..5", SENTENCES),
    ("sentences:..5", SENTENCES),
    ("items:..3", SENTENCES.replace("This", "- an")),
    ("not-contains:letter c", SENTENCES[:999] + "A letter c is here." + SENTENCES[999:]),
    ('not-icontains:["zz", "LETTER C"]', SENTENCES[:999] + "A letter c is here." + SENTENCES[999:]),
]


def stop(check: str, reply: str, size: int) -> int | None:
    """Return after how many characters the watch stops the reply."""
    watch = Watch(prepare([parse(check)]))
    for begin in range(0, len(reply), size):
        if watch.take(reply[begin : begin + size]):
            return begin + size
    return None


@pytest.mark.parametrize(("check", "reply"), STOPPED)
@pytest.mark.parametrize("size", [1, 5, 64])
def test_a_lost_reply_is_stopped_early_and_what_came_fails_the_check(
    check: str, reply: str, size: int
) -> None:
    seen = stop(check, reply, size)
    assert seen is not None
    assert seen < len(reply) / 2
    verdict = verify(prepare([parse(check)]), Request(), Reply(reply[:seen]))
    assert verdict.verdict == "fail"


@pytest.mark.parametrize(
    ("check", "reply"),
    [
        ("words:..4", "one two three four"),
        ("chars:..4", "\n\nfour   \n"),
        ("lines:..2", "a\nb\n\n"),
        ("not-contains:cat", "concatenate cats".replace("cat", "ca-t")),
        ('not-contains:{"any": ["cat"], "words": true}', "concatenated category"),
        ("words:100..", "few"),
        ("soft-words:..1", SENTENCES),
        ("contains:x", "none"),
        ("not-words:..5", "one two"),
    ],
)
def test_a_reply_that_may_still_pass_is_not_stopped(check: str, reply: str) -> None:
    for size in (1, 3, 100):
        assert stop(check, reply, size) is None


def test_without_the_loop_check_a_loop_goes_on() -> None:
    watch = Watch(prepare([], ["no-loop"]))
    assert watch.take(LOOP) is None


def test_the_reason_names_the_check() -> None:
    watch = Watch(prepare([parse("words:..2")]))
    assert watch.take("one two three") == "words: more than 2"
