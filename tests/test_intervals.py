"""Student's t, means on the log scale, and the jackknife, against scipy and naive formulas."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy import stats

from varprobe.verdict.intervals import (
    jackknife_error,
    leave_one_out_log_means,
    log_mean,
    student_cdf,
    student_quantile,
)

FREEDOMS = range(1, 201)


def test_student_distribution_is_scipys() -> None:
    for freedom in FREEDOMS:
        for t in (-40.0, -3.0, -0.5, 0.0, 1e-3, 0.7, 1.96, 5.0, 100.0):
            # 1e-10 absolute: sums of at most 100 positive terms below 1 round to about 1e-14.
            assert student_cdf(t, freedom) == pytest.approx(stats.t.cdf(t, freedom), abs=1e-10)


@pytest.mark.parametrize("probability", [0.6, 0.9, 0.975, 0.995])
def test_student_quantiles_are_scipys(probability: float) -> None:
    for freedom in FREEDOMS:
        assert student_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-10)


def test_log_mean_is_the_naive_one_where_that_works() -> None:
    logs = np.random.default_rng(1).normal(0, 3, (17, 5))
    assert np.allclose(log_mean(logs), np.log(np.exp(logs).mean(axis=0)), rtol=0, atol=1e-13)
    assert np.allclose(log_mean(logs, axis=1), np.log(np.exp(logs).mean(axis=1)), rtol=0, atol=1e-13)


def test_log_mean_knows_no_overflow_and_no_underflow() -> None:
    logs = np.array([[5000.0, -9000.0, -np.inf], [5000.0, -9000.0, -np.inf], [4000.0, -9000.0 + np.log(4), 0.0]])
    assert log_mean(logs) == pytest.approx([5000 + np.log(2 / 3), -9000 + np.log(2), np.log(1 / 3)], abs=1e-9)


def test_log_mean_of_zeros_is_that_of_zero() -> None:
    assert log_mean(np.full((3, 2), -np.inf)).tolist() == [-np.inf, -np.inf]


def test_log_mean_passes_an_ended_trial_on_without_a_warning() -> None:
    # Beside it stands what exp alone could not hold.
    found = log_mean(np.array([[np.nan, 1.0], [5000.0, 1.0]]))
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(1.0)


def _naive_leave_one_out(logs: np.ndarray) -> list[mpmath.mpf]:
    values = [mpmath.exp(mpmath.mpf(float(log))) if np.isfinite(log) else mpmath.mpf(0) for log in logs]
    means = [mpmath.fsum(values[:i] + values[i + 1 :]) / (len(values) - 1) for i in range(len(values))]
    return [mpmath.log(mean) if mean else mpmath.mpf("-inf") for mean in means]


CASES = {
    "ordinary": [0.3, -1.0, 2.0, 0.7],
    "one dominates by e^700": [0.0, 700.0, 0.1, -0.2, 0.3],
    "the first dominates": [700.0, 0.0, 0.5],
    "the last dominates": [0.0, 0.5, 700.0],
    "one is lost by e^-700": [0.0, -700.0, 0.1],
    "two trials": [1.0, -2.0],
    "zeros among them": [-np.inf, 1.0, -np.inf, 2.0],
    "all but one zero": [-np.inf, -np.inf, 3.0],
}


@pytest.mark.parametrize("name", CASES)
def test_leaving_one_out_is_the_naive_formula(name: str) -> None:
    logs = np.array(CASES[name])
    with mpmath.workdps(400):
        naive = np.array([float(value) for value in _naive_leave_one_out(logs)])
    found = leave_one_out_log_means(np.column_stack([logs, logs[::-1]]))
    for column, expected in ((found[:, 0], naive), (found[:, 1], naive[::-1])):
        assert np.array_equal(np.isneginf(column), np.isneginf(expected))
        known = np.isfinite(expected)
        # A handful of logaddexp, each to a rounding of 700.
        assert np.abs(column[known] - expected[known]).max() < 1e-12


def test_the_jackknife_of_a_plain_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(2).normal(5, 2, (12, 3))
    without = (values.sum(axis=0) - values) / 11
    assert jackknife_error(without) == pytest.approx(values.std(axis=0, ddof=1) / np.sqrt(12), rel=1e-12)


def test_the_jackknife_of_a_log_mean_covers() -> None:
    # ln of a mean of 20 log-normals of ln-sd 0.5: the t interval should hold the truth in 95 % of cases, a little
    # less for the skew. 2000 cases: sd 0.5 %, so 92 % is six of them below 95 %.
    random = np.random.default_rng(3)
    hits = 0
    for _ in range(2000):
        logs = random.normal(-0.125, 0.5, (20, 1))
        half = student_quantile(0.975, 19) * float(jackknife_error(leave_one_out_log_means(logs)[:, 0]))
        hits += abs(float(log_mean(logs)[0])) <= half
    assert 0.92 < hits / 2000 < 0.975
