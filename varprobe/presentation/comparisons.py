"""A comparison in a few lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from varprobe.comparison import Comparison
from varprobe.formatting import count
from varprobe.presentation.kinds import Outline
from varprobe.presentation.reports import thin_report
from varprobe.reporters.comparison.changes import change_lines, verdict_cells


def outline_comparison(comparison: Comparison) -> Outline:
    """How many networks have each verdict; a line a network; what changed."""
    labels = Counter(report.verdict.overall for report in comparison.reports)
    told = ", ".join(f"{amount} {label}" for label, amount in labels.items())
    items = (*_networks(comparison), *change_lines(comparison))
    return Outline(f"{told}: {count(len(comparison.reports), 'network')}", (), items)


def summarise_comparison(comparison: Comparison) -> Iterator[str]:
    """A line a network, and what changed between two reports of one."""
    yield from _networks(comparison)
    for lines in change_lines(comparison):
        yield from lines.split("\n")


def _networks(comparison: Comparison) -> Iterator[str]:
    for name, report in zip(comparison.names, comparison.reports, strict=True):
        ways = (f"{what} {label} {total}".removesuffix(" -") for what, label, _, total in verdict_cells(report))
        yield f"{name}: {report.verdict.overall}; {', '.join(ways)}"


def thin_comparison(comparison: Comparison, most: int) -> Comparison:
    """The same with the histograms of so many layers a network."""
    return replace(comparison, reports=tuple(thin_report(report, most) for report in comparison.reports))
