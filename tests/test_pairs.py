"""Pairs of Gaussians: every fast way against one slow rule that knows of none of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from test_expectations import grow

from varprobe.gaussian.correlation_map import derivative_covariance, pair_spread
from varprobe.gaussian.expectations import expectations
from varprobe.network.activations import ACTIVATIONS, Activation, make_activation

NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
# (mean, variance, difference / variance): from samples that are all but equal to ones that are opposite.
CASES = [
    (0.0, 1.0, 1.0),
    (0.0, 0.7, 1e-3),
    (0.0, 1.5, 1e-9),
    (0.4, 0.9, 0.6),
    (-1.3, 2.0, 1.7),
    (0.2, 1.1, 1.999),
    (0.0, 1e-6, 0.5),
    (0.8, 1e-4, 1.0),
    (0.0, 6.0, 0.02),
    (-0.5, 40.0, 0.9),
    (0.3, 1e3, 1e-2),
    (2.0, 1e3, 1.2),
]


def panels(edges: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    half = np.diff(edges, axis=-1)[..., None] / 2
    rows = edges.shape[:-1]
    return (edges[..., :-1, None] + half + half * NODES).reshape(*rows, -1), (half * WEIGHTS).reshape(*rows, -1)


def slow_spread(
    function: Callable[[Any], Any], activation: Activation, mean: float, variance: float, difference: float
) -> float:
    """E[(f(u1) - f(u2))^2]/2 over u1 = x + y, u2 = x - y, by panels that double from every kink and every sd."""
    sd_x, sd_y = math.sqrt(variance - difference / 2), math.sqrt(difference / 2)
    bends = np.array(activation.kinks or (0.0,))
    steps = activation.unit * np.concatenate([[0.0], 2.0 ** np.arange(-2, 11)])
    meets = np.abs(bends[:, None] - bends).ravel() / 2
    in_sd = np.array([0, 1, 2, 3, 4.5, 6.5, 9])
    edges = np.concatenate([in_sd * sd_y, (meets[:, None] + steps).ravel(), (meets[:, None] - steps).ravel()])
    near = (np.abs(bends - mean)[:, None] + sd_x * np.arange(-9, 10)).ravel()  # where a narrow x meets a kink
    y, weight_y = panels(np.unique(np.clip(np.concatenate([edges, near]), 0, 9 * sd_y)))
    total = 0.0
    for part in np.array_split(np.arange(y.size), max(1, y.size // 64)):
        shift = y[part, None]
        moved = np.concatenate([bends - shift, bends + shift], axis=1)[:, :, None] + np.concatenate([steps, -steps])
        fixed = np.broadcast_to(mean + sd_x * np.concatenate([in_sd, -in_sd]), (part.size, 14))
        points = np.concatenate([moved.reshape(part.size, -1), fixed], axis=1)
        x, weight_x = panels(np.sort(np.clip(points, mean - 9 * sd_x, mean + 9 * sd_x), axis=1))
        gap = function(x + shift) - function(x - shift)
        inner = (weight_x * np.exp(-(((x - mean) / sd_x) ** 2) / 2) * gap**2).sum(axis=1)
        total += float((weight_y[part] * np.exp(-((y[part] / sd_y) ** 2) / 2)) @ inner)
    return total / (2 * math.pi * sd_x * sd_y)


# Waves of a period far below a standard deviation are for no panels; their closed forms are elementary.
ALL = [(name, case) for name in ACTIVATIONS for case in CASES if name not in ("sin", "cos") or case[1] < 10]


@pytest.mark.parametrize(("name", "case"), ALL)
def test_every_spread_is_that_of_the_slow_rule(name: str, case: tuple[float, float, float]) -> None:
    mean, variance, share = case
    activation, difference = make_activation(name), share * variance
    want = slow_spread(activation.value, activation, mean, variance, difference)
    # The slow rule takes differences: at a share of 1e-9 they carry 1e-16/3e-5 = 3e-12 each.
    assert pair_spread(activation, mean, variance, difference) == pytest.approx(want, rel=1e-10, abs=1e-300)


@pytest.mark.parametrize(("name", "case"), ALL)
def test_every_derivative_covariance_is_that_of_the_slow_rule(name: str, case: tuple[float, float, float]) -> None:
    mean, variance, share = case
    activation, difference = make_activation(name), share * variance
    second = expectations(activation, mean, variance).derivative_second_moment
    want = second - slow_spread(activation.derivative, activation, mean, variance, difference)
    found = derivative_covariance(activation, mean, variance, difference)
    assert found == pytest.approx(want, rel=0, abs=1e-10 * second)


@pytest.mark.parametrize("case", [*(case for case in CASES if case[1] < 10), (0.3, 5.0, 1e-3), (-0.4, 7.0, 1.999)])
def test_pairs_under_an_oscillating_entry_are_those_of_the_slow_rule(case: tuple[float, float, float]) -> None:
    mean, variance, share = case
    activation, difference = replace(grow(), name="snake"), share * variance
    want = slow_spread(activation.value, activation, mean, variance, difference)
    assert pair_spread(activation, mean, variance, difference) == pytest.approx(want, rel=1e-10)
    lost = slow_spread(activation.derivative, activation, mean, variance, difference)
    second = expectations(activation, mean, variance).derivative_second_moment
    found = derivative_covariance(activation, mean, variance, difference)
    assert found == pytest.approx(second - lost, rel=0, abs=1e-10 * second)


@pytest.mark.parametrize("name", ["sin", "cos"])
@pytest.mark.parametrize("variance", [5.0, 1e3, 1e8])
@pytest.mark.parametrize("share", [1e-9, 0.1, 1.0, 1.9, 2.0])
def test_waves_by_their_fourier_series_are_those_of_the_closed_form(name: str, variance: float, share: float) -> None:
    # sin and cos as entries that say no more than their period; opposite samples included.
    known = make_activation(name, frequency=1.7)
    plain = replace(known, name=f"plain {name}", elementary=None)
    pair = 0.4, variance, share * variance
    assert pair_spread(plain, *pair) == pytest.approx(pair_spread(known, *pair), rel=1e-13)
    assert derivative_covariance(plain, *pair) == pytest.approx(derivative_covariance(known, *pair), abs=1e-13)


@pytest.mark.parametrize("name", ["selu", "hard_swish", "elu", "softsign"])
def test_the_plane_hands_over_to_the_limit_of_small_differences(name: str) -> None:
    # On both sides of 1e-11 of the variance; the kinks count there by sqrt(1e-11) = 3e-6, and 1e-5 of that is left.
    one, two = (pair_spread(make_activation(name), 0.1, 1.0, share) / share for share in (0.99e-11, 1.01e-11))
    assert one == pytest.approx(two, rel=3e-8)


# A bounded function has no business at 1e31: its weights would have to have that variance.
EXTREMES = [
    (name, variance)
    for name in ACTIVATIONS
    for variance in (1e-40, 1e-31, 1e8, 1e31, 1e40)
    if variance < 1e10 or make_activation(name).far is not None
]


@pytest.mark.parametrize(("name", "variance"), EXTREMES)
def test_the_extremes_are_finite_and_in_order(name: str, variance: float) -> None:
    spreads = [pair_spread(make_activation(name), 0.0, variance, share * variance) for share in (1e-3, 0.3, 1.0)]
    assert all(math.isfinite(spread) for spread in spreads)
    assert spreads == sorted(spreads)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_difference_beyond_that_of_opposite_samples_is_taken_as_theirs(name: str) -> None:
    activation = make_activation(name)
    for variance in (1e-3, 1.0, 50.0):
        most = pair_spread(activation, 0.3, variance, 2 * variance)
        assert pair_spread(activation, 0.3, variance, 2 * variance * (1 + 1e-12)) == most
        assert pair_spread(activation, 0.3, variance, 3 * variance) == most
        known = derivative_covariance(activation, 0.3, variance, 2 * variance)
        assert derivative_covariance(activation, 0.3, variance, 3 * variance) == known
