"""The engine against a slow reference, and at scales where plain floating point ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

from varprobe.config.loading import load
from varprobe.diagnose import diagnose
from varprobe.engine import blocks, streams
from varprobe.engine.draws import draw
from varprobe.engine.moments import HISTOGRAM_EDGES
from varprobe.engine.nonlinear import activate, activate_backward
from varprobe.engine.record import StackStatistics
from varprobe.engine.scaled_array import ScaledArray
from varprobe.engine.stack import run_stack
from varprobe.engine.streams import Role, Streams
from varprobe.network.activations import ACTIVATIONS, make_activation
from varprobe.network.laws import Lsuv
from varprobe.network.layers import Dense, Dropout, Join, Norm, Open, Pointwise
from varprobe.network.spec import NetworkSpec, Settings
from varprobe.probe.measure import measure

# --- the reference: one trial at a time, float64, no exponents ---

Pair = tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]
_erf = np.vectorize(math.erf)
_density = lambda x: np.exp(-x * x / 2) / math.sqrt(2 * math.pi)  # noqa: E731  # formulas read better in a line
_cdf = lambda x: (1 + _erf(x / math.sqrt(2))) / 2  # noqa: E731  # formulas read better in a line
FUNCTIONS: dict[str, Pair] = {
    "linear": (lambda x: x, lambda x: x * 0 + 1),
    "relu": (lambda x: x * (x > 0), lambda x: 1.0 * (x > 0)),
    "leaky_relu": (lambda x: np.where(x > 0, x, 0.2 * x), lambda x: np.where(x > 0, 1, 0.2)),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2),
    "gelu": (lambda x: x * _cdf(x), lambda x: _cdf(x) + x * _density(x)),
}
LIMITS = {"tanh": (-0.99, 0.99), "sigmoid": (0.005, 0.995)}


def _log(value: float) -> float:
    return -math.inf if value == 0 else math.log(value)


def _moments(x: np.ndarray) -> dict[str, float]:
    units = [x[:, unit] for unit in range(x.shape[1])]
    return {
        "mean": sum(float(row.mean()) for row in x) / len(x),
        "log_second_moment": _log(sum(float(row @ row) for row in x) / x.size),
        "log_variance": _log(float(x.var())),
        "log_sample_variance": _log(sum(float(unit.var(ddof=1)) for unit in units) / len(units)),
    }


class Reference:
    """Forward and backward of one trial; `found[name][row]` as the fields of StackStatistics."""

    def __init__(self, spec: NetworkSpec, settings: Settings, trial: int) -> None:
        self.spec, self.settings, self.trial = spec, settings, trial
        self.found: dict[str, dict[int, Any]] = {field.name: {} for field in fields(StackStatistics)}
        self.rows = {}
        for position, step in enumerate(spec.steps):
            if not isinstance(step.layer, Open):
                self.rows[position] = len(self.rows)
        self.batch = self.input()
        for name, value in _moments(self.batch).items():
            if name in ("log_second_moment", "log_sample_variance"):
                self.found[name.replace("log_", "log_input_")][0] = value
        columns = np.sort((self.batch**2).sum(axis=0))[::-1]
        self.found["input_column_share"][0] = columns[: max(1, len(columns) // 10)].sum() / columns.sum()
        self.found["input_mean_squared_share"][0] = self.batch.mean() ** 2 / np.mean(self.batch**2)
        self.write_rank(-1, self.batch)
        output, pull = self.segment(self.batch, 0, len(spec.steps))
        self.loss = math.nan
        cotangent = self.unit = self.cotangent(output)
        self.found["initial_loss"][0] = self.loss
        self.found["log_output_gradient_second_moment"][0] = _log(float(np.mean(cotangent**2)))
        self.input_gradient = pull(cotangent)
        self.found["log_input_gradient_second_moment"][0] = _log(float(np.mean(self.input_gradient**2)))

    def streams(self, role: Role, position: int) -> Streams:
        return Streams(self.settings.seed, [self.trial], role, position)

    def drawn(self, law: Any, shape: tuple[int, ...], role: Role, position: int) -> np.ndarray:
        one = draw(law, shape, self.streams(role, position), np.dtype(np.float64))
        return one.values[0] * one.factor

    def input(self) -> np.ndarray:
        law, shape = self.spec.input, (self.settings.batch, self.spec.input.features)
        if law.rows is not None:
            return law.rows
        if law.distribution == "constant":
            return np.full(shape, law.mean)
        empty, streams = np.empty((1, *shape)), self.streams(Role.INPUT, 0)
        normal = law.distribution == "normal"
        unit = streams.normal(empty)[0] if normal else (streams.uniform(empty)[0] - 0.5) * math.sqrt(12)
        return law.mean + law.std * unit

    def cotangent(self, output: np.ndarray) -> np.ndarray:
        kind, streams = self.spec.objective.kind, self.streams(Role.OBJECTIVE, 0)
        if kind == "cross_entropy":
            labels = streams.generators()[0].integers(output.shape[1], size=len(output))
            share = np.exp(output) / np.exp(output).sum(axis=1, keepdims=True)
            self.loss = -np.mean(np.log(share[np.arange(len(output)), labels]))
            return (share - np.eye(output.shape[1])[labels]) / len(output)
        if kind == "bce":
            labels = streams.generators()[0].integers(2, size=output.shape)
            share = 1 / (1 + np.exp(-output))
            self.loss = -np.mean(np.where(labels == 1, np.log(share), np.log(1 - share)))
            return (share - labels) / output.size
        if self.spec.objective.cotangent is not None:
            return self.spec.objective.cotangent
        normal = streams.normal(np.empty((1, *output.shape)))[0]
        if kind == "random":
            return normal
        self.loss = np.mean((output - normal) ** 2)
        return 2 * (output - normal) / output.size

    def segment(self, x: np.ndarray, start: int, stop: int) -> tuple[np.ndarray, Callable[..., np.ndarray]]:
        """Steps start..stop-1: the output, and the function that pulls a gradient back."""
        pulls = []
        position = start
        while position < stop:
            if isinstance(self.spec.steps[position].layer, Open):
                end = self.closing(position)
                x, pull = self.block(x, position, end)
                position = end
            else:
                x, pull = self.step(x, position)
            pulls.append(pull)
            position += 1

        def back(gradient: np.ndarray) -> np.ndarray:
            for pull in reversed(pulls):
                gradient = pull(gradient)
            return gradient

        return x, back

    def closing(self, position: int) -> int:
        depth = 0
        for later in range(position, len(self.spec.steps)):
            layer = self.spec.steps[later].layer
            depth += isinstance(layer, Open) - isinstance(layer, Join)
            if depth == 0:
                return later
        raise AssertionError

    def block(self, x: np.ndarray, start: int, end: int) -> tuple[np.ndarray, Callable[..., np.ndarray]]:
        row, scale = self.rows[end], self.spec.steps[end].layer.scale
        branch, branch_back = self.segment(x, start + 1, end)
        out = x + scale * branch
        self.found["zero_branch"][row] = float(not (scale * branch).any())
        self.write("preactivation", row, x)
        self.write_output(row, out, None)
        self.write_rank(end, out)

        def back(gradient: np.ndarray) -> np.ndarray:
            self.write_gradient("activation_gradient", row, gradient)
            total = gradient + branch_back(scale * gradient)
            self.write_gradient("gradient", row, total)
            return total

        return out, back

    def step(self, x: np.ndarray, position: int) -> tuple[np.ndarray, Callable[..., np.ndarray]]:
        layer, row = self.spec.steps[position].layer, self.rows[position]
        if isinstance(layer, Dense):
            return self.dense(x, position, layer)
        if isinstance(layer, Pointwise):
            value, slope = FUNCTIONS[layer.activation.name]
            out, pull = value(x), lambda gradient: gradient * slope(x)
        elif isinstance(layer, Dropout):
            keep = 1 - layer.dropped_share
            mask = (self.streams(Role.DROPOUT, position).uniform(np.empty((1, *x.shape)))[0] < keep) / keep
            out, pull = x * mask, lambda gradient: gradient * mask
        else:
            out, pull = self.norm(x, layer)
        self.write("preactivation", row, x)
        self.write_output(row, out, layer.activation.name if isinstance(layer, Pointwise) else None)
        self.write_rank(position, out)

        def back(gradient: np.ndarray) -> np.ndarray:
            self.write_gradient("activation_gradient", row, gradient)
            pulled = pull(gradient)
            self.write_gradient("gradient", row, pulled)
            return pulled

        return out, back

    def norm(self, x: np.ndarray, layer: Norm) -> tuple[np.ndarray, Callable[..., np.ndarray]]:
        """Vector by vector, with the Jacobian written out."""
        vectors = x.T if layer.variant == "batch" else x
        length = vectors.shape[1]
        centre = np.eye(length) - (0 if layer.variant == "rms" else 1 / length)
        outs, jacobians = [], []
        for vector in vectors:
            middle = centre @ vector
            root = math.sqrt(middle @ middle / length + layer.eps)
            outs.append(middle / root)
            jacobians.append((np.eye(length) - np.outer(middle, middle) / (length * root**2)) @ centre / root)
        out = np.array(outs).T if layer.variant == "batch" else np.array(outs)
        gamma = 1.0 if layer.gamma is None else layer.gamma.values
        beta = 0.0 if layer.beta is None else layer.beta.values

        def back(gradient: np.ndarray) -> np.ndarray:
            scaled = gradient * gamma
            along = scaled.T if layer.variant == "batch" else scaled
            pulled = np.array([jacobian.T @ row for jacobian, row in zip(jacobians, along, strict=True)])
            return pulled.T if layer.variant == "batch" else pulled

        return out * gamma + beta, back

    def dense(self, x: np.ndarray, position: int, layer: Dense) -> tuple[np.ndarray, Callable[..., np.ndarray]]:
        step, row = self.spec.steps[position], self.rows[position]
        weights = self.drawn(layer.weights, (step.fan_out, step.fan_in), Role.WEIGHTS, position)
        if isinstance(layer.weights, Lsuv):
            weights = weights * layer.weights.gain / (x @ weights.T).std()
        z = x @ weights.T + self.drawn(layer.bias, (step.fan_out,), Role.BIAS, position)
        value, slope = FUNCTIONS[layer.activation.name]
        self.found["weight_variance"][row] = float(weights.var())
        self.write("preactivation", row, z)
        self.write_output(row, value(z), layer.activation.name)
        self.write_rank(position, value(z))

        def back(gradient: np.ndarray) -> np.ndarray:
            self.write_gradient("activation_gradient", row, gradient)
            delta = gradient * slope(z)
            self.write_gradient("gradient", row, delta)
            entries = sum(np.outer(delta[sample], x[sample]) for sample in range(len(x)))
            self.found["log_weight_gradient_second_moment"][row] = _log(float(np.mean(entries**2)))
            self.found["log_weight_gradient_variance"][row] = _log(float(entries.var()))
            if step is self.spec.head and not weights.any():
                normal = self.streams(Role.OBJECTIVE, position + 1).normal(np.empty((1, *x.shape)))[0]
                return normal * math.sqrt(np.mean(self.unit**2) / np.mean(normal**2))
            return delta @ weights

        return value(z), back

    def write(self, what: str, row: int, x: np.ndarray) -> None:
        for name, value in _moments(x).items():
            prefixed = f"log_{what}{name.removeprefix('log')}" if name.startswith("log_") else f"{what}_{name}"
            self.found[prefixed][row] = value

    def write_output(self, row: int, x: np.ndarray, activation: str | None) -> None:
        self.write("activation", row, x)
        self.found["dead"][row] = float(np.mean([not x[:, unit].any() for unit in range(x.shape[1])]))
        self.found["log_max_abs"][row] = _log(float(np.abs(x).max()))
        if x.shape[1] > 1:
            self.found["identical_units"][row] = float(np.allclose(x, x[:, :1], rtol=0, atol=1e-13 * np.abs(x).max()))
        if activation in LIMITS:
            low, high = LIMITS[activation]
            self.found["saturated"][row] = float(np.mean((x < low) | (x > high)))
        self.found["activation_histogram"][row] = _histogram(x)

    def write_rank(self, position: int, x: np.ndarray) -> None:
        """By the eigenvalues of the covariance, where a dense layer, a block or the objective takes the output."""
        behind = self.spec.steps[position + 1 :]
        if position >= 0 and behind and not isinstance(behind[0].layer, (Dense, Open)):
            return
        values = np.linalg.eigvalsh(np.cov(x.T.reshape(x.shape[1], -1)).reshape(x.shape[1], -1))
        rank = values.sum() ** 2 / (values**2).sum() if values.max() > 0 else math.nan
        if position < 0:
            self.found["input_effective_rank"][0] = rank
        else:
            self.found["effective_rank"][self.rows[position]] = rank

    def write_gradient(self, what: str, row: int, x: np.ndarray) -> None:
        self.found[f"log_{what}_second_moment"][row] = _log(float(np.mean(x**2)))
        self.found[f"log_{what}_variance"][row] = _log(float(x.var()))
        if what == "gradient":
            self.found["log_gradient_max_abs"][row] = _log(float(np.abs(x).max()))
            self.found["gradient_histogram"][row] = _histogram(x)


def _histogram(x: np.ndarray) -> np.ndarray:
    unit = x / (math.sqrt(np.mean(x**2)) or 1.0)
    return np.append(np.histogram(np.clip(unit, -5, 5), HISTOGRAM_EDGES)[0], np.count_nonzero(x == 0))


# --- the nets ---

LINEAR = {"activation": "linear"}


def _config(layers: list[Any], features: int = 7, **parts: Any) -> dict[str, Any]:
    defaults = {"batch": 6, "trials": 3, "seed": 11, "dtype": "float64", "engine": "explicit"}
    probe = {**defaults, **parts.pop("probe", {})}
    source = {"features": features, **parts.pop("input", {})}
    return {"input": source, "layers": layers, "probe": probe, **parts}


NETS: dict[str, dict[str, Any]] = {
    "tanh with random biases": _config(
        [{"dense": {"width": 9, "bias": {"std": 0.5}}, "repeat": 3}, {"dense": 4}], defaults={"activation": "tanh"}
    ),
    "relu, he, mse, shifted uniform input": _config(
        [{"dense": 12, "repeat": 2}, {"dense": {"width": 3, **LINEAR}}],
        defaults={"activation": "relu", "init": "he"},
        probe={"gradient": "mse"},
        input={"distribution": "uniform", "mean": 0.7, "std": 2.0},
    ),
    "leaky relu, cross entropy, torch biases": _config(
        [{"dense": {"width": 10, "activation": {"name": "leaky_relu", "slope": 0.2}}, "repeat": 3}, {"dense": 5}],
        defaults={"init": "torch.linear_default"},
        probe={"gradient": "cross_entropy"},
    ),
    "sigmoid with a constant bias, saturated": _config(
        [{"dense": 8, "repeat": 2}], defaults={"activation": "sigmoid", "init": "large", "bias": 0.25}
    ),
    "norms of every kind and activations of their own": _config(
        [
            {"dense": {"width": 8, **LINEAR}},
            {"norm": "layer"},
            {"activation": "relu"},
            {"dense": {"width": 6, **LINEAR}},
            {"norm": {"kind": "batch", "eps": 0.1}},
            {"activation": "gelu"},
            {"dense": {"width": 5, **LINEAR}},
            {"norm": "rms"},
            {"activation": "tanh"},
        ],
        probe={"batch": 9},
    ),
    "dropout": _config(
        [{"dense": 10}, {"dropout": 0.4}, {"dense": 10}, {"dropout": 0.0}], defaults={"activation": "relu"}
    ),
    "nested and scaled residual blocks": _config(
        [
            {"dense": 6},
            {
                "residual": {
                    "scale": 0.5,
                    "layers": [
                        {"dense": 11},
                        {"residual": {"scale": -1.5, "layers": [{"dense": 11}, {"norm": "layer"}]}},
                        {"dense": {"width": 6, **LINEAR}},
                    ],
                },
                "repeat": 2,
            },
            {"residual": {"layers": [{"dense": {"width": 6, "init": "zeros", **LINEAR}}]}},
            {"dense": 4},
        ],
        defaults={"activation": "tanh", "init": "he"},
    ),
    "orthogonal, lsuv, sparse and uniform weights": _config(
        [
            {"dense": {"width": 12, "init": "orthogonal"}},
            {"dense": {"width": 9, "init": {"name": "lsuv", "gain": 1.5}}},
            {"dense": {"width": 14, "init": {"name": "sparse", "sparsity": 0.5, "std": 1.0}}},
            {"dense": {"width": 6, "init": {"name": "uniform", "low": -0.1, "high": 0.9}}},
            {"dense": {"width": 5, "init": {"name": "torch.trunc_normal", "mean": 0.3, "a": -0.5, "b": 1.0}}},
            {"dense": {"width": 5, "init": {"name": "normal", "std": 0.4, "mean": -0.2}}},
            {"dense": {"width": 7, "init": "identity"}},
        ],
        defaults={"activation": "tanh"},
    ),
    "a head of zeros": _config(
        [{"dense": 5, "repeat": 3}, {"dense": {"width": 3, "init": "zeros", **LINEAR}}],
        5,
        defaults={"activation": "tanh"},
        probe={"gradient": "cross_entropy"},
    ),
    "a head of zeros behind a block": _config(
        [
            {"residual": {"layers": [{"norm": "layer"}, {"dense": 7}, {"dense": {"width": 7, **LINEAR}}]}, "repeat": 2},
            {"norm": "layer"},
            {"dense": {"width": 3, "init": {"name": "normal", "std": 0.0}, **LINEAR}},
        ],
        defaults={"activation": "tanh"},
        probe={"gradient": "mse"},
    ),
    # dW by Gram matrices: batch (fan_in + fan_out) < fan_in fan_out.
    "wide, small batch": _config([{"dense": 40, "repeat": 2}], 40, defaults={"activation": "tanh"}, probe={"batch": 3}),
    # dW formed.
    "narrow, large batch": _config(
        [{"dense": 4, "repeat": 2}], 4, defaults={"activation": "tanh"}, probe={"batch": 50}
    ),
}


def _run(spec: NetworkSpec, *, trials: range | None = None, keep_weights: bool = True) -> StackStatistics:
    stack = trials if trials is not None else range(spec.settings.trials)
    return run_stack(spec, spec.settings, stack, keep_weights=keep_weights, tick=lambda: None)


def _assert_as_reference(spec: NetworkSpec, found: StackStatistics, tolerance: float) -> None:
    references = [Reference(spec, spec.settings, trial).found for trial in range(spec.settings.trials)]
    for field in fields(StackStatistics):
        table = getattr(found, field.name)
        if field.name.endswith("_histogram"):
            for row, counts in enumerate(table):
                expected = sum(reference[field.name][row] for reference in references)
                assert counts.tolist() == expected.tolist(), (field.name, row)
            continue
        expected = np.full(table.shape, np.nan)
        for trial, reference in enumerate(references):
            for row, value in reference[field.name].items():
                expected[trial, row] = value
        # A mean is compared on the scale of its signal: it may cancel.
        scale: Any = 1.0
        if field.name.endswith("_mean"):
            scale = np.exp(getattr(found, f"log_{field.name.removesuffix('_mean')}_second_moment") / 2)
        assert np.array_equal(np.isnan(table), np.isnan(expected)), field.name
        assert np.array_equal(np.isneginf(table), np.isneginf(expected)), field.name
        known = np.isfinite(expected)
        error = np.abs(np.where(known, table - np.where(known, expected, 0), 0.0))
        assert (error <= tolerance * scale).all(), (field.name, error.max())


@pytest.mark.parametrize("name", NETS)
def test_every_statistic_is_that_of_a_slow_reference(name: str) -> None:
    # An absolute error of a log is a relative one of the quantity: 1e-9, some 1e6 roundings of float64.
    experiment = load(NETS[name])
    spec = experiment.network
    _assert_as_reference(spec, _run(spec), 1e-9)


@pytest.mark.parametrize("name", NETS)
def test_weights_drawn_again_for_backward_change_nothing(name: str) -> None:
    experiment = load(NETS[name])
    spec = experiment.network
    _assert_equal(_run(spec), _run(spec, keep_weights=False))


def test_given_arrays_are_used_as_they_are(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    arrays = {name: random.standard_normal(shape) for name, shape in {"W": (5, 4), "b": (5,), "g": (5,)}.items()}
    np.savez(tmp_path / "given.npz", **{key: np.asfortranarray(value) for key, value in arrays.items()})
    np.save(tmp_path / "batch.npy", random.standard_normal((6, 4)))
    np.save(tmp_path / "cotangent.npy", random.standard_normal((6, 5)) * 1e-3)
    file = str(tmp_path / "given.npz")
    norm = {"kind": "layer", "gamma": {"path": file, "key": "g"}, "beta": {"path": file, "key": "b"}}
    init = {"name": "file", "path": file, "key": "W"}
    dense = {"width": 5, "init": init, "bias": {"path": file, "key": "b"}, "activation": "relu"}
    config = _config(
        [{"dense": dense}, {"norm": norm}, {"dense": 5}],
        4,
        input={"distribution": "file", "path": str(tmp_path / "batch.npy")},
        probe={"gradient": {"name": "file", "path": str(tmp_path / "cotangent.npy")}},
    )
    experiment = load(config)
    spec = experiment.network
    _assert_as_reference(spec, _run(spec), 1e-9)
    assert np.allclose(_run(spec).weight_variance[:, 0], arrays["W"].var(), rtol=1e-12)


def test_the_reference_itself_has_the_gradient_of_finite_differences() -> None:
    # Central differences with step 1e-5: truncation 1e-10 and rounding 1e-16/1e-5, both well below 1e-7.
    # tanh in place of relu and gelu, so that no kink lies within a step.
    for name in ("norms of every kind and activations of their own", "nested and scaled residual blocks"):
        text = repr(NETS[name]).replace("'relu'", "'tanh'")
        spec = load(eval(text)).network  # our own literal
        reference = Reference(spec, spec.settings, 0)
        cotangent = reference.cotangent(np.zeros((spec.settings.batch, spec.width)))
        for index in ((0, 0), (2, 3), (5, 6)):
            ends = []
            for sign in (1, -1):
                moved = reference.batch.copy()
                moved[index] += sign * 1e-5
                ends.append(float((cotangent * reference.segment(moved, 0, len(spec.steps))[0]).sum()))
            assert reference.input_gradient[index] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6, abs=1e-7)


def test_float32_is_float64_to_its_own_rounding() -> None:
    # Roundings of 1.2e-7 add up like a random walk over sums of at most 50 terms and 3 layers: 1e-5 is ample.
    # The draws themselves differ between precisions, so the weights and the batch are given.
    for batch, width in ((3, 40), (50, 4)):
        experiment = load(
            _config([{"dense": width, "repeat": 3}], width, defaults={"init": "identity"}, probe={"batch": batch})
        )
        spec = experiment.network
        rows = np.random.default_rng(0).standard_normal((batch, width))
        cotangent = np.random.default_rng(1).standard_normal((batch, width))
        spec = replace(
            spec, input=replace(spec.input, rows=rows), objective=replace(spec.objective, cotangent=cotangent)
        )
        single = run_stack(
            spec, replace(spec.settings, dtype="float32"), range(1), keep_weights=True, tick=lambda: None
        )
        double = _run(spec, trials=range(1))
        for name in ("activation_second_moment", "gradient_variance", "weight_gradient_variance"):
            first, second = getattr(single, f"log_{name}"), getattr(double, f"log_{name}")
            assert np.abs(first - second).max() < 1e-5, name


# --- stacks and threads ---


def _assert_equal(first: StackStatistics, second: StackStatistics, tolerance: float = 0.0) -> None:
    for field in fields(StackStatistics):
        one, other = getattr(first, field.name), getattr(second, field.name)
        if tolerance == 0:
            assert one.tobytes() == other.tobytes(), field.name
        else:
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance, err_msg=field.name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETS)
def test_the_cut_into_stacks_changes_no_byte(name: str, dtype: str) -> None:
    experiment = load(NETS[name])
    spec = experiment.network
    spec = replace(spec, settings=replace(spec.settings, dtype=dtype, trials=5))
    whole = _run(spec)
    for sizes in ((1, 1, 1, 1, 1), (2, 3), (4, 1)):
        starts = np.cumsum((0, *sizes))
        parts = [_run(spec, trials=range(a, b)) for a, b in pairwise(starts.tolist())]
        _assert_equal(whole, StackStatistics.join(parts))


@pytest.fixture
def small_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks and parts so small that every layer of these networks is cut many times."""
    monkeypatch.setattr(blocks, "BLOCK", 12)
    monkeypatch.setattr(blocks, "_COLUMNS", 2)
    monkeypatch.setattr(streams, "PART", 25)
    monkeypatch.setattr(streams, "_STEP", 7)


