"""The corpus: what people may say to the demo, as written by hand in text/, and its variations."""

import random
import re
import string
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any  # whatever a TOML file holds

DECLINE = "<|decline|>"
HERE = Path(__file__).parent
INSIDE = ("people", "keeping", "shell", "models", "servers", "more")
OUTSIDE = ("outside", "near", "beyond")

# A question that loses every one of these words, for others, is about something else.
TOPIC = re.compile(
    r"\b(chatd?|chats|conversations?|history|daemons?|tmpfs|ram|memory|disk|unix|sockets?|ports?"
    r"|loopback|localhost|127\.0\.0\.1|pipes?|stdin|stdout|stderr|exit codes?|json|loops?|llms?"
    r"|models?|tokens?|context( window)?|(system )?prompts?|gguf|servers?|lm studio|ollama"
    r"|llama\.cpp|llama-server|vllm|systemd|kernel|linux|shell|terminal|bash|demo|reboot)\b",
    re.IGNORECASE,
)
VOWELS, CONSONANTS = "aeiou", "bcdfghjklmnprstvwz"
SEPARATOR = ";"

Random = random.Random


@dataclass(frozen=True)
class Corpus:
    """All that was written by hand; `sample` varies it without end."""

    answers: dict[str, str]  # intent -> the one answer
    inside: dict[str, list[str]]  # intent -> phrasings
    outside: list[str]
    words: dict[str, list[str]]
    synonyms: dict[str, list[str]]
    held_out: frozenset[str]  # the letters of what the model is judged by: never trained on

    def every_text(self) -> Iterator[str]:
        """Yield each text once, for the vocabulary."""
        yield from self.answers.values()
        for phrasings in self.inside.values():
            yield from phrasings
        yield from self.outside
        for words in self.words.values():
            yield from words
        yield from self.synonyms

    def sample(self, rng: Random) -> tuple[str, str]:
        """Return a question and its intent, or DECLINE; never a question that is held out."""
        while True:
            text, intent = self._sample(rng)
            if letters(text) not in self.held_out:
                return text, intent

    def _sample(self, rng: Random) -> tuple[str, str]:
        if rng.random() < 0.55:
            intent = rng.choice(list(self.inside))
            return self._vary(rng, rng.choice(self.inside[intent])), intent
        make = rng.choices(OUTSIDE_MAKERS, weights=(50, 22, 20, 3, 5))[0]
        return self._vary(rng, make(self, rng)), DECLINE

    def _vary(self, rng: Random, text: str) -> str:
        if rng.random() < 0.5:
            text = self._exchange(rng, text)
        if rng.random() < 0.2:
            text = self._wrap(rng, text)
        if rng.random() < 0.25:
            text = _drop_words(rng, text)
        if rng.random() < 0.12:
            text = _mistype(rng, text)
        return _dress(rng, text, self.words["endings"])

    def _exchange(self, rng: Random, text: str) -> str:
        """Put synonyms in place of some words."""

        def swap(match: re.Match[str]) -> str:
            others = self.synonyms[match[0].lower()]
            return rng.choice(others) if rng.random() < 0.5 else match[0]

        return self._synonym_pattern.sub(swap, text)

    @cached_property
    def _synonym_pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self.synonyms, key=len, reverse=True)
        return re.compile(r"\b(" + "|".join(map(re.escape, longest_first)) + r")\b", re.IGNORECASE)

    def _wrap(self, rng: Random, text: str) -> str:
        if rng.random() < 0.6:
            text = f"{rng.choice(self.words['before'])} {text}"
        if rng.random() < 0.5:
            text = f"{text.rstrip('?!. ')} {rng.choice(self.words['after'])}"
        return text


def load() -> Corpus:
    """Read text/ and answers.toml.  Raises ValueError where they do not fit intents.toml."""
    intents = set(read_toml("intents.toml")["intents"])
    answers = read_toml("answers.toml")
    inside: dict[str, list[str]] = {}
    for name in INSIDE:
        for intent, text in read_toml(f"text/{name}.toml").items():
            inside.setdefault(intent, []).extend(split(text))
    if not intents == set(answers) == set(inside):
        raise ValueError(f"intents differ: {intents ^ set(answers) or intents ^ set(inside)}")
    outside = [q for name in OUTSIDE for text in read_toml(f"text/{name}.toml").values()
               for q in split(text)]  # fmt: skip
    words = {name: split(text) if SEPARATOR in text else text.split()
             for name, text in read_toml("text/words.toml").items()}  # fmt: skip
    groups = [split(group) for group in read_toml("text/synonyms.toml")["groups"]]
    synonyms: dict[str, list[str]] = {}
    for group in groups:
        for word in group:
            synonyms.setdefault(word.lower(), []).extend(w for w in group if w != word)
    held_out = frozenset(map(letters, _texts(read_toml("paraphrases.toml"))))
    inside = {
        intent: [text for text in phrasings if letters(text) not in held_out]
        for intent, phrasings in inside.items()
    }
    outside = [text for text in outside if letters(text) not in held_out]
    return Corpus(answers, inside, outside, words, synonyms, held_out)


