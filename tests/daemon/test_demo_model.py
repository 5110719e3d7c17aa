"""The demo model that we ship, asked through the real engine, keeps what daemon/demo promises."""

import pytest

from chatd.backends.demo import DECLINE, FILE
from demo import corpus, evaluate
from demo.evaluate import Figures

MOST_BYTES = 8_000_000


@pytest.fixture(scope="module")
def held_out() -> Figures:
    return evaluate.evaluate(FILE, evaluate.HELD_OUT)


def test_the_file_is_small() -> None:
    assert FILE.stat().st_size <= MOST_BYTES


def test_three_of_four_questions_in_scope_are_answered_rightly_or_declined(
    held_out: Figures,
) -> None:
    assert held_out.right + held_out.declined >= 0.75 * held_out.inside


def test_two_of_five_questions_in_scope_are_answered_rightly(held_out: Figures) -> None:
    assert held_out.right >= 0.40 * held_out.inside


def test_nine_of_ten_questions_out_of_scope_are_declined(held_out: Figures) -> None:
    assert held_out.outside_declined >= 0.90 * held_out.outside


def test_no_answer_names_a_command_that_changes_anything(held_out: Figures) -> None:
    assert held_out.naming_a_change == 0


def test_no_text_that_the_demo_learned_names_a_command_that_changes_anything() -> None:
    assert not [a for a in corpus.load().answers.values() if evaluate.CHANGES.search(a)]


def test_each_intent_is_answered_word_for_word_or_declined() -> None:
    text = corpus.load()
    phrasings = [evaluate.Question(p[0], intent) for intent, p in text.inside.items()]
    replies = {a.reply for a in evaluate.ask_all(FILE, phrasings)}
    assert replies <= {*text.answers.values(), DECLINE}
    assert len(replies - {DECLINE}) >= 0.9 * len(text.answers)


def test_nothing_that_it_is_judged_by_was_trained_on() -> None:
    text = corpus.load()
    judged = {corpus.letters(q.text) for q in evaluate.read_questions(evaluate.HELD_OUT)}
    assert judged == text.held_out
    chance = corpus.Random(1)
    seen = {corpus.letters(text.sample(chance)[0]) for _ in range(20_000)}
    assert not seen & judged
