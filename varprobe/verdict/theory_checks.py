"""Findings about theory: where it ends, and where the measurement leaves it."""

from __future__ import annotations

from collections.abc import Iterator

from varprobe.formatting import count, percent, power
from varprobe.verdict.agreement import FAMILY_ERROR
from varprobe.verdict.case import Case
from varprobe.verdict.findings import finding
from varprobe.verdict.records import Finding
from varprobe.verdict.rule import LN10


def theory_ends(case: Case) -> Iterator[Finding]:
    """A verdict by theory alone that lacks a direction."""
    if case.agreement is None:
        return
    rows = case.agreement.prediction.rows
    for way, _, judged in case.directions:
        if judged.direction.label != "inconclusive":
            continue
        if way == "forward":
            unknown = [row for row, each in enumerate(rows) if each.source is None][:1]
        else:
            unknown = [row for row, each in enumerate(rows) if each.log_gradient is None][-1:]
        row = unknown[0] if unknown else None
        reason = "" if row is None else f": {rows[row].reason}"
        yield finding(
            "theory-ends",
            f"Theory does not reach all of this network ({way}){reason}.",
            "Measure it: `varprobe run` needs no theory.",
            layer=None if row is None else row + 1,
        )


def theory_mismatch(case: Case) -> Iterator[Finding]:
    """Dense layers whose mean over the trials lies outside the band that theory foresees, a finding a direction."""
    if case.agreement is None:
        return
    for way, what, _ in case.directions:
        bands = [row.source if way == "forward" else row.gradient for row in case.agreement.rows]
        left = [row for row, band in enumerate(bands) if case.layers[row].kind == "dense" and band.is_left]
        if not left:
            continue
        row = left[0] if way == "forward" else left[-1]
        band = bands[row]
        yield finding(
            "theory-mismatch",
            f"The second moment of the {what} is {power((band.measured or 0.0) / LN10)} times what theory says, "
            f"{abs(band.deviation or 0.0):.1f} standard errors away, first here of {count(len(left), 'layer')} "
            f"({way}). A network that follows its config shows this in fewer than {percent(FAMILY_ERROR)} of the runs.",
            "Run it with another --seed and more --trials; if it stays, varprobe's theory is wrong for this network.",
            layer=row + 1,
            measured=band.deviation,
        )
