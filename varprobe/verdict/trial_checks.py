"""Findings about the trials: too few, dead, ended, or far apart."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from varprobe.formatting import count, percent, power
from varprobe.verdict.case import Case, first_zero
from varprobe.verdict.findings import finding
from varprobe.verdict.records import Finding


def non_finite(case: Case) -> Iterator[Finding]:
    """The first row at which the arithmetic ended, forward before backward."""
    s = case.measured.statistics
    for what, table, order in (
        ("activations", s.log_activation_second_moment, 1),
        ("gradient", s.log_activation_gradient_second_moment, -1),
    ):
        ended = np.isnan(table)
        if ended.any():
            rows = np.flatnonzero(ended.any(axis=0))[::order]
            share = float(ended.any(axis=1).mean())
            yield finding(
                "non-finite",
                f"From here on the {what} left the range of {case.dtype}, in {percent(share)} of the trials.",
                "Lower the weights' scale, or look for nan and inf in given arrays; float64 reaches further.",
                layer=int(rows[0]) + 1,
                measured=share,
                limit=0.0,
            )
            return


def inconclusive(case: Case) -> Iterator[Finding]:
    """How many trials would decide."""
    trials = case.trials
    judged = [(way, each.direction, each.needed) for way, _, each in case.directions]
    for way, direction, needed in (*judged, ("signal", case.signal.direction, case.signal.needed)):
        if needed is None or direction.label != "inconclusive":
            continue
        error = direction.error_log10
        known = "has no error" if error is None else f"knows the change over the depth to a factor {power(error)} only"
        yield finding(
            "inconclusive",
            f"{way.capitalize()}: a mean over {count(trials, 'trial')} {known}.",
            f"Run with --trials {needed}.",
            measured=error,
            limit=1.0,
        )


def dead_trials(case: Case) -> Iterator[Finding]:
    """Trials left out because something judged was exactly zero."""
    trials = case.trials
    for way, what, judged in case.directions:
        bad = judged.dead + judged.ended
        if bad and judged.direction.label != "degenerate":
            yield finding(
                "dead-trials",
                f"In {count(bad, 'trial')} of {trials:,} the {what} became exactly zero ({way}); the rest is judged.",
                "Widen the narrowest layer, or use an activation that passes negative values.",
                layer=first_zero(case, way),
                measured=bad / trials,
                limit=0.5,
            )


def finite_width(case: Case) -> Iterator[Finding]:
    """Single draws far from the mean over draws."""
    for way, what, judged in case.directions:
        direction = judged.direction
        if direction.typical_log10 is None or direction.total_log10 is None:
            continue
        # With few trials the typical total is not known well enough to have another label.
        other = judged.typical_label not in (direction.label, "inconclusive")
        if judged.spread > 1 or other:
            yield finding(
                "finite-width",
                f"Draws differ ({way}): the change of the {what} is x {power(direction.total_log10)} on the mean, "
                f"x {power(direction.typical_log10)} in a typical draw; its ln has sd {judged.spread:.2g} over draws.",
                "Widen the layers or use fewer: depth/width sets the spread.",
                measured=judged.spread,
                limit=1.0,
            )
