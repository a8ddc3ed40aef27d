"""A kind of layer is added in one place: a class, and its entry in the table of kinds."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from varprobe.api import check, derive, load, measure, run
from varprobe.cli.main import run as run_command
from varprobe.frozen import dataclass
from varprobe.network.layer_kinds import LAYER_KINDS, LayerKind
from varprobe.network.layers import Kept, Layer, S, Stage
from varprobe.network.parameters import Number
from varprobe.results.kinds import RESULTS

DEPTH, FACTOR = 12, 0.5


@dataclass(frozen=True)
class Scale(Layer):
    """A constant times what comes in."""

    factor: float
    kind = "scale"
    uncovered = ""
    kept = Kept.NOTHING

    def through(self, stage: Stage[S], signal: S) -> S:
        return signal.times(self.factor)

    @property
    def likeness(self) -> str:
        return f"scale {self.factor}"


@pytest.fixture(autouse=True)
def _scale(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = LayerKind("factor * x", "scale: 0.5", Number(), lambda site, factor: Scale(factor))
    monkeypatch.setitem(LAYER_KINDS, "scale", kind)


def config(**probe: Any) -> dict[str, Any]:
    block = [{"dense": 256}, {"scale": FACTOR}]
    return {
        "input": {"features": 256},
        "defaults": {"init": "he", "activation": "relu"},
        "layers": [{"block": block, "repeat": DEPTH}, {"dense": {"width": 256, "activation": "linear"}}],
        "probe": {"batch": 32, "trials": 30, **probe},
    }


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "scaled.yaml"
    path.write_text(json.dumps(config()))
    return str(path)


ENGINES = pytest.mark.parametrize("engine", ["explicit", "matrix-free"])


@ENGINES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_its_row_takes_the_square_of_the_factor_from_signal_and_gradient(engine: str, dtype: str) -> None:
    measured = measure(config(engine=engine, dtype=dtype))
    rows = [row for row, layer in enumerate(measured.layers) if layer.kind == "scale"]
    assert len(rows) == DEPTH
    assert [measured.layers[row].name for row in rows[:2]] == ["scale1", "scale2"]
    s = measured.statistics
    signal = s.log_activation_second_moment - s.log_preactivation_second_moment
    gradient = s.log_gradient_second_moment - s.log_activation_gradient_second_moment
    for change in (signal, gradient):
        np.testing.assert_allclose(change[:, rows], 2 * math.log(FACTOR), rtol=1e-5)


def test_theory_goes_through_it_forward_and_back() -> None:
    prediction = derive(config())
    step = math.log(FACTOR**2)
    first = prediction.rows[0].source
    assert first is not None
    for copy in range(DEPTH):
        dense, scale = prediction.rows[2 * copy : 2 * copy + 2]
        assert dense.source is not None
        assert scale.source is not None
        assert scale.output is not None
        assert dense.source.second_moment.log == pytest.approx(first.second_moment.log + copy * step)
        assert scale.output.second_moment.log == pytest.approx(scale.source.second_moment.log + step)
        assert scale.output.sample_variance.log == pytest.approx(scale.source.sample_variance.log + step)
        assert scale.log_gradient == pytest.approx((DEPTH - copy) * step + math.log(2))
        assert scale.log_gradient == pytest.approx(scale.log_output_gradient + step)
        assert scale.width.source is not None
        assert scale.width.gradient is not None


@ENGINES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_measurement_and_theory_agree_and_say_how_deep_it_goes(engine: str, dtype: str) -> None:
    verdict = run(config(engine=engine, dtype=dtype)).verdict
    codes = [finding.code for finding in verdict.findings]
    assert "theory-mismatch" not in codes
    assert "theory-ends" not in codes
    for direction in (verdict.forward, verdict.backward):
        assert direction.rate == pytest.approx(FACTOR**2, rel=0.02)
        assert direction.depth_scale == pytest.approx(1 / abs(math.log(FACTOR**2)), rel=0.02)


def test_a_wrong_factor_in_theory_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    network = load(config())
    monkeypatch.setattr("varprobe.theory.records.SignalMoments.times", lambda self, factor: self)
    assert "theory-mismatch" in [finding.code for finding in run(network).verdict.findings]


@pytest.mark.parametrize("command", ["run", "predict"])
def test_reports_of_every_format_show_it(command: str, file: str, tmp_path: Path, capfd: Any) -> None:
    outputs = {suffix: tmp_path / f"report{suffix}" for suffix in RESULTS["report"].formats}
    options = [part for path in outputs.values() for part in ("-o", str(path))]
    assert run_command([command, file, "--all", *options]) == 0
    assert f"scale{DEPTH}" in capfd.readouterr().out
    for suffix, path in outputs.items():
        if suffix in (".png", ".svg", ".pdf"):
            assert path.stat().st_size > 1000
        else:
            assert f"scale{DEPTH}" in path.read_text()
    rows = [row for row in json.loads(outputs[".json"].read_text())["layers"] if row["kind"] == "scale"]
    assert [row["fan_out"] for row in rows] == [256] * DEPTH
    for row in rows:
        before, after = row["predicted"]["second_moment"], row["predicted"]["activation_second_moment"]
        assert after == pytest.approx(FACTOR**2 * before)


def test_checks_of_every_format_judge_it(file: str, tmp_path: Path, capfd: Any) -> None:
    outputs = [tmp_path / f"check{suffix}" for suffix in RESULTS["check"].formats]
    options = [part for path in outputs for part in ("-o", str(path))]
    assert run_command(["check", file, *options]) == 1
    assert "vanishing" in capfd.readouterr().out
    assert all(path.stat().st_size for path in outputs)


def test_an_expectation_may_name_it() -> None:
    low, high = 0.9 * FACTOR**2, 1.1 * FACTOR**2
    expect: dict[str, Any] = {"layers": {"scale1": {"activation.second_moment": [low, high]}}}
    both = {"forward": "vanishing", "backward": "vanishing"}
    assert check({**config(), "expect": {**expect, **both}}).outcome == "passed"


def test_tuning_makes_up_for_it(file: str, tmp_path: Path, capfd: Any) -> None:
    tuned = tmp_path / "tuned.yaml"
    assert run_command(["tune", file, "-o", str(tuned)]) == 0
    network = load(tuned).network
    stds = [step.layer.weights.variance(256, 256) for step in network.rows[1:] if step.layer.weights]
    np.testing.assert_allclose(stds[1:-1], 2 / 256 / FACTOR**2, rtol=0.02)
    assert run(tuned).verdict.forward.label == "stable"


def test_its_words_are_listed_and_its_mistakes_placed(file: str, capfd: Any) -> None:
    assert run_command(["list", "layers"]) == 0
    assert "factor * x" in capfd.readouterr().out
    assert run_command(["schema", "config"]) == 0
    entry = json.loads(capfd.readouterr().out)["$defs"]["entry"]["anyOf"][-1]
    assert entry["properties"]["scale"]["anyOf"][0] == {"maximum": 1e30, "minimum": -1e30, "type": "number"}
    assert run_command(["run", file, "--set", "layers.0.block.1.scale=big"]) == 2
    assert "layers[0].block[1].scale: must be a number" in capfd.readouterr().err


def test_a_kind_may_say_that_theory_does_not_cover_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scale, "uncovered", "nobody has worked it out")
    assert derive(config()).rows[1].reason == "scale1: nobody has worked it out"
