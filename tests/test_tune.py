"""Tuning: the change that theory finds, measured; the user's file; the remedies of a run."""

from __future__ import annotations

import io
import json
import math
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden import Said

from varprobe.advice.changes import compare_modes, find_changes, fold, scheme_name
from varprobe.advice.cure import ALONE, SEARCHED
from varprobe.advice.edits import find_edits, largest_difference
from varprobe.advice.gains import edge_of_chaos, find_gains
from varprobe.advice.predicted_verdict import bench_for
from varprobe.advice.propose import propose
from varprobe.advice.variants import Recipe, Variation, shorten, std_of, vary
from varprobe.advice.ways import By
from varprobe.cli.main import run as run_command
from varprobe.config.loading import ConfigText, load
from varprobe.config.overrides import Override, parse_assignment
from varprobe.config.rewriting import flow, rewrite
from varprobe.config.yaml_tree import parse_yaml
from varprobe.diagnose import diagnose, predict_report
from varprobe.errors import ConfigError
from varprobe.gaussian.expectations import expectations
from varprobe.network.activations import make_activation
from varprobe.network.spec import NetworkSpec, Settings
from varprobe.probe.measure import measure
from varprobe.theory.predict import predict, recursions
from varprobe.theory.records import Prediction
from varprobe.tuning import Tuning, is_stable, tune
from varprobe.verdict.agreement import foresee
from varprobe.verdict.case import foresee_case
from varprobe.verdict.judge import conclude, judge

ROOT = Path(__file__).parents[1]


def config(layers: list[Any], activation: Any = "tanh", init: Any = "xavier", width: int = 128, **parts: Any) -> Any:
    return {
        "input": {"features": width},
        "defaults": {"activation": activation, "init": init, **parts.pop("defaults", {})},
        "layers": layers,
        "probe": {"batch": 16, "trials": 8, **parts.pop("probe", {})},
        **parts,
    }


def pyramid(init: Any, activation: str = "relu") -> Any:
    widths = (256, 224, 192, 160, 128, 112, 96, 80, 64, 48, 32, 24)
    last = {"dense": {"width": 10, "activation": "linear"}}
    return config([*({"dense": width} for width in widths), last], activation, init, 400)


RESIDUAL = [
    {"dense": {"width": 128, "init": "xavier"}},
    {"residual": {"layers": [{"activation": "relu"}, {"dense": 128}]}, "repeat": 16},
]
ACTIVATED_LAST = [{"residual": {"layers": [{"dense": 128}]}, "repeat": 16}]
NORMED = [{"block": [{"dense": 128}, {"norm": "batch"}, {"activation": "relu"}], "repeat": 20}]
BAD_LAYER = [
    {"dense": 128, "repeat": 6},
    {"dense": {"width": 128, "init": {"name": "small", "std": 5e-4}}},
    {"dense": 128, "repeat": 6},
]
GPT2 = [{"residual": {"layers": [{"dense": 256}, {"dense": {"width": 128, "activation": "linear"}}]}, "repeat": 12}]
MIXED = [{"dense": 128, "repeat": 10}, {"dense": {"width": 64, "activation": "relu"}, "repeat": 10}]

# name: (config, by what it is tuned, the largest std factor or residual scale that is set)
CASES: dict[str, tuple[Any, str, float]] = {
    "small tanh": (
        config([{"dense": 256, "repeat": 50}], init="small", width=256, probe={"trials": 4, "batch": 16}),
        "scale",
        6.25,
    ),
    "large tanh": (config([{"dense": 100, "repeat": 20}], init="large", width=100), "scale", 0.1),
    "relu xavier": (config([{"dense": 128, "repeat": 30}], "relu"), "scale", math.sqrt(2)),
    "torch relu": (config([{"dense": 128, "repeat": 20}], "relu", "torch.linear_default"), "scale", math.sqrt(6)),
    "gelu lecun": (config([{"dense": 256, "repeat": 16}], "gelu", "lecun", 256), "scale", 1.4628),
    "selu lecun": (config([{"dense": 256, "repeat": 150}], "selu", "lecun", 256), "scale", 0.8254),
    "sigmoid xavier": (config([{"dense": 128, "repeat": 12}], "sigmoid"), "scale", 10.208),
    "pyramid xavier": (pyramid("xavier"), "scale", 1.3445),
    "pyramid small": (pyramid("small", "tanh"), "scale", 16.85),
    "residual": (config(RESIDUAL, "linear", "he"), "branch", 0.25),
    "residual, activation last": (config(ACTIVATED_LAST, "relu", "he"), "branch", 0.1139),
    "bad layer": (config(BAD_LAYER, "relu", "he"), "scheme", math.sqrt(2 / 128) / 5e-4),
    "siren on tanh": (config([{"dense": 128, "repeat": 8}], "tanh", "siren", 2), "scale", 35.38),
    "gpt2 without norm": (config([{"dense": 128, "repeat": 12}], "gelu", "gpt2"), "scale", 6.442),
    "two activations": (config(MIXED, init="large"), "scale", 0.16282),
    "chaotic": (config([{"dense": 128, "repeat": 50}], init={"name": "mean_field", "sw": 2.5, "sb": 0.3}),
                "scale", math.sqrt(2) / 2.5),
}  # fmt: skip


