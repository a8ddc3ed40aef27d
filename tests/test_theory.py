"""Mean-field theory: known answers, closed forms over depth, and measurement, which knows nothing of it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import varprobe
from varprobe.cli.main import run
from varprobe.gaussian.correlation_map import pair_spread
from varprobe.network.activations import ACTIVATIONS, make_activation
from varprobe.theory.gains import gain_of


def network(activation: str, init: Any, width: int = 512, depth: int = 10, **probe: Any) -> dict[str, Any]:
    return {
        "input": {"features": width},
        "defaults": {"activation": activation, "init": init},
        "layers": [{"dense": width, "repeat": depth}],
        "probe": probe,
    }


def closed_form(name: str, q: float, c: float) -> tuple[float, float]:
    """E[phi(u1)^2] and E[phi(u1) phi(u2)] for covariance c, from the textbooks."""
    if name == "erf":
        kernel = [2 / math.pi * math.asin(2 * x / (1 + 2 * q)) for x in (q, c)]
    elif name == "sin":
        kernel = [(math.exp(-(q - x)) - math.exp(-(q + x))) / 2 for x in (q, c)]
    else:
        angle = math.acos(min(1.0, c / q))
        relu = [q / 2, q * (math.sin(angle) + (math.pi - angle) * math.cos(angle)) / (2 * math.pi)]
        left = {"relu": 0.0, "leaky_relu": 0.01, "abs": -1.0, "linear": 1.0}[name]
        kernel = [left * x + (1 - left) ** 2 * k for x, k in zip((q, c), relu, strict=True)]
    return kernel[0], kernel[1]


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "abs", "linear", "erf", "sin"])
def test_the_maps_follow_their_closed_forms_over_fifty_layers(name: str) -> None:
    sw2, sb2 = 1.5, 0.1
    init = {"name": "mean_field", "sw": math.sqrt(sw2), "sb": math.sqrt(sb2)}
    rows = varprobe.derive(varprobe.load(network(name, init, depth=50))).rows
    q, c = sw2 * 1.0 + sb2, sb2  # behind the first layer, of inputs of variance 1 that are independent
    for row in rows:
        assert row.source is not None
        assert row.source.sample_variance is not None
        assert float(row.source.second_moment) == pytest.approx(q, rel=1e-12)
        # Both routes round c by some 1e-16 a layer, and acos(c) near 1 makes 1e-12 of that.
        assert float(row.source.second_moment - row.source.sample_variance) == pytest.approx(c, rel=1e-12)
        q, c = (sw2 * moment + sb2 for moment in closed_form(name, q, c))


def test_the_edge_of_chaos_of_tanh_is_where_it_is_known() -> None:
    init = {"name": "mean_field", "sw": math.sqrt(1.7609546), "sb": math.sqrt(0.05)}
    point = varprobe.derive(varprobe.load(network("tanh", init))).fixed_point
    assert point is not None
    assert point.regime == "edge of chaos"
    # The known values carry seven digits.
    assert point.second_moment == pytest.approx(0.5700479, abs=2e-7)
    assert point.chi1 == pytest.approx(1.0, abs=2e-7)


@pytest.mark.parametrize(
    ("activation", "init", "regime", "chi1"),
    [
        ("tanh", {"name": "mean_field", "sw": 2.5, "sb": 0.3}, "chaotic", 1.585),
        ("sigmoid", "xavier", "ordered", 0.0557),
        ("relu", "he", "edge of chaos", 1.0),
        ("selu", "lecun", "chaotic", 1.0716),
        ("relu", "torch.linear_default", "ordered", 1 / 6),
    ],
)
def test_phases_are_the_known_ones(activation: str, init: Any, regime: str, chi1: float) -> None:
    point = varprobe.derive(varprobe.load(network(activation, init))).fixed_point
    assert point is not None
    assert (point.regime, point.chi1) == (regime, pytest.approx(chi1, rel=1e-3))


BLOCKS: dict[str, list[Any]] = {
    "residual": [{"residual": {"scale": 0.5, "layers": [{"activation": "relu"}, {"dense": 256}]}, "repeat": 6}],
    "activation last": [{"residual": {"layers": [{"dense": 256}, {"activation": "relu"}]}, "repeat": 4}],
    "layer norm": [{"block": [{"dense": 256}, {"norm": "layer"}, {"activation": "relu"}], "repeat": 6}],
    "rms norm": [{"block": [{"dense": 256}, {"norm": "rms"}, {"activation": "tanh"}], "repeat": 6}],
    "dropout": [{"block": [{"dense": {"width": 256, "activation": "relu"}}, {"dropout": 0.3}], "repeat": 6}],
    "pyramid": [{"dense": {"width": width, "activation": "relu"}} for width in (512, 128, 256, 64)],
}


@pytest.mark.parametrize("name", BLOCKS)
def test_theory_and_measurement_agree_through_every_kind_of_layer(name: str) -> None:
    # Layers of 256 units shift ensemble means by about 1/256 a layer, up to 5 % over six blocks; what the trials do
    # not resolve is allowed beside it: 4 standard errors of ln(mean) over 40 trials.
    config = {**network("linear", "he", width=256, trials=40, batch=32), "layers": [{"dense": 256}, *BLOCKS[name]]}
    experiment = varprobe.load(config)
    spec = experiment.network
    rows, measured = varprobe.derive(spec).rows, varprobe.run(experiment).layers
    for row, layer in zip(rows, measured, strict=True):
        assert row.source is not None
        assert row.gradient is not None
        for found, want in (
            (layer.preactivation.second_moment, row.source.second_moment),
            (layer.gradient.second_moment, row.gradient),
        ):
            assert found.mean is not None
            assert found.low is not None
            assert found.high is not None
            error = math.log(found.high / found.low) / 2 / 2.02  # t(0.975, 39)
            assert abs(math.log(found.mean / want)) < 4 * error + 0.05, (name, layer.index)


def batch_norm(activation: str, batch: int, width: int = 128, blocks: int = 6) -> dict[str, Any]:
    block = [{"dense": width}, {"norm": {"kind": "batch", "eps": 0.0}}, {"activation": activation}]
    config = network("linear", "lecun", width=width, batch=batch, trials=20)
    return {**config, "layers": [{"block": block, "repeat": blocks}]}


@pytest.mark.parametrize(
    ("activation", "batch", "growth"), [("relu", 100_000, math.pi / (math.pi - 1)), ("linear", 8, 6 / 5)]
)
def test_batch_norm_multiplies_the_gradient_by_the_known_factor(activation: str, batch: int, growth: float) -> None:
    rows = varprobe.derive(varprobe.load(batch_norm(activation, batch))).rows
    gradients = [row.gradient for row in rows[3:-3:3]]
    for earlier, later in pairwise(gradients):
        assert earlier is not None
        assert later is not None
        assert earlier / later == pytest.approx(growth, rel=1e-4)  # 1/batch at 100,000, nothing else


def test_batch_norm_of_a_linear_network_is_measured_so() -> None:
    experiment = varprobe.load(batch_norm("linear", 8, width=1024, blocks=4))
    spec = experiment.network
    want, found = varprobe.derive(spec).rows[0].gradient, varprobe.run(experiment).layers[0].gradient.second_moment
    assert want is not None
    assert found.mean is not None
    assert found.low is not None
    assert found.high is not None
    # (B - 2)/(B - 3) a block is the limit of batch/width -> 0: 8/1024 a block leaves up to 4 % over four, beside four
    # standard errors (the whole 95 % interval). Without the batch's own factor theory would say 46 % less.
    assert abs(math.log(found.mean / want)) < math.log(found.high / found.low) + 0.04


@pytest.mark.parametrize("gain", [1.0, 1.05])
def test_a_gain_five_per_cent_off_is_noticed(gain: float) -> None:
    theory = varprobe.derive(varprobe.load(network("relu", "he")))
    drawn = network("relu", {"name": "he", "gain": gain * math.sqrt(2)}, trials=30, batch=32, seed=5)
    last = varprobe.run(drawn).layers[-1].preactivation.second_moment
    assert theory.rows[-1].source is not None
    assert last.low is not None
    assert last.high is not None
    inside = last.low < theory.rows[-1].source.second_moment < last.high
    assert inside == (gain == 1.0)


def test_the_mse_gradient_is_tied_to_the_output() -> None:
    config = network("tanh", "xavier", width=256, depth=4, trials=60, batch=32, gradient="mse")
    experiment = varprobe.load(config)
    spec = experiment.network
    rows, measured = varprobe.derive(spec).rows, varprobe.run(experiment).layers
    for row, layer in zip(rows, measured, strict=True):
        found = layer.gradient.second_moment
        assert row.gradient is not None
        assert found.mean is not None
        assert abs(found.mean / row.gradient - 1) < 0.04  # 1/256 a layer, and 60 trials of a spread near 0.1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"defaults": {"activation": "relu", "init": "lsuv"}}, "lsuv depends on the data"),
    ],
)
def test_what_theory_does_not_cover_says_why(change: dict[str, Any], reason: str) -> None:
    theory = varprobe.derive(varprobe.load({**network("relu", "he", width=16, depth=3), **change}))
    assert theory.rows[0].gradient is None
    assert reason in theory.rows[0].reason


@pytest.mark.parametrize("name", ["tanh", "gelu", "hard_tanh", "relu6"])
@pytest.mark.parametrize("difference", [1e-9, 1e-3, 0.4, 1.1])
def test_pairs_are_as_far_apart_as_sampled_pairs(name: str, difference: float) -> None:
    activation = make_activation(name)
    x, y = np.random.default_rng(7).standard_normal((2, 400_000))
    one, two = (math.sqrt(1 - difference / 2) * x + sign * math.sqrt(difference / 2) * y for sign in (1, -1))
    squares = np.square(activation.value(one) - activation.value(two)) / 2
    error = squares.std() / math.sqrt(squares.size)
    assert abs(pair_spread(activation, 0.0, 1.0, difference) - squares.mean()) < 4.5 * error


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gains_undo_what_the_activation_does(name: str) -> None:
    gain = gain_of(make_activation(name), 0.8)
    assert gain.forward_gain is not None
    assert gain.backward_gain is not None
    assert gain.forward_gain**2 * gain.second_moment == pytest.approx(1, rel=1e-14)
    assert gain.backward_gain**2 * gain.derivative_second_moment == pytest.approx(1, rel=1e-14)


def test_the_gain_of_relu_is_not_one_over_its_standard_deviation() -> None:
    gain = gain_of(make_activation("relu"))
    assert gain.forward_gain == pytest.approx(math.sqrt(2), rel=1e-14)
    assert 1 / math.sqrt(gain.variance) == pytest.approx(1.713, abs=1e-3)


def test_the_gain_command_prints_all_activations(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["gain"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ACTIVATIONS)
    assert all(len(line) <= 80 for line in printed.splitlines())


@pytest.mark.parametrize("arguments", [["gain", "rellu"], ["gain", "relu", "--q", "0"], ["gain", "--q", "nan"]])
def test_a_gain_that_does_not_exist_is_one_clear_message(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "hint:" in err


def test_behind_a_head_of_zeros_the_body_has_a_gradient_of_its_own() -> None:
    def gradients(init: str) -> list[float | None]:
        layers = [{"dense": 32, "repeat": 4}, {"dense": {"width": 8, "activation": "linear", "init": init}}]
        defaults = {"activation": "relu", "init": "he"}
        rows = varprobe.derive({"input": {"features": 32}, "defaults": defaults, "layers": layers}).rows
        return [row.log_output_gradient for row in rows[:4]]

    # He keeps the gradient at constant width, and a random one at the body's output has second moment 1.
    assert gradients("zeros") == pytest.approx([0.0] * 4, abs=1e-12)
    assert gradients("he") == pytest.approx([math.log(8 * 2 / 32)] * 4, abs=1e-12)


@pytest.mark.parametrize("width", [1, 16])
def test_orthonormal_rows_keep_the_norm_of_a_gradient_that_hangs_on_the_output(width: int) -> None:
    head = {"dense": {"width": width, "activation": "linear", "init": "orthogonal"}}
    defaults = {"activation": "tanh", "init": "lecun"}
    config = {"input": {"features": 64}, "defaults": defaults, "layers": [64, head], "probe": {"gradient": "mse"}}
    body = varprobe.derive(config).rows[0].log_output_gradient
    assert body == pytest.approx(math.log(width / 64), abs=1e-12)
