"""Inputs that are mostly zeros: one-hot rows and sparse ones, drawn and predicted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from varprobe.api import derive, measure, run
from varprobe.config.loading import load
from varprobe.engine.draws import draw_batch
from varprobe.engine.streams import Role, Streams
from varprobe.errors import VarprobeError


def config(**source: Any) -> dict[str, Any]:
    return {
        "input": {"features": 64, **source},
        "defaults": {"activation": "relu", "init": "he"},
        "layers": [{"dense": 256, "repeat": 4}],
        "probe": {"batch": 64, "trials": 60, "dtype": "float64"},
    }


LAWS: dict[str, dict[str, Any]] = {
    "one_hot": {"distribution": "one_hot"},
    "sparse": {"distribution": "sparse", "density": 0.1, "std": 2.0},
    "sparse, off zero": {"distribution": "sparse", "density": "1/4", "mean": 1.0, "std": 0.5},
}


def drawn(trials: int = 200, **source: Any) -> Any:
    law = load(config(**source)).network.input
    values = draw_batch(law, 64, Streams(0, range(trials), Role.INPUT, 0), np.dtype(np.float64))
    return np.ldexp(values.values, values.exponent.reshape(-1, 1, 1))


def test_a_one_hot_row_has_a_single_1_anywhere() -> None:
    rows = drawn(distribution="one_hot").reshape(-1, 64)
    assert set(np.unique(rows)) == {0.0, 1.0}
    assert np.all(rows.sum(axis=1) == 1)
    counts, expected = rows.sum(axis=0), len(rows) / 64
    assert np.all(np.abs(counts - expected) < 5 * math.sqrt(expected))


def test_a_sparse_batch_has_its_density_mean_and_deviation() -> None:
    values = drawn(distribution="sparse", density=0.25, mean=1.0, std=0.5).ravel()
    kept = values[values != 0]
    assert abs(len(kept) / len(values) - 0.25) < 5 * math.sqrt(0.25 * 0.75 / len(values))
    assert abs(kept.mean() - 1.0) < 5 * 0.5 / math.sqrt(len(kept))
    assert abs(kept.std() - 0.5) < 5 * 0.5 / math.sqrt(2 * len(kept))


@pytest.mark.parametrize("name", LAWS)
def test_theory_has_the_moments_that_are_drawn(name: str) -> None:
    values, moments = drawn(**LAWS[name]), derive(config(**LAWS[name])).input
    # The means over 200 trials of 64 x 64 entries: 5 standard errors, rows taken as the independent draws.
    for found, wanted in (
        (np.mean(values**2, axis=2), moments.second_moment),
        (np.mean(values, axis=2), moments.mean),
        (values.var(axis=1, ddof=1), moments.sample_variance),
    ):
        assert wanted is not None
        error = 5 * found.std() / math.sqrt(found.size) + 1e-12
        assert abs(found.mean() - float(wanted)) < error


@pytest.mark.parametrize("name", LAWS)
def test_measurement_and_theory_agree_behind_it(name: str) -> None:
    prediction, measured = derive(config(**LAWS[name])), measure(config(**LAWS[name])).statistics
    for row, said in enumerate(prediction.rows):
        assert said.output is not None
        logs = measured.log_activation_second_moment[:, row]
        mean = np.log(np.mean(np.exp(logs)))
        error = 4 * np.exp(logs).std() / np.exp(logs).mean() / math.sqrt(len(logs))
        assert abs(mean - said.output.second_moment.log) < error + 2 * (row + 1) / 256
    assert "theory-mismatch" not in [finding.code for finding in run(config(**LAWS[name])).verdict.findings]


@pytest.mark.parametrize(
    "source",
    [{"distribution": "sparse"}, {"density": 0.1}, {"distribution": "sparse", "density": 0},
     {"distribution": "sparse", "density": 1.5}, {"distribution": "one_hot", "std": 2.0}],
)  # fmt: skip
def test_what_a_law_does_not_have_is_refused(source: dict[str, Any]) -> None:
    with pytest.raises(VarprobeError, match=r"input"):
        load(config(**source))
