"""Losses and their gradients against PyTorch's formulas, and the cotangent behind a head of zeros."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

from varprobe.config.loading import load
from varprobe.engine.objective import Pull, draw_pull
from varprobe.engine.scaled_array import ScaledArray
from varprobe.engine.streams import Role, Streams
from varprobe.network.number_formats import FORMATS
from varprobe.network.spec import NetworkSpec, Objective
from varprobe.probe.measure import measure
from varprobe.verdict.ranges import count_chances

SHAPE = (3, 40, 5)
LOSSES = ("mse", "cross_entropy", "bce")


def pulled(kind: Any, output: ScaledArray) -> Pull:
    return draw_pull(Objective(kind), output, Streams(4, range(len(output.values)), Role.OBJECTIVE, 0))


def targets(kind: str, trial: int, shape: tuple[int, int]) -> np.ndarray:
    streams = Streams(4, [trial], Role.OBJECTIVE, 0)
    if kind == "mse":
        return streams.normal(np.empty((1, *shape)))[0]
    if kind == "bce":
        return streams.generators()[0].integers(2, size=shape)
    return streams.generators()[0].integers(shape[1], size=shape[0])


def loss_of(kind: str, y: np.ndarray, t: np.ndarray) -> float:
    """torch.nn.functional's mse_loss, cross_entropy and binary_cross_entropy_with_logits, each with its mean."""
    if kind == "mse":
        return float(np.mean((y - t) ** 2))
    if kind == "bce":
        return float(np.mean(np.maximum(y, 0) - y * t + np.log1p(np.exp(-np.abs(y)))))
    top = y.max(axis=1, keepdims=True)
    logs = (y - top) - np.log(np.exp(y - top).sum(axis=1, keepdims=True))
    return float(-np.mean(logs[np.arange(len(y)), t]))


@pytest.mark.parametrize("kind", LOSSES)
def test_a_loss_is_that_of_pytorch_and_the_cotangent_its_gradient(kind: str) -> None:
    output = np.random.default_rng(0).normal(0, 3, SHAPE)
    found = pulled(kind, ScaledArray.plain(output))
    for trial, y in enumerate(output):
        t = targets(kind, trial, y.shape)
        assert found.loss[trial] == pytest.approx(loss_of(kind, y, t), rel=1e-12)
        # Central differences with step 1e-5: truncation 1e-10 of the gradient, rounding 1e-16 / 1e-5.
        for index in ((0, 0), (7, 3), (39, 4)):
            ends = []
            for sign in (1, -1):
                moved = y.copy()
                moved[index] += sign * 1e-5
                ends.append(loss_of(kind, moved, t))
            slope = (ends[0] - ends[1]) / 2e-5
            assert found.cotangent.absolute()[trial][index] == pytest.approx(slope, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("kind", "chance"), [("cross_entropy", math.log(5)), ("bce", math.log(2))])
def test_logits_of_zero_cost_what_chance_does(kind: str, chance: float) -> None:
    for dtype in (np.float32, np.float64):
        found = pulled(kind, ScaledArray.plain(np.zeros(SHAPE, dtype)))
        # 1 / 5 in float32.
        np.testing.assert_allclose(found.loss, chance, rtol=4 * np.finfo(dtype).eps)


def test_binary_labels_are_as_often_one_as_zero_and_hang_on_the_trial_alone() -> None:
    output = ScaledArray.plain(np.zeros((2, 5000, 4)))
    signs = np.sign(pulled("bce", output).cotangent.values)
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert abs(signs.mean()) < 4 / math.sqrt(signs.size)
    assert not np.array_equal(signs[0], signs[1])
    alone = draw_pull(Objective("bce"), ScaledArray.plain(np.zeros((1, 5000, 4))), Streams(4, [1], Role.OBJECTIVE, 0))
    assert np.array_equal(np.sign(alone.cotangent.values[0]), signs[1])