@pytest.mark.usefixtures("small_cuts")
@pytest.mark.parametrize("keep_weights", [True, False])
@pytest.mark.parametrize("name", NETS)
def test_what_is_cut_into_blocks_on_threads_is_that_of_the_reference(name: str, keep_weights: bool) -> None:
    experiment = load(NETS[name])
    spec = experiment.network
    with blocks.threads(3):
        found = _run(spec, keep_weights=keep_weights)
    _assert_as_reference(spec, found, 1e-9)


@pytest.mark.parametrize("init", ["xavier", "orthogonal", {"name": "normal", "std": 0.2, "mean": 0.05}])
def test_without_weights_the_cut_changes_only_roundings(monkeypatch: pytest.MonkeyPatch, init: Any) -> None:
    layers = [{"dense": 90}, {"dense": 50}, {"dense": {"width": 70, "bias": {"std": 0.1}}}]
    config = _config(layers, 60, defaults={"activation": "tanh", "init": init}, probe={"engine": "matrix-free"})
    experiment = load(config)
    spec = experiment.network
    whole = _run(spec)
    monkeypatch.setattr(blocks, "BLOCK", 40)
    monkeypatch.setattr(blocks, "_COLUMNS", 8)
    with blocks.threads(3):
        _assert_equal(whole, _run(spec), 1e-9)


