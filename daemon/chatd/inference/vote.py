"""A vote among short answers: who says the same, and when the rest cannot change it; no I/O."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import msgspec

from chatd.inference.tries import Try

FENCE = re.compile(r"\A```[\w+-]*\n(.*?)\n?```\Z", re.DOTALL)
NUMBER = re.compile(r"\A[$€£]?\s*([+-]?\d[\d, ]*(?:\.\d+)?)\s*%?\Z")


@dataclass(frozen=True, slots=True)
class Count:
    """The answer that most good attempts give, by the first of them; shares are of all attempts."""

    winner: Try
    agreement: float
    is_decided: bool  # the attempts to come cannot change it


def count(tries: Sequence[Try], attempts: int) -> Count | None:
    """Count the replies that pass their checks; None: there is none yet.

    Of answers with as many votes, the one that was given first wins.
    """
    made = sum(each.is_model for each in tries)
    to_come = max(0, attempts - made)
    votes: dict[str, list[Try]] = {}
    for each in tries:
        if each.passes:
            votes.setdefault(answer(each.said.text), []).append(each)
    if not votes:
        return None
    first, *others = sorted(votes.values(), key=len, reverse=True)  # stable: the earlier first
    rival = len(others[0]) if others else 0
    return Count(first[0], len(first) / made, len(first) > rival + to_come or not to_come)


def answer(text: str) -> str:
    """Return what two replies have in common that give the same answer.

    Numbers are compared as numbers, JSON by its content, labels apart from case and punctuation.
    """
    text = text.strip()
    if fenced := FENCE.match(text):
        text = fenced[1].strip()
    if number := NUMBER.match(text.rstrip(".")):
        try:
            return f"{Decimal(re.sub('[, ]', '', number[1])).normalize():f}"
        except InvalidOperation:
            pass
    if text[:1] in "{[":
        try:
            return msgspec.json.encode(msgspec.json.decode(text), order="sorted").decode()
        except msgspec.DecodeError:
            pass
    return " ".join(text.casefold().split()).strip(" .!?\"'`*_")