def text_of(data: Any) -> ConfigText:
    return ConfigText(json.dumps(data), "config.json", Path(), "network")


@cache
def tuned(name: str) -> Tuning:
    return tune(text_of(CASES[name][0]))


@pytest.mark.parametrize("name", CASES)
def test_tuning_finds_the_simplest_change(name: str) -> None:
    tuning, (_, by, number) = tuned(name), CASES[name]
    assert tuning.by == by
    assert not tuning.before.is_sound
    assert tuning.after.is_sound
    assert tuning.reason == ""
    if by == "branch":
        assert [change.after for change in tuning.branches] == pytest.approx(16 * [number], rel=2e-3)
    else:
        assert max(change.factor for change in tuning.changes) == pytest.approx(number, rel=3e-3)


@pytest.mark.parametrize("name", CASES)
def test_what_theory_finds_is_stable_when_it_is_measured(name: str) -> None:
    tuning = tuned(name)
    assert tuning.measured is not None
    assert tuning.measured.overall == "stable"
    assert tuning.is_confirmed


@pytest.mark.parametrize("name", CASES)
def test_the_cheap_outlook_is_the_verdict_of_theory(name: str) -> None:
    spec = tuned(name).tuned.network
    verdict = conclude(foresee_case(spec, spec.settings, foresee(predict(spec), spec.settings.trials))).verdict
    outlook = bench_for(spec, spec.settings).outlook(spec)
    # The verdict is of a typical draw, the outlook of the mean over draws, which the verdict has beside it.
    assert outlook.forward.total_log10 == pytest.approx(verdict.forward.mean_log10, abs=1e-6)
    assert outlook.backward.total_log10 == pytest.approx(verdict.backward.mean_log10, abs=1e-6)


@pytest.mark.parametrize(("name", "wrong"), [("small tanh", 0.8), ("relu xavier", 1.2), ("sigmoid xavier", 0.6)])
def test_a_wrong_factor_is_not_confirmed(name: str, wrong: float) -> None:
    spec = load(CASES[name][0]).network
    found = propose(spec, spec.settings)
    recipes = {path: replace(recipe, factor=recipe.factor * wrong) for path, recipe in found.change.recipes.items()}
    variant = vary(spec, Variation(recipes=recipes))
    assert not bench_for(spec, spec.settings).outlook(variant).is_sound
    assert not is_stable(judge(measure(variant)))


# --- where no scale helps ---


def test_batch_norm_with_relu_is_told_that_no_scale_helps(said: Said) -> None:
    tuning = tune(text_of(config(NORMED, "linear", "he")))
    assert (tuning.by, tuning.changes, tuning.edits) == (None, (), ())
    said(tuning.reason)
    # At batch 32 more than pi/(pi - 1) = 1.467 a layer.
    rate = tuning.after.backward.rate
    assert rate is not None
    assert 1.467 < rate < 1.56
    assert f"({rate:.4g} a layer)" in tuning.reason
    assert tuning.measured is not None
    assert tuning.measured.backward.label == "exploding"
    assert not tuning.is_confirmed


def test_a_scale_that_is_asked_for_and_does_nothing_is_not_set() -> None:
    tuning = tune(text_of(config(NORMED, "linear", "he")), by=By.SCALE)
    assert tuning.by is None
    assert "nothing to be had here by `scale`" in tuning.reason


def test_where_the_best_scale_leaves_growth_it_says_how_much() -> None:
    # relu squared: every fixed point is unstable, 20 layers of it double the logarithm 20 times.
    tuning = tune(text_of(config([{"dense": 64, "repeat": 20}], "relu_squared", "he", 64)))
    assert not tuning.is_confirmed
    assert tuning.reason
    assert "stable both ways" not in tuning.reason or "No change" in tuning.reason


