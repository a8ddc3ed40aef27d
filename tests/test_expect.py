"""The grammar of `expect`: what it takes, and what it says of what it does not take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from golden import Said

import varprobe
from varprobe.config.expectation import Expectation, LayerBound, Range, SideRange
from varprobe.config.records import SaturationLimit
from varprobe.config.schema import config_schema
from varprobe.errors import Place
from varprobe.network.statistics import STATISTICS
from varprobe.results.store import to_dict
from varprobe.verdict.findings import FINDINGS

HEAD = """\
input: {features: 16}
defaults: {activation: tanh}
layers:
  - {dense: 16, repeat: 4, name: trunk}
  - norm: layer
  - {dense: {width: 4, activation: relu}, name: head}
expect:
"""


def _loaded(tmp_path: Path, expect: str) -> varprobe.NetworkSpec:
    config = tmp_path / "net.yaml"
    config.write_text(HEAD + "".join(f"  {line}\n" for line in expect.splitlines()))
    return varprobe.load(config)


def test_everything_that_can_be_expected_is_read(tmp_path: Path) -> None:
    expect = """\
forward: stable
backward: [stable, borderline]
overall: stable
signal: [preserved]
rate: {forward: [0.95, 1.05]}
total_log10: {backward: [-1, null], signal: null}
layers:
  3: {activation.variance: [0.5, 2]}
  trunk: {gradient.second_moment: [null, 10]}
  all: {activation.saturated: [0, 0.1]}