def test_the_first_trials_stay_when_more_are_asked_for() -> None:
    spec = load(NETS["nested and scaled residual blocks"]).network
    few, many = (measure(spec, replace(spec.settings, trials=trials)).statistics for trials in (4, 9))
    for field in fields(StackStatistics):
        if not field.name.endswith("_histogram"):
            assert np.array_equal(getattr(few, field.name), getattr(many, field.name)[:4], equal_nan=True), field.name


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_number_of_threads_changes_nothing(dtype: str) -> None:
    # 20 stacks of one trial, on one and two threads; and one stack, whose products BLAS would split if it were let.
    for batch, width in ((256, 256), (16, 300)):
        config = _config(
            [{"dense": width, "repeat": 3}], width, defaults={"activation": "tanh"}, probe={"batch": batch}
        )
        spec = load(config).network
        one, two = (measure(spec, replace(spec.settings, dtype=dtype, threads=n)) for n in (1, 2))
        assert (one.threads, two.threads) == (1, 2)
        for field in fields(StackStatistics):
            first, second = getattr(one.statistics, field.name), getattr(two.statistics, field.name)
            assert np.array_equal(first, second, equal_nan=True), field.name


def test_trials_are_drawn_apart() -> None:
    experiment = load(NETS["dropout"])
    spec = experiment.network
    names = ("log_input_second_moment", "weight_variance", "log_output_gradient_second_moment")
    for name in names:
        column = getattr(_run(spec), name)[:, 0]
        assert len(set(column.tolist())) == spec.settings.trials, name