def test_one_logit_under_bce_has_a_gradient() -> None:
    found = pulled("bce", ScaledArray.plain(np.zeros((2, 40, 1), np.float32)))
    np.testing.assert_allclose(np.abs(found.cotangent.absolute()), 0.5 / 40, rtol=1e-6)


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("exponent", [20, 200, 500])
def test_huge_outputs_do_not_overflow_the_loss(kind: str, dtype: Any, exponent: int) -> None:
    output = np.random.default_rng(0).standard_normal(SHAPE).astype(dtype)
    # float32 ends before the logits do, in a softmax that is then 0 or 1.
    with np.errstate(all="raise", under="ignore", over="ignore"):
        found = pulled(kind, ScaledArray(output, np.full(3, exponent)))
    assert np.isfinite(found.cotangent.values).all()
    for trial, y in enumerate(output.astype(np.float64)):
        t = targets(kind, trial, y.shape)
        # So large that y is all: the loss is its homogeneous part.
        own, chosen = 2.0**exponent, y[np.arange(len(y)), t if kind == "cross_entropy" else 0]
        expected = {
            "mse": own**2 * np.mean(y**2),
            "bce": own * np.mean(np.maximum(np.where(t == 1, -y, y) if kind == "bce" else y, 0)),
            "cross_entropy": own * np.mean(y.max(axis=1) - chosen),
        }[kind]
        assert found.loss[trial] == pytest.approx(expected, rel=1e-5)


def test_a_loss_beyond_doubles_is_infinite_and_one_that_ended_unknown() -> None:
    output = np.random.default_rng(0).standard_normal(SHAPE)
    with np.errstate(all="ignore"):
        for kind in LOSSES:
            assert np.isposinf(pulled(kind, ScaledArray(output, np.full(3, 3000))).loss).all()
            assert np.isnan(pulled(kind, ScaledArray.plain(np.full(SHAPE, np.nan))).loss).all()


def test_objectives_without_a_loss_have_none() -> None:
    assert np.isnan(pulled("random", ScaledArray.plain(np.zeros(SHAPE))).loss).all()
    given = Objective("file", np.ones(SHAPE[1:]))
    assert np.isnan(
        draw_pull(given, ScaledArray.plain(np.zeros(SHAPE)), Streams(0, range(3), Role.OBJECTIVE, 0)).loss
    ).all()


# --- heads of zeros ---

BODY = [{"dense": 32, "repeat": 3}]
ZEROS: dict[str, Any] = {
    "zeros": "zeros",
    "normal": {"name": "normal", "std": 0.0},
    "truncated": {"name": "he", "gain": 0.0, "distribution": "truncated_normal"},
    "identity": {"name": "identity", "gain": 0.0},
    "orthogonal": {"name": "orthogonal", "gain": 0.0},
    "sparse": {"name": "sparse", "sparsity": 1.0},
    "constant": {"name": "constant", "value": 0.0},
}


def with_head(init: Any, *, width: int = 10, gradient: str = "cross_entropy", **probe: Any) -> NetworkSpec:
    head = [{"dense": {"width": width, "activation": "linear", "init": init}}] if init is not None else []
    config = {
        "input": {"features": 32},
        "defaults": {"activation": "tanh", "init": "xavier"},
        "layers": [*BODY, *head],
        "probe": {"batch": 8, "trials": 400, "gradient": gradient, **probe},
    }
    return load(config).network


BACKWARD = ("gradient_second_moment", "activation_gradient_second_moment", "weight_gradient_second_moment")


@pytest.mark.parametrize("engine", ["explicit", "matrix-free"])
@pytest.mark.parametrize("gradient", ["cross_entropy", "random", "mse"])
def test_the_body_behind_a_head_of_zeros_has_the_gradient_of_the_body_alone(engine: str, gradient: str) -> None:
    init = ZEROS["normal"] if engine == "matrix-free" else "zeros"
    found = measure(with_head(init, engine=engine, gradient=gradient)).statistics
    alone = measure(with_head(None, engine=engine, gradient="random", seed=1)).statistics
    for name in BACKWARD:
        for row in range(3 if name != BACKWARD[1] else 2):
            one, other = getattr(found, f"log_{name}")[:, row], getattr(alone, f"log_{name}")[:, row]
            # Of 54 comparisons at fixed seeds, 1e-4 each.
            assert ks_2samp(one, other).pvalue > 1e-4, (name, row)
    ends = found.log_input_gradient_second_moment[:, 0], alone.log_input_gradient_second_moment[:, 0]
    assert ks_2samp(*ends).pvalue > 1e-4
    # At the body's output it has the size that all gradients are divided by, to a few roundings of float32.
    np.testing.assert_allclose(found.log_activation_gradient_second_moment[:, 2], 0.0, atol=1e-5)
    # The head itself is as it is: nothing comes out, and it learns.
    assert np.isneginf(found.log_activation_second_moment[:, 3]).all()
    assert np.isfinite(found.log_weight_gradient_second_moment[:, 3]).all()