def test_of_weights_with_a_mean_the_mean_is_taken_out_first() -> None:
    tuning = tune(text_of(config([{"dense": 128, "repeat": 5}], "relu", {"name": "jax.uniform", "scale": 1.0})))
    assert "Take the mean out of the weights" in tuning.causes[0]
    (edit,) = tuning.edits
    assert edit.text == "{name: uniform, low: -0.216506, high: 0.216506}"  # sqrt(2 * 3/128)
    assert tuning.is_confirmed


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (config([{"dense": 1024, "repeat": 5}], init="lsuv", width=1024), "lsuv depends on the data"),
        # 32 equal weights: tanh is 1 to the last bit, and its derivative exactly zero.
        (
            config([{"dense": 32, "repeat": 5}], init="ones", width=32),
            "exactly zero somewhere, and no factor changes zero",
        ),
    ],
)
def test_what_theory_does_not_reach_is_not_tuned_and_says_why(data: Any, why: str) -> None:
    tuning = tune(text_of(data))
    assert tuning.by is None
    assert why in tuning.reason
    assert tuning.measured is None
    assert not tuning.is_confirmed


def test_a_healthy_network_is_left_alone_and_measured() -> None:
    tuning = tune(text_of(config([{"dense": 64, "repeat": 10}], width=64)))
    assert (tuning.by, tuning.edits, tuning.reason) == (None, (), "")
    assert tuning.is_confirmed


@pytest.mark.parametrize("norm", [[], [{"norm": "layer"}]], ids=["plain", "layer norm"])
def test_gpt2_branches_are_healthy(norm: list[Any]) -> None:
    residual = {**GPT2[0], "residual": {"layers": [*norm, *GPT2[0]["residual"]["layers"]]}}
    tuning = tune(text_of(config([residual], "gelu", "gpt2")))
    assert tuning.by is None
    assert tuning.is_confirmed


def test_an_input_that_is_too_large_is_named(said: Said) -> None:
    data = config([{"dense": 64, "repeat": 12}], "relu", width=64)
    data["input"]["std"] = 1000.0
    said(remedy_of(data, "input-scale"))
    tuning = tune(text_of(data))
    # Under xavier relu vanishes, whatever comes in: the input is standardised, and then the weights are scaled.
    assert [edit.path for edit in tuning.edits] == ["input.std", "defaults.init.gain"]
    assert tuning.is_confirmed


def test_an_input_whose_size_is_the_cause_is_all_that_is_changed() -> None:
    data = config([{"dense": 128, "repeat": 3}], "relu", "he")
    data["input"] |= {"mean": 50.0, "std": 100.0}
    tuning = tune(text_of(data), by=By.INPUT)
    assert [(edit.path, edit.text) for edit in tuning.edits] == [("input.mean", "0.0"), ("input.std", "1.0")]
    assert (tuning.by, tuning.is_confirmed) == ("input", True)


def test_branches_and_gains_together() -> None:
    layers = [{"residual": {"layers": [{"dense": 64}, {"dense": {"width": 64, "activation": "linear"}}]}, "repeat": 12}]
    tuning = tune(text_of(config(layers, "relu", "large", 64)), by=By.BOTH)
    assert tuning.by == "both"
    assert len(tuning.branches) == 12
    assert len(tuning.changes) == 24
    assert tuning.is_confirmed


def test_the_cross_entropy_gradient_is_tuned_as_a_random_one() -> None:
    data = config([{"dense": 64, "repeat": 10}], "relu", width=64, probe={"gradient": "cross_entropy"})
    tuning = tune(text_of(data))
    assert tuning.by == "scale"
    assert tuning.is_confirmed


# --- ways ---


def test_the_edge_of_chaos_of_tanh_is_the_known_one() -> None:
    edge = edge_of_chaos(make_activation("tanh"), 0.05)
    assert edge is not None
    assert (edge[0] ** 2, edge[1]) == (pytest.approx(1.7609546, rel=1e-7), pytest.approx(0.5700479, rel=1e-6))
    for name, sw2 in (("tanh", 1.0), ("relu", 2.0), ("linear", 1.0)):
        edge = edge_of_chaos(make_activation(name), 0.0)
        assert edge is not None
        assert (edge[0] ** 2, edge[1]) == (pytest.approx(sw2, rel=1e-7), 0.0)


