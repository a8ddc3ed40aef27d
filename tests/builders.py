"""What tests build by hand, with one signature each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from varprobe.engine.record import StackStatistics
from varprobe.network.description import LayerDescription
from varprobe.probe.measurement import Measurement


def a_layer(kind: str = "dense", likeness: str = "same", width: int = 64, **parts: Any) -> LayerDescription:
    given = {
        "has_weights": kind == "dense",
        "name": kind,
        "path": "layers[0]",
        "line": None,
        "repeat_index": 1,
        "fan_in": width,
        "fan_out": width,
        "activation": "tanh",
        "init": "xavier",
        "engine": "explicit",
        "expected_std": 0.1,
        "trunk": True,
        "given": False,
        "group": None,
        "curved": True,
    }
    return LayerDescription(kind=kind, likeness=f"{kind} {width} {likeness}", **{**given, **parts})


def a_measurement(
    forward: np.ndarray,
    backward: np.ndarray | None = None,
    signal: np.ndarray | None = None,
    *,
    layers: Sequence[LayerDescription] | None = None,
    at_input: float = 0.0,
    gradient_at_input: float | np.ndarray = 0.0,
    features: int = 64,
    **parts: Any,
) -> Measurement:
    """Natural logs (trials, rows) of what is judged: the backward ones hold the width, the signal is a ratio."""
    trials, rows = forward.shape
    layers = tuple(layers or (a_layer() for _ in range(rows)))
    backward = np.zeros((trials, rows)) if backward is None else backward
    signal = np.zeros((trials, rows)) if signal is None else signal
    s = StackStatistics.empty(trials, rows)
    widths = np.log([layer.fan_out for layer in layers])
    for what in ("preactivation", "activation"):
        getattr(s, f"log_{what}_second_moment")[:] = forward
        with np.errstate(invalid="ignore"):
            getattr(s, f"log_{what}_sample_variance")[:] = forward + signal
    s.log_gradient_second_moment[:] = backward - widths
    s.log_activation_gradient_second_moment[:] = backward - widths
    s.log_max_abs[:] = forward / 2 + 1
    s.dead[:] = 0
    s.weight_variance[:] = 0.01
    s.effective_rank[:] = 30.0
    s.identical_units[:] = 0.0
    s.input_effective_rank[:, 0] = 30.0
    s.input_mean_squared_share[:, 0] = 0.0
    s.input_column_share[:, 0] = 0.1
    s.log_input_second_moment[:, 0] = at_input
    s.log_input_sample_variance[:, 0] = at_input
    s.log_input_gradient_second_moment[:, 0] = gradient_at_input
    s.log_output_gradient_second_moment[:, 0] = 0
    given = {"batch": 16, "dtype": "float32", "objective": "random", "threads": 1, "seconds": 0.0, **parts}
    return Measurement(layers=layers, statistics=s, features=features, trials=trials, **given)


def a_walk(trials: int, layers: int, *, step: float = 0.0, noise: float = 0.1, seed: int = 0) -> np.ndarray:
    """Random walks with mean ratio exp(step) a layer."""
    steps = np.random.default_rng(seed).normal(step - noise**2 / 2, noise, (trials, layers))
    return np.cumsum(steps, axis=1)


def a_line(total: float, layers: int = 20, trials: int = 5) -> np.ndarray:
    """Without noise: T = total, so total/layers a layer."""
    return np.tile(np.arange(layers) * total / layers, (trials, 1))
