"""Every activation of the table against an independent mpmath formula, and the properties that it declares."""

from __future__ import annotations

import math
import warnings
from typing import Any

import mpmath
import numpy as np
import pytest

from varprobe.config.loading import load
from varprobe.gaussian.expectations import expectations, forward_gain
from varprobe.gaussian.quadrature import split_panels
from varprobe.network.activations import _TANH_SHRINK_SERIES, ACTIVATIONS, Activation, make_activation
from varprobe.network.layers import Dense

mp = mpmath.MPContext()
mp.dps = 50
M = mpmath.mpf

SELU = (mp.mpf("1.0507009873554804934193349852946"), mp.mpf("1.6732632423543772848170429916717"))


def leaky(x: M, slope: float) -> M:
    return x if x > 0 else mp.mpf(slope) * x


def tanh_shrink(x: M) -> M:
    # At 1e-300 the difference begins 600 digits down.
    with mp.workdps(mp.dps + 650):
        return x - mp.tanh(x)


# phi(x), written from the definitions; in mpmath nothing overflows, and 50 digits survive every cancellation here.
FORMULAS = {
    "linear": lambda x: x,
    "relu": lambda x: max(x, mp.mpf(0)),
    "leaky_relu": leaky,
    "prelu": leaky,
    "relu6": lambda x: min(max(x, mp.mpf(0)), mp.mpf(6)),
    "elu": lambda x, alpha: x if x > 0 else mp.mpf(alpha) * mp.expm1(x),
    "celu": lambda x, alpha: x if x > 0 else mp.mpf(alpha) * mp.expm1(x / mp.mpf(alpha)),
    "selu": lambda x: SELU[0] * (x if x > 0 else SELU[1] * mp.expm1(x)),
    "gelu": lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2,
    "gelu_tanh": lambda x: x / (1 + mp.exp(-2 * mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3))),
    "quick_gelu": lambda x: x / (1 + mp.exp(-mp.mpf("1.702") * x)),
    "silu": lambda x: x / (1 + mp.exp(-x)),
    "mish": lambda x: x * mp.tanh(mp.log1p(mp.exp(x))),
    "hard_swish": lambda x: x * min(max(x + 3, mp.mpf(0)), mp.mpf(6)) / 6,
    "tanh": mp.tanh,
    "hard_tanh": lambda x: min(max(x, mp.mpf(-1)), mp.mpf(1)),
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "hard_sigmoid": lambda x: min(max(x + 3, mp.mpf(0)), mp.mpf(6)) / 6,
    "log_sigmoid": lambda x: -mp.log1p(mp.exp(-x)),
    "softplus": lambda x: mp.log1p(mp.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "soft_shrink": lambda x, threshold: mp.sign(x) * max(abs(x) - mp.mpf(threshold), mp.mpf(0)),
    "tanh_shrink": tanh_shrink,
    "erf": mp.erf,
    "arctan": mp.atan,
    "sin": lambda x, frequency: mp.sin(mp.mpf(frequency) * x),
    "cos": lambda x, frequency: mp.cos(mp.mpf(frequency) * x),
    "gaussian": lambda x: mp.exp(-x * x),
    "relu_squared": lambda x: max(x, mp.mpf(0)) ** 2,
    "abs": abs,
    "squareplus": lambda x, b: (
        2 * mp.mpf(b) / 4 / (mp.sqrt(x * x + mp.mpf(b)) - x) if x < 0 else (x + mp.sqrt(x * x + mp.mpf(b))) / 2
    ),
}

# phi' at the kinks, as measured with the autograd of PyTorch 2.13: max and clamp to a side give 0 there, `x > 0 ? 1 :
# slope` gives the left side, sign(0) is 0 in abs and so 1 in x / (1 + |x|).
AT_KINKS: dict[str, Any] = {
    "relu": lambda: {0.0: 0.0},
    "leaky_relu": lambda slope: {0.0: slope},
    "prelu": lambda slope: {0.0: slope},
    "relu6": lambda: {0.0: 0.0, 6.0: 0.0},
    "elu": lambda alpha: {0.0: alpha},
    "celu": lambda alpha: {0.0: 1.0},
    "selu": lambda: {0.0: float(SELU[0] * SELU[1])},
    "hard_swish": lambda: {-3.0: 0.0, 3.0: 1.0},
    "hard_tanh": lambda: {-1.0: 0.0, 1.0: 0.0},
    "hard_sigmoid": lambda: {-3.0: 0.0, 3.0: 0.0},
    "softsign": lambda: {0.0: 1.0},
    "soft_shrink": lambda threshold: {-threshold: 0.0, threshold: 0.0},
    "relu_squared": lambda: {0.0: 0.0},
    "abs": lambda: {0.0: 0.0},
}

