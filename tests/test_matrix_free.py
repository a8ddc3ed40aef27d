"""The matrix-free engine draws from the same law as the explicit one, with its own random numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ks_2samp, norm

import varprobe
from varprobe.engine.costs import engine_of
from varprobe.engine.schedule import make_schedule
from varprobe.errors import VarprobeError
from varprobe.network.spec import Settings
from varprobe.probe.measurement import Measurement

TRIALS = 1500
# Of all comparisons of a network together, by Holm's method; the seeds are fixed.
LEVEL = 1e-3


def network(layers: list[Any], activation: str = "tanh", init: Any = "xavier", **parts: Any) -> dict[str, Any]:
    return {
        "input": {"features": parts.pop("features", 40)},
        "defaults": {"activation": activation, "init": init, **parts},
        "layers": layers,
        "probe": {"batch": 8, "trials": TRIALS},
    }


BLOCK = [{"dense": 40}, {"norm": "layer"}, {"activation": "relu"}]
NETWORKS: dict[str, dict[str, Any]] = {
    "tanh with biases": network([{"dense": 40, "repeat": 4}], bias={"std": 0.2}),
    "relu": network([{"dense": 40, "repeat": 4}], "relu", "he"),
    "gelu, expanding and narrowing": network([{"dense": 64}, {"dense": 24}, {"dense": 40}], "gelu", "he"),
    "weights with a mean": network([{"dense": 40, "repeat": 3}], init={"name": "normal", "std": 0.15, "mean": 0.02}),
    "residual and layer norm": network(
        [
            {"dense": 40},
            {"residual": {"scale": 0.5, "layers": [{"dense": 40}, {"dense": {"width": 40, "activation": "linear"}}]}},
            {"block": BLOCK},
            {"dropout": 0.2},
            {"dense": 40},
        ],
        "relu",
        "he",
    ),
    "orthogonal": network([{"dense": 40, "repeat": 4}], init="orthogonal"),
    "orthogonal, width below twice the batch": network([{"dense": 12, "repeat": 4}], init="orthogonal", features=12),
    "orthogonal, rectangular": network([{"dense": 60}, {"dense": 20}, {"dense": 44}], init="orthogonal"),
}


@cache
def measured(name: str, engine: str, gain: float = 1.0, seed: int = 0) -> Measurement:
    config = NETWORKS[name]
    if gain != 1.0:
        init = config["defaults"]["init"]
        named = init if isinstance(init, dict) else {"name": init}
        base = math.sqrt(2) if named["name"] == "he" else 1.0
        config = {**config, "defaults": {**config["defaults"], "init": {**named, "gain": base * gain}}}
    spec = varprobe.load(config).network
    return varprobe.measure(spec, replace(spec.settings, engine=engine, seed=seed))


def statistics(measurement: Measurement) -> list[NDArray[np.float64]]:
    """Per trial: log variances of first, middle and last dense row both ways, weight gradients, sample variance."""
    s = measurement.statistics
    dense = [row for row, layer in enumerate(measurement.layers) if layer.kind == "dense"]
    rows = (dense[0], dense[len(dense) // 2], dense[-1])
    tables = (
        s.log_preactivation_variance,
        s.log_activation_second_moment,
        s.log_gradient_second_moment,
        s.log_weight_gradient_variance,
        s.log_preactivation_sample_variance,
    )
    columns = [table[:, row] for table in tables for row in rows]
    return [*columns, s.log_input_gradient_second_moment[:, 0], s.dead[:, dense[-1]], s.preactivation_mean[:, dense[0]]]


def p_values(one: Measurement, other: Measurement) -> list[float]:
    """Kolmogorov-Smirnov and a test of means for every statistic, and the correlation of forward and backward."""
    found = []
    for a, b in zip(statistics(one), statistics(other), strict=True):
        if np.ptp(np.concatenate([a, b])) < 1e-9:  # what does not vary must agree, and does
            continue
        found.append(float(ks_2samp(a, b).pvalue))
        error = math.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
        found.append(float(2 * norm.sf(abs(a.mean() - b.mean()) / error)))
    scores = [np.arctanh(np.clip(correlation(each), -0.999999, 0.999999)) for each in (one, other)]
    found.append(float(2 * norm.sf(abs(scores[0] - scores[1]) / math.sqrt(2 / (TRIALS - 3)))))
    return found


def correlation(measurement: Measurement) -> float:
    s = measurement.statistics
    return float(np.corrcoef(s.log_activation_second_moment[:, -1], s.log_input_gradient_second_moment[:, 0])[0, 1])


def holm(found: list[float]) -> float:
    """The smallest adjusted p-value: the family is rejected at every level above it."""
    return min(found) * len(found)


@pytest.mark.parametrize("name", NETWORKS)
def test_both_engines_draw_from_one_law(name: str) -> None:
    assert holm(p_values(measured(name, "explicit"), measured(name, "matrix-free", seed=1))) > LEVEL


@pytest.mark.parametrize("name", ["tanh with biases", "relu", "orthogonal"])
def test_a_gain_three_per_cent_off_is_rejected(name: str) -> None:
    assert holm(p_values(measured(name, "explicit"), measured(name, "matrix-free", gain=1.03, seed=1))) < LEVEL


@pytest.mark.parametrize(
    ("batch", "width", "activation", "init", "source"),
    [
        (1, 16, "tanh", "xavier", {}),
        (6, 16, "relu", "he", {"distribution": "constant", "mean": 1.0}),  # all samples alike: rank 1
        (30, 10, "relu", "he", {}),  # more samples than units
        (30, 10, "tanh", "orthogonal", {}),
        (4, 1, "tanh", "xavier", {}),
        (4, 16, "relu", {"name": "normal", "std": 0.0}, {}),
        (4, 16, "relu", {"name": "normal", "std": 1e30}, {"std": 1e-20}),
        (8, 64, "relu", "he", {"mean": 1e4, "std": 1e-3}),  # nearly collinear
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batches_without_full_rank_are_handled(
    batch: int, width: int, activation: str, init: Any, source: dict[str, Any], dtype: str
) -> None:
    config = network([{"dense": width, "repeat": 12}], activation, init, features=width)
    config["input"] |= source
    config["probe"] = {"batch": batch, "trials": 40, "dtype": dtype}
    results = []
    for engine in ("explicit", "matrix-free"):
        spec = varprobe.load(config).network
        s = varprobe.measure(spec, replace(spec.settings, engine=engine)).statistics
        results.append((s.log_preactivation_second_moment, s.log_input_gradient_second_moment))
    for explicit, free in zip(*results, strict=True):
        assert not np.isnan(free).any() or np.isnan(explicit).any()
        a, b = (table[np.isfinite(table).all(axis=1)] for table in (explicit, free))
        assert len(a) == 0 or len(b) > 0
        if len(a) > 10 and len(b) > 10:
            error = np.sqrt(a.var(axis=0, ddof=1) / len(a) + b.var(axis=0, ddof=1) / len(b))
            assert (np.abs(a.mean(axis=0) - b.mean(axis=0)) < 5 * error + 1e-5).all()


def test_a_trial_does_not_hang_on_its_neighbours_or_on_threads() -> None:
    config = network([{"dense": 40, "repeat": 3}], "relu", "orthogonal")
    spec = varprobe.load(config).network
    few, many = (
        varprobe.measure(spec, replace(spec.settings, engine="matrix-free", trials=trials, threads=threads))
        for trials, threads in ((3, 1), (50, 2))
    )
    a, b = few.statistics.log_input_gradient_second_moment, many.statistics.log_input_gradient_second_moment[:3]
    assert np.abs(a - b).max() < 1e-5


def test_auto_takes_the_quicker_engine_and_the_report_says_which() -> None:
    config = network([{"dense": 4096}, {"dense": {"width": 32, "init": "torch.xavier_uniform"}}, {"dense": 32}])
    config["probe"] = {"batch": 8, "trials": 2}
    config["input"]["features"] = 4096
    report = varprobe.run(config)
    assert [row.engine for row in report.layers] == ["matrix-free", "explicit", "explicit"]
    assert report.layers[0].weights is not None
    assert report.layers[0].weights.std is None
    assert report.layers[1].weights is not None
    assert report.layers[1].weights.std is not None


@pytest.mark.parametrize("init", ["torch.xavier_uniform", "keras.he_normal", "sparse", "lsuv", "constant"])
def test_laws_without_symmetry_are_refused_by_name(init: str) -> None:
    named = {"name": init, "value": 0.1} if init == "constant" else init
    spec = varprobe.load(network([{"dense": 8}, {"dense": {"width": 8, "init": named}}], features=8)).network
    with pytest.raises(VarprobeError, match=r"probe.engine: dense2 has .* weights"):
        varprobe.measure(spec, replace(spec.settings, engine="matrix-free"))
    assert engine_of(spec.steps[1], Settings(engine="auto", batch=1)) == "explicit"


def test_no_weights_are_planned_for_where_none_are_formed() -> None:
    config = network([{"dense": {"width": 100_000, "init": "orthogonal"}, "repeat": 2}], features=100_000)
    config["probe"] = {"batch": 4, "trials": 1}
    spec = varprobe.load(config).network
    gibibyte = 2**30
    assert make_schedule(spec, replace(spec.settings, engine="matrix-free"), available=gibibyte).memory < gibibyte
    with pytest.raises(VarprobeError, match="GiB"):
        make_schedule(spec, replace(spec.settings, engine="explicit"), available=gibibyte)


def test_a_layer_of_a_hundred_thousand_units_is_what_theory_says() -> None:
    config = network([{"dense": 100_000, "repeat": 2}], features=100_000)
    config["probe"] = {"batch": 4, "trials": 4}
    report = varprobe.run(config)
    for row in report.layers:
        assert row.predicted.deviation is not None
        assert abs(row.predicted.deviation) < 12  # t(3) at 0.1 %
    assert not [item for item in report.verdict.findings if item.code == "theory-mismatch"]