saturated: 0.1
dead: 0.5
safe_in: [float16, bfloat16]
theory: agree
allow: jump"""
    found = _loaded(tmp_path, expect).expect
    assert found == Expectation(
        forward=("stable",),
        backward=("stable", "borderline"),
        overall=("stable",),
        signal=("preserved",),
        rate=(SideRange("forward", Range(0.95, 1.05)),),
        total_log10=(SideRange("backward", Range(-1.0, None)),),
        layers=(
            LayerBound("3", (3,), "activation.variance", Range(0.5, 2.0)),
            LayerBound("trunk", (1, 2, 3, 4), "gradient.second_moment", Range(None, 10.0)),
            LayerBound("all", (1, 2, 3, 4), "activation.saturated", Range(0.0, 0.1)),
        ),
        saturated=SaturationLimit(0.1),
        dead=0.5,
        safe_in=("float16", "bfloat16"),
        theory=True,
        allow=("jump",),
    )
    lines = {"forward": 8, "rate.forward": 12, "total_log10.backward": 13, "layers.3.activation.variance": 15,
             "layers.all.activation.saturated": 17, "safe_in": 20, "allow": 22}  # fmt: skip
    assert {path: found.lines[path] for path in lines} == lines
    assert "total_log10.signal" not in found.lines


WRONG = {
    "forward: stabel": (8, 12, "expect.forward"),
    "rate: {forward: 0.9}": (8, 19, "expect.rate.forward"),
    "rate: {forward: [0.9]}": (8, 19, "expect.rate.forward"),
    "rate: {forward: [2, 1]}": (8, 19, "expect.rate.forward"),
    "rate: {forward: [-1, 1]}": (8, 20, "expect.rate.forward[0]"),
    "rate: {forwrad: [1, 2]}": (8, 10, "expect.rate.forwrad"),
    "rate: {overall: [1, 2]}": (8, 10, "expect.rate.overall"),
    "layers: {7: {activation.variance: [0, 1]}}": (8, 15, "expect.layers.7"),
    "layers: {0: {activation.variance: [0, 1]}}": (8, 15, "expect.layers.0"),
    "layers: {trnk: {activation.variance: [0, 1]}}": (8, 18, "expect.layers.trnk"),
    "layers: {1: {activation.varance: [0, 1]}}": (8, 16, "expect.layers.1.activation.varance"),
    "layers: {1: [0, 1]}": (8, 15, "expect.layers.1"),
    "layers: {1: {activation.variance: 3}}": (8, 37, "expect.layers.1.activation.variance"),
    "layers: {1: {activation.variance: [null, null]}}": (8, 37, "expect.layers.1.activation.variance"),
    "layers: {5: {weight_gradient.variance: [0, 1]}}": (8, 42, "expect.layers.5.weight_gradient.variance"),
    "layers: {head: {activation.saturated: [0, 1]}}": (8, 41, "expect.layers.head.activation.saturated"),
    "layers: {}": (8, 11, "expect.layers"),
    "safe_in: float17": (8, 12, "expect.safe_in"),
    "theory: maybe": (8, 11, "expect.theory"),
    "allow: [jumpp]": (8, 11, "expect.allow[0]"),
    "saturated: 2": (8, 14, "expect.saturated.share"),
    "saturated: {share: 0.1, above: 2}": (8, 34, "expect.saturated.above"),
    "saturated: {abvoe: 0.9, share: 0.1}": (8, 15, "expect.saturated.abvoe"),
    "head: {scale: [1, 0.5]}": (8, 17, "expect.head.scale"),
    "initial_loss: [0, 1]": (8, 17, "expect.initial_loss"),
    "effective_rank: [2]": (8, 19, "expect.effective_rank"),
    "dead: many": (8, 9, "expect.dead"),
}


@pytest.mark.parametrize("expect", WRONG)
def test_what_is_wrong_is_said_with_its_place_and_a_way_out(expect: str, tmp_path: Path, said: Said) -> None:
    line, column, field = WRONG[expect]
    with pytest.raises(varprobe.VarprobeError) as caught:
        _loaded(tmp_path, expect)
    error = caught.value
    assert (error.place, error.field) == (Place(str(tmp_path / "net.yaml"), line, column), field)
    assert error.hint
    said(f"{error.message}\n{error.hint}")


def test_a_sample_variance_takes_two_samples() -> None:
    config: dict[str, Any] = {
        "input": {"features": 4},
        "layers": [{"dense": 4}],
        "probe": {"batch": 1},
        "expect": {"layers": {"all": {"activation.sample_variance": [0, 1]}}},
    }
    with pytest.raises(varprobe.VarprobeError, match=r"layer 1 .dense. has no activation.sample_variance"):
        varprobe.load(config)
    config["probe"]["batch"] = 2
    assert varprobe.load(config).expect


def test_the_statistics_are_keys_of_the_report() -> None:
    defaults = {"activation": "tanh"}
    report = to_dict(
        varprobe.run({"input": {"features": 4}, "defaults": defaults, "layers": [{"dense": 4}], "probe": {"batch": 2}})
    )
    row = report["layers"][0]
    parts = ("preactivation", "activation", "gradient", "activation_gradient", "weight_gradient")
    assert set(STATISTICS) == {f"{part}.{key}" for part in parts for key in row[part]}


def test_the_json_schema_knows_it_too() -> None:
    validator = jsonschema.Draft202012Validator(config_schema())
    config: dict[str, Any] = {"input": {"features": 4}, "layers": [{"dense": 4}]}
    good = {"rate": {"forward": [0.9, None]}, "layers": {"all": {"activation.variance": [0.5, 2]}}, "allow": "jump",
            "safe_in": ["float16"], "theory": "agree", "saturated": 0.1,
            "head": {"scale": [0, 1]}, "initial_loss": [None, 3], "effective_rank": 4}  # fmt: skip
    validator.validate({**config, "expect": good})
    validator.validate({**config, "expect": {"saturated": {"above": 0.9, "share": 0.1}, "effective_rank": [2, 3]}})
    for bad in ({"head": {"scale": 1}}, {"saturated": {"above": 0.9}}, {"effective_rank": True}):
        assert not validator.is_valid({**config, "expect": bad}), bad
    for bad in ({"allow": "jumpp"}, {"rate": {"forward": [1]}}, {"layers": {"all": {"x": [0, 1]}}}, {"dead": 2}):
        assert not validator.is_valid({**config, "expect": bad}), bad
    assert all(validator.is_valid({**config, "expect": {"allow": code}}) for code in FINDINGS)