# Arguments beside the defaults.
OTHER: dict[str, tuple[dict[str, float], ...]] = {
    "leaky_relu": ({"slope": 0.2}, {"slope": -0.5}, {"slope": 1.0}),
    "prelu": ({"slope": 0.0},),
    "elu": ({"alpha": 0.3},),
    "celu": ({"alpha": 0.3}, {"alpha": 4.0}),
    "soft_shrink": ({"threshold": 1.25},),
    "sin": ({"frequency": 30.0},),
    "cos": ({"frequency": 3.0},),
    "squareplus": ({"b": 0.01},),
}
CASES = [(name, arguments) for name in ACTIVATIONS for arguments in ({}, *OTHER.get(name, ()))]
EVERY = pytest.mark.parametrize(
    ("name", "arguments"),
    CASES,
    ids=["-".join([name, *(f"{value:g}" for value in given.values())]) for name, given in CASES],
)

POINTS = np.array(
    sorted(
        {
            sign * x
            for sign in (-1.0, 1.0)
            for x in (
                *(1e-300, 1e-30, 1e-16, 1e-8, 1e-5, 1e-3, 0.01, 0.1, 0.2, 0.3, 0.34999, 0.35, 0.35001, 0.5, 0.7071),
                *(0.75, 1.0, 1.0607, 1.25, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 9.0, 12.0, 20.0, 30.0, 36.0),
                *(50.0, 100.0, 1e3, 1e6),
            )
        }
        | {0.0}
    )
)


def exact(activation: Activation, x: float) -> M:
    return FORMULAS[activation.name](mp.mpf(x), **activation.arguments)


def exact_slope(activation: Activation, x: float, order: int = 1) -> M:
    """The derivative of that order; next to a kink the step is small against the distance."""
    distance = min((abs(mp.mpf(x) - kink) for kink in activation.kinks), default=mp.mpf(1))
    step = {"h": mp.ldexp(distance, -60)} if 0 < distance < 1e-3 else {}
    return mp.diff(lambda u: FORMULAS[activation.name](u, **activation.arguments), mp.mpf(x), order, **step)


def smooth(activation: Activation, points: np.ndarray) -> np.ndarray:
    return points[~np.isin(points, activation.kinks)]


def test_every_activation_has_a_formula_and_every_kink_a_convention() -> None:
    assert set(FORMULAS) == set(ACTIVATIONS)
    assert set(AT_KINKS) == {name for name in ACTIVATIONS if make_activation(name).kinks}


@EVERY
def test_value_is_the_formula(name: str, arguments: dict[str, float]) -> None:
    activation = make_activation(name, **arguments)
    found = activation.value(POINTS)
    # 1e-13 relative, and what rounding the argument of an inner function by 2 ulp does (in the tails of gelu, and in
    # sin at 1e6, it is the larger part); results below the normal numbers keep their last bit.
    for x, have in zip(POINTS, found, strict=True):
        want, slope = exact(activation, x), exact_slope(activation, x)
        bound = 1e-13 * abs(want) + 4.5e-16 * abs(x * slope) + 2e-308
        assert abs(mp.mpf(float(have)) - want) <= bound, f"{name}({x}) = {have}, should be {mp.nstr(want, 17)}"


@EVERY
def test_derivative_is_that_of_the_formula(name: str, arguments: dict[str, float]) -> None:
    activation = make_activation(name, **arguments)
    points = smooth(activation, POINTS)
    found = activation.derivative(points)
    # As for the value, and 4 eps absolute: slopes of order one come as differences, such as 1 - tanh^2.
    for x, have in zip(points, found, strict=True):
        want = exact_slope(activation, x)
        curve = exact_slope(activation, x, 2)
        bound = 1e-13 * abs(want) + 4.5e-16 * abs(x * curve) + 9e-16
        assert abs(mp.mpf(float(have)) - want) <= bound, f"{name}'({x}) = {have}, should be {mp.nstr(want, 17)}"


