"""Short and long forms of layers: bare widths, repeat inside a dense mapping, and a factor of the skip."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from varprobe.api import derive, measure, run
from varprobe.config.loading import load, read_config
from varprobe.config.overrides import parse_assignment
from varprobe.config.rewriting import rewrite
from varprobe.errors import VarprobeError
from varprobe.network.layers import Dense, Join
from varprobe.network.spec import NetworkSpec
from varprobe.tuning import tune


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(layers: str, *assignments: str) -> NetworkSpec:
    Path("net.yaml").write_text(f"constants: {{w: 6}}\ninput: {{features: 4}}\nlayers: {layers}\n")
    return load("net.yaml", [parse_assignment(each) for each in assignments]).network


def refusal(layers: str) -> Any:
    with pytest.raises(VarprobeError) as caught:
        read(layers)
    return caught.value


def widths(spec: NetworkSpec) -> list[int]:
    return [step.fan_out for step in spec.rows]


def test_a_bare_number_is_a_dense_layer() -> None:
    spec = read("[256, 64, 2*w, {norm: layer}, {block: [8, w], repeat: 2}, 4, {residual: {layers: [9, 4]}}]")
    assert widths(spec) == [256, 64, 12, 12, 8, 6, 8, 6, 4, 9, 4, 4]
    assert {type(step.layer).__name__ for step in spec.rows} == {"Dense", "Norm", "Join"}
    assert [step.path for step in spec.rows][:2] == ["layers[0]", "layers[1]"]


def test_options_reach_into_a_bare_number() -> None:
    spec = read("[8, {block: [4]}]", "layers[0].repeat=3", "layers.1.block.0.dense.init=he")
    assert widths(spec) == [8, 8, 8, 4]
    assert isinstance(spec.steps[-1].layer, Dense)
    assert spec.steps[-1].layer.init_label == "he"
    assert widths(read("[8, 4]", "layers.1=5")) == [8, 5]
    assert widths(read("[8, 4]", "layers.1.dense=5")) == [8, 5]


@pytest.mark.parametrize(
    ("layers", "column", "field"),
    [
        ("[0]", 10, "layers[0].dense.width"),
        ("[8, 2.5]", 13, "layers[1].dense.width"),
        ("[8, -1]", 13, "layers[1].dense.width"),
        ("[8, true]", 13, "layers[1]"),
        ("[8, relu]", 13, "layers[1]"),
        ("[8, 3*z]", 13, "layers[1].dense.width"),
        ("[{dense: {width: 3, repeat: 0}}]", 37, "layers[0].dense.repeat"),
        ("[{dense: {width: 3, repeat: 2}, repeat: 3}]", 37, "layers[0].dense.repeat"),
        ("[{dense: {width: 3, name: x}}]", 29, "layers[0].dense.name"),
        ("[8, {norm: {kind: layer, repeat: 2}}]", 34, "layers[1].norm.repeat"),
        ("[4, {residual: {skip: x, layers: [4]}}]", 31, "layers[1].residual.skip"),
    ],
)
def test_what_is_wrong_has_its_place(layers: str, column: int, field: str) -> None:
    error = refusal(layers)
    assert (error.place.line, error.place.column, error.field) == (3, column, field)
    assert error.hint


def test_repeat_may_stand_in_the_dense_mapping() -> None:
    inside, beside = read("[{dense: {width: 8, repeat: w/2}}, 4]"), read("[{dense: 8, repeat: 3}, 4]")
    assert widths(inside) == widths(beside) == [8, 8, 8, 4]
    assert [(step.path, step.repeat_index, step.group) for step in inside.rows] == [
        (step.path, step.repeat_index, step.group) for step in beside.rows
    ]
    assert widths(read("[{dense: {width: 8, repeat: 3}}]", "layers.0.dense.repeat=2")) == [8, 8]


def test_short_forms_are_tuned_and_written_back() -> None:
    text = "input: {features: 32}\ndefaults: {activation: relu, init: small}\nlayers: [32, 32, 32, 32, 32, 32]  # six\n"
    text += "probe: {trials: 5, batch: 16}\n"
    Path("net.yaml").write_text(text)
    tuned = tune(read_config("net.yaml")).tuned
    again = rewrite(text, tuned.document, "net.yaml")
    assert "# six" in again
    assert again != text
    Path("net.yaml").write_text(text.replace("layers: [32, 32", "layers: [{dense: {width: 32, init: large}}, 32"))
    tuned = tune(read_config("net.yaml")).tuned
    assert run(tuned).verdict.overall == "stable"


# --- the skip's factor ---

SKIP, SCALE, BLOCKS = 0.8, 0.5, 6


def residual(skip: float = SKIP, scale: float = SCALE, **probe: Any) -> dict[str, Any]:
    branch = [{"activation": "relu"}, {"dense": 256}]
    return {
        "input": {"features": 256},
        "defaults": {"activation": "linear", "init": "he"},
        "layers": [
            {"dense": {"width": 256, "init": "lecun"}},
            {"residual": {"skip": skip, "scale": scale, "layers": branch}, "repeat": BLOCKS},
        ],
        "probe": {"batch": 16, "trials": 40, "dtype": "float64", **probe},
    }


@pytest.mark.parametrize("engine", ["explicit", "matrix-free"])
@pytest.mark.parametrize(("skip", "scale"), [(SKIP, SCALE), (-1.5, 1.0), (0.0, 1.0), (0.7, 0.0)])
def test_signal_and_gradient_go_past_by_its_square(engine: str, skip: float, scale: float) -> None:
    """He weights on relu keep the second moment: each block multiplies it, and the gradient's, by skip^2 + scale^2."""
    config = residual(skip, scale, engine=engine)
    prediction, measured = derive(config), measure(config)
    joins = [row for row, layer in enumerate(measured.layers) if layer.kind == "residual"]
    step = math.log(skip**2 + scale**2)
    s = measured.statistics
    out = s.log_activation_second_moment[:, joins]
    back = s.log_activation_gradient_second_moment[:, joins]
    for values, wanted in ((np.diff(out, axis=1), step), (np.diff(back, axis=1), -step)):
        found = values.mean(axis=0)
        error = 4 * values.std(axis=0, ddof=1) / math.sqrt(len(values))
        assert np.all(np.abs(found - wanted) < error + 4 / 256), (found - wanted, error)
    for copy, row in enumerate(joins):
        said = prediction.rows[row]
        assert said.output is not None
        assert said.output.second_moment.log == pytest.approx((copy + 1) * step, abs=1e-9)
        assert said.log_output_gradient == pytest.approx((BLOCKS - 1 - copy) * step, abs=1e-9)


def test_measurement_agrees_with_theory_and_a_wrong_skip_in_theory_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def codes(config: Any) -> set[str]:
        return {finding.code for finding in run(config).verdict.findings}

    assert not {"theory-mismatch", "theory-ends"} & codes(residual())
    spec = load(residual()).network
    joins = [step.layer for step in spec.steps if isinstance(step.layer, Join)]
    assert {(join.scale, join.skip) for join in joins} == {(SCALE, SKIP)}
    wrong = derive(residual(skip=1.0))
    monkeypatch.setattr("varprobe.diagnose.predict", lambda *_: wrong)
    assert "theory-mismatch" in codes(residual())


def test_without_a_word_the_skip_is_1() -> None:
    spec = read("[4, {residual: {layers: [4]}}]")
    assert [step.layer for step in spec.steps if isinstance(step.layer, Join)] == [Join(1.0, 1.0)]
