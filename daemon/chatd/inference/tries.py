"""An attempt that has come to an end, and which of several is the best; no I/O."""

from collections.abc import Iterable
from dataclasses import dataclass

from chat_rpc.checks import CheckResult
from chat_rpc.methods import Tried

BYTES_PER_TOKEN = 3


@dataclass(frozen=True, slots=True)
class Try:
    """What a model said, or a part that was cut out of it, and what the checks said of that."""

    said: Tried
    tokens: int = 0
    has_begun: bool = False  # something of a reply came

    @property
    def is_model(self) -> bool:
        return self.said.by == "model"

    @property
    def passes(self) -> bool:
        return self.said.verdict is not None and self.said.verdict.verdict == "pass"

    @property
    def is_undecided(self) -> bool:
        """A check could not run: another reply would fare no better."""
        return self.said.verdict is not None and self.said.verdict.verdict == "error"

    @property
    def missed(self) -> list[CheckResult]:
        """The hard checks that it does not pass."""
        checks = self.said.verdict.checks if self.said.verdict else []
        return [c for c in checks if c.severity == "hard" and c.verdict in ("fail", "error")]

    @property
    def signature(self) -> frozenset[str]:
        """What went wrong."""
        if self.said.error is not None:
            return frozenset({f"error {self.said.error.code}"})
        return frozenset(result.id for result in self.missed)

    @property
    def progress(self) -> float:
        """How near it came to what it missed."""
        return sum(result.score for result in self.missed)

    def rank(self) -> tuple[float, ...]:
        """The least is the best; of equals the earlier, but of mere failures the last."""
        if (verdict := self.said.verdict) is None:
            return (2.0 if self.has_begun else 3.0, -self.said.n)
        return (0.0 if self.passes else 1.0, len(self.missed), -verdict.score, self.said.n)


def restored(said: Tried) -> Try:
    """Return what an earlier daemon has kept; tokens that nobody counted are guessed."""
    guess = -(-len(said.text.encode()) // BYTES_PER_TOKEN)
    tokens = said.usage.completion_tokens if said.usage else guess
    return Try(said, tokens if said.by == "model" else 0, bool(said.text))


def best(tries: Iterable[Try]) -> Try:
    return min(tries, key=Try.rank)