def test_another_seed_gives_other_numbers() -> None:
    experiment = load(NETS["dropout"])
    spec = experiment.network
    other = run_stack(spec, replace(spec.settings, seed=12), range(3), keep_weights=True, tick=lambda: None)
    assert not np.isclose(_run(spec).log_gradient_second_moment, other.log_gradient_second_moment).any()


def test_every_row_ticks_once_in_each_direction() -> None:
    spec = load(NETS["nested and scaled residual blocks"]).network
    seen: list[tuple[int, int]] = []
    measure(spec, progress=lambda done, total: seen.append((done, total)))
    total = 2 * len(spec.rows)
    assert seen == [(done, total) for done in range(1, total + 1)]


# --- the log domain ---


def _deep(activation: str, init: str, depth: int = 2000) -> np.ndarray:
    config = _config(
        [{"dense": 32, "repeat": depth}],
        32,
        defaults={"activation": activation, "init": init},
        probe={"batch": 8, "trials": 2, "dtype": "float32"},
    )
    found = measure(load(config).network).statistics
    for field in fields(StackStatistics):
        if field.name.startswith("log_"):
            assert np.isfinite(getattr(found, field.name)).all(), field.name
    return found.log_preactivation_second_moment


@pytest.mark.parametrize(
    ("activation", "init", "ratio", "kurtosis"),
    # Given the layer below, E[v'/v] is exactly fan_in Var(W) E[phi^2]/q; its relative variance is at most c/32
    # (one sample: c = 5 for relu, 2 for linear). gelu is relu where |z| is large, tanh linear where it is small.
    [
        ("relu", "large", 16.0, 5),
        ("gelu", "large", 16.0, 5),
        ("tanh", "small", 0.0032, 2),
        ("linear", "large", 32.0, 2),
    ],
)
def test_two_thousand_layers_keep_their_slope(activation: str, init: str, ratio: float, kurtosis: int) -> None:
    logs = _deep(activation, init)
    steps = np.exp(np.diff(logs[:, 20:], axis=1))
    # The steps are martingale differences: the error of their mean is that of independent ones. 4 of it.
    error = math.sqrt(kurtosis / 32 / steps.size)
    assert abs(steps.mean() / ratio - 1) < 4 * error
    low, high = sorted((math.log10(ratio) * 0.95 * 2000, math.log10(ratio) * 1.05 * 2000))
    assert low < float(logs[0, -1]) / math.log(10) < high
    assert abs(low) > 2000


