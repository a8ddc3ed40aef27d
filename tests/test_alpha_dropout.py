"""Alpha dropout: its two numbers, both engines, theory, and PyTorch's own."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from varprobe.config.loading import load
from varprobe.diagnose import predict_report
from varprobe.engine.stack import run_stack
from varprobe.errors import ConfigError
from varprobe.network.layers import SELU_LIMIT, Dropout
from varprobe.network.spec import Settings
from varprobe.probe.measure import measure
from varprobe.theory.predict import predict

ALPHA = {"dropout": {"rate": 0.2, "kind": "alpha"}}
SELU = {"activation": "selu", "init": "lecun"}
# Draws agree with an expectation to this many of their standard errors.
ERRORS = 5


def config(layers: list[Any], width: int = 200, trials: int = 20, **parts: Any) -> dict[str, Any]:
    probe = {"batch": 32, "trials": trials, "engine": parts.pop("engine", "auto"), **parts.pop("probe", {})}
    source = {"features": width, **parts.pop("input", {})}
    return {"input": source, "defaults": parts.pop("defaults", SELU), "layers": layers, "probe": probe}


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.7])
def test_it_keeps_mean_zero_and_variance_one(rate: float) -> None:
    layer, keep = Dropout(rate, is_alpha=True), 1 - rate
    assert pytest.approx(-1.7580993408473766) == SELU_LIMIT
    assert keep * layer.kept_shift + rate * layer.dropped_value == pytest.approx(0, abs=1e-15)
    second = keep * (layer.kept_factor**2 + layer.kept_shift**2) + rate * layer.dropped_value**2
    assert second == pytest.approx(1)
    # What is dropped is selu's limit, before the affine map.
    assert layer.dropped_value == pytest.approx(layer.kept_factor * SELU_LIMIT + layer.kept_shift)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_it_does_what_pytorch_does(rate: float) -> None:
    """Two values of x are known exactly, so that the share that is dropped is all that chance has left."""
    torch = pytest.importorskip("torch", reason="PyTorch is an extra")
    torch.manual_seed(1)
    layer, count = Dropout(rate, is_alpha=True), 200_000
    x = torch.full((count,), 0.7, dtype=torch.float64, requires_grad=True)
    y = torch.nn.AlphaDropout(rate)(x)
    y.sum().backward()
    kept = (x.grad != 0).numpy()
    assert abs(kept.mean() - (1 - rate)) < ERRORS * math.sqrt(rate * (1 - rate) / count)
    assert np.allclose(y.detach().numpy()[kept], layer.kept_factor * 0.7 + layer.kept_shift, rtol=1e-12)
    assert np.allclose(y.detach().numpy()[~kept], layer.dropped_value, rtol=1e-12)
    assert np.allclose(x.grad.numpy()[kept], layer.kept_factor, rtol=1e-12)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_the_engine_draws_what_pytorch_draws(rate: float) -> None:
    """A constant input, and an identity before and behind: every entry is one of two values, both ways."""
    layers = [
        {"dense": {"width": 400, "init": "identity", "activation": "linear"}},
        {"dropout": {"rate": rate, "kind": "alpha"}},
        {"dense": {"width": 400, "init": "identity", "activation": "linear"}},
    ]
    spec = load(
        config(layers, 400, 10, input={"distribution": "constant", "mean": 0.7}, probe={"dtype": "float64"})
    ).network
    found, layer = measure(spec).statistics, Dropout(rate, is_alpha=True)
    count, keep = 10 * 32 * 400, 1 - rate
    values = np.array([layer.kept_factor * 0.7 + layer.kept_shift, layer.dropped_value])
    squares = values**2
    second = keep * squares[0] + rate * squares[1]
    error = math.sqrt(keep * rate / count) * abs(squares[0] - squares[1])
    measured = np.exp(found.log_activation_second_moment[:, 1]).mean()
    assert abs(measured - second) < ERRORS * error
    # Of the gradient the entries that are kept remain, a times as large; its own entries are N(0, 1).
    share = (
        np.exp(found.log_gradient_second_moment[:, 1]).mean() / np.exp(found.log_gradient_second_moment[:, 2]).mean()
    )
    wanted = keep * layer.kept_factor**2
    assert abs(share / wanted - 1) < ERRORS * math.sqrt((3 / keep - 1 + 2) / count)


NETWORKS: dict[str, dict[str, Any]] = {
    "selu": config([{"block": [{"dense": 200}, ALPHA], "repeat": 6}]),
    "tanh": config([{"block": [{"dense": 200}, ALPHA], "repeat": 4}], defaults={"activation": "tanh"}),
    "relu, far from mean 0": config([{"block": [{"dense": 200}, ALPHA], "repeat": 3}], defaults={"activation": "relu"}),
    "small": config([{"dense": 200, "repeat": 3}, ALPHA, {"dense": 200}], defaults={"init": "small"}),
    "at the output, mse": config([{"dense": 200}, ALPHA], probe={"gradient": "mse"}, defaults={"activation": "linear"}),
    "after a norm": config([{"block": [{"dense": 200}, ALPHA, {"norm": "layer"}], "repeat": 3}]),
    "weights with a mean": config(
        [{"block": [{"dense": 200}, ALPHA], "repeat": 2}],
        defaults={"activation": "linear", "init": {"name": "normal", "std": 0.05, "mean": 0.004}},
    ),
    "given its mean": config(
        [{"dense": {"width": 200, "init": "identity", "activation": "linear"}}, ALPHA, {"dense": 200}],
        input={"mean": 1.0},
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_theory_is_what_is_measured(name: str) -> None:
    """Means over draws within 5 standard errors, and what width 200 may add: one in a hundred for each row."""
    spec = load(NETWORKS[name]).network
    settings = replace(spec.settings, trials=40)
    theory, found = predict(spec, settings), measure(spec, settings).statistics
    for row, predicted in enumerate(theory.rows):
        assert predicted.output is not None
        agrees(predicted.output.second_moment.log, found.log_activation_second_moment[:, row], 0.01 * (row + 1))
        if predicted.output.sample_variance is not None:
            agrees(predicted.output.sample_variance.log, found.log_activation_sample_variance[:, row], 0.01 * (row + 1))
        if predicted.log_gradient is not None:
            agrees(predicted.log_gradient, found.log_gradient_second_moment[:, row], 0.01 * (len(theory.rows) - row))
    assert theory.rows[-1].log_output_gradient is not None


def agrees(wanted: float, logs: np.ndarray, allowed: float) -> None:
    values = np.exp(logs - wanted)
    assert abs(values.mean() - 1) < ERRORS * values.std(ddof=1) / math.sqrt(len(values)) + allowed


def test_both_engines_agree() -> None:
    sizes = {}
    for engine in ("explicit", "matrix-free"):
        spec = load(config([{"block": [{"dense": 200}, ALPHA], "repeat": 4}], trials=60, engine=engine)).network
        found = measure(spec).statistics
        sizes[engine] = (found.log_activation_second_moment, found.log_gradient_second_moment)
    for one, other in zip(*sizes.values(), strict=True):
        error = np.sqrt((one.var(axis=0, ddof=1) + other.var(axis=0, ddof=1)) / len(one))
        assert (abs(one.mean(axis=0) - other.mean(axis=0)) < ERRORS * error).all()


def test_a_tiny_signal_is_lost_beside_what_it_adds() -> None:
    """1e-40 of a signal: the output is the noise of what is dropped, on a scale that float32 has."""
    layers = [
        {"dense": {"width": 64, "init": {"name": "normal", "std": 1e-20}, "activation": "linear"}, "repeat": 2},
        ALPHA,
    ]
    spec = load(config(layers, 64, 4)).network
    found = run_stack(spec, spec.settings, range(4), keep_weights=True, tick=lambda: None)
    layer = Dropout(0.2, is_alpha=True)
    second = 0.8 * layer.kept_shift**2 + 0.2 * layer.dropped_value**2
    assert np.exp(found.log_activation_second_moment[:, 2]) == pytest.approx(second, rel=0.1)
    assert predict(spec, Settings()).rows[2].output.second_moment.log == pytest.approx(math.log(second))  # type: ignore[union-attr]


def test_a_selu_network_with_alpha_dropout_is_stable_and_with_the_other_kind_grows() -> None:
    layers = [{"block": [{"dense": 200}, ALPHA], "repeat": 30}]
    plain = [{"block": [{"dense": 200}, {"dropout": 0.2}], "repeat": 30}]
    assert predict_report(load(config(layers))).verdict.forward.label == "stable"
    outputs = [predict(load(config(each)).network, Settings()).rows[-1].output for each in (layers, plain)]
    assert outputs[0] is not None
    assert outputs[1] is not None
    assert outputs[0].second_moment.log == pytest.approx(0, abs=0.01)
    assert outputs[1].second_moment.log > 0.2


def test_no_share_is_no_dropout() -> None:
    layers = [{"dense": 20}, {"dropout": {"rate": 0.0, "kind": "alpha"}}, {"dense": 20}]
    spec = load(config(layers, 20, 2)).network
    found = measure(spec).statistics
    assert found.log_activation_second_moment[:, 1] == pytest.approx(found.log_activation_second_moment[:, 0], abs=1e-6)


@pytest.mark.parametrize("wrong", [{"rate": 0.1, "kind": "beta"}, {"kind": "alpha"}, {"rate": 1.0, "kind": "alpha"}])
def test_what_is_no_dropout_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="dropout"):
        load(config([{"dense": 8}, {"dropout": wrong}], 8, 2))