@pytest.mark.parametrize(("name", "sb2"), [("tanh", 0.05), ("tanh", 0.3), ("erf", 0.1), ("sigmoid", 0.0)])
def test_at_the_edge_both_conditions_hold(name: str, sb2: float) -> None:
    activation = make_activation(name)
    edge = edge_of_chaos(activation, sb2)
    assert edge is not None
    sw, q = edge
    known = expectations(activation, 0.0, q)
    assert sw**2 * known.derivative_second_moment == pytest.approx(1, rel=1e-9)
    assert sw**2 * known.second_moment + sb2 == pytest.approx(q, rel=1e-9)


def test_an_edge_that_does_not_exist_is_none() -> None:
    assert edge_of_chaos(make_activation("relu"), 0.1) is None


def test_by_edge_sets_weights_and_biases() -> None:
    data = config([{"dense": 256, "repeat": 30}], init="small", width=256)
    tuning = tune(text_of(data), by=By.EDGE, sb=math.sqrt(0.05))
    (edit,) = tuning.edits
    assert (edit.path, edit.text) == ("defaults.init", "{name: mean_field, sw: 1.32701, sb: 0.223607}")
    assert tuning.is_confirmed


def test_a_linear_read_out_stands_beside_the_edge() -> None:
    layers = [{"dense": 128, "repeat": 20}, {"dense": {"width": 10, "activation": "linear"}}]
    tuning = tune(text_of(config(layers, init="large")), by=By.EDGE, sb=0.2)
    # At std 1 the head's output would be 128 times as large as the body's: it follows.
    assert [edit.path for edit in tuning.edits] == ["defaults.init"]
    assert tuning.is_confirmed


def test_by_edge_keeps_the_biases_of_the_config() -> None:
    data = config([{"dense": 256, "repeat": 30}], init="small", width=256, defaults={"bias": {"std": 0.2236068}})
    tuning = tune(text_of(data), by=By.EDGE)
    assert [edit.text for edit in tuning.edits] == ["{name: lecun, gain: 1.32701}"]
    with pytest.raises(ConfigError, match="bias of its own"):
        tune(text_of(data), by=By.EDGE, sb=0.1)


@pytest.mark.parametrize("by", By)
def test_every_way_can_be_asked_for(by: By) -> None:
    tuning = tune(text_of(config([{"dense": 64, "repeat": 10}], init="small", width=64)), by=by)
    assert (tuning.by == by) == (by in ("scale", "layers", "edge"))
    assert tuning.is_confirmed == (by in ("scale", "layers", "edge"))


def test_a_gain_per_layer_keeps_the_second_moment() -> None:
    spec = load(pyramid("xavier")).network
    gains = find_gains(spec, [step.path for step in spec.steps])
    assert [recipe.gain for recipe in gains.values()] == pytest.approx([1.0] + 12 * [math.sqrt(2)])
    prediction = predict(vary(spec, Variation(recipes=gains)))
    assert [row.source and float(row.source.second_moment) for row in prediction.rows] == pytest.approx(13 * [1.0])


def test_of_the_modes_of_a_pyramid_only_fan_in_holds_both_directions() -> None:
    outlooks = compare_modes(load(pyramid("xavier")).network, Settings())
    assert outlooks["fan_in"].total == pytest.approx(0, abs=1e-9)
    # From the first layer of the body to the last fan_out multiplies by fan_in/fan_out in each: 256/24.
    total = math.log10(256 / 24)
    for way in (outlooks["fan_out"].forward, outlooks["fan_out"].backward):
        assert way.total_log10 == pytest.approx(total, rel=1e-9)


def test_a_deep_network_is_searched_in_small() -> None:
    spec = load(config([{"dense": 64}, {"block": [{"dense": 64}, {"dense": 32}], "repeat": 500}])).network
    short = shorten(spec, 10)
    assert len(short.steps) == 21
    assert [step.fan_in for step in short.steps[1:3]] == [64, 64]
    assert shorten(spec, 500) is spec


# --- words ---


@pytest.mark.parametrize(
    ("fans", "std", "name"),
    [
        ((64, 64), 1 / 8, "xavier"),
        ((64, 64), math.sqrt(2) / 8, "he"),
        ((64, 64), 1.003 / 8, "xavier within 0.3 %"),
        ((64, 64), 1.59 / 8, "xavier with gain 1.59"),
        ((64, 36), 1 / 8, "lecun"),
        ((64, 36), 0.2, "lecun with gain 1.6"),
        ((64, 36), math.sqrt(2) / 6, "he fan_out"),
    ],
)
def test_the_nearest_scheme_is_named(fans: tuple[int, int], std: float, name: str) -> None:
    data = config([{"dense": fans[1]}], init={"name": "small", "std": std}, width=fans[0])
    assert scheme_name(load(data).network.steps[0]) == name