RESIDUAL = {"residual": {"layers": [{"dense": 16}, {"dense": {"width": 16, **LINEAR}}]}, "repeat": 40}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("layers", "init", "std"),
    [
        ([{"dense": {"width": 16, "bias": {"std": 1e-25}}, "repeat": 80}], "small", 1e20),
        ([{"dense": {"width": 16, "bias": 1e25}, "repeat": 60}], "large", 1e-30),
        ([RESIDUAL], "large", 1e25),
        ([RESIDUAL], "small", 1e-28),
        ([{"dense": 16, "repeat": 60}, {"norm": "layer"}, {"dense": 16, "repeat": 20}], "large", 1e10),
        ([{"dense": 16, "repeat": 60}, {"norm": "layer"}, {"dense": 16, "repeat": 20}], "small", 1.0),
        ([{"dense": 16, "repeat": 60}, {"norm": "batch"}, {"dense": 16, "repeat": 20}], "large", 1e-10),
        ([{"dense": 16, "repeat": 60}, {"norm": "rms"}, {"dropout": 0.2}, {"dense": 16, "repeat": 20}], "small", 1e3),
    ],
)
@pytest.mark.parametrize("activation", ["leaky_relu", "tanh", "softplus", "elu"])
def test_extreme_scales_mix_without_an_end(
    layers: list[Any], init: str, std: float, activation: str, dtype: str
) -> None:
    config = _config(
        layers, 16, input={"std": std}, defaults={"activation": activation, "init": init}, probe={"dtype": dtype}
    )
    measured = measure(load(config).network)
    found, dense = measured.statistics, [layer.kind == "dense" for layer in measured.layers]
    for field in fields(StackStatistics):
        table = getattr(found, field.name)
        if "weight" in field.name:
            table = table[:, dense]
        if field.name.startswith("log_") and "variance" not in field.name and "gradient" not in field.name:
            # softplus drowns the samples in their mean; of that a batch norm makes an exact zero.
            assert np.isfinite(table).all() or activation == "softplus", field.name
            assert not np.isnan(table).any(), field.name
        # Saturated units give exact zeros in the gradient, and a norm of equal samples a zero variance.
        elif field.name.startswith("log_"):
            assert not np.isnan(table).any(), field.name
            assert not np.isposinf(table).any(), field.name


