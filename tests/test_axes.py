"""The rule of axes that pictures and pages share: ranges, the band of what is stable, one axis for all histograms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import varprobe
from varprobe.diagnose import predict_report
from varprobe.network.description import describe_rows
from varprobe.report.records import Report
from varprobe.reporters.axes import (
    activation_typical,
    find_histogram_axis,
    find_stable_band,
    find_y_range,
    gradient_typical,
    judged_rows,
    size_unit_log10,
)
from varprobe.verdict.judged import pick_points
from varprobe.verdict.labels import Direction

HEAD = {"dense": {"width": 3, "activation": "linear", "init": "small"}}
NETWORKS: dict[str, list[Any]] = {
    "plain": [{"dense": 12, "repeat": 6}],
    "few layers": [{"dense": 12, "repeat": 2}],
    "head": [{"dense": 12, "repeat": 5}, HEAD],
    "widths": [{"dense": width} for width in (40, 20, 10, 5, 30)],
    "norms": [{"dense": {"width": 12, "activation": "linear"}}, {"norm": "layer"}, {"activation": "relu"}] * 4,
    "residual": [
        {"dense": 12},
        {
            "residual": {"layers": [{"norm": "rms"}, {"dense": 12}, {"residual": {"layers": [{"dense": 12}]}}]},
            "repeat": 4,
        },
        {"norm": "layer"},
        HEAD,
    ],
    "sigmoid": [{"dense": {"width": 12, "activation": "sigmoid", "bias": {"std": 1.0}}, "repeat": 6}],
}


def report_of(layers: list[Any]) -> Report:
    source, probe = {"features": 9, "std": 3.0}, {"batch": 8, "trials": 4}
    return varprobe.run({"name": "net", "input": source, "layers": layers, "probe": probe})


@pytest.mark.parametrize(
    ("logs", "ends"),
    [
        ([], (-3, 3)),
        ([None, math.nan, -math.inf], (-3, 3)),
        ([-0.7, 0.2], (-3, 3)),
        ([-3.0, 3.0], (-3, 3)),
        ([-3.01, 3.01], (-4, 4)),
        ([-31.6, 0.0], (-32, 3)),
        ([0.0, 85.2], (-3, 86)),
        ([-4000.5], (-4001, 3)),
    ],
)
def test_an_axis_of_variances_has_three_decades_each_way_and_whole_ones_beyond(
    logs: list[float | None], ends: tuple[int, int]
) -> None:
    assert find_y_range(logs) == ends


@pytest.mark.parametrize("name", NETWORKS)
def test_the_judged_rows_are_those_of_the_verdict(name: str) -> None:
    report = report_of(NETWORKS[name])
    layers = describe_rows(varprobe.load(report.spec).network)
    assert [row.index for row in judged_rows(report)] == [point.output + 1 for point in pick_points(layers)]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_curve_leaves_the_band_where_the_verdict_s_change_is_a_factor_100(name: str) -> None:
    report = report_of(NETWORKS[name])
    rows = judged_rows(report)
    for way, shown, place in (
        (Direction.FORWARD, activation_typical(rows[-1]), -1),
        (Direction.BACKWARD, gradient_typical(rows[0]), 0),
    ):
        band, total = find_stable_band(report, way), getattr(report.verdict, way).total_log10
        assert band is not None
        assert band.layers == tuple(row.index for row in rows)
        assert np.subtract(band.high, band.low) == pytest.approx(4.0)
        if way == Direction.FORWARD or len(rows) >= 4:  # of few layers the gradient is judged down to the input
            assert shown is not None
            # float32 statistics on the way; the input of few layers is that of its law, not of the batch.
            near = 0.2 if len(rows) < 4 else 1e-6
            assert shown - (band.low[place] + band.high[place]) / 2 == pytest.approx(total, abs=near)


def test_the_band_is_flat_where_variance_is_what_is_judged() -> None:
    theory = predict_report(varprobe.load({"input": {"features": 12}, "layers": NETWORKS["plain"]}))
    for way in (Direction.FORWARD, Direction.BACKWARD):
        band = find_stable_band(theory, way)
        assert band is not None
        assert np.ptp(band.low) == pytest.approx(0.0, abs=1e-9)


def test_a_network_that_is_dead_from_the_start_has_no_band() -> None:
    report = report_of([{"dense": {"width": 6, "init": "zeros"}, "repeat": 5}])
    assert find_stable_band(report, Direction.FORWARD) is None


def test_within_three_decades_the_histograms_axis_is_linear() -> None:
    axis = find_histogram_axis([-1.0, -2.9, None])
    assert axis.threshold is None
    assert axis.place(np.array([-4.0, 0.5]), -1.0) == pytest.approx([-0.4, 0.05])
    assert [text for _, text in axis.ticks()] == ["-4", "-2", "0", "2", "4"]


@pytest.mark.parametrize("sizes", [[-16.3, -2.0], [0.3, 42.0], [-3000.0, 0.0], [-1e5]])
def test_beyond_three_decades_it_is_logarithmic_at_any_size(sizes: list[float]) -> None:
    axis = find_histogram_axis(sizes)
    assert axis.threshold == math.floor(min(*sizes, 0.0) if sizes[0] < 0 else 0.0)
    values = np.linspace(-5, 5, 81)
    for size in sizes:
        places = axis.place(values, size)
        assert (np.diff(places) > 0).all()
        assert np.abs(places).max() <= axis.end
        assert places[40] == 0
        assert places == pytest.approx(-places[::-1])
    # A decade is a unit, beyond the threshold at 1.
    assert axis.place(np.array([1.0]), axis.threshold) == pytest.approx([1.0])
    assert axis.place(np.array([1.0]), axis.threshold + 2.5) == pytest.approx([3.5])
    ticks = axis.ticks()
    assert len(ticks) <= 9
    assert (0.0, "0") in ticks
    for place, text in ticks:
        exponent = {"1": 0}.get(text.lstrip("-"), text.partition("e")[2])
        if text not in ("", "0"):
            assert axis.place(np.array([math.copysign(1.0, place)]), float(exponent)) == pytest.approx([place])


def test_the_unit_of_activations_is_the_input_s_root_mean_square() -> None:
    assert size_unit_log10(report_of(NETWORKS["plain"])) == pytest.approx(math.log10(3.0))