@pytest.mark.parametrize("name", ["sigmoid", "log_sigmoid", "softplus", "erf", "gaussian", "softsign", "elu"])
def test_slopes_that_need_no_difference_are_right_in_the_tails_too(name: str) -> None:
    activation = make_activation(name)
    points = np.array([-8.0, -5.0, -2.0, 2.0, 5.0, 8.0])
    found = activation.derivative(points)
    want = [float(exact_slope(activation, x)) for x in points]
    # exp(-x^2) at 8 turns the rounding of x^2 into 32 eps = 7e-15.
    assert found == pytest.approx(want, rel=2e-14, abs=0)


@pytest.mark.parametrize("name", AT_KINKS)
def test_derivative_at_a_kink_is_that_of_autograd(name: str) -> None:
    for arguments in ({}, *OTHER.get(name, ())):
        activation = make_activation(name, **arguments)
        convention = AT_KINKS[name](**activation.arguments)
        assert set(convention) == set(activation.kinks)
        for dtype in (np.float64, np.float32):
            found = activation.derivative(np.array(list(convention), dtype))
            assert found.tolist() == pytest.approx(list(convention.values()), rel=float(np.finfo(dtype).eps), abs=0)


@EVERY
def test_shape_and_precision_are_kept_and_nothing_warns(name: str, arguments: dict[str, float]) -> None:
    activation = make_activation(name, **arguments)
    for dtype in (np.float32, np.float64):
        x = np.stack([POINTS, POINTS[::-1]]).reshape(2, 1, -1).astype(dtype)
        before = x.copy()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            results = (activation.value(x), activation.derivative(x))
        for result in results:
            assert result.dtype == dtype
            assert result.shape == x.shape
            assert np.all(np.isfinite(result))
            assert np.array_equal(result[0, 0], result[1, 0, ::-1])
        assert np.array_equal(x, before)


@EVERY
def test_float32_agrees_with_the_formula_in_its_own_precision(name: str, arguments: dict[str, float]) -> None:
    activation = make_activation(name, **arguments)
    x = POINTS[(np.abs(POINTS) <= 12) & ((POINTS == 0) | (np.abs(POINTS) > 1e-20))].astype(np.float32)
    # The bounds of float64, of eps 1.2e-7: 16 eps relative, 4 eps of the argument; the slope's differences 8 eps.
    eps = float(np.finfo(np.float32).eps)
    for point, have in zip(x.astype(float), activation.value(x), strict=True):
        want, slope = exact(activation, point), exact_slope(activation, point)
        assert abs(float(have) - want) <= 16 * eps * abs(want) + 4 * eps * abs(point * slope) + 1e-37
    x = smooth(activation, x)
    for point, have in zip(x.astype(float), activation.derivative(x), strict=True):
        want = exact_slope(activation, point)
        curve = exact_slope(activation, point, 2)
        assert abs(float(have) - want) <= 16 * eps * abs(want) + 4 * eps * abs(point * curve) + 8 * eps


@EVERY
def test_degree_says_how_the_function_scales(name: str, arguments: dict[str, float]) -> None:
    activation = make_activation(name, **arguments)
    x = np.array([-3.0, -0.7, -1e-3, 1e-3, 0.7, 3.0])
    if activation.degree is None:
        tripled, single = activation.value(3 * x), activation.value(x)
        assert not any(np.allclose(tripled, 3.0**degree * single, atol=0) for degree in (1, 2))
        return
    for exponent in (-40, -1, 5, 300):
        factor, d = 2.0**exponent, activation.degree
        # Powers of two change no digit, so these are equalities.
        assert np.array_equal(activation.value(factor * x), factor**d * activation.value(x))
        assert np.array_equal(activation.derivative(factor * x), factor ** (d - 1) * activation.derivative(x))


@EVERY
def test_near_zero_the_declared_slopes_are_the_function(name: str, arguments: dict[str, float]) -> None:
    activation = make_activation(name, **arguments)
    zero = np.zeros(1)
    if activation.near is None:
        flat = np.all(activation.derivative(np.array([-1e-9, 1e-9])) < 1e-8)
        assert activation.degree is not None or activation.value(zero)[0] != 0 or flat
        return
    assert activation.value(zero)[0] == 0
    # The relative error is at most C |x|, C = |phi''(0)/(2 phi'(0))|: 0.85 for quick_gelu, 1/(2 alpha) for celu.
    limit = 1 + 1 / activation.arguments.get("alpha", 1.0) + activation.arguments.get("frequency", 1.0)
    for x in (1e-3, 1e-6, 1e-9, 1e-12):
        for sign, slope in zip((-1, 1), activation.near, strict=True):
            point = np.array([sign * x])
            assert activation.value(point)[0] == pytest.approx(slope * sign * x, rel=limit * x + 1e-15, abs=0)
            assert activation.derivative(point)[0] == pytest.approx(slope, rel=2 * limit * x + 1e-15, abs=1e-15)


