"""The typical draw by theory, and what finite width and small batches do, held to measurement."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import mpmath
import numpy as np
import pytest

import varprobe
from varprobe.network.spec import NetworkSpec, Objective
from varprobe.theory.drift import expected_log
from varprobe.theory.typical import typical_logs
from varprobe.verdict.agreement import compare


def network(
    layers: list[Any], features: int, activation: str = "linear", init: Any = "he", **probe: Any
) -> NetworkSpec:
    config = {
        "input": {"features": features},
        "defaults": {"activation": activation, "init": init},
        "layers": layers,
        "probe": {"seed": 3, **probe},
    }
    return varprobe.load(config).network


def chain(activation: str, init: Any, width: int, depth: int, **probe: Any) -> NetworkSpec:
    return network([{"dense": width, "repeat": depth}], width, activation, init, **probe)


@pytest.mark.parametrize("width", [1, 2, 5, 64])
def test_expected_logarithms_are_digammas(width: int) -> None:
    def of_squares(count: int) -> float:
        return float(mpmath.digamma(count / 2)) + math.log(2)

    assert expected_log(width, (1.0, 1.0)) == pytest.approx(of_squares(width) - math.log(width), abs=1e-12)
    # Of a rectifier a binomial number of units is active, given that one is.
    shares = [math.comb(width, count) / (2**width - 1) for count in range(1, width + 1)]
    mixed = sum(share * of_squares(count) for count, share in enumerate(shares, 1))
    assert expected_log(width, (0.0, 1.0)) == pytest.approx(mixed - math.log(width / 2), abs=1e-12)


# Where draws of one sample are sums of independent steps, the expected logarithm is exact forward, at any width.
@pytest.mark.parametrize(
    ("activation", "init", "width", "depth"),
    [("linear", "xavier", 2, 20), ("linear", "xavier", 32, 60), ("relu", "he", 8, 10), ("relu", "he", 64, 20)],
)
def test_typical_walks_are_those_measured(activation: str, init: str, width: int, depth: int) -> None:
    spec = chain(activation, init, width, depth, batch=1, trials=400)
    typical, s = typical_logs(varprobe.derive(spec)), varprobe.measure(spec).statistics
    assert typical.is_known_forward
    assert typical.is_known_backward
    assert typical.is_walk
    for want, logs, at in (
        (typical.forward, s.log_activation_second_moment, -1),
        (typical.backward, s.log_activation_gradient_second_moment, 0),
    ):
        alive = logs[np.isfinite(logs[:, -1]) & np.isfinite(logs[:, 0]), at]
        assert want[at] is not None
        # Layers that nearly die are met by a draw that lives later less often: 2^-n a layer of the spread.
        beside = depth * 2.0**-width if activation == "relu" else 0.0
        assert abs(alive.mean() - want[at]) < 4 * alive.std(ddof=1) / math.sqrt(len(alive)) + beside


@pytest.mark.parametrize(
    ("activation", "init", "width", "depth", "batch"),
    [
        ("tanh", "xavier", 128, 40, 1),
        ("tanh", "xavier", 128, 40, 16),
        ("gelu", "xavier", 128, 20, 16),
        ("sigmoid", "xavier", 64, 10, 32),
        ("selu", "lecun", 128, 20, 32),
        ("relu", "he", 128, 20, 32),
        ("linear", "xavier", 128, 20, 32),
    ],
)
def test_typical_draws_of_batches_are_those_measured(
    activation: str, init: str, width: int, depth: int, batch: int
) -> None:
    spec = chain(activation, init, width, depth, batch=batch, trials=300)
    typical, s = typical_logs(varprobe.derive(spec)), varprobe.measure(spec).statistics
    assert typical.is_known_forward
    assert typical.is_known_backward
    for want, variance, logs, at in (
        (typical.forward[-1], typical.forward_variance[-1], s.log_activation_second_moment, -1),
        (typical.backward[0], typical.backward_variance[0], s.log_activation_gradient_second_moment, 0),
    ):
        assert want is not None
        assert variance is not None
        found, spread = float(logs[:, at].mean()), float(logs[:, at].var(ddof=1))
        # First order in 1/width: depth/width of it is of the next one, and of the variance's effect, half of it.
        allowed = depth / width * max(variance, spread)
        assert abs(found - want) < 4 * math.sqrt(spread / len(logs)) + allowed
        # A sample variance of 300 Gaussians is off by sqrt(2/299).
        assert abs(math.log(spread / variance)) < 4 * math.sqrt(2 / 299) + 2 * depth / width


def test_the_chance_that_all_units_die_is_told() -> None:
    assert typical_logs(varprobe.derive(chain("relu", "he", 2, 20))).death == pytest.approx(1 - 0.75**20, rel=1e-12)
    apart = network([{"block": [{"dense": 2}, {"activation": "relu"}], "repeat": 20}], 2)
    assert typical_logs(varprobe.derive(apart)).death == pytest.approx(1 - 0.75**20, rel=1e-12)
    for activation in ("tanh", "leaky_relu", "gelu"):
        assert typical_logs(varprobe.derive(chain(activation, "he", 2, 20))).death == 0
    assert (
        typical_logs(varprobe.derive(network([{"dense": {"width": 2, "activation": "relu", "bias": 0.1}}], 2))).death
        == 0
    )


@pytest.mark.parametrize(("activation", "width", "depth"), [("tanh", 1, 20), ("tanh", 2, 20), ("gelu", 64, 40)])
def test_what_is_beyond_the_expansion_is_not_called_known(activation: str, width: int, depth: int) -> None:
    spec = chain(activation, "he", width, depth)
    typical, rows = typical_logs(varprobe.derive(spec)), varprobe.derive(spec).rows
    assert not typical.is_known_forward
    assert not typical.is_known_backward
    assert typical.forward == tuple(row.output.second_moment.log for row in rows if row.output)
    assert typical.backward == tuple(row.log_output_gradient for row in rows)


def test_through_norms_the_mean_shifts_as_the_first_order_says() -> None:
    block = [{"dense": 64}, {"norm": "rms"}, {"activation": "relu"}]
    spec = network([{"block": block, "repeat": 4}], 64, batch=2, trials=3000)
    found = compare(varprobe.measure(spec), varprobe.derive(spec))
    for row, theory in zip(found.rows[:-1], found.prediction.rows, strict=False):
        for band, width in ((row.output, theory.width.output), (row.output_gradient, theory.width.output_gradient)):
            assert width is not None
            assert width.shift is not None
            assert band.measured is not None
            assert band.deviation is not None
            error = abs((band.measured - width.shift) / band.deviation) if band.deviation else 0.0
            # eps of 1e-5 leaves 1e-5 beside what is exact; a twentieth of the variance is of second order.
            assert abs(band.measured - width.shift) < 4 * error + width.variance / 20 + 1e-4


def test_few_inputs_of_weights_that_are_not_gaussian_are_not_tested() -> None:
    uniform = {"name": "lecun", "distribution": "uniform"}
    few = network([{"dense": 64, "repeat": 2}], 2, "tanh", uniform, trials=20, batch=8)
    found = compare(varprobe.measure(few), varprobe.derive(few))
    # Only what the gradient meets at the last layer does not hang on the first one.
    assert found.rows[0].output.low is None
    report = varprobe.run(varprobe.load({
        "input": {"features": 2},
        "defaults": {"activation": "tanh", "init": uniform},
        "layers": [{"dense": 64}, {"dense": 64}],
    }))  # fmt: skip
    assert report.layers[0].predicted.activation_low is None
    assert "on 2 inputs z is not Gaussian" in report.layers[0].predicted.reason
    # Weights that are Gaussian make any input Gaussian; two features still vary too much.
    gaussian = varprobe.derive(network([{"dense": 64}], 2, "sigmoid", "lecun")).rows[0].width.output
    assert gaussian is not None
    assert gaussian.variance < 0.05 < gaussian.unknown
    wide = varprobe.derive(network([{"dense": 256}], 256, "tanh", uniform)).rows[0].width.output
    assert wide is not None
    assert wide.unknown < 0.001


@pytest.mark.parametrize(("batch", "eps"), [(2, 0.01), (2, 0.8), (3, 0.1), (8, 0.8), (64, 0.8)])
def test_batch_norm_goes_by_its_eps(batch: int, eps: float) -> None:
    layers = [{"dense": 512}, {"norm": {"kind": "batch", "eps": eps}}, {"activation": "relu"}, {"dense": 512}]
    spec = network(layers, 512, init="lecun", batch=batch, trials=100, dtype="float64")
    rows, s = varprobe.derive(spec).rows, varprobe.measure(spec).statistics
    assert rows[1].output is not None
    assert rows[0].log_output_gradient is not None
    for want, logs in (
        (rows[1].output.second_moment.log, s.log_activation_second_moment[:, 1]),
        (rows[0].log_output_gradient, s.log_activation_gradient_second_moment[:, 0]),
    ):
        values = np.exp(logs)
        error = values.std(ddof=1) / math.sqrt(len(values)) / values.mean()
        # Samples' second moments fluctuate by 2/512, the sample variance of two rows with them: batch/width is below.
        assert abs(math.log(values.mean()) - want) < 4 * error + 4 / 512


@pytest.mark.parametrize("init", ["xavier", {"name": "normal", "std": 0.1, "mean": 0.01}])
def test_the_gradient_of_cross_entropy_is_followed(init: Any) -> None:
    layers = [{"dense": {"width": 64, "activation": "sigmoid"}, "repeat": 6}, {"dense": 10}]
    spec = network(layers, 64, init=init, gradient="cross_entropy", trials=60)
    rows, s = varprobe.derive(spec).rows, varprobe.measure(spec).statistics
    logs = s.log_activation_gradient_second_moment
    for at, row in enumerate(rows[:-1]):
        assert row.log_output_gradient is not None
        error = logs[:, at].std(ddof=1) / math.sqrt(len(logs))
        # The logarithm of one draw is below that of the mean by half its variance, and 1/64 a layer is of width.
        shift = (len(rows) - at) / 64 + logs[:, at].var() / 2 + 1 / 10
        assert abs(logs[:, at].mean() - row.log_output_gradient) < 4 * error + shift
    single = network([{"dense": 8}, {"dense": 1}], 8)
    reason = varprobe.derive(replace(single, objective=Objective("cross_entropy"))).rows[0].reason
    assert "softmax of a single output" in reason
