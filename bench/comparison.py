"""Two programs side by side: they take turns, and what counts is the ratio of each pair."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

WARM_UPS = 1

Measure = Callable[[], float]


class Meaningless(Exception):
    """What was measured is not what was meant; the message says why."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `subject` cost beside `baseline`, one number a round each; both in `unit`."""

    benchmark: str
    subject: str
    baseline: str
    unit: str
    subject_costs: Sequence[float]
    baseline_costs: Sequence[float]
    limit: float | None = None

    @property
    def ratios(self) -> list[float]:
        pairs = zip(self.subject_costs, self.baseline_costs, strict=True)
        return [subject / baseline for subject, baseline in pairs]

    @property
    def ratio(self) -> float:
        """The median of the pairs: the verdict."""
        return statistics.median(self.ratios)

    @property
    def is_met(self) -> bool:
        return self.limit is None or self.ratio <= self.limit


@dataclass(frozen=True, slots=True)
class Report:
    """What a benchmark found; `notes` tell what was checked, or why something was left out."""

    comparisons: Sequence[Comparison] = ()
    notes: Sequence[str] = field(default_factory=list)


def take_turns(rounds: int, measures: Sequence[Measure]) -> list[list[float]]:
    """Call every measure once a round, A B A B; return the costs of each, warm-ups left out."""
    for _ in range(WARM_UPS):
        for measure in measures:
            measure()
    taken = [[measure() for measure in measures] for _ in range(rounds)]
    return [list(costs) for costs in zip(*taken, strict=True)]