@EVERY
def test_far_out_the_declared_slopes_are_the_function(name: str, arguments: dict[str, float]) -> None:
    activation = make_activation(name, **arguments)
    ends = np.array([-1e15, 1e15])
    if activation.far is None:
        assert activation.degree is not None or np.all(np.abs(activation.value(ends)) <= 6)
        return
    # The difference from the asymptote is bounded, so that at 1e15 it is at most 1e-14 of x.
    assert activation.value(ends) / ends == pytest.approx(np.array(activation.far), abs=1e-14)
    if activation.period is None:
        assert activation.derivative(ends) == pytest.approx(np.array(activation.far), abs=1e-14)


@EVERY
def test_a_declared_period_is_one(name: str, arguments: dict[str, float]) -> None:
    activation = make_activation(name, **arguments)
    if activation.period is None:
        return
    assert activation.strip is not None
    line = activation.far or (0.0, 0.0)
    assert line[0] == line[1]
    x = np.linspace(-3.0, 3.0, 50) / activation.unit
    # An argument of frequency 30 and size 100 is rounded to 2e-13.
    rise = activation.value(x + activation.period) - activation.value(x)
    assert rise == pytest.approx(np.full(50, line[0] * activation.period), abs=1e-12)
    slopes = activation.derivative(x) * activation.unit
    assert activation.derivative(x + activation.period) * activation.unit == pytest.approx(slopes, abs=1e-12)


@EVERY
def test_saturation_limits_are_approached_and_never_passed(name: str, arguments: dict[str, float]) -> None:
    activation = make_activation(name, **arguments)
    if activation.saturation is None:
        return
    for x, limit in zip((-1e6, 1e6), activation.saturation, strict=True):
        if limit is not None:
            # softsign and arctan come as 1/|x|.
            assert activation.value(np.array([x]))[0] == pytest.approx(limit, abs=1.1e-6)
            assert np.all((limit - activation.value(POINTS)) * np.sign(x) >= 0)


@EVERY
def test_kinks_are_where_the_slope_breaks_and_nowhere_else(name: str, arguments: dict[str, float]) -> None:
    activation = make_activation(name, **arguments)
    step = 2.0**-12
    x = np.arange(-10, 10, step) + step / 3
    crosses = np.zeros(x.size - 1, bool)
    for kink in activation.kinks:
        crosses |= (x[:-1] <= kink) & (kink < x[1:])
    # |phi''| is at most the largest slope times the largest rate of these functions: 900 for sin at frequency 30.
    bend = max(12.0, activation.arguments.get("frequency", 1.0) ** 2, 4 / activation.arguments.get("alpha", 1.0))
    bend = max(bend, 1 / math.sqrt(activation.arguments.get("b", 1.0)))
    assert np.all(np.abs(np.diff(activation.value(x)))[~crosses] <= 1.01 * step * max(20.0, bend))
    assert np.all(np.abs(np.diff(activation.derivative(x)))[~crosses] <= bend * step)
    for kink in activation.kinks:
        # At a declared kink the slope jumps, or its own slope does.
        left = activation.derivative(kink - np.array([2e-5, 1e-5]))
        right = activation.derivative(kink + np.array([1e-5, 2e-5]))
        bends = abs(np.diff(left)[0] - np.diff(right)[0]) / 1e-5
        assert abs(left[1] - right[0]) > 1e-3 or bends > 0.1 or arguments == {"slope": 1.0}


def test_a_hidden_kink_would_be_noticed() -> None:
    hidden = Activation(lambda x: np.maximum(x, 0.3), lambda x: (x > 0.3).astype(x.dtype))
    x = np.arange(-10, 10, 2.0**-12)
    assert np.max(np.abs(np.diff(hidden.derivative(x)))) > 900 * 2.0**-12


