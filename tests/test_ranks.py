"""The effective rank of batches, units that are one and the same, and what is odd about an input."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from varprobe.config.loading import load
from varprobe.engine import ranks
from varprobe.engine.blocks import gram, gram_and_sums
from varprobe.engine.ranks import RANK_SAMPLES, find_identical_units, measure_effective_rank
from varprobe.engine.record import StackStatistics
from varprobe.engine.scaled_array import ScaledArray
from varprobe.network.spec import NetworkSpec
from varprobe.probe.measure import measure

LINEAR = {"activation": "linear"}
BIASED = {"bias": {"std": 1}}
BRANCH = [{"norm": "layer"}, {"dense": 20}, {"dense": {"width": 20, **LINEAR}}]


def eigenvalue_ratio(x: np.ndarray) -> float:
    """(sum of eigenvalues)^2 / sum of their squares, of the covariance of the first samples (samples, units)."""
    values = x[:RANK_SAMPLES].astype(np.float64)
    values = np.square(np.linalg.svd(values - values.mean(axis=0), compute_uv=False))
    return float(values.sum() ** 2 / np.square(values).sum())


def rounding_of(dtype: str) -> float:
    """Some eight roundings, 2^10 times in the products, and 2^20 times in the double precision that they end in."""
    return float(2**13 * np.finfo(dtype).eps + 2**23 * np.finfo(np.float64).eps)


def network(layers: list[Any], features: int, batch: int, init: Any = "xavier", **parts: Any) -> NetworkSpec:
    probe = {"batch": batch, "trials": 3, "dtype": parts.pop("dtype", "float32"), "engine": parts.pop("engine", "auto")}
    defaults = {"activation": parts.pop("activation", "tanh"), "init": init, "bias": parts.pop("bias", 0.0)}
    source = {"features": features, **parts}
    return load({"input": source, "defaults": defaults, "layers": layers, "probe": probe}).network


# Above and below 128 samples, more units than samples and fewer, a signal that all samples share, blocks and norms.
NETWORKS: dict[str, tuple[list[Any], int, int, dict[str, Any]]] = {
    "wide": ([{"dense": 70, "repeat": 3}], 40, 16, {}),
    "narrow": ([{"dense": 6, "repeat": 3}], 9, 50, {}),
    "one unit": ([{"dense": 5}, {"dense": 1}, {"dense": 5}], 4, 20, {}),
    "many samples": ([{"dense": 132, "repeat": 2}, {"dense": 90}], 60, 140, {}),
    "many samples, narrow": ([{"dense": 12, "repeat": 3}], 12, 140, {}),
    "much in common": ([{"dense": 60, "repeat": 4}], 30, 24, {"init": {"name": "normal", "std": 0.02}, **BIASED}),
    "much in common, narrow": ([{"dense": 6, "repeat": 4}], 6, 24, {"init": {"name": "normal", "std": 0.05}, **BIASED}),
    "tiny": ([{"dense": 30, "repeat": 4}], 30, 12, {"init": {"name": "normal", "std": 1e-9}}),
    "huge": ([{"dense": 30, "repeat": 4}], 30, 12, {"init": {"name": "normal", "std": 1e9}, **LINEAR}),
    "blocks with norms": (
        [{"residual": {"layers": BRANCH}, "repeat": 3}, {"norm": "layer"}, {"dense": 4}],
        20,
        14,
        {},
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", ["explicit", "matrix-free"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_ratio_is_that_of_the_eigenvalues(
    name: str, engine: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers, features, batch, parts = NETWORKS[name]
    spec = network(layers, features, batch, engine=engine, dtype=dtype, **parts)
    outputs: dict[int, np.ndarray] = {}
    write = StackStatistics.write_activation

    def keep(self: StackStatistics, row: int, signal: ScaledArray, *others: Any) -> None:
        outputs[row] = signal.values
        write(self, row, signal, *others)

    monkeypatch.setattr(StackStatistics, "write_activation", keep)
    found = measure(spec, replace(spec.settings, threads=1)).statistics
    tolerance = rounding_of(dtype)
    measured = [row for row in outputs if not np.isnan(found.effective_rank[:, row]).any()]
    assert measured == list(outputs) or (measured and name == "blocks with norms")
    for row in measured:
        expected = [eigenvalue_ratio(one) for one in outputs[row]]
        np.testing.assert_allclose(found.effective_rank[:, row], expected, rtol=tolerance)


@pytest.mark.parametrize("engine", ["explicit", "matrix-free"])
def test_every_output_that_is_handed_on_has_a_rank(engine: str) -> None:
    layers, features, batch, _ = NETWORKS["blocks with norms"]
    spec = network(layers, features, batch, engine=engine)
    known = ~np.isnan(measure(spec).statistics.effective_rank).any(axis=0)
    # In a block: norm, dense, dense, join. The last dense is taken by the join alone, the last join by a norm.
    assert known.tolist() == [True, True, False, True] * 2 + [True, True, False, False] + [True, True]


@pytest.mark.parametrize("size", [1e-1, 1e-3, 1e-5])
@pytest.mark.parametrize("shape", [(2, 20, 50), (2, 50, 20), (1, 20, 10_000)])
@pytest.mark.parametrize("given", ["double", "single", None])
def test_samples_that_are_nearly_alike_keep_their_digits(
    size: float, shape: tuple[int, int, int], given: str | None
) -> None:
    random = np.random.default_rng(0)
    common = random.standard_normal((shape[0], 1, shape[2]))
    values = (common + size * random.standard_normal(shape)).astype(np.float32)
    products = {"double": gram(values), "single": gram_and_sums(values, values.dtype)[0], None: None}[given]
    found = measure_effective_rank(ScaledArray.plain(values), products)
    np.testing.assert_allclose(found, [eigenvalue_ratio(one) for one in values], rtol=rounding_of("float32"))


def test_what_differs_by_rounding_alone_has_no_rank() -> None:
    alike = np.ones((2, 8, 30), np.float32) * np.linspace(1, 2, 30, dtype=np.float32)
    noisy = alike + np.spacing(alike) * np.random.default_rng(0).integers(-1, 2, alike.shape)
    for values in (alike, noisy, 0 * alike, alike[:, :1], np.full_like(alike, np.nan), np.full_like(alike, np.inf)):
        for products in (None, gram(values)):
            with np.errstate(invalid="ignore"):
                assert np.isnan(measure_effective_rank(ScaledArray.plain(values.astype(np.float32)), products)).all()


def test_a_trial_does_not_hang_on_its_neighbours() -> None:
    values = np.random.default_rng(0).standard_normal((3, 10, 40)).astype(np.float32)
    values[1] = 1 + 1e-4 * values[1]
    values[2] = 5
    together = measure_effective_rank(ScaledArray.plain(values), gram(values))
    alone = [measure_effective_rank(ScaledArray.plain(one[None]), gram(one[None]))[0] for one in values]
    assert together.tobytes() == np.array(alone).tobytes()


@pytest.mark.parametrize("engine", ["explicit", "matrix-free"])
def test_relu_keeps_about_two_directions_at_depth_fifty(engine: str) -> None:
    spec = network([{"dense": 256, "repeat": 50}], 256, 32, "he", activation="relu", engine=engine)
    s = measure(replace(spec, settings=replace(spec.settings, trials=6))).statistics
    assert (s.input_effective_rank > 25).all()
    # 12 draws of 256 x 50 gave 1.85, and their logs spread by 0.25: four standard errors of six draws are 0.4.
    assert abs(np.log(s.effective_rank[:, -1]).mean() - math.log(1.85)) < 0.4


@pytest.mark.parametrize("engine", ["explicit", "matrix-free"])
def test_a_long_product_of_small_matrices_is_of_rank_one(engine: str) -> None:
    spec = network([{"dense": 4, "repeat": 100}], 4, 8, {"name": "normal", "std": 1.0}, **LINEAR, engine=engine)
    ranks = measure(spec).statistics.effective_rank
    assert (ranks[:, 0] > 1.2).all()
    # The second singular value of such a product is some e^-50 of the first; 1e-6 is rounding.
    np.testing.assert_allclose(ranks[:, -1], 1.0, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [2, 37, 256, 700])
def test_units_of_constant_weights_are_one_unit(width: int, dtype: str) -> None:
    constant = {"name": "constant", "value": 1 / width}
    layers = [{"dense": {"width": width, "init": constant}, "repeat": 4}, {"dense": width}, {"dense": 1}]
    s = measure(network(layers, width, 9, dtype=dtype)).statistics
    assert s.identical_units[:, :4].tolist() == [[1.0] * 4] * 3
    assert (s.identical_units[:, 4] == 0).all()
    assert np.isnan(s.identical_units[:, 5]).all()


@pytest.mark.parametrize("engine", ["explicit", "matrix-free"])
def test_units_of_drawn_weights_differ(engine: str) -> None:
    s = measure(network([{"dense": 30, "repeat": 3}], 30, 9, engine=engine)).statistics
    assert (s.identical_units == 0).all()


def test_units_alike_in_one_sample_only_are_not_one() -> None:
    values = np.random.default_rng(0).standard_normal((2, 6, 5)).astype(np.float32)
    values[0, 0] = 3.0
    values[1] = values[1, :, :1]
    assert find_identical_units(ScaledArray.plain(values)).tolist() == [0.0, 1.0]


def test_an_input_is_described(tmp_path: Any) -> None:
    rows = np.random.default_rng(0).standard_normal((40, 20))
    rows[:, 3] *= 30
    rows += 2
    np.save(tmp_path / "batch.npy", rows)
    source = {"distribution": "file", "path": str(tmp_path / "batch.npy")}
    s = measure(network([{"dense": 8}], 20, 40, **source)).statistics
    columns = np.sort((rows**2).sum(axis=0))
    # float32 rows: 1e-6 is eight roundings.
    np.testing.assert_allclose(s.input_mean_squared_share, rows.mean() ** 2 / (rows**2).mean(), rtol=1e-5)
    np.testing.assert_allclose(s.input_column_share, columns[-2:].sum() / columns.sum(), rtol=1e-6)
    np.testing.assert_allclose(s.input_effective_rank, eigenvalue_ratio(rows), rtol=1e-5)


def test_an_input_of_zeros_has_no_shares() -> None:
    s = measure(network([{"dense": 8}], 20, 40, distribution="constant", mean=0.0)).statistics
    for table in (s.input_mean_squared_share, s.input_column_share, s.input_effective_rank):
        assert np.isnan(table).all()


def test_more_samples_than_are_looked_at_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "RANK_SAMPLES", 10)
    values = np.random.default_rng(0).standard_normal((1, 30, 50))
    for products in (None, gram(values)):
        found = measure_effective_rank(ScaledArray.plain(values), products)
        expected = eigenvalue_ratio(values[0, :10])
        np.testing.assert_allclose(found, expected, rtol=1e-12)