def read_toml(name: str) -> dict[str, Any]:
    """Read a file beside this one."""
    return tomllib.loads((HERE / name).read_text())


def letters(text: str) -> str:
    """Return what is left of a phrasing without case and marks: by it two are the same."""
    return " ".join(re.findall(r"\w+", text.lower()))


def _texts(value: object) -> Iterator[str]:
    """Yield every string of a TOML value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def split(text: str) -> list[str]:
    """Return the phrasings of `text`, which semicolons part."""
    return [p for part in text.split(SEPARATOR) if (p := " ".join(part.split()))]


def _by_hand(corpus: Corpus, rng: Random) -> str:
    return rng.choice(corpus.outside)


def _framed(corpus: Corpus, rng: Random) -> str:
    return _fill(corpus, rng, rng.choice(corpus.words["frames"]))


def _off_topic(corpus: Corpus, rng: Random) -> str:
    """A phrasing of ours whose topic is exchanged: `how do I see my earlier walnuts?`"""
    phrasings = corpus.inside[rng.choice(list(corpus.inside))]
    for text in rng.sample(phrasings, k=min(8, len(phrasings))):
        if TOPIC.search(text):
            return TOPIC.sub(lambda _: _thing(corpus, rng), text)
    return _framed(corpus, rng)


def _gibberish(_corpus: Corpus, rng: Random) -> str:
    if rng.random() < 0.5:
        letters = string.ascii_lowercase + string.digits + " -_/.,"
        return "".join(rng.choices(letters, k=rng.randint(1, 30)))
    return " ".join(_no_word(rng) for _ in range(rng.randint(1, 6)))


def _several(corpus: Corpus, rng: Random) -> str:
    makers = (_by_hand, _by_hand, _framed)
    return ". ".join(rng.choice(makers)(corpus, rng) for _ in range(rng.randint(2, 4)))


OUTSIDE_MAKERS: tuple[Callable[[Corpus, Random], str], ...] = (
    _by_hand, _framed, _off_topic, _gibberish, _several,
)  # fmt: skip


def _fill(corpus: Corpus, rng: Random, frame: str) -> str:
    thing, other = _thing(corpus, rng), _thing(corpus, rng)
    return frame.format(
        t=thing, t2=other, a=_article(thing), a2=_article(other),
        n=rng.choice(corpus.words["names"]), n2=rng.choice(corpus.words["names"]),
        v=rng.choice(corpus.words["verbs"]),
    )  # fmt: skip


def _thing(corpus: Corpus, rng: Random) -> str:
    return _no_word(rng) if rng.random() < 0.12 else rng.choice(corpus.words["things"])


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in VOWELS else 'a'} {noun}"


def _no_word(rng: Random) -> str:
    syllables = (rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(rng.randint(1, 4)))
    return "".join(syllables) + rng.choice(["", rng.choice(CONSONANTS)])


def _drop_words(rng: Random, text: str) -> str:
    words = text.split()
    kept = [w for w in words if rng.random() > 0.15]
    return " ".join(kept) if len(kept) > 1 else text


def _mistype(rng: Random, text: str) -> str:
    at = rng.randrange(len(text))
    return rng.choice([
        text[:at] + text[at + 1 :],  # left out
        text[:at] + text[at] + text[at:],  # doubled
        text[:at] + text[at : at + 2][::-1] + text[at + 2 :],  # exchanged
        text[:at] + rng.choice(string.ascii_lowercase) + text[at + 1 :],  # beside the key
    ]) or text  # fmt: skip


def _dress(rng: Random, text: str, endings: list[str]) -> str:
    """Vary case and the mark at the end, as people do."""
    if rng.random() < 0.35:
        text = text.rstrip("?!. ") or text
    elif rng.random() < 0.1:
        text = (text.rstrip("?!. ") or text) + rng.choice(endings)
    case = rng.random()
    if case < 0.3:
        return text.lower()
    if case < 0.5:
        return text[:1].upper() + text[1:]
    return text.upper() if case < 0.52 else text