def test_runs_of_equal_layers_are_folded() -> None:
    tuning = tuned("two activations")
    runs = fold(tuning.changes, tuning.network)
    assert [(run[0].layer, run[-1].layer) for run in runs] == [(1, 10), (11, 11), (12, 20)]


# --- edits ---

SCHEMES = [
    "small", "large", "xavier", "he", "lecun", "orthogonal", "torch.linear_default", "torch.kaiming_uniform",
    "keras.he_normal", "jax.lecun_normal", "flax.default", "haiku.linear_default", "gpt2", "sparse", "siren", "uniform",
    "truncated_normal", "torch.trunc_normal", "keras.variance_scaling",
    {"name": "mean_field", "sw": 0.5, "sb": 0.1}, {"name": "he", "slope": 0.2}, {"name": "he", "gain": 0.3},
    {"name": "xavier", "gain": "auto"}, {"name": "he", "gain": "auto", "distribution": "uniform"},
    {"name": "variance_scaling", "scale": 0.1, "gain": "auto"},
    {"name": "variance_scaling", "scale": 0.1, "mode": "fan_out"}, {"name": "small", "gain": 3.0},
]  # fmt: skip


@pytest.mark.parametrize("init", SCHEMES, ids=str)
@pytest.mark.parametrize("width", [48, 40])
def test_every_scheme_can_be_multiplied_in_the_config(init: Any, width: int) -> None:
    layers = [{"dense": 40, "repeat": 3}, {"dense": {"width": 32, "init": init}}, {"dense": 10}]
    experiment = load(config(layers, "relu", init, width))
    spec = experiment.network
    change = Variation(recipes={f"layers[{i}]": Recipe(factor=1.7) for i in range(3)})
    changed = load(experiment.document, find_edits(experiment, change)).network
    assert largest_difference(spec, changed, vary(spec, change)) < 1e-6
    ratios = [(std_of(new) or 0) / (std_of(old) or 1) for old, new in zip(spec.steps, changed.steps, strict=True)]
    assert ratios == pytest.approx(len(ratios) * [1.7], rel=1e-6)
    assert [step.layer.bias for step in changed.steps] == [step.layer.bias for step in spec.steps]  # type: ignore[union-attr]  # all are dense


def test_an_automatic_gain_is_written_out_where_it_is_one_number() -> None:
    auto = {"name": "keras.he_normal", "gain": "auto"}
    data = config([{"dense": 40}, {"dense": {"width": 40, "init": auto}, "repeat": 3}], "relu", width=40)
    experiment = load(data)
    # sqrt 2 of he times sqrt 2 of relu, halved
    change = Variation(recipes={"layers[1]": Recipe(factor=0.5)})
    assert [edit.text for edit in find_edits(experiment, change)] == ["{name: lecun, gain: 1.0}"]
    other = load(config([{"dense": 40, "repeat": 9}], "tanh", auto, 40))
    with pytest.raises(ConfigError, match="cannot be multiplied"):
        find_edits(other, Variation(recipes={"layers[0]": Recipe(factor=0.5)}))
    assert tune(text_of(config([{"dense": 40, "repeat": 30}], "tanh", auto, 40))).by == "layers"


def test_layers_on_the_defaults_get_their_own_init_only_where_they_differ() -> None:
    data = config([{"dense": 64, "repeat": 3}, {"dense": 64}, {"dense": 32}], init="small", width=64)
    experiment = load(data)
    recipes = {"layers[0]": Recipe(factor=2.0), "layers[1]": Recipe(factor=2.0), "layers[2]": Recipe(factor=3.0)}
    edits = find_edits(experiment, Variation(recipes=recipes))
    assert [(edit.path, edit.text) for edit in edits] == [
        ("defaults.init.std", "0.02"),
        ("layers[2].dense.init", "{name: small, std: 0.03}"),
    ]


def test_one_entry_is_right_for_copies_with_other_fans() -> None:
    # The first copy of the repeated entry has fan_in 400, the others 100.
    data = config([{"dense": 100, "repeat": 12}], "relu", "small", 400)
    tuning = tune(text_of(data))
    assert [step.fan_in for step in tuning.tuned.network.steps[:2]] == [400, 100]
    assert [change.scheme for change in tuning.changes] == ["he fan_out", *11 * ["he"]]
    assert tuning.is_confirmed


# --- the file ---

