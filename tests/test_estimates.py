"""Estimates over trials, against naive formulas and Student's t from scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from varprobe.report.estimates import positive_estimates, signed_estimates
from varprobe.report.records import Estimate
from varprobe.verdict.intervals import finite_exp

LN10 = math.log(10)
TRIALS = 7


def _half(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values)) * float(stats.t.ppf(0.975, len(values) - 1))


def test_a_positive_quantity_has_its_interval_on_the_log_scale() -> None:
    values = np.random.default_rng(0).lognormal(1.0, 0.5, (TRIALS, 3))
    for column, found in enumerate(positive_estimates(np.log(values))):
        here = values[:, column]
        mean, half = float(here.mean()), _half(here) / float(here.mean())
        assert found.mean == pytest.approx(mean)
        assert found.low == pytest.approx(mean * math.exp(-half))
        assert found.high == pytest.approx(mean * math.exp(half))
        assert found.typical == pytest.approx(float(stats.gmean(here)))
        assert found.log10_mean == pytest.approx(math.log10(mean))
        assert found.log10_typical == pytest.approx(math.log10(float(stats.gmean(here))))
        assert found.trials == pytest.approx(np.log10(here).tolist())


def test_a_quantity_that_can_be_negative_has_a_plain_interval() -> None:
    values = np.random.default_rng(1).normal(0.0, 2.0, (TRIALS, 2))
    for column, found in enumerate(signed_estimates(values)):
        here = values[:, column]
        mean, half = float(here.mean()), _half(here)
        assert (found.mean, found.low, found.high) == pytest.approx((mean, mean - half, mean + half))
        assert (found.typical, found.log10_mean, found.log10_typical) == (None, None, None)
        assert found.trials == tuple(here.tolist())


def test_one_trial_has_no_interval() -> None:
    (positive,) = positive_estimates(np.array([[math.log(2.0)]]))
    assert (positive.mean, positive.low, positive.high) == (pytest.approx(2.0), None, None)
    (signed,) = signed_estimates(np.array([[-2.0]]))
    assert (signed.mean, signed.low, signed.high) == (-2.0, None, None)
    (zero,) = positive_estimates(np.array([[-np.inf]]))
    assert zero == Estimate(0.0, 0.0, None, None, None, None, (None,))


def test_two_trials_have_an_interval() -> None:
    values = np.array([[1.0], [1.5]])
    (found,) = signed_estimates(values)
    assert found.high == pytest.approx(1.25 + _half(values[:, 0]))
    (found,) = positive_estimates(np.log(values))
    assert found.high == pytest.approx(1.25 * math.exp(_half(values[:, 0]) / 1.25))


def test_zeros_and_what_ended() -> None:
    zero, some, ended = positive_estimates(
        np.array([[-np.inf, -np.inf, np.nan], [-np.inf, 0.0, 0.0], [-np.inf, 0.0, 0.0]])
    )
    assert zero == Estimate(0.0, 0.0, 0.0, 0.0, None, None, (None,) * 3)
    # One zero: the mean is known, the geometric mean is zero and has no logarithm.
    assert some.mean == pytest.approx(2 / 3)
    assert (some.typical, some.log10_typical, some.trials) == (0.0, None, (None, 0.0, 0.0))
    assert ended == Estimate(None, None, None, None, None, None, (None, 0.0, 0.0))
    (signed,) = signed_estimates(np.array([[np.nan], [1.0]]))
    assert signed == Estimate(None, None, None, None, None, None, (None, 1.0))


def test_what_doubles_cannot_hold_keeps_its_logarithms() -> None:
    logs = np.array([[2000.0, -2000.0], [2000.2, -2000.2], [2000.1, -2000.1]])
    large, small = positive_estimates(logs)
    assert (large.mean, large.typical, large.low, large.high) == (None, None, None, None)
    assert large.log10_typical == pytest.approx(2000.1 / LN10)
    assert (small.mean, small.typical, small.low, small.high) == (0.0, 0.0, 0.0, 0.0)
    assert small.log10_mean == pytest.approx(-2000.1 / LN10, abs=1e-2)
    # Values at the end of the range of doubles overflow in the sum, without a warning.
    (signed,) = signed_estimates(np.array([[1.5e308], [1.5e308], [-1.5e308]]))
    assert (signed.low, signed.high) == (None, None)


def test_the_exponential_ends_where_doubles_do() -> None:
    assert finite_exp(709.7) == math.exp(709.7)
    assert finite_exp(709.9) is None
    assert finite_exp(-744.0) == math.exp(-744.0) > 0
    assert finite_exp(-746.0) == 0.0