HOMOGENEOUS = [
    {"dense": 24, "repeat": 6},
    {"residual": {"scale": 0.5, "layers": [{"dense": 24}, {"dense": {"width": 24, **LINEAR}}]}, "repeat": 2},
    {"dropout": 0.2},
    {"dense": {"width": 10, "activation": "leaky_relu"}},
]


@pytest.mark.parametrize("std", [2.0**-99, 2.0**99, 1e-30, 1e30])
def test_a_homogeneous_network_only_shifts(std: float) -> None:
    def run(scale: float) -> StackStatistics:
        config = _config(
            HOMOGENEOUS, 24, input={"std": scale}, defaults={"activation": "relu"}, probe={"dtype": "float32"}
        )
        return _run(load(config).network)

    plain, scaled = run(1.0), run(std)
    # A power of two changes no digit: only ln itself rounds, at 700 to 1e-13. 1e30 is rounded to float32 once, and
    # every product after it: 6e-8 each, over some ten layers.
    tolerance = 1e-11 if math.frexp(std)[0] == 0.5 else 5e-6
    shift = 2 * math.log(std)
    for name in ("preactivation", "activation"):
        for quantity in ("second_moment", "variance", "sample_variance"):
            one, other = (getattr(run_, f"log_{name}_{quantity}") for run_ in (plain, scaled))
            assert np.abs(other - one - shift).max() < tolerance, (name, quantity)
    assert np.abs(scaled.log_gradient_second_moment - plain.log_gradient_second_moment).max() < tolerance
    moved = scaled.log_weight_gradient_second_moment - plain.log_weight_gradient_second_moment - shift
    dense = np.isfinite(plain.weight_variance[0])
    assert np.abs(moved[:, dense]).max() < tolerance


