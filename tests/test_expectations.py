"""Gaussian expectations against mpmath's own quadrature, and against what they must be of each other."""

from __future__ import annotations

import math
from dataclasses import replace

import mpmath as mp
import numpy as np
import pytest
from test_activations import FORMULAS

from varprobe.gaussian.expectations import expectations
from varprobe.gaussian.quadrature import PHASES, stride
from varprobe.network.activations import ACTIVATIONS, Activation, ActivationKind, make_activation

# mpmath's panels do not follow the waves of sin and cos at large q (their closed forms are tested below), and at
# q = 1e-8 soft_shrink underflows to the 0 that it is in doubles.
SKIPPED = {("sin", 1e4), ("cos", 1e4), ("soft_shrink", 1e-8), ("soft_shrink", 1e-2)}
CASES = [(name, q) for name in ACTIVATIONS for q in (1e-8, 1e-2, 1.0, 1e2, 1e4) if (name, q) not in SKIPPED]


def high_precision(name: str, q: float) -> mp.mpf:
    """E[phi(h)^2], h ~ N(0, q), by tanh-sinh quadrature in 30 digits."""
    activation = make_activation(name)
    root = mp.sqrt(mp.mpf(q))
    marks = [*activation.kinks, *(sign * x for x in (1, 3, 8, 20, 60) for sign in (-1, 1))]
    points = {mp.mpf(0), *(mp.mpf(x) for x in (-15, -7, -3, 3, 7, 15))}
    points |= {mp.mpf(mark) / root for mark in marks if abs(mark) / float(root) < 14}
    with mp.workdps(30):
        return mp.quad(
            lambda u: FORMULAS[name](root * u, **activation.arguments) ** 2 * mp.npdf(u), sorted(points), maxdegree=6
        )


@pytest.mark.parametrize(("name", "q"), CASES)
def test_the_second_moment_is_exact(name: str, q: float) -> None:
    # 1e-12 is the claim; the largest deviation seen is 4e-13 (the rounding of exp(-u^2/2) over 2000 nodes).
    found = expectations(make_activation(name), 0.0, q).second_moment
    assert found == pytest.approx(float(high_precision(name, q)), rel=1e-12)


