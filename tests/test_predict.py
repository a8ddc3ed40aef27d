"""`varprobe predict`: theory alone, as its users see it."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import varprobe
from varprobe.cli.main import run as run_command
from varprobe.config.loading import load
from varprobe.diagnose import diagnose, predict_report
from varprobe.gaussian.correlation_map import pair_spread
from varprobe.network.activations import make_activation
from varprobe.network.spec import Settings
from varprobe.results.store import from_plain, json_schema, to_dict
from varprobe.verdict.crowding import ODD

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """The tool inside this process, in a folder with the shipped configs; gives its code and what it printed."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments: str) -> tuple[int, str]:
        code = run_command(list(arguments))
        captured = capsys.readouterr()
        assert captured.err == "" or code == 2
        return code, captured.out + captured.err

    return call


def chain(activation: str, init: Any, width: int = 256, depth: int = 20, **probe: Any) -> dict[str, Any]:
    return {
        "input": {"features": width},
        "defaults": {"activation": activation, "init": init},
        "layers": [{"dense": width, "repeat": depth}],
        "probe": probe,
    }


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_theory_alone_gives_every_shipped_config_the_verdict_that_it_expects(config: Path) -> None:
    report = predict_report(varprobe.load(config))
    assert report.expect
    assert [item.what for item in report.expect if not item.met] == []


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_the_report_of_theory_is_a_report_without_measurements(config: Path) -> None:
    report = predict_report(varprobe.load(config))
    data = json.loads(json.dumps(to_dict(report)))
    jsonschema.validate(data, json_schema("report"))
    assert from_plain(data, "r.json", "report") == report
    assert data["objective"]["output_gradient"] is None
    for row in data["layers"]:
        measured = ("preactivation", "activation", "gradient", "activation_gradient", "weight_gradient", "histogram")
        assert [key for key in measured if row[key] is not None] == []
        assert row["weights"] is None or row["weights"]["std"] is None
        assert row["predicted"]["second_moment"] is not None
        assert row["predicted"]["gradient_second_moment"] is not None
    keys = {"regime", "fixed_point", "chi1", "xi_q", "xi_c", "xi_gradient", "trainable_depth"}
    assert keys <= set(data["prediction"])


def test_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("drawn")

    monkeypatch.setattr(np.random, "SeedSequence", refuse)
    monkeypatch.setattr(np.random, "default_rng", refuse)
    assert predict_report(varprobe.load(chain("tanh", "xavier"))).verdict.overall == "stable"


def test_the_formats_of_run_are_those_of_predict(tool: Any) -> None:
    files = ("out.json", "out.csv", "out.md")
    code, shown = tool("predict", "configs/he_relu.yaml", *(part for name in files for part in ("-o", name)))
    assert code == 0
    remade = tool("show", "out.json")
    assert remade == (0, shown)
    again = [Path(name).read_text() for name in files]
    tool("show", "out.json", *(part for name in files for part in ("-o", name)))
    assert [Path(name).read_text() for name in files] == again
    with Path("out.csv").open(newline="") as table:
        cells = next(csv.DictReader(table))
    assert float(cells["predicted.second_moment"]) == pytest.approx(2.0, rel=1e-15)
    assert cells["preactivation.second_moment.mean"] == ""
    assert tool("predict", "configs/he_relu.yaml", "-o", "out.gif")[0] == 2


def test_the_table_has_theory_s_variances_and_by_all_its_other_moments(tool: Any) -> None:
    code, out = tool("predict", "configs/he_relu.yaml", "--set", "layers.0.repeat=4")
    lines = out.splitlines()
    assert code == 0
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith("theory at large width, nothing drawn; batch 128")
    # E[relu] = sqrt(q/(2 pi)) and Var = q/2 - q/(2 pi) at q = 2.
    assert [lines[5].split()[at] for at in (0, 1, 2, 3, 5)] == ["1", "dense1", "256", "0.682", "1"]
    code, every = tool("predict", "configs/he_relu.yaml", "--set", "layers.0.repeat=4", "--all")
    assert code == 0
    cells = [line.split() for line in every.splitlines() if line.startswith("1 dense1 ")]
    # Second moment, mean and sample variance of the output; second moment of z, gradient there, chi1.
    assert [cell for line in cells for cell in line[3:]] == ["0.682", "1", "1", "0.564", "0.682", "2", "0.5", "1"]
    words = " ".join(out.split())
    assert "theory: edge of chaos; fixed point q* = 2; chi1 = 1; trainable depth unlimited." in words
    found = re.search(r"activations: stable; x ([\d.]+) from the first layer to the last by theory;", words)
    assert found
    # The mean over draws keeps it; a typical draw loses at most 5/(2 width) of ln a layer, at three steps.
    assert math.exp(-3 * 2.5 / 256) <= float(found[1]) < 1


