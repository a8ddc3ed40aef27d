"""Theory beyond the range of doubles: depth 10,000, weights far too small and far too large."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest

import varprobe
from varprobe.network.activations import ACTIVATIONS, make_activation
from varprobe.theory.extended_float import ExtendedFloat
from varprobe.theory.records import Prediction, SignalMoments
from varprobe.theory.response import respond

DEPTH = 10_000


def predicted(
    activation: str, init: Any, width: int = 256, depth: int = DEPTH, layers: Any = None, **probe: Any
) -> Prediction:
    config = {
        "input": {"features": width},
        "defaults": {"activation": activation, "init": init},
        "layers": layers or [{"dense": width, "repeat": depth}],
        "probe": probe,
    }
    return varprobe.derive(varprobe.load(config))


@pytest.mark.parametrize(
    ("activation", "init", "first", "step"),
    [
        ("relu", "xavier", 1.0, 0.5),
        ("relu", {"name": "normal", "std": 1.0}, 256.0, 128.0),
        ("leaky_relu", "large", 256.0, 128.0128),
        ("linear", "small", 0.0256, 0.0256),
        ("tanh", "small", None, 0.0256),
        ("silu", "small", None, 0.0064),
        ("sin", "large", None, None),
    ],
)
def test_ten_thousand_layers_are_followed_both_ways(
    activation: str, init: Any, first: float | None, step: float | None
) -> None:
    theory = predicted(activation, init)
    rows = theory.rows
    logs = [row.source.second_moment.log for row in rows if row.source is not None]
    assert len(logs) == DEPTH
    assert theory.log_input_gradient is not None
    assert math.isfinite(theory.log_input_gradient)
    if step is None:  # sin saturates: 256 E[sin^2] and 256 E[cos^2]
        assert logs[-1] == pytest.approx(math.log(128), rel=1e-12)
        assert theory.log_input_gradient == pytest.approx(DEPTH * math.log(128), rel=1e-9)
        return
    # Behind the bend of the first layers every step is the same.
    assert (logs[-1] - logs[99]) / (DEPTH - 100) == pytest.approx(math.log(step), rel=1e-9)
    if first is not None:
        assert logs[-1] == pytest.approx(math.log(first) + (DEPTH - 1) * math.log(step), rel=1e-9)
        assert theory.log_input_gradient == pytest.approx(DEPTH * math.log(step), rel=1e-9)
    gradients = [row.log_gradient for row in rows]
    assert gradients[100] is not None
    assert gradients[-1] is not None
    assert (gradients[100] - gradients[-1]) / (DEPTH - 101) == pytest.approx(math.log(step), rel=1e-9)
    # At true scale nothing is made up.
    assert rows[-1].source is not None
    assert float(rows[-1].source.second_moment) == (0.0 if step < 1 else math.inf)
    assert theory.input_gradient == (0.0 if step < 1 else math.inf)


def test_a_signal_that_collapses_is_followed_below_the_range_of_doubles() -> None:
    last = predicted("sigmoid", "xavier").rows[-1]
    assert last.source is not None
    assert last.chi1 is not None
    assert last.source.sample_variance is not None
    # Two samples approach each other by chi1 a layer (facts: 0.0557); the first layers differ.
    assert last.source.sample_variance.log / DEPTH == pytest.approx(math.log(last.chi1), rel=1e-3)
    assert float(last.source.sample_variance) == 0.0
    assert last.source.second_moment > 0.1


@pytest.mark.parametrize(("activation", "c"), [("tanh", 2), ("relu", 5)])
def test_measurement_agrees_where_doubles_would_underflow(activation: str, c: float) -> None:
    width, depth, trials = 256, 300, 12
    config = {
        "input": {"features": width},
        "defaults": {"activation": activation, "init": "small"},
        "layers": [{"dense": width, "repeat": depth}],
        "probe": {"batch": 1, "trials": trials, "dtype": "float64"},
    }
    spec = varprobe.load(config).network
    theory, found = varprobe.derive(spec), varprobe.measure(spec).statistics
    last = theory.rows[-1].source
    assert last is not None
    assert last.second_moment.log < -1000
    assert theory.log_input_gradient is not None
    for want, logs in (
        (last.second_moment.log, found.log_preactivation_second_moment[:, -1]),
        (theory.log_input_gradient, found.log_input_gradient_second_moment[:, 0]),
    ):
        # The log of one draw has mean -c/(2 n) a layer and variance c/n (facts, 3); the next order is 1/n^2 a layer.
        error = math.sqrt(c * depth / width / trials)
        assert abs(logs.mean() - (want - c * depth / (2 * width))) < 4 * error + 10 * depth / width**2


def gaussian(second: float, mean: float, exponent: int) -> SignalMoments:
    """A signal with sample variance 1/4, times 2**exponent."""
    second_moment, sample_variance = (ExtendedFloat(value, 2 * exponent) for value in (second, 0.25))
    return SignalMoments(second_moment, ExtendedFloat(mean, exponent), sample_variance, gaussian=True)


def brute_force(function: Any, mean: float, std: float) -> float:
    """E[function(x)] over N(mean, std^2), by the trapezoid rule on a logarithmic grid about 0."""
    steps = np.linspace(math.log(1e-6 * min(std, 1.0)), math.log(40 * std), 40_001)
    total = 0.0
    for sign in (-1.0, 1.0):
        x = sign * np.exp(steps)
        density = np.exp(-(((x - mean) / std) ** 2) / 2) / (std * math.sqrt(2 * math.pi))
        total += float(np.trapezoid(function(x) * density * np.abs(x), steps))
    return total


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("bits", [-103, 103])
@pytest.mark.parametrize("mean", [0.0, 0.3, -3.0])
def test_asymptotes_are_what_brute_force_finds(name: str, bits: int, mean: float) -> None:
    activation = make_activation(name)
    z = gaussian(1.0 + mean**2, mean, bits)
    found = respond(activation, z)
    # The grid has steps of 1/400: that is lost where phi' jumps, and its square elsewhere; waves are hit at random.
    # Cubes of tiny numbers are called zero.
    tolerance = 0.05 if name in ("sin", "cos") else 3e-3
    for got, function in (
        (float(found.output.second_moment), lambda x: activation.value(x) ** 2),
        (float(found.derivative), lambda x: activation.derivative(x) ** 2),
        (float(found.product), lambda x: activation.value(x) ** 2 * activation.derivative(x) ** 2),
    ):
        want = brute_force(function, float(z.mean), math.sqrt(z.variance))
        assert got == pytest.approx(want, rel=tolerance, abs=1e-70)


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "gaussian"])
@pytest.mark.parametrize("bits", [-103, 103])
def test_pairs_at_the_asymptotes_are_as_far_apart_as_sampled_pairs(name: str, bits: int) -> None:
    activation = make_activation(name)
    if bits < 0 and activation.near is None and activation.degree is None:
        pytest.skip("the sampled difference has no digits left")
    x, y = np.random.default_rng(3).standard_normal((2, 100_000))
    one, two = (math.sqrt(1 - 0.25 / 2) * x + sign * math.sqrt(0.25 / 2) * y + 0.3 for sign in (1, -1))
    squares = np.square(activation.value(np.ldexp(one, bits)) - activation.value(np.ldexp(two, bits))) / 2
    found = respond(activation, gaussian(1.09, 0.3, bits)).output.sample_variance
    assert found is not None
    assert abs(float(found) - squares.mean()) <= 4.5 * squares.std() / math.sqrt(squares.size)


@pytest.mark.parametrize("exponent", [-65, -103, -3000])
def test_pairs_where_phi_of_zero_is_not_zero(exponent: int) -> None:
    z = gaussian(1.0, 0.0, exponent)
    log_unit = 2 * exponent * math.log(2)
    for name, slope in (("sigmoid", 0.25), ("softplus", 0.5), ("squareplus", 0.5), ("hard_sigmoid", 1 / 6)):
        found = respond(make_activation(name), z).output.sample_variance
        assert found is not None
        assert found.log == pytest.approx(math.log(slope**2 * 0.25) + log_unit, rel=1e-12)
    with mpmath.workdps(8000):
        v, d = mpmath.mpf(2) ** (2 * exponent), mpmath.mpf(2) ** (2 * exponent - 2)
        # E[cos(u1 - u2)] and E[cos(u1 + u2)], of the pair and of a sample with itself.
        want = ((1 - mpmath.exp(-d)) - mpmath.exp(-2 * v) * (mpmath.exp(d) - 1)) / 2
        log_want = float(mpmath.log(want))
    found = respond(make_activation("cos"), z).output.sample_variance
    assert found is not None
    assert found.log == pytest.approx(log_want, rel=1e-12)


def test_a_signal_that_squares_itself_ends_with_a_reason() -> None:
    theory = predicted("relu_squared", "he", depth=2000)
    assert theory.rows[0].source is not None
    assert theory.rows[-1].source is None
    assert "explodes beyond any number" in theory.rows[-1].reason
    fall = predicted("relu_squared", "small", depth=2000)
    assert fall.rows[-1].source is not None
    assert fall.rows[-1].source.second_moment.log == -math.inf


@pytest.mark.parametrize("bias", [0.1, {"std": 1e-9}, {"std": 1e25}])
def test_a_bias_stays_when_the_signal_has_gone(bias: Any) -> None:
    size = bias["std"] if isinstance(bias, dict) else bias
    for activation in ("relu", "linear"):
        layers = [{"dense": 64, "repeat": 300}, {"dense": {"width": 64, "bias": bias}}]
        last = predicted(activation, "small", 64, layers=layers).rows[-1].source
        assert last is not None
        assert float(last.second_moment) == pytest.approx(size**2, rel=1e-12)
        assert last.sample_variance is not None
        assert last.sample_variance.log < -1500  # and the samples stay as close as they were


def test_a_skip_of_another_scale_is_added_at_its_own() -> None:
    branch = [{"dense": {"width": 64, "init": "small"}}] * 300
    layers = [{"dense": 64, "repeat": 300}, {"residual": {"layers": branch}}]
    rows = predicted("linear", "xavier", 64, layers=layers).rows
    assert rows[-1].output is not None
    assert float(rows[-1].output.second_moment) == pytest.approx(1.0, rel=1e-12)
    assert rows[-1].gradient == pytest.approx(1.0, rel=1e-12)
    assert rows[300].log_gradient is not None
    assert rows[300].log_gradient < -1000  # inside the branch it is not
    back = [{"dense": 64, "repeat": 300}, {"residual": {"layers": [{"dense": {"width": 64, "init": "he"}}]}}]
    small = predicted("linear", "small", 64, layers=back).rows[-1]
    assert small.output is not None
    assert small.source is not None
    assert small.output.second_moment.log - small.source.second_moment.log == pytest.approx(math.log(3), rel=1e-12)


@pytest.mark.parametrize(("kind", "eps"), [("layer", 1e-5), ("rms", 0.0), ("batch", 1e-5), ("rms", 1e-300)])
def test_norms_bring_the_signal_back_or_meet_their_eps(kind: str, eps: float) -> None:
    layers = [{"dense": 64, "repeat": 300}, {"norm": {"kind": kind, "eps": eps}}, {"dense": 64}]
    small, large = (predicted("linear", init, 64, layers=layers, batch=8) for init in ("small", "large"))
    log_small, log_large = 300 * math.log(64e-4), 300 * math.log(64)
    out_small, out_large = small.rows[300].output, large.rows[300].output
    assert out_small is not None
    assert out_large is not None
    share = 7 / 8 if kind == "batch" else 1.0
    assert float(out_large.second_moment) == pytest.approx(1.0, rel=1e-12)
    want = log_small + math.log(share / eps) if eps else 0.0
    assert out_small.second_moment.log == pytest.approx(want, rel=1e-12, abs=1e-12)
    if kind != "batch" and eps == 0:
        assert small.log_input_gradient == pytest.approx(math.log(64e-4), rel=1e-9)
    assert large.rows[300].log_gradient is not None
    factor = math.log(6 / 5 if kind == "batch" else 1)  # (B - 2)/(B - 3) at B = 8
    assert large.rows[300].log_gradient == pytest.approx(math.log(64) - log_large + factor, rel=1e-12)


def test_the_mse_tie_is_kept_across_scales() -> None:
    for init, gain in (("small", 64e-4), ({"name": "normal", "std": 0.2}, 64 * 0.04)):
        theory = predicted("linear", init, 64, depth=400, gradient="mse")
        logs = [row.log_gradient for row in theory.rows]
        q = gain**400
        # g = alpha W^T W x + W^T f: with u = alpha^2 q, a layer takes (f, u) to gain (f + u, u).
        fresh, tied = 1 / (1 + q), q / (1 + q)
        assert logs[0] == pytest.approx(399 * math.log(gain) + math.log(fresh + 400 * tied), rel=1e-9)


def test_dropout_and_tiny_parameters_keep_the_scale() -> None:
    layers = [{"block": [{"dense": 64}, {"dropout": 0.5}], "repeat": 400}]
    theory = predicted("relu", "small", 64, layers=layers)
    last = theory.rows[-1].output
    assert last is not None
    assert last.second_moment.log == pytest.approx(400 * math.log(64e-4), rel=1e-9)
    tiny = predicted("linear", {"name": "normal", "std": 1e-200}, 64, layers=[{"dense": 32}, {"dense": 64}])
    want = math.log(64) + math.log(32) - 800 * math.log(10)
    assert tiny.rows[-1].source is not None
    assert tiny.rows[-1].source.second_moment.log == pytest.approx(want, rel=1e-12)
    assert tiny.log_input_gradient == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize(("value", "exponent"), [(3.0, 0), (-3.0, 900), (1e-300, -5), (1e300, 4000), (0.0, 7)])
def test_an_extended_number_is_the_number(value: float, exponent: int) -> None:
    number = ExtendedFloat(value, exponent)
    want = mpmath.ldexp(mpmath.mpf(value), exponent)
    assert mpmath.ldexp(mpmath.mpf(number.value), number.exponent) == want
    try:
        assert float(number) == math.ldexp(value, exponent)
    except OverflowError:
        assert float(number) == math.copysign(math.inf, value)
    assert (number.exponent == 0) == (not value or 2.0**-200 <= abs(want) < 2.0**200)
    assert bool(number) == bool(value)
    assert number == ExtendedFloat(value / 4, exponent + 2)
    assert hash(number) == hash(ExtendedFloat(value / 4, exponent + 2))
    assert f"{number:.3g}" == f"{float(number):.3g}"
    if value > 0:
        assert number.log == pytest.approx(math.log(value) + exponent * math.log(2), rel=1e-15)
        assert (number * (1.0 / number)).log == pytest.approx(0.0, abs=1e-15)
        assert (number.sqrt() ** 2).log == pytest.approx(number.log, rel=1e-15)
        assert (number + number).log == pytest.approx(number.log + math.log(2), rel=1e-15)
        assert number * number > 0.0 >= -number


NUMBERS = [0.0, 1.0, -2.5, 1e-70, -1e-70, 3e70, ExtendedFloat(1.0, -5000), ExtendedFloat(-1.5, 5000)]


@pytest.mark.parametrize("one", NUMBERS)
@pytest.mark.parametrize("other", NUMBERS)
def test_operators_are_those_of_exact_numbers(one: ExtendedFloat | float, other: ExtendedFloat | float) -> None:
    def exact(number: ExtendedFloat | float) -> Any:
        number = number if isinstance(number, ExtendedFloat) else ExtendedFloat(number)
        return mpmath.ldexp(mpmath.mpf(number.value), number.exponent)

    a = ExtendedFloat(one) if isinstance(one, float) else one
    x, y = exact(one), exact(other)
    with mpmath.workprec(53):
        assert exact(a + other) == exact(other + a) == x + y
        assert exact(a - other) == -exact(other - a) == x - y
        assert exact(a * other) == exact(other * a) == x * y
        if other:
            assert exact(a / other) == x / y
        if one:
            assert exact(other / a) == y / x
        assert exact(a**2) == x * x
    assert (a < other, a <= other, a > other, a >= other) == (x < y, x <= y, x > y, x >= y)
    assert (a == other) == (x == y)
    assert exact(abs(a)) == abs(x)