def slow_moments(activation: Activation, mean: float, variance: float) -> list[float]:
    """E of phi, phi^2, phi^4, phi'^2, phi'^4 and (phi phi')^2 by panels that double from every kink."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    sd = math.sqrt(variance)
    steps = activation.unit * np.concatenate([[0.0], 2.0 ** np.arange(-3, 12)])
    bends = np.array(activation.kinks or (0.0,))[:, None]
    in_sd = np.arange(-14.0, 14.5, 0.5)
    marks = np.concatenate([(bends + steps).ravel(), (bends - steps).ravel(), mean + sd * in_sd])
    edges = np.unique(np.clip(marks, mean - 14 * sd, mean + 14 * sd))
    half = np.diff(edges)[:, None] / 2
    x = (edges[:-1, None] + half + half * nodes).ravel()
    density = (half * weights).ravel() * np.exp(-(((x - mean) / sd) ** 2) / 2) / sd / math.sqrt(2 * math.pi)
    value, slope = activation.value(x), activation.derivative(x)
    return [float(density @ f) for f in (value, value**2, value**4, slope**2, slope**4, (value * slope) ** 2)]


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize(("mean", "q"), [(0.0, 0.2), (0.6, 1e-6), (-0.9, 0.4), (0.3, 3.0), (-2.0, 7.0), (1.5, 200.0)])
def test_all_moments_are_exact_at_any_mean(name: str, mean: float, q: float) -> None:
    if name in ("sin", "cos") and q > 10:
        pytest.skip("panels do not follow the waves")
    activation = make_activation(name)
    known = expectations(activation, mean, q)
    found = [known.mean, known.second_moment, known.fourth_moment]
    found += [known.derivative_second_moment, known.derivative_fourth_moment, known.product_moment]
    for value, want in zip(found, slow_moments(activation, mean, q), strict=True):
        # The mean may cancel: it is held to the size of phi.
        assert value == pytest.approx(want, rel=1e-12, abs=1e-13 * math.sqrt(known.second_moment))


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("q", [0.3, 2.0])
def test_slopes_are_those_of_the_moments(name: str, q: float) -> None:
    # A fourth-order difference of step h errs by h^4/30 of the fifth derivative, at most 32 of the waves' at q = 2:
    # 1e-8 at h = q/200; rounding adds 1e-16 q/h = 2e-14.
    activation, h = make_activation(name), q / 200
    at = {k: expectations(activation, 0.0, q + k * h) for k in (-2, -1, 1, 2)}
    here = expectations(activation, 0.0, q)
    for field, slope in (("second_moment", here.slope), ("derivative_second_moment", here.derivative_slope)):
        values = {k: getattr(known, field) for k, known in at.items()}
        difference = (values[-2] - 8 * values[-1] + 8 * values[1] - values[2]) / (12 * h)
        assert slope == pytest.approx(difference, rel=1e-6, abs=1e-9 * getattr(here, field) / q)


@pytest.mark.parametrize("q", [1e-6, 0.7, 30.0, 1e4])
def test_waves_have_their_closed_forms(q: float) -> None:
    sine, cosine = (expectations(make_activation(name), 0.0, q) for name in ("sin", "cos"))
    assert sine.second_moment == pytest.approx(-math.expm1(-2 * q) / 2, rel=1e-14)
    assert sine.second_moment + cosine.second_moment == pytest.approx(1, rel=1e-14)
    assert sine.derivative_second_moment == pytest.approx(cosine.second_moment, rel=1e-14)


def test_a_shifted_relu_has_its_closed_form() -> None:
    # E[relu(m + s u)^2] = (m^2 + s^2) Phi(m/s) + m s pdf(m/s)
    m, v = -0.7, 1.9
    s = math.sqrt(v)
    want = (m * m + v) * mp.ncdf(m / s) + m * s * mp.npdf(m / s)
    assert expectations(make_activation("relu"), m, v).second_moment == pytest.approx(float(want), rel=1e-13)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("q", [5e-324, 1e-200, 1e200, 1e308])
def test_signals_that_die_or_explode_have_expectations(name: str, q: float) -> None:
    activation = make_activation(name)
    if q > 1 and activation.far is None and activation.degree is None:
        pytest.skip("bounded: its weights would have to have that variance")
    known = expectations(activation, 0.0, q)
    assert known.second_moment >= 0
    if activation.degree == 1:
        assert known.second_moment == pytest.approx(q * known.derivative_second_moment, rel=1e-12, abs=5e-324)
        assert (known.curvature, known.derivative_slope, known.derivative_curvature) == (0, 0, 0)


def grow() -> Activation:
    """x + sin(x)^2 as an entry of the table."""
    return Activation(
        lambda x: x + np.sin(x) ** 2,
        lambda x: 1 + np.sin(2 * x),
        near=(1.0, 1.0),
        far=(1.0, 1.0),
        unit=0.5,
        strip=1.0,
        period=math.pi,
    )


@pytest.fixture
def snake(monkeypatch: pytest.MonkeyPatch) -> Activation:
    monkeypatch.setitem(ACTIVATIONS, "snake", ActivationKind("x + sin(x)^2", grow))
    return make_activation("snake")


def snake_moments(mean: float, variance: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    """E[phi^2] and E[phi'^2]: E[exp(i k h)] = exp(i k m - k^2 v/2), and E[h exp(i k h)] = (m + i k v) times that."""
    m, v = mp.mpf(mean), mp.mpf(variance)
    two, four = (mp.expj(k * m) * mp.exp(-k * k * v / 2) for k in (2, 4))
    square = m * m + v + m - mp.re((m + 2j * v) * two) + (mp.mpf(3) / 2 - 2 * mp.re(two) + mp.re(four) / 2) / 4
    return square, mp.mpf(3) / 2 + 2 * mp.im(two) - mp.re(four) / 2


@pytest.mark.parametrize("mean", [0.0, 0.3, -7.0])
@pytest.mark.parametrize("q", [1e-4, 1.0, 3.99, 4.01, 70.0, 1e4, 1e8, 1e16, 1e30])
def test_an_oscillating_entry_is_integrated_at_any_variance(snake: Activation, mean: float, q: float) -> None:
    # The rules err by 1e-15 of rounding; phi'^2 = 1 + ... may itself be small, next to a zero of phi' at -7, where an
    # error of x counts 7 eps/0.01 times.
    with mp.workdps(60):
        second, slope = map(float, snake_moments(mean, q))
    known = expectations(snake, mean, q)
    assert known.second_moment == pytest.approx(second, rel=1e-13)
    assert known.derivative_second_moment == pytest.approx(slope, rel=2e-12)


@pytest.mark.parametrize("q", [0.5, 6.0])
def test_the_slopes_of_an_oscillating_entry_are_those_of_its_moments(snake: Activation, q: float) -> None:
    known = expectations(snake, 0.3, q)
    with mp.workdps(60):
        slope, derivative_slope = (mp.diff(lambda v, k=k: snake_moments(0.3, v)[k], q) for k in (0, 1))
        curvature = mp.diff(lambda v: snake_moments(0.3, v)[0], q, 2)
    assert known.slope == pytest.approx(float(slope), rel=1e-12)
    # Of the waves exp(-2 q) and less is left; the rounding is that of E[phi'^2].
    assert known.derivative_slope == pytest.approx(float(derivative_slope), abs=1e-13)
    assert known.curvature == pytest.approx(float(curvature), abs=1e-13)


def test_an_oscillating_entry_needs_its_period(snake: Activation) -> None:
    blind = replace(snake, name="blind", period=None)
    assert expectations(blind, 0.0, 1e4).derivative_second_moment != pytest.approx(1.5, rel=1e-3)


@pytest.mark.parametrize("std", [2.0, 30.0, 1e3, PHASES * 12 / 2 * 1.001, 1e9, 1e16])
def test_strides_meet_all_of_a_period_with_few_nodes(std: float) -> None:
    rule = stride(0.1, std, math.pi)
    assert rule.u.size <= 5_800
    assert float(rule.weight.sum()) == pytest.approx(1.0, rel=1e-14)
    share = np.bincount(rule.phase, rule.weight, PHASES)
    # At two standard deviations a period is not yet nothing: exp(-2 std^2) = 3e-4.
    assert share == pytest.approx(np.full(PHASES, 1 / PHASES), rel=1e-3 if std < 5 else 1e-13)
