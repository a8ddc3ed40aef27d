"""The fast draws: their law, their independence, and that nothing but the seed decides them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr

from varprobe.engine.blocks import threads
from varprobe.engine.streams import PART, Role, Streams, fill_normals, fill_uniforms, seed_states

COUNT = 10_000_000
# Standard errors within which every statistic must be: of some 100 in this file, all with a chance of 0.9999.
SIGMA = 5.0
Filler = Callable[[Sequence[np.random.Generator], np.ndarray], None]


def _drawn(filler: Filler, dtype: type, count: int = COUNT) -> np.ndarray:
    """From as many streams as a layer of that many weights takes."""
    out = np.empty((1, count // 5000, 5000), dtype)
    Streams(7, [3], Role.WEIGHTS, 2).fill(out, filler)
    return out.ravel()


@pytest.fixture(scope="module", params=[np.float32, np.float64], ids=["float32", "float64"])
def normal(request: pytest.FixtureRequest) -> np.ndarray:
    return _drawn(fill_normals, request.param)


@pytest.fixture(scope="module", params=[np.float32, np.float64], ids=["float32", "float64"])
def uniform(request: pytest.FixtureRequest) -> np.ndarray:
    return _drawn(fill_uniforms, request.param)


def _odd_product(order: int) -> int:
    """The moment of N(0, 1) of an even order."""
    return math.prod(range(1, order, 2))


def _off(values: np.ndarray, expected: float, variance: float) -> float:
    """The mean of values of known variance, in standard errors from what it should be."""
    return float((values.mean(dtype=np.float64) - expected) / math.sqrt(variance / values.size))


def _normal_moments_off(values: np.ndarray) -> list[float]:
    doubles = values.astype(np.float64)
    found = []
    for order in range(1, 9):
        expected = 0 if order % 2 else _odd_product(order)
        found.append(_off(doubles**order, expected, _odd_product(2 * order) - expected**2))
    return found


def test_normals_have_the_moments_of_their_law(normal: np.ndarray) -> None:
    assert max(map(abs, _normal_moments_off(normal))) < SIGMA


def test_a_scale_two_thousandths_off_is_noticed(normal: np.ndarray) -> None:
    # The variance's standard error is 4.5e-4.
    assert abs(_normal_moments_off(normal * normal.dtype.type(1.002))[1]) > SIGMA


def _distance(values: np.ndarray, cdf: Callable[[np.ndarray], np.ndarray]) -> float:
    """Kolmogorov's distance times the root of the count."""
    expected = cdf(np.sort(values).astype(np.float64))
    grid = np.arange(values.size + 1) / values.size
    return float(max(np.max(grid[1:] - expected), np.max(expected - grid[:-1])) * math.sqrt(values.size))


# Exceeded with a chance of 1e-4.
FAR = float(stats.kstwobign.isf(1e-4))


def test_normals_follow_their_distribution(normal: np.ndarray) -> None:
    assert _distance(normal, ndtr) < FAR
    assert _distance(normal + normal.dtype.type(2e-3), ndtr) > FAR


@pytest.mark.parametrize("limit", [1.0, 2.0, 3.0, 4.0, 4.5, 5.0])
@pytest.mark.parametrize("side", [-1, 1])
def test_normals_reach_their_tails(normal: np.ndarray, limit: float, side: int) -> None:
    found = int(np.count_nonzero(normal * side > limit))
    assert stats.binomtest(found, normal.size, float(ndtr(-limit))).pvalue > 1e-5


def test_uniforms_have_the_moments_of_their_law(uniform: np.ndarray) -> None:
    doubles = uniform.astype(np.float64)
    for order in range(1, 9):
        expected = 1 / (order + 1)
        assert abs(_off(doubles**order, expected, 1 / (2 * order + 1) - expected**2)) < SIGMA


def test_uniforms_follow_their_distribution_and_stay_below_one(uniform: np.ndarray) -> None:
    assert _distance(uniform, lambda x: x) < FAR
    assert _distance(uniform * uniform.dtype.type(0.998), lambda x: x) > FAR
    assert uniform.min() >= 0
    assert uniform.max() < 1


def _correlations(left: np.ndarray, right: np.ndarray) -> list[float]:
    """Of the values, of their squares and of one with the other's square, in standard errors from 0."""
    a, b = left.astype(np.float64), right.astype(np.float64)
    a2, b2 = (a * a - 1) / math.sqrt(2), (b * b - 1) / math.sqrt(2)
    return [float(np.mean(x * y) * math.sqrt(a.size)) for x, y in ((a, b), (a2, b2), (a, b2), (a2, b))]


LAGS = {
    "the next": 1,
    "the other half of a step": 2**15,
    "the next step": 2**16,
    "the next part": PART // 5000 * 5000,
}


@pytest.mark.parametrize("lag", LAGS.values(), ids=LAGS)
def test_normals_do_not_know_each_other(normal: np.ndarray, lag: int) -> None:
    assert max(map(abs, _correlations(normal[:-lag], normal[lag:]))) < SIGMA
    assert max(map(abs, _correlations(normal[lag:] + normal[:-lag] / 500, normal[:-lag]))) > SIGMA


def test_streams_do_not_know_each_other() -> None:
    def of(trial: int, role: Role, layer: int) -> np.ndarray:
        return Streams(0, [trial], role, layer).normal(np.empty((1, 1000, 1000), np.float32)).ravel()

    found = [
        of(*key) for key in ((0, Role.WEIGHTS, 0), (1, Role.WEIGHTS, 0), (0, Role.RETURN, 0), (0, Role.WEIGHTS, 1))
    ]
    for number, one in enumerate(found):
        for other in found[:number]:
            assert max(map(abs, _correlations(one, other))) < SIGMA


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("filler", [fill_normals, fill_uniforms])
@pytest.mark.parametrize("shape", [(1, 700, 900), (7, 40, 33), (3, 513, 1025), (2, 1, 300_001), (5, 17)])
def test_draws_depend_on_the_trial_alone(filler: Filler, shape: tuple[int, ...], dtype: type) -> None:
    def fill(trials: Sequence[int], on: int) -> np.ndarray:
        out = np.empty((len(trials), *shape[1:]), dtype)
        with threads(on):
            Streams(5, trials, Role.WEIGHTS, 4).fill(out, filler)
        return out

    together = fill(range(shape[0]), 1)
    assert np.array_equal(together, fill(range(shape[0]), 3))
    for trial in range(shape[0]):
        assert np.array_equal(together[trial], fill([trial], 2)[0])


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 12345678901234567890, 2**128 - 1, 2**200 + 17])
def test_streams_are_seeded_as_numpy_seeds_them(seed: int) -> None:
    keys = [(0, 0, 0, 0), (1, 0, 3, 0), (999_999, 5, 10_000, 2**32 - 1), (2**31, 2, 7, 40)]
    expected = [np.random.SeedSequence(seed, spawn_key=key).generate_state(3, np.uint64) for key in keys]
    assert np.array_equal(seed_states(seed, np.array(keys, np.uint32)), expected)


def test_few_streams_and_many_are_the_same() -> None:
    many = Streams(11, range(50), Role.BIAS, 6).generators()
    for trial in (0, 1, 49):
        alone = Streams(11, [trial], Role.BIAS, 6).generators()[0]
        assert np.array_equal(many[trial].bit_generator.random_raw(9), alone.bit_generator.random_raw(9))
