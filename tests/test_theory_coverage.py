"""What theory covers, against measurement: weights with a mean, identity weights, inputs, joins; and what it does not.

Layers of n units shift means by about 1/n a layer. Each comparison allows 4 standard errors of ln(mean over trials)
and, beside them, twice 1/n a layer.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden import Said

import varprobe
from varprobe.theory.records import Prediction

WIDTH, TRIALS, BATCH = 256, 40, 16
ROOT = math.sqrt(WIDTH)
Measured = dict[str, tuple[Any, Any]]


def network(layers: list[Any], activation: str = "linear", init: Any = "lecun", **more: Any) -> dict[str, Any]:
    probe = {"batch": BATCH, "trials": TRIALS, "dtype": "float64", **more.pop("probe", {})}
    return {
        "input": {"features": WIDTH, **more.pop("input", {})},
        "defaults": {"activation": activation, "init": init, **more},
        "layers": layers,
        "probe": probe,
    }


def dense(**more: Any) -> dict[str, Any]:
    return {"dense": {"width": WIDTH, **more}}


def both(config: dict[str, Any]) -> tuple[Prediction, Measured]:
    """The prediction, and ln of the measured means with their standard errors."""
    spec = varprobe.load(config).network
    statistics = varprobe.measure(spec).statistics
    return varprobe.derive(spec), {
        "forward": mean_and_error(statistics.log_preactivation_second_moment),
        "output": mean_and_error(statistics.log_activation_second_moment),
        "spread": mean_and_error(statistics.log_preactivation_sample_variance),
        "gradient": mean_and_error(statistics.log_gradient_second_moment),
        "input_gradient": mean_and_error(statistics.log_input_gradient_second_moment),
    }


def mean_and_error(logs: Any) -> tuple[Any, Any]:
    top = np.where(np.isfinite(logs.max(axis=0)), logs.max(axis=0), 0.0)
    values = np.exp(logs - top)
    mean = values.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return top + np.log(mean), values.std(axis=0, ddof=1) / math.sqrt(len(values)) / mean


def assert_agrees(want: float | None, measured: tuple[Any, Any], index: int, allowed: float, what: Any) -> None:
    assert want is not None, what
    found, error = measured[0][index], measured[1][index]
    if want == -math.inf:
        assert found == -math.inf or found < -50, what
        return
    assert abs(found - want) < 4 * error + allowed, (what, found, want, error)


def check(config: dict[str, Any], *, per_layer: float = 2.0, gradient: bool = True) -> Prediction:
    """Every number of the prediction agrees; those that are None are checked by the caller."""
    theory, measured = both(config)
    for index, row in enumerate(theory.rows):
        allowed = per_layer * (index + 1) / WIDTH
        assert row.source is not None
        assert row.output is not None
        assert_agrees(row.source.second_moment.log, measured["forward"], index, allowed, (index, "forward"))
        assert_agrees(row.output.second_moment.log, measured["output"], index, allowed, (index, "output"))
        if row.source.sample_variance is not None:
            # What finite width adds to a spread is allowed up to 5 % a layer before it is given up.
            spread_allowed = allowed + (0.1 if row.source.shared else 0.0)
            assert_agrees(row.source.sample_variance.log, measured["spread"], index, spread_allowed, (index, "spread"))
        if gradient:
            back = per_layer * (len(theory.rows) - index) / WIDTH
            assert_agrees(row.log_gradient, measured["gradient"], index, back, (index, "gradient"))
    if gradient:
        allowed = per_layer * len(theory.rows) / WIDTH
        assert_agrees(theory.log_input_gradient, measured["input_gradient"], 0, allowed, "input gradient")
    return theory


def normal(ratio: float) -> dict[str, Any]:
    """Weights whose mean times sqrt(n) is `ratio` standard deviations."""
    return {"name": "normal", "std": 1.4 / ROOT, "mean": 1.4 * ratio / WIDTH}


@pytest.mark.parametrize("activation", ["relu", "tanh", "linear", "sigmoid"])
@pytest.mark.parametrize("ratio", [0.1, 1.0])
def test_weights_with_a_small_mean(activation: str, ratio: float) -> None:
    check(network([{"dense": WIDTH, "repeat": 6}], activation, normal(ratio)))


@pytest.mark.parametrize("activation", ["relu", "linear", "sigmoid"])
def test_weights_with_a_large_mean(activation: str) -> None:
    theory = check(network([{"dense": WIDTH, "repeat": 6}], activation, normal(5.0)))
    last = theory.rows[-1].source
    assert last is not None
    assert (last.sample_variance is None) == (activation != "linear")
    assert last.sample_variance is not None or last.sample_variance_reason


def test_a_saturated_network_of_large_means_has_no_mean_gradient() -> None:
    # A part near zero grows apart again: up to 4 % of the second moment at ratio 5.
    theory = check(network([{"dense": WIDTH, "repeat": 6}], "tanh", normal(5.0)), per_layer=3.0, gradient=False)
    assert theory.rows[0].gradient is None
    assert "rare draws" in theory.rows[0].reason


LAWS: list[Any] = [
    {"name": "constant", "value": 1 / ROOT},
    "ones",
    {"name": "jax.uniform", "scale": 1 / ROOT},
    {"name": "uniform", "low": -0.02, "high": 0.06},
    {"name": "torch.trunc_normal", "std": 0.08, "a": -0.05, "b": 0.3},
]


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("activation", ["relu", "linear", "tanh"])
def test_every_law_that_has_a_mean(law: Any, activation: str) -> None:
    # Under relu samples that are wholly dead count: their share falls with the log of the width only (5 % at 256).
    # The gradient of tanh is that of rare draws.
    width = 20.0 if activation == "relu" else 2.0
    check(network([{"dense": WIDTH, "repeat": 4}], activation, law), per_layer=width, gradient=activation != "tanh")


@pytest.mark.parametrize("given", [{"distribution": "uniform", "mean": 0.5}, {"distribution": "constant", "mean": 0.5}])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_inputs_with_a_mean_meet_weights_with_one(given: dict[str, Any], activation: str) -> None:
    check(network([dense()] * 3, activation, {"name": "normal", "std": 0.08, "mean": 0.01}, input=given))


def test_given_rows_meet_weights_with_a_mean(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    rows = generator.standard_normal((BATCH, WIDTH)) + 0.3 * generator.standard_normal((BATCH, 1))
    np.save(tmp_path / "rows.npy", rows)
    given = {"distribution": "file", "path": str(tmp_path / "rows.npy")}
    check(network([dense()] * 3, "linear", {"name": "normal", "std": 0.08, "mean": 0.02}, input=given))


def test_what_units_share_stays_through_layers_without_a_mean() -> None:
    layers = [dense(init={"name": "jax.uniform", "scale": 0.1}), dense(init="he"), dense(init="he")]
    check(network(layers, "relu"), per_layer=20.0)


BEHIND: dict[str, list[Any]] = {
    "dropout": [dense(activation="relu"), {"dropout": 0.4}],
    "layer norm": [dense(), {"norm": "layer"}, {"activation": "relu"}],
    "rms norm": [dense(activation="relu"), {"norm": "rms"}],
}


@pytest.mark.parametrize("name", BEHIND)
def test_weights_with_a_mean_among_other_layers(name: str) -> None:
    check(network([{"block": BEHIND[name], "repeat": 3}], init={"name": "normal", "std": 0.08, "mean": 0.01}))


@pytest.mark.parametrize(
    "layers",
    [
        [{"block": [dense(), {"dropout": 0.4}], "repeat": 3}],
        [{"block": [dense(), {"activation": "tanh"}], "repeat": 3}],
        [{"block": [dense(), {"norm": "layer"}, {"activation": "relu"}], "repeat": 3}],
        [dense(activation="relu", init={"name": "normal", "std": 0.08, "mean": 0.005})] * 3,
        [dense(), dense(init={"name": "identity", "gain": 0.5}), dense()],
    ],
    ids=["dropout", "activation", "norm", "mean", "identity"],
)
def test_the_mse_tie_passes_every_layer_but_joins(layers: list[Any]) -> None:
    check(network(layers, probe={"gradient": "mse"}), per_layer=4.0)


def test_identity_weights_copy() -> None:
    halved = {"name": "identity", "gain": 0.5}
    theory = check(network([dense(), dense(init="identity"), dense(init=halved, activation="relu"), dense()]))
    first, third = theory.rows[0].source, theory.rows[2].source
    assert first is not None
    assert third is not None
    assert third.second_moment == pytest.approx(first.second_moment / 4, rel=1e-14)
    assert third.gaussian


@pytest.mark.parametrize("width", [100, 400])
def test_rectangular_identity_weights_drop_or_add_units(width: int) -> None:
    theory = check(network([dense(), {"dense": {"width": width, "init": "identity"}}, dense()]))
    assert theory.rows[1].source is not None
    assert float(theory.rows[1].source.second_moment) == pytest.approx(min(1.0, WIDTH / width), rel=1e-14)


def test_zero_weights_leave_the_bias() -> None:
    theory = check(network([dense(), dense(init="zeros", bias={"std": 0.5}, activation="relu"), dense()]))
    assert theory.rows[1].source is not None
    assert theory.rows[1].source.second_moment == 0.25
    assert theory.rows[0].log_gradient == -math.inf


def test_nested_joins_at_any_place() -> None:
    inner = {"residual": {"layers": [{"norm": "layer"}, dense(activation="tanh"), dense()]}}
    block = {"residual": {"scale": 0.5, "layers": [dense(activation="relu"), inner, dense()]}}
    check(network([block, dense(), block, dense(), {"dropout": 0.2}]), per_layer=4.0)


def test_a_block_of_scale_zero_is_not_there() -> None:
    block = {"residual": {"scale": 0.0, "layers": [dense(activation="relu"), dense(init="lsuv")]}}
    rows = varprobe.derive(varprobe.load(network([dense(), block, dense()]))).rows
    assert rows[0].gradient == pytest.approx(1.0, rel=1e-12)
    assert rows[-1].source is not None
    assert float(rows[-1].source.second_moment) == pytest.approx(1.0, rel=1e-12)


def rows_of(layers: list[Any], **more: Any) -> Any:
    return varprobe.derive(varprobe.load(network(layers, **more))).rows


ENDS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "lsuv": ([dense(), dense(init="lsuv"), dense(), dense()], {}),
    "branch without weights": ([dense(), {"residual": {"layers": [{"activation": "relu"}]}}, dense()], {}),
    "block of shared parts": ([dense(), {"residual": {"layers": [dense(init="ones")]}}, dense()], {}),
    "norm of shared parts": ([dense(init="ones", activation="relu"), {"norm": "batch"}, dense()], {}),
    "not Gaussian": ([dense(activation="relu"), dense(init="identity", activation="relu"), dense()], {}),
    "identity after identity": (
        [dense(), {"dense": {"width": 400, "init": "identity"}}, {"dense": {"width": 99, "init": "identity"}}],
        {},
    ),
    "gradient tied to the output": (
        [dense(), {"residual": {"layers": [dense()]}}, dense()],
        {"probe": {"gradient": "mse"}},
    ),
    "norm over 3 rows": ([dense(), {"norm": {"kind": "batch", "eps": 0.0}}, dense()], {"probe": {"batch": 3}}),
    "weights with a mean": ([dense(init="ones"), {"activation": "sigmoid"}, dense()], {}),
}


@pytest.mark.parametrize("case", ENDS)
def test_where_theory_ends_a_row_says_why_and_the_others_go_on(case: str, said: Said) -> None:
    layers, more = ENDS[case]
    rows = rows_of(layers, **more)
    assert rows[0].source.second_moment > 0
    assert rows[0].gradient is None
    said(rows[0].reason)
    assert rows[-1].output_gradient == 1.0
    for row in rows:
        gone = None in (row.source, row.output, row.log_gradient, row.log_output_gradient)
        assert not gone or row.reason


def test_given_parts_end_theory_by_name(tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    np.savez(tmp_path / "w.npz", W=generator.standard_normal((WIDTH, WIDTH)) / ROOT, g=np.ones(WIDTH))
    path = str(tmp_path / "w.npz")
    given = dense(init={"name": "file", "path": path, "key": "W"})
    norm = {"norm": {"kind": "layer", "gamma": {"path": path, "key": "g"}}}
    for layer, reason in ((given, "dense2: given weights have no law"), (norm, "norm1: given gamma and beta")):
        rows = rows_of([dense(), layer, dense(activation="relu"), dense()])
        assert reason in rows[0].reason
        assert float(rows[0].source.second_moment) == pytest.approx(1.0)
        assert rows[-1].source is None
        # What lies behind needs no size of the signal: relu has half of its slopes.
        assert rows[-2].gradient == pytest.approx(0.5, rel=1e-12)


def test_one_sample_has_no_sample_variance_and_says_so() -> None:
    theory = check(network([dense(activation="relu"), dense()], probe={"batch": 1, "trials": 100}), per_layer=6.0)
    for row in theory.rows:
        assert row.source is not None
        assert row.source.sample_variance is None
        assert row.source.sample_variance_reason == "batch 1 has no sample variance"


def test_chi1_counts_the_variance_of_the_weights_only() -> None:
    rows = rows_of([dense(init={"name": "normal", "std": 0.1, "mean": 0.02})] * 2)
    assert rows[0].chi1 == pytest.approx(WIDTH * 0.01, rel=1e-12)
    # The last gradient at z is E[phi'^2] itself, over all values of what the units share.
    last = rows_of([dense(init=normal(5.0), activation="sigmoid")] * 3)[-1]
    assert last.chi1 == pytest.approx(1.96 * last.gradient, rel=1e-12)


@pytest.mark.parametrize("mean", [0.0, 0.5])
def test_linear_networks_follow_the_closed_recursion(mean: float) -> None:
    """Second moments of one unit and of two close under W = mu + sigma w; nothing else is needed, at any width."""
    n, mu, variance, depth = 64, 0.05, 0.01, 6
    config = network([{"dense": n, "repeat": depth}], "linear", {"name": "normal", "std": 0.1, "mean": mu})
    config["input"] = {"features": n, "mean": mean}
    theory = varprobe.derive(varprobe.load(config))

    def step(single: float, pair: float) -> tuple[float, float]:
        total = n * single + n * (n - 1) * pair
        return n * variance * single + mu**2 * total, mu**2 * total

    single, pair = 1 + mean**2, mean**2
    for row in theory.rows:
        single, pair = step(single, pair)
        assert row.source is not None
        assert float(row.source.second_moment) == pytest.approx(single, rel=1e-12)
        assert float(row.source.shared + row.source.mean**2) == pytest.approx(pair, rel=1e-12)
    single, pair = 1.0, 0.0
    for row in reversed(theory.rows):
        assert row.gradient == pytest.approx(single, rel=1e-9)
        single, pair = step(single, pair)
    assert theory.input_gradient == pytest.approx(single, rel=1e-9)


def test_what_two_units_have_in_common_is_what_sampled_units_have() -> None:
    config = network([dense()] * 3, "relu", {"name": "jax.uniform", "scale": 0.1})
    row = varprobe.derive(varprobe.load(config)).rows[1].source
    assert row is not None
    generator = np.random.default_rng(5)
    found = []
    for _ in range(200):
        a = generator.standard_normal((BATCH, WIDTH))
        for _ in range(2):
            z = a @ generator.uniform(0, 0.1, (WIDTH, WIDTH))
            a = np.maximum(z, 0)
        sums = z.sum(axis=1)
        found.append(np.mean(sums**2 - (z**2).sum(axis=1)) / (WIDTH * (WIDTH - 1)))
    error = np.std(found) / math.sqrt(len(found))
    common = float(row.shared + row.mean**2)
    assert abs(np.mean(found) - common) < 4 * error + 4 / WIDTH * common


def test_a_norm_takes_away_what_units_share() -> None:
    law = {"name": "jax.uniform", "scale": 0.1}
    # Units of the second layer have about as much of their own as what is left of the first one's noise.
    alike = {"name": "normal", "std": 0.002, "mean": 0.05}
    layers = [dense(init=law, activation="relu"), dense(init=alike), {"norm": "layer"}, dense(init="he")]
    check(network(layers, input={"mean": 3.0}), per_layer=4.0)
    first = [dense(init=law), {"norm": "layer"}, dense(init="he", activation="relu"), dense()]
    check(network(first), per_layer=4.0)


@pytest.mark.parametrize("kind", ["layer", "rms"])
def test_a_norm_of_a_signal_with_a_mean(kind: str) -> None:
    spec = varprobe.load(network([{"norm": kind}, dense()], input={"mean": 2.0})).network
    output = varprobe.derive(spec).rows[0].output
    assert output is not None
    assert float(output.mean) == pytest.approx(2 / math.sqrt(5) if kind == "rms" else 0.0, rel=1e-5)


def test_a_given_cotangent_meets_weights_with_a_mean(tmp_path: Path) -> None:
    np.save(tmp_path / "g.npy", np.random.default_rng(3).standard_normal((BATCH, WIDTH)) + 0.5)
    probe = {"gradient": {"name": "file", "path": str(tmp_path / "g.npy")}}
    check(network([dense()] * 3, "linear", {"name": "normal", "std": 0.06, "mean": 0.004}, probe=probe))