@EVERY
def test_forward_gain_is_exact(name: str, arguments: dict[str, float]) -> None:
    activation = make_activation(name, **arguments)
    formula = FORMULAS[name]
    cuts = sorted({*range(-12, 13, 1 if "frequency" in activation.arguments else 2), *activation.kinks})

    def integrand(x: M) -> M:
        return formula(x, **activation.arguments) ** 2 * mp.npdf(x)

    with mp.workdps(20):
        total = mp.quad(integrand, [mp.mpf(cut) for cut in cuts], method="gauss-legendre")
        # What lies beyond 12 standard deviations weighs less than 1e-29.
        want = 1 / mp.sqrt(total)
    assert forward_gain(activation) == pytest.approx(float(want), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "q", "second_moment"),
    [
        ("relu", 0.3, lambda q: q / 2),
        ("erf", 0.3, lambda q: 2 / math.pi * math.asin(2 * q / (1 + 2 * q))),
        (
            "gelu",
            1.7,
            lambda q: (
                q * (0.25 + math.asin(q / (1 + q)) / (2 * math.pi)) + q * q / (math.pi * (1 + q) * math.sqrt(1 + 2 * q))
            ),
        ),
        ("sin", 5.0, lambda q: (1 - math.exp(-2 * q)) / 2),
    ],
)
def test_gaussian_means_have_their_closed_forms(name: str, q: float, second_moment: Any) -> None:
    activation = make_activation(name)
    assert expectations(activation, 0.0, q).second_moment == pytest.approx(second_moment(q), rel=1e-13)


@pytest.mark.parametrize("frequency", [30.0, 100.0, 1000.0])
def test_forward_gain_of_a_fast_wave_is_exact(frequency: float) -> None:
    # E[sin(f h)^2] = (1 - exp(-2 f^2))/2, which is 1/2 to the last digit here.
    assert forward_gain(make_activation("sin", frequency=frequency)) == pytest.approx(math.sqrt(2), rel=1e-12)


def test_the_quadrature_needs_the_kinks() -> None:
    activation = make_activation("relu6")

    def mean(kinks: tuple[float, ...]) -> float:
        u, weights = split_panels(0.0, 1.0, kinks, flat=False)
        return float(weights @ np.maximum(u - 0.1, 0))

    shifted, blind = mean((0.1,)), mean(())
    want = float(mp.npdf(mp.mpf("0.1")) - mp.mpf("0.1") * mp.ncdf(-mp.mpf("0.1")))
    assert shifted == pytest.approx(want, rel=1e-14)
    assert abs(blind / want - 1) > 1e-6
    assert activation.kinks == (0.0, 6.0)


def test_the_series_of_tanh_shrink_is_that_of_taylor() -> None:
    # tanh is odd with x^1 coefficient 1: x - tanh(x) has minus its coefficients of x^3, x^5, ...
    taylor = mp.taylor(mp.tanh, 0, 2 * len(_TANH_SHRINK_SERIES) + 1)
    assert [float(-c) for c in taylor[:2:-2]] == pytest.approx(_TANH_SHRINK_SERIES, rel=2e-16, abs=0)


def test_aliases_are_unique_and_shadow_no_name() -> None:
    aliases = [alias for kind in ACTIVATIONS.values() for alias in kind.aliases]
    assert len(set(aliases)) == len(aliases)
    assert not set(aliases) & set(ACTIVATIONS)
    assert all(name == name.lower() for name in (*ACTIVATIONS, *aliases))


@pytest.mark.parametrize(
    ("name", "alias"), [(name, alias) for name, kind in ACTIVATIONS.items() for alias in kind.aliases]
)
def test_an_alias_means_its_name_in_any_case(name: str, alias: str) -> None:
    for word in (alias, alias.upper()):
        (step,) = load(
            {"input": {"features": 3}, "layers": [{"dense": {"width": 3, "activation": word}}]}
        ).network.steps
        assert isinstance(step.layer, Dense)
        assert step.layer.activation.name == name


@EVERY
def test_label_and_arguments_are_those_given(name: str, arguments: dict[str, float]) -> None:
    activation = make_activation(name, **arguments)
    assert activation.name == name
    assert set(activation.arguments) == set(ACTIVATIONS[name].parameters)
    assert {**activation.arguments, **arguments} == activation.arguments
    inner = ", ".join(f"{key}={value:g}" for key, value in activation.arguments.items())
    assert activation.label == (f"{name}({inner})" if inner else name)