_SQ2PI = mpmath.sqrt(2 / mpmath.pi)


def _mp_sigmoid(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x))


EXACT: dict[str, Callable[[Any], Any]] = {
    "linear": lambda x: x,
    "relu": lambda x: max(x, 0),
    "leaky_relu": lambda x: x if x > 0 else x * mpmath.mpf(0.01),
    "prelu": lambda x: x if x > 0 else x / 4,
    "relu6": lambda x: min(max(x, 0), 6),
    "elu": lambda x: x if x > 0 else mpmath.expm1(x),
    "celu": lambda x: x if x > 0 else mpmath.expm1(x),
    "selu": lambda x: (
        mpmath.mpf("1.0507009873554805") * (x if x > 0 else mpmath.mpf("1.6732632423543772") * mpmath.expm1(x))
    ),
    "gelu": lambda x: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "gelu_tanh": lambda x: x * (1 + mpmath.tanh(_SQ2PI * (x + mpmath.mpf("0.044715") * x**3))) / 2,
    "quick_gelu": lambda x: x * _mp_sigmoid(mpmath.mpf("1.702") * x),
    "silu": lambda x: x * _mp_sigmoid(x),
    "mish": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))),
    "hard_swish": lambda x: x * min(max(x / 6 + mpmath.mpf(1) / 2, 0), 1),
    "tanh": mpmath.tanh,
    "hard_tanh": lambda x: min(max(x, -1), 1),
    "sigmoid": _mp_sigmoid,
    "hard_sigmoid": lambda x: min(max(x / 6 + mpmath.mpf(1) / 2, 0), 1),
    "log_sigmoid": lambda x: -mpmath.log1p(mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "soft_shrink": lambda x: mpmath.sign(x) * max(abs(x) - mpmath.mpf(1) / 2, 0),
    "tanh_shrink": lambda x: x - mpmath.tanh(x),
    "erf": mpmath.erf,
    "arctan": mpmath.atan,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "gaussian": lambda x: mpmath.exp(-x * x),
    "relu_squared": lambda x: max(x, 0) ** 2,
    "abs": abs,
    "squareplus": lambda x: (x + mpmath.sqrt(x * x + 4)) / 2,
}