@pytest.mark.parametrize("name", ZEROS)
def test_zeros_are_told_from_the_law(name: str) -> None:
    found = measure(with_head(ZEROS[name], trials=2)).statistics
    assert np.isfinite(found.log_weight_gradient_second_moment).all()


@pytest.mark.parametrize("factor", [0.0, 1e-300])
def test_zeros_are_told_from_given_weights_and_tiny_ones_are_none(tmp_path: Path, factor: float) -> None:
    np.savez(tmp_path / "head.npz", W=factor * np.random.default_rng(0).standard_normal((10, 32)))
    spec = with_head({"name": "file", "path": str(tmp_path / "head.npz"), "key": "W"}, trials=2)
    logs = measure(spec).statistics.log_activation_gradient_second_moment[:, 2]
    # N(0, 1), or 10 entries of 1e-300 a unit.
    expected = 0.0 if factor == 0 else math.log(10) - 600 * math.log(10)
    np.testing.assert_allclose(logs, expected, atol=0.5)


def test_only_a_head_is_helped() -> None:
    spec = with_head("zeros", width=32, trials=2)
    body = replace(spec, steps=(*spec.steps[:-1], replace(spec.steps[-1], role="body")))
    assert np.isneginf(measure(body).statistics.log_activation_gradient_second_moment[:, 2]).all()


def test_an_objective_without_gradient_puts_none() -> None:
    # Softmax of one logit is constant; a config that asks for it is refused.
    spec = with_head("zeros", width=1, trials=2, gradient="random")
    found = measure(replace(spec, objective=Objective("cross_entropy"))).statistics
    assert np.isneginf(found.log_output_gradient_second_moment).all()
    assert np.isneginf(found.log_activation_gradient_second_moment).all()


def test_the_put_cotangent_hangs_on_the_trial_alone() -> None:
    spec = with_head("zeros", trials=6)
    all_at_once = measure(spec).statistics.log_gradient_second_moment
    later = measure(replace(spec, settings=replace(spec.settings, trials=2)), first=4).statistics
    assert np.array_equal(all_at_once[4:], later.log_gradient_second_moment)


# --- zeros that are meant ---


@pytest.mark.parametrize("scale", [0.0, 1.0])
@pytest.mark.parametrize("engine", ["explicit", "matrix-free"])
def test_a_branch_of_zeros_has_no_weight_gradient_in_any_layer(engine: str, scale: float) -> None:
    zero = {"name": "normal", "std": 0.0} if scale else "xavier"
    dense = {"width": 16, "init": zero}
    branch = [{"dense": {**dense, "activation": "relu"}}, {"dense": {**dense, "activation": "linear"}}]
    config = {
        "input": {"features": 16},
        "layers": [{"residual": {"scale": scale, "layers": branch}, "repeat": 2}, {"dense": 4}],
        "probe": {"batch": 8, "trials": 5, "engine": engine},
    }
    measurement = measure(load(config).network)
    s = measurement.statistics
    inside, joins = [0, 1, 3, 4], [2, 5]
    assert np.isneginf(s.log_weight_gradient_second_moment[:, inside]).all()
    assert np.isfinite(s.log_weight_gradient_second_moment[:, 6]).all()
    assert (s.zero_branch[:, joins] == 1).all()
    # What tells a branch that is multiplied by zero, whose scale may learn, from one that can never learn.
    assert np.isneginf(s.log_activation_second_moment[:, [1, 4]]).all() == (scale == 1.0)
    for number in FORMATS:
        chances = count_chances(measurement, number)
        assert not chances.underflow.any()
        assert not chances.gradient_underflow.any()
        assert np.isfinite(chances.gradient_rms[joins]).all()


@pytest.mark.parametrize("engine", ["explicit", "matrix-free"])
def test_a_branch_whose_last_layer_alone_is_zero_learns(engine: str) -> None:
    zero = {"name": "normal", "std": 0.0}
    branch = [{"dense": {"width": 16, "activation": "relu"}}, {"dense": {"width": 16, "init": zero}}]
    config = {
        "input": {"features": 16},
        "layers": [{"residual": {"layers": branch}}, {"dense": 4}],
        "probe": {"batch": 8, "trials": 5, "engine": engine},
    }
    s = measure(load(config).network).statistics
    assert np.isneginf(s.log_weight_gradient_second_moment[:, 0]).all()
    assert np.isfinite(s.log_weight_gradient_second_moment[:, 1]).all()
