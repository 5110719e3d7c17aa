"""Reports for a person, as a table, and for a program, as JSON."""

import json
import statistics
from collections.abc import Sequence

from bench.comparison import Comparison, Report

HEAD = ("", "subject", "cost", "baseline", "cost", "ratio", "min", "limit", "")


def as_text(reports: Sequence[Report], machine: str) -> str:
    """Return a table: medians of the costs, median and minimum of the pairs' ratios."""
    rows = [HEAD, *(_row(each) for report in reports for each in report.comparisons)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    notes = [note for report in reports for note in report.notes]
    return "\n".join([*(lines if len(rows) > 1 else []), *notes, machine])


def as_json(reports: Sequence[Report], machine: str) -> str:
    """Return one object: `comparisons` with every round's costs, and `notes`."""
    comparisons = [
        {
            "benchmark": each.benchmark,
            "subject": each.subject,
            "baseline": each.baseline,
            "unit": each.unit,
            "ratio": each.ratio,
            "ratio_min": min(each.ratios),
            "limit": each.limit,
            "is_met": each.is_met,
            "subject_costs": each.subject_costs,
            "baseline_costs": each.baseline_costs,
        }
        for report in reports
        for each in report.comparisons
    ]
    notes = [note for report in reports for note in report.notes]
    return json.dumps({"machine": machine, "comparisons": comparisons, "notes": notes}, indent=2)


def _row(each: Comparison) -> tuple[str, ...]:
    limit = "" if each.limit is None else f"{each.limit:g}"
    return (
        each.benchmark,
        each.subject,
        f"{statistics.median(each.subject_costs):.1f} {each.unit}",
        each.baseline,
        f"{statistics.median(each.baseline_costs):.1f} {each.unit}",
        f"{each.ratio:.2f}",
        f"{min(each.ratios):.2f}",
        limit,
        "" if each.limit is None else "met" if each.is_met else "MISSED",
    )