def test_explain_writes_the_bookkeeping_out(tool: Any) -> None:
    code, out = tool("predict", "configs/pyramid_he.yaml", "--explain")
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    forward = lines.index(["#", "layer", "fan_in", "Var(W)", "E[a^2]", "product", "rest", "E[z^2]"])
    backward = lines.index(["#", "layer", "fan_out", "Var(W)", "E[phi'^2]", "factor", "E[g_out^2]", "E[g_in^2]"])
    assert out.count("E[z^2] = fan_in Var(W) E[a^2] + rest") == 1
    assert lines[forward + 1] == ["1", "dense1", "784", "0.00255", "1", "2", "0", "2"]
    assert lines[forward + 2] == ["2", "dense2", "512", "0.00391", "1", "2", "0", "2"]
    # From the output on: 10 outputs, Var W = 2/64, a linear layer: 10 * 2/64.
    assert lines[backward + 1] == ["5", "dense5", "10", "0.0313", "1", "0.313", "1", "0.313"]
    # 64 * 2/128 * 1/2 of 0.3125.
    assert lines[backward + 2] == ["4", "dense4", "64", "0.0156", "0.5", "0.5", "0.313", "0.156"]


def test_every_line_of_the_explanation_adds_up() -> None:
    from varprobe.reporters.report.explanation import _backward, _forward

    report = predict_report(varprobe.load(chain("gelu", "torch.linear_default", depth=4)))
    for row, line in zip(report.layers, _forward(report).values(), strict=True):
        fan_in, variance, feed, product, rest, result = (float(cell.replace(",", "")) for cell in line)
        # Three digits are printed: half a unit of the last of them, 0.5 %, of each factor.
        assert fan_in * variance * feed == pytest.approx(product, rel=0.015), row.name
        assert product + rest == pytest.approx(result, rel=0.015)
        assert rest == pytest.approx(1 / (3 * 256), rel=0.01)  # the bias's own variance
    lines = list(_backward(report).values())
    for line in lines:
        fan_out, variance, bend, factor, behind, result = (float(cell) for cell in line)
        assert fan_out * variance * bend == pytest.approx(factor, rel=0.015)
        assert factor * behind == pytest.approx(result, rel=0.015)
    for before, here in pairwise(lines):
        assert float(here[-1]) == float(before[-2])  # one layer's g_in is the next one's g_out


@pytest.mark.parametrize(
    ("activation", "init", "depth", "labels"),
    [
        ("tanh", "small", 20, ("vanishing", "vanishing")),
        ("relu", "xavier", 50, ("vanishing", "vanishing")),
        ("relu", "large", 20, ("exploding", "exploding")),
        ("tanh", "xavier", 50, ("stable", "stable")),
        # chi1 of SELU, 1.0507^2 (1/2 + 1.6733^2 e^2 Phi(-2)) = 1.0716, makes 364 of 85 steps and 943,000 of 199.
        ("selu", "lecun", 86, ("stable", "borderline")),
        ("selu", "lecun", 200, ("stable", "exploding")),
        ("tanh", {"name": "mean_field", "sw": 2.5, "sb": 0.3}, 50, ("stable", "exploding")),
        ("gelu", "he", 50, ("vanishing", "vanishing")),
        ("relu", "zeros", 5, ("degenerate", "degenerate")),
        ("relu", "he", 3, ("stable", "stable")),
        ("tanh", "small", 3, ("vanishing", "vanishing")),
    ],
)
def test_labels_by_theory_alone(activation: str, init: Any, depth: int, labels: tuple[str, str]) -> None:
    verdict = predict_report(varprobe.load(chain(activation, init, depth=depth))).verdict
    assert (verdict.forward.label, verdict.backward.label) == labels


def test_depth_ten_thousand_stays_in_range() -> None:
    report = predict_report(varprobe.load(chain("relu", "xavier", depth=10_000)))
    forward = report.verdict.forward
    assert forward.mean_log10 == pytest.approx(9_999 * math.log10(0.5), rel=1e-9)  # from the first to the last
    last = report.layers[-1].predicted
    assert last.second_moment == 0.0
    assert last.log10_second_moment == pytest.approx(9_999 * math.log10(0.5), rel=1e-9)


def test_where_theory_ends_the_fields_are_null_with_the_reason() -> None:
    config = chain("tanh", "xavier", width=16, depth=2)
    config["layers"].append({"dense": {"width": 16, "init": "lsuv"}})
    report = predict_report(varprobe.load(config))
    assert report.layers[1].predicted.second_moment is not None
    assert report.layers[2].predicted.second_moment is None
    assert "lsuv" in report.layers[2].predicted.reason
    assert report.verdict.overall == "inconclusive"