COMMENTED = """\
# A network that vanishes.
input: {features: 128}      # the pixels

defaults:
  init: small               # far too small
  activation: tanh
layers:
  # the trunk
  - dense: 128              # square
    repeat: 12
    name: "trunk"
  - dense:
      width: 16
      init:
        name: small         # its own
        std: 0.02

probe: {trials: 6, batch: 16}   # quick
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text(COMMENTED)
    return tmp_path


def test_the_file_keeps_its_comments_and_loads_to_the_tuned_numbers(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["tune", "net.yaml", "-o", "tuned.yaml", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    text = (folder / "tuned.yaml").read_text()
    for comment in ("# A network", "# the pixels", "# far too small", "# the trunk", "# square", "# quick", '"trunk"'):
        assert comment in text
    ours, theirs = text.splitlines(), COMMENTED.splitlines()
    assert sum(one not in theirs for one in ours) <= 5
    stds = {change["layer"]: change["std_after"] for change in record["changes"]}
    assert len(stds) == 13
    for row, step in enumerate(load(folder / "tuned.yaml").network.rows, 1):
        assert std_of(step) == pytest.approx(stds[row], rel=1e-6)
    assert diagnose(load(folder / "tuned.yaml")).verdict.overall == "stable"


def test_what_the_command_line_sets_is_part_of_the_file(folder: Path) -> None:
    options = ["--set", "layers[0].repeat=6", "--activation", "relu", "--trials", "4", "--set", "layers[1].name=out"]
    assert run_command(["tune", "net.yaml", "-o", "tuned.yml", *options]) == 0
    spec = load(folder / "tuned.yml").network
    assert (len(spec.steps), spec.settings.trials, spec.steps[-1].name) == (7, 4, "out")
    assert {step.layer.activation.name for step in spec.steps} == {"relu"}  # type: ignore[union-attr]  # all are dense


def test_a_config_from_standard_input_is_tuned(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(COMMENTED.encode()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert run_command(["tune", "-", "-o", "tuned.yaml", "--quiet"]) == 0
    assert "# the trunk" in (folder / "tuned.yaml").read_text()
    assert predict_report(load(folder / "tuned.yaml")).verdict.overall == "stable"


def test_relative_paths_are_right_from_another_folder(folder: Path) -> None:
    np.save(folder / "batch.npy", np.random.default_rng(0).standard_normal((16, 128)).astype(np.float32))
    text = COMMENTED.replace("{features: 128}", "{features: 128, distribution: file, path: batch.npy}")
    (folder / "net.yaml").write_text(text)
    (folder / "sub").mkdir()
    assert run_command(["tune", "net.yaml", "-o", "sub/tuned.yaml", "-o", "here.yaml"]) == 0
    assert 'path: "../batch.npy"' in (folder / "sub/tuned.yaml").read_text()
    assert "path: batch.npy" in (folder / "here.yaml").read_text()
    assert load(folder / "sub/tuned.yaml").network.input.rows is not None


def test_the_tuned_file_may_replace_the_config(folder: Path) -> None:
    before = (folder / "net.yaml").read_text()
    assert run_command(["tune", "net.yaml", "-o", "net.yaml"]) == 2
    assert (folder / "net.yaml").read_text() == before
    assert run_command(["tune", "net.yaml", "-o", "net.yaml", "--force"]) == 0
    assert "# the trunk" in (folder / "net.yaml").read_text()
    assert predict_report(load(folder / "net.yaml")).verdict.overall == "stable"


REWRITES = {
    "flow mapping": ("a: {b: 1, c: 2}  # x\n", {"a": {"b": 3, "c": 2, "d": "e"}}),
    "empty flow mapping": ("a: {} # x\n", {"a": {"b": 1}}),
    "shorthand": ("l:\n  - d: 256  # x\n    r: 2\n", {"l": [{"d": {"w": 256, "i": "he"}, "r": 2}]}),
    "new key of a block": ("a:\n    b: 1 # x\n    c: 2\n", {"a": {"b": 1, "c": 2, "n": 0.25}}),
    "new key at the root": ("# x\na: 1\n", {"a": 1, "b": {"c": [1, 2]}}),
    "null before a comment": ("a: # x\nb: 1\n", {"a": {"c": 1.5}, "b": 1}),
    "block that is replaced": ("a:\n  b: 1\n  c: 2\n\n# x\nd: 4\n", {"a": "word", "d": 4}),
    "null": ("a:\nb: 1 # x\n", {"a": {"c": 1.5}, "b": 1}),
    "alias": ("a: &z {b: 1} # x\nc: *z\n", {"a": {"b": 1}, "c": {"b": 2}}),
    "anchor": ("a: &z {b: 1} # x\nc: *z\n", {"a": {"b": 2}, "c": {"b": 1}}),
    "block under a key that goes": ("a:\n  b: 1\n  c: 2\nd: 4 # x\n", {"a": {"b": 1}, "d": 4}),
    "anchored word": ("a: &z he # x\nc: *z\n", {"a": {"n": "he"}, "c": "he"}),
    "json": ('{"a": {"b": 1}, "x": "# x"}', {"a": {"b": 2}, "x": "# x", "c": 3}),
    "words that look like numbers": ("a: 1 # x\n", {"a": "1e3"}),
    "windows": ("a: 1 # x\r\nb: 2\r\n", {"a": 5, "b": 2}),
    "unicode": ("a: é # x\nb: 1\n", {"a": "é", "b": 0.5}),
}


@pytest.mark.parametrize("name", REWRITES)
def test_a_text_is_changed_in_place(name: str) -> None:
    text, target = REWRITES[name]
    new = rewrite(text, target, "x")
    assert parse_yaml(new, "x").plain() == target
    assert "# x" in new


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("new key of a block", "a:\n    n: 0.25\n    b: 1 # x\n    c: 2\n"),
        ("json", '{"a": {"b": 2}, "x": "# x", c: 3}'),
        ("windows", "a: 5 # x\r\nb: 2\r\n"),
    ],
)
def test_what_is_not_changed_stays_byte_for_byte(name: str, expected: str) -> None:
    assert rewrite(*REWRITES[name], "x") == expected


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_can_be_edited_in_place(path: Path) -> None:
    text = path.read_text()
    document = parse_yaml(text, "x").plain()
    assert rewrite(text, document, "x") == text
    experiment = load(path, [parse_assignment("probe.trials=7"), Override("defaults.init.gain", "1.5", "x")])
    new = rewrite(text, experiment.document, "x")
    assert parse_yaml(new, "x").plain() == experiment.document
    assert all(line in new for line in text.splitlines() if line.startswith("#"))


@pytest.mark.parametrize(
    "value", ["he", "a b", "no", "1e3", "", "~", "x: y", 1.5, 1e-7, 3, True, None, ["a", {"b": 1}]]
)
def test_flow_style_reads_back(value: Any) -> None:
    assert parse_yaml(f"a: {flow(value)}", "x").plain() == {"a": value}


# --- the command ---


def test_the_command_prints_changes_scheme_and_verdicts(
    folder: Path, capsys: pytest.CaptureFixture[str], said: Said
) -> None:
    assert run_command(["tune", str(ROOT / "configs/small_tanh.yaml"), "--trials", "4", "--batch", "16"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "--set defaults.init.std=0.0625" in shown.out
    # All but the rows of the table, which hold what was measured.
    rows = ("activations ", "gradient ", "signal ")
    said("\n".join(line for line in shown.out.splitlines() if line and not line.startswith(rows)))
    assert all(len(line) <= 80 for line in shown.out.splitlines())


def test_where_nothing_helps_the_command_says_so_and_ends_with_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["tune", str(ROOT / "configs/batch_norm.yaml"), "--trials", "4", "-o", "t.yaml"]) == 1
    shown = capsys.readouterr().out.replace("\n", " ")
    assert "No scale of the weights helps: batch norm takes it out again" in shown
    assert "confirmed" not in shown
    assert "with nothing tuned in it" in shown


def test_the_json_has_its_keys(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["tune", "net.yaml", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert list(record) == [
        "name", "by", "causes", "changes", "branches", "edits", "before", "after", "modes", "measured", "confirmed",
        "reason",
    ]  # fmt: skip
    assert list(record["changes"][0]) == ["layer", "name", "path", "std_before", "std_after", "factor", "scheme"]
    assert set(record["measured"]) == {"forward", "backward", "signal", "overall", "jump"}
    assert record["measured"]["forward"]["label"] == record["after"]["forward"]["label"] == "stable"
    assert record["before"]["overall"] == "vanishing"
    assert record["confirmed"] is True
    assert record["reason"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.yaml"], "no such file"),
        (["net.yaml", "-o", "tuned.json"], "no format is known"),
        (["net.yaml", "-o", "nowhere/tuned.yaml"], "does not exist"),
        (["net.yaml", "--by", "magic"], "magic"),
        (["net.yaml", "--sb", "0.1"], "--sb goes with --by edge"),
        (["net.yaml", "--by", "edge", "--sb", "-1"], "-1"),
        (["net.yaml", "--set", "defaults.bias=0.1", "--by", "edge", "--sb", "0.1"], "bias of its own"),
        (["net.yaml", "--set", "layers[9].repeat=2"], "there is no entry 9"),
    ],
)
def test_mistakes_end_with_2_and_write_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    before = sorted(folder.iterdir())
    assert run_command(["tune", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert sorted(folder.iterdir()) == before


# --- remedies of a run ---


def remedy_of(data: Any, code: str) -> str:
    (found, *_) = [item for item in predict_report(load(data)).verdict.findings if item.code == code]
    return found.remedy


REMEDIES = [
    ("small tanh", "forward-vanishing"),
    ("relu xavier", "forward-vanishing"),
    ("torch relu", "backward-vanishing"),
    ("bad layer", "forward-vanishing"),
    ("bad layer", "jump"),
    ("residual", "forward-exploding"),
    ("chaotic", "chaotic"),
    ("pyramid xavier", "forward-borderline"),
]


@pytest.mark.parametrize(("name", "code"), REMEDIES)
def test_a_remedy_names_layers_factor_and_scheme(name: str, code: str, said: Said) -> None:
    said(remedy_of(CASES[name][0], code))


@pytest.mark.parametrize("name", ["small tanh", "relu xavier", "gelu lecun", "selu lecun", "torch relu", "residual"])
def test_what_a_remedy_says_to_paste_makes_the_network_stable(name: str) -> None:
    experiment = load(CASES[name][0])
    first = next(item for item in predict_report(experiment).verdict.findings if "That is `" in item.remedy)
    option, value = first.remedy.split("That is `")[1].split("`")[0].split(maxsplit=1)
    assert option == "--set"
    override = parse_assignment(value.strip("'"))
    assert predict_report(load(experiment.document, [override])).verdict.overall == "stable"


def test_where_no_scale_helps_the_remedy_says_so(said: Said) -> None:
    said(remedy_of(config(NORMED, "linear", "he"), "backward-exploding"))


def test_a_slow_decay_gets_the_edge_of_chaos_as_remedy() -> None:
    data = config([{"dense": 256, "repeat": 20}], width=256)
    remedy = remedy_of(data, "levelling-off")
    assert "--set 'defaults.init={name: mean_field, sw: 1.32701, sb: 0.223607}'" in remedy
    override = parse_assignment("defaults.init={name: mean_field, sw: 1.32701, sb: 0.223607}")
    assert predict_report(load(data, [override])).verdict.findings == ()


def test_where_theory_ends_the_remedy_is_that_of_the_measured_rate() -> None:
    data = config([{"dense": 32, "repeat": 8}], init={"name": "normal", "std": 0.01, "mean": 1e-6}, width=32)
    report = diagnose(load(data))
    assert any("Multiply the weights' standard deviation" in item.remedy for item in report.verdict.findings)


def test_a_healthy_network_pays_nothing_for_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("varprobe.advice.plan.propose", never)
    assert predict_report(load(config([{"dense": 64, "repeat": 10}], width=64))).verdict.findings == ()
    with pytest.raises(AssertionError):
        predict_report(load(CASES["small tanh"][0]))


@pytest.mark.parametrize("name", ["small tanh", "bad layer", "chaotic", "residual", "sigmoid xavier"])
def test_without_a_search_a_finding_has_the_words_of_a_run_or_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = load(CASES[name][0])
    run = diagnose(experiment).verdict.findings
    monkeypatch.setattr("varprobe.advice.plan.propose", None)
    quick = diagnose(experiment, remedies=False).verdict.findings
    bare = {"remedy": "", "changes": (), "cause": ""}
    assert [replace(item, **bare) for item in quick] == [replace(item, **bare) for item in run]
    assert any(not item.remedy for item in quick)
    for one, other in zip(quick, run, strict=True):
        assert one.remedy == (other.remedy if one.code in ALONE else "")
    assert not ALONE & SEARCHED


def test_advice_for_fifty_layers_takes_few_predictions(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[NetworkSpec] = []

    def counted(spec: NetworkSpec, settings: Settings) -> Prediction:
        made.append(spec)
        return recursions(spec, settings)

    monkeypatch.setattr("varprobe.advice.predicted_verdict.recursions", counted)
    spec = load(CASES["small tanh"][0]).network
    propose(spec, spec.settings, thorough=False)
    # As it is, and with the two schemes that are tried before one makes it stable.
    assert len(made) == 3


def test_changes_of_a_network_to_itself_are_none() -> None:
    spec = load(CASES["small tanh"][0]).network
    assert find_changes(spec, spec.steps) == ((), ())
