"""Findings about the batch and what is left of its directions: the input, the rank, units that are one."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from varprobe.formatting import number, percent, power
from varprobe.verdict.case import Case
from varprobe.verdict.found import Found
from varprobe.verdict.labels import Severity
from varprobe.verdict.rule import LN10

# Second moments of the input that are usual; the share of it that its mean may have.
USUAL_SIZE, USUAL_OFFSET = 2.0, 0.5
# Columns from which a tenth of them means something, and what that tenth may carry.
FEWEST_COLUMNS, LARGEST_SHARE = 10, 0.9
# Effective rank below which it has collapsed, where the input's is above the second; narrow inputs must lose all but a
# twentieth of what they have beside their largest direction.
COLLAPSED_RANK, USUAL_RANK = 1.5, 4.0
LINE_RANK, PLANE_RANK = 1.05, 1.5


def find_input(case: Case) -> Iterator[Found]:
    """An input that is not standardised, and one whose columns are of very different size.

    Of a code, as one-hot, the entries that are not zero count: it is small because most of them are, on purpose.
    """
    source = case.input
    size = source.second_moment_log / LN10
    coded = 0.0 if source.code_density is None else math.log10(source.code_density)
    if math.isfinite(size) and abs(size - coded) > USUAL_SIZE:
        message = f"The input's root mean square is {power(size / 2)}: its second moment is {power(size)}, not near 1."
        yield Found("input-scale", message, measured=size, limit=math.copysign(USUAL_SIZE, size - coded))
    elif math.isfinite(size) and abs(size) > USUAL_SIZE:
        code = percent(source.code_density or 0.0)
        message = f"The input is a code: {code} of its entries are not zero, and its second moment is {power(size)}."
        limit = math.copysign(USUAL_SIZE, size)
        yield Found("input-scale", message, measured=size, limit=limit, severity=Severity.INFO)
    if source.code_density is not None:
        return
    if source.mean_share > USUAL_OFFSET:
        message = f"The input's mean makes {percent(source.mean_share)} of its second moment: most of it is an offset."
        yield Found("input-offset", message, measured=source.mean_share, limit=USUAL_OFFSET)
    share = source.column_share
    if share is not None and source.features >= FEWEST_COLUMNS and share >= LARGEST_SHARE:
        message = (
            f"{max(source.features // 10, 1):,} of the input's {source.features:,} columns carry {percent(share)} of "
            "its sum of squares: the network hardly sees the others."
        )
        yield Found("input-columns", message, measured=share, limit=LARGEST_SHARE)


def find_rank_collapse(case: Case) -> Iterator[Found]:
    """A batch whose samples lie on one line, though those of the input do not."""
    s = case.measured.statistics
    before = s.input_effective_rank[:, 0]
    if np.isnan(before).all() or float(np.nanmean(before)) <= PLANE_RANK:
        return
    limit = COLLAPSED_RANK if float(np.nanmean(before)) > USUAL_RANK else LINE_RANK
    for place, point in enumerate(case.points):
        ranks = s.effective_rank[:, point.output]
        known = ranks[~np.isnan(ranks)]
        if case.layers[point.output].fan_out == 1:  # behind it there is one direction by construction
            return
        if 2 * len(known) > len(ranks) and float(known.mean()) < limit:
            mean = float(known.mean())
            message = (
                f"From here on the samples differ along one direction: their effective rank is {number(mean)}, that of "
                f"the input {number(float(np.nanmean(before)))}."
            )
            yield Found("rank-collapse", message, case.row(place), mean, limit)
            return


def find_symmetric_units(case: Case) -> Iterator[Found]:
    """Layers whose units are all the same unit."""
    s = case.measured.statistics
    if case.is_zero_model:  # the units' targets tell them apart
        return
    rows = [point.output for point in case.points]
    alike = (s.identical_units[:, rows] == 1).all(axis=0) & np.isfinite(s.log_activation_second_moment[:, rows]).all(
        axis=0
    )
    # Where the samples cannot be told apart either, values are alike by rounding.
    if case.signal.lost is not None:
        alike[case.signal.lost :] = False
    places = np.flatnonzero(alike)
    if places.size:
        first = int(places[0])
        message = (
            f"The {case.points[first].layer.fan_out:,} units of this layer are the same in every sample and draw, so "
            "training keeps them the same."
        )
        yield Found("symmetric-units", message, case.row(first), float(len(places)), 0.0)