def test_run_sets_theory_beside_the_measurement() -> None:
    experiment = varprobe.load(chain("tanh", "xavier", depth=5, trials=10, batch=16))
    report = diagnose(experiment)
    alone = predict_report(experiment)
    for row, theory in zip(report.layers, alone.layers, strict=True):
        assert row.activation is not None
        assert row.predicted.second_moment == theory.predicted.second_moment
        assert row.predicted.activation_variance is not None
        measured, error = row.activation.variance, row.predicted.activation_deviation
        assert measured.mean is not None
        assert error is not None
        # The deviation, times the error that the interval shows, is the distance but for the shift at finite width.
        assert measured.low is not None
        assert measured.high is not None
        half = math.log(measured.high / measured.low) / 2 / 2.262  # t(0.975, 9)
        gap = math.log(measured.mean / row.predicted.activation_variance)
        assert gap == pytest.approx(error * half, abs=0.02 + 0.1 * abs(gap))


def test_the_band_of_the_mean_narrows_with_the_trials_and_that_of_a_draw_does_not() -> None:
    experiment = varprobe.load(chain("tanh", "xavier", depth=5))
    few, many = (predict_report(experiment, Settings(trials=trials)).layers[-1].predicted for trials in (10, 1000))
    assert few.second_moment_low is not None
    assert many.second_moment_low is not None
    assert few.second_moment is not None
    assert few.second_moment_low < many.second_moment_low < few.second_moment
    assert (few.draw_low, few.draw_high) == (many.draw_low, many.draw_high)


EXTREMES: dict[str, dict[str, Any]] = {
    "squares that vanish doubly exponentially": chain("relu_squared", "small", depth=12),
    "a function that is flat at the signal": {
        "input": {"features": 3, "std": 0.02},
        "layers": [{"dense": {"width": 2, "activation": "soft_shrink"}}],
    },
    "biases beyond every bend": {**chain("erf", "lecun", 3, 3), "input": {"features": 3}},
    "sparse weights that are all zero": {
        "input": {"features": 3},
        "layers": [{"dense": {"width": 3, "init": {"name": "sparse", "std": 1e4}}}],
    },
    "tiny signals in nested blocks": {
        "input": {"features": 2, "std": 1e-30},
        "defaults": {"activation": "gelu"},
        "layers": [{"dense": 2}, {"residual": {"layers": [{"dense": 2}, {"residual": {"layers": [{"dense": 2}]}}]}}],
    },
}
EXTREMES["biases beyond every bend"]["defaults"] = {"activation": "erf", "init": "lecun", "bias": {"std": 1e10}}


@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_networks_are_predicted_and_measured_without_a_fault(name: str) -> None:
    experiment = varprobe.load({**EXTREMES[name], "probe": {"trials": 2, "batch": 4}})
    for report in (predict_report(experiment), diagnose(experiment)):
        assert report.verdict.overall
        assert from_plain(to_dict(report), "r.json", "report") == report


@pytest.mark.parametrize("variance", [1e-3, 1.0, 1e6, 1e12, 1e20])
def test_pairs_of_erf_hold_at_any_variance(variance: float) -> None:
    activation = make_activation("erf")
    for share in (1e-6, 0.5, 1.0, 1.5, 2.0):
        found = pair_spread(activation, 0.0, variance, share * variance)
        assert math.isfinite(found)
        assert 0 < found <= 2
    # Far beyond the bend erf is the sign: E[sign sign'] = (2/pi) asin(1/2) at correlation 1/2.
    if variance > 1e10:
        half = pair_spread(activation, 0.0, variance, variance / 2)
        assert half == pytest.approx(1 - 2 / math.pi * math.asin(0.5), rel=1e-4)


@pytest.mark.parametrize("activation", [*ODD, "relu"])
def test_a_bounded_odd_function_behind_a_norm_lets_draws_differ_less(activation: str) -> None:
    """At depth/width 0.75 ln of the gradient's change has a variance of 0.4 to 0.9, that of relu one of 2.5."""
    block = {"block": [{"dense": 32}, {"norm": "layer"}, {"activation": activation}], "repeat": 24}
    experiment = load({
        "input": {"features": 32},
        "defaults": {"activation": "linear", "init": "xavier"},
        "layers": [block],
        "probe": {"batch": 32, "trials": 60},
    })  # fmt: skip
    measured = diagnose(experiment, remedies=False).verdict.backward
    assert measured.spread_log10 is not None
    differs = measured.spread_log10 * math.log(10) > 1
    codes = [finding.code for finding in predict_report(experiment).verdict.findings]
    assert ("finite-width" in codes) == differs == (activation == "relu")