def test_the_exact_functions_are_all_of_the_table() -> None:
    assert set(EXACT) == set(ACTIVATIONS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("exponent", [-900, -90, -60, -30, 0, 60, 90])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_scaled_activations_are_the_true_function(name: str, exponent: int, dtype: str) -> None:
    if name in ("sin", "cos") and exponent > 0:
        exponent = 5  # beyond, the argument's own rounding decides the value
    values = np.array([-2.5, -1.0, -0.3, 0.2, 0.7, 1.0, 3.1], dtype).reshape(1, 1, -1)
    z = ScaledArray(values, np.array([exponent]))
    with np.errstate(all="ignore"):  # as in the engine
        out, _ = activate(make_activation(name), z)
    digits = float(np.finfo(dtype).eps)
    with mpmath.workprec(4000):
        truth = [EXACT[name](mpmath.ldexp(mpmath.mpf(float(x)), exponent)) for x in values.ravel()]
        size = max(abs(x) for x in truth)
        found = [mpmath.ldexp(mpmath.mpf(float(x)), int(out.exponent[0])) for x in out.values.ravel()]
        errors = [abs(a - b) for a, b in zip(found, truth, strict=True)]
        # Below the smallest normal number a function that is no power of x has no digits left; it may only vanish.
        floor = mpmath.mpf(float(np.finfo(dtype).tiny))
        assert max(errors) <= 20 * digits * size + floor * (size < floor / digits), (name, exponent)
        # Where the function carries an exponent of its own, nothing may vanish.
        if make_activation(name).near or make_activation(name).degree:
            assert max(errors) <= 20 * digits * size


@pytest.mark.parametrize("exponent", [-900, -70, 70])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_scaled_derivatives_are_the_true_ones(name: str, exponent: int) -> None:
    if name in ("sin", "cos") and exponent > 0:
        exponent = 4
    # By central differences of the exact function, at 4000 bits: exact for this purpose. No value is at a kink.
    values = np.array([-2.5, -1.0, -0.3, 0.2, 0.7, 1.0, 3.1]).reshape(1, 1, -1)
    with np.errstate(all="ignore"):  # as in the engine
        _, memory = activate(make_activation(name), ScaledArray(values, np.array([exponent])))
        back = activate_backward(memory, ScaledArray.plain(np.ones_like(values)))
    with mpmath.workprec(6000):
        step = mpmath.ldexp(1, exponent - 900)
        truth = []
        for value in values.ravel():
            x = mpmath.ldexp(mpmath.mpf(float(value)), exponent)
            truth.append((EXACT[name](x + step) - EXACT[name](x - step)) / (2 * step))
        found = [mpmath.ldexp(mpmath.mpf(float(x)), int(back.exponent[0])) for x in back.values.ravel()]
        size = max(abs(x) for x in truth)
        assert max(abs(a - b) for a, b in zip(found, truth, strict=True)) <= 1e-13 * size + 1e-300


# --- exact laws and edges ---


def test_lsuv_gives_unit_variance() -> None:
    for activation in ("relu", "tanh", "sigmoid"):
        config = _config([{"dense": 24, "repeat": 20}], 24, defaults={"activation": activation, "init": "lsuv"})
        variance = _run(load(config).network).log_preactivation_variance
        assert np.abs(variance).max() < 1e-12


def test_orthogonal_linear_networks_keep_every_second_moment() -> None:
    config = _config([{"dense": 64, "repeat": 300}], 64, defaults={"init": "orthogonal"}, probe={"trials": 2})
    found = _run(load(config).network)
    for name in ("log_preactivation_second_moment", "log_gradient_second_moment"):
        table = getattr(found, name)
        assert np.abs(table - table[:, :1]).max() < 1e-10


def _numbers(value: Any, path: str = "report") -> Iterator[tuple[str, float]]:
    """Every number of a report, with its path."""
    if is_dataclass(value):
        for field in fields(value):
            yield from _numbers(getattr(value, field.name), f"{path}.{field.name}")
    elif isinstance(value, (tuple, list)):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{path}[{index}]")
    elif isinstance(value, float):
        yield path, value


@dataclass(frozen=True)
class Edge:
    layers: tuple[Any, ...]
    batch: int = 4
    features: int = 5
    trials: int = 3
    source: tuple[tuple[str, Any], ...] = ()
    gradient: str = "random"


EDGES = {
    "batch 1": Edge(({"dense": 6, "repeat": 6},), batch=1),
    "width 1": Edge(({"dense": 1, "repeat": 6},), features=1),
    "depth 1": Edge(({"dense": 3},)),
    "batch, width and depth 1, one trial": Edge(({"dense": 1},), batch=1, features=1, trials=1),
    "constant input": Edge(({"dense": 6, "repeat": 5},), source=(("distribution", "constant"), ("mean", 1.0))),
    "zero input": Edge(({"dense": 6, "repeat": 5},), source=(("std", 0.0),)),
    "zero input, few layers": Edge(({"dense": 6},), source=(("std", 0.0),)),
    "zero weights": Edge(({"dense": {"width": 6, "init": "zeros"}, "repeat": 5},)),
    "constant weights": Edge(({"dense": {"width": 6, "init": "ones"}, "repeat": 5},)),
    "one logit": Edge(({"dense": 6, "repeat": 4}, {"dense": 1}), gradient="bce"),
    "layer norm of one unit": Edge(({"dense": 1}, {"norm": "layer"}, {"dense": 3, "repeat": 4})),
    "layer norm at batch 1": Edge(({"dense": 4}, {"norm": "layer"}, {"dense": 3, "repeat": 4}), batch=1),
    "batch norm of two samples": Edge(({"dense": 4}, {"norm": "batch"}, {"dense": 3, "repeat": 4}), batch=2),
    "orthogonal from one unit": Edge(({"dense": {"width": 6, "init": "orthogonal"}},), features=1),
    "lsuv on a constant": Edge(({"dense": {"width": 6, "init": "lsuv"}},), source=(("std", 0.0), ("mean", 2.0))),
    "lsuv on nothing": Edge(({"dense": {"width": 6, "init": "lsuv"}},), source=(("std", 0.0),)),
    "all dropped": Edge(({"dense": 4, "repeat": 4}, {"dropout": 0.999999})),
    "relu of negative biases": Edge(({"dense": {"width": 4, "activation": "relu", "bias": -99.0}, "repeat": 4},)),
    "powers of powers": Edge(
        ({"dense": {"width": 32, "activation": "relu_squared", "init": "he"}, "repeat": 100},),
        features=32,
        trials=4,
        source=(("std", 1e3),),
    ),
    # sigmoid(-100) is a float32 below the smallest normal one, and some of the values beside it are zero.
    "denormal activations": Edge(
        ({"dense": {"width": 64, "activation": "sigmoid", "init": "large", "bias": -101.0}, "repeat": 2},)
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", EDGES)
def test_the_edges_give_a_report_without_nan(name: str, dtype: str) -> None:
    # Warnings are errors in this suite.
    edge = EDGES[name]
    config = _config(
        list(edge.layers),
        edge.features,
        input=dict(edge.source),
        defaults={"activation": "tanh"},
        probe={"batch": edge.batch, "trials": edge.trials, "dtype": dtype, "gradient": edge.gradient},
    )
    for path, number in _numbers(diagnose(load(config))):
        assert math.isfinite(number), path


def test_weight_gradients_of_tiny_activations_are_not_zero() -> None:
    # sigmoid(-60) = 1e-26 is a fine float32; its square is not.
    layers = [{"dense": {"width": 32, "activation": "sigmoid", "bias": -60.0}}, {"dense": 32}]
    found = {
        dtype: _run(
            load(_config(layers, 32, probe={"dtype": dtype, "batch": 4})).network
        ).log_weight_gradient_second_moment
        for dtype in ("float32", "float64")
    }
    assert np.isfinite(found["float64"]).all()
    assert np.isfinite(found["float32"]).all()
    # Other draws, and squares exp(2 z) of 128 Gaussians z: their mean follows the largest z, about 2.5 +- 0.6, so that
    # its ln moves by about 1 in each; 4 is four of their differences' typical size, where underflow would give inf.
    assert np.abs(found["float32"] - found["float64"]).max() < 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("variant", ["layer", "batch", "rms"])
def test_a_norm_without_eps_lifts_any_signal_to_one(variant: str, dtype: str) -> None:
    layers = [{"dense": 16}, {"norm": {"kind": variant, "eps": 0.0}}, {"dense": 16}]
    for std in (1e-200, 1e-50, 1e-25, 1.0, 1e25):
        found = _run(load(_config(layers, 16, input={"std": std}, probe={"dtype": dtype})).network)
        assert np.abs(found.log_activation_second_moment[:, 1]).max() < 1e-5, std
        assert np.isfinite(found.log_gradient_second_moment).all(), std
