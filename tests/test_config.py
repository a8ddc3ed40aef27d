"""The config loader: YAML rules, places and messages of errors, unrolling, given arrays, overrides, hostile files."""

from __future__ import annotations

import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden import Said

from varprobe.config.expectation import Expectation
from varprobe.config.loading import Experiment, load
from varprobe.config.overrides import parse_assignment
from varprobe.config.rewriting import rewrite
from varprobe.config.yaml_tree import scalar
from varprobe.errors import ConfigError, InputFileError, Place, VarprobeError
from varprobe.network.description import describe_rows
from varprobe.network.laws import Constant, FromFile, Normal
from varprobe.network.layers import Dense, Dropout, Join, Norm, Open, Pointwise
from varprobe.network.spec import NetworkSpec, Settings


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str | bytes, *assignments: str) -> NetworkSpec:
    """The network of a file net.yaml with that text, under `--set` assignments."""
    return experiment(text, *assignments).network


def experiment(text: str | bytes, *assignments: str) -> Experiment:
    """The same, and what is expected of it."""
    Path("net.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load("net.yaml", [parse_assignment(assignment) for assignment in assignments])


def refusal(text: str | bytes, *assignments: str) -> str:
    with pytest.raises(VarprobeError) as caught:
        read(text, *assignments)
    return str(caught.value)


def layers(text: str) -> str:
    return f"input: {{features: 4}}\nlayers:\n{text}\n"


def top(text: str) -> str:
    return f"{text}\nlayers: [{{dense: 8}}]\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E+3", 1000.0),
        (".5", 0.5),
        ("4.", 4.0),
        ("-0.0", 0.0),
        ("+7", 7),
        ("0", 0),
        ("-12", -12),
        ("0o17", 15),
        ("0x1F", 31),
        (".inf", float("inf")),
        ("-.Inf", float("-inf")),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        *(
            (text, text)
            for text in (
                *("no", "yes", "on", "off", "y", "012", "01.5", "1_000", "1,000", "2026-01-01", "190:20:30", "0b11"),
                *("1e", "e3", ".", "+", "-", "1.2.3", "inf", "nan", "0x", "tRUE", "nULL", "12a"),
            )
        ),
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    found = scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number_is_read_as_one() -> None:
    assert scalar(".nan") != scalar(".nan")


def test_quoted_scalars_are_text() -> None:
    assert read(top("input: {features: 4}\nname: '012'")).name == "012"
    assert read(top("input: {features: 4}\nname: no")).name == "no"
    assert read(top("input: {features: 4}\nname: 2026-01-01")).name == "2026-01-01"
    assert read(top("input: {features: 4, std: 1e-3}")).input.std == 0.001


# Config entry, then what follows `net.yaml:` and the hint.
LAYER_ERRORS = [
    ("  - dense: 1_000", (3, 12, "layers[0].dense.width")),
    ("  - dense: 012", (3, 12, "layers[0].dense.width")),
    ("  - dense: 8.5", (3, 12, "layers[0].dense.width")),
    ("  - dense: 1e3", (3, 12, "layers[0].dense.width")),
    ("  - dense: 0", (3, 12, "layers[0].dense.width")),
    ("  - dense: -3", (3, 12, "layers[0].dense.width")),
    ("  - dense: true", (3, 12, "layers[0].dense.width")),
    ("  - dense: 2026-01-01", (3, 12, "layers[0].dense.width")),
    ("  - dense: .inf", (3, 12, "layers[0].dense.width")),
    ("  - dense: 999999999", (3, 12, "layers[0].dense.width")),
    ("  - dense:", (3, 5, "layers[0].dense")),
    ("  - dense: []", (3, 12, "layers[0].dense.width")),
    ("  - dense: {}", (3, 12, "layers[0].dense.width")),
    ("  - dense: {widht: 3}", (3, 13, "layers[0].dense.widht")),
    ("  - dense: {width: 3, wdith: 4, zz: 1}", (3, 23, "layers[0].dense.wdith")),
    ("  - dense: {width: 3, activation: rellu}", (3, 35, "layers[0].dense.activation")),
    ("  - dense: {width: 3, activation: qqqqqq}", (3, 35, "layers[0].dense.activation")),
    ("  - dense: {width: 3, activation: 3}", (3, 35, "layers[0].dense.activation")),
    ("  - dense: {width: 3, activation: {}}", (3, 35, "layers[0].dense.activation")),
    ("  - dense: {width: 3, activation: {slope: 2}}", (3, 35, "layers[0].dense.activation")),
    ("  - dense: {width: 3, activation: {name: rellu}}", (3, 42, "layers[0].dense.activation.name")),
    ("  - dense: {width: 3, activation: {name: leaky_relu, slop: 2}}", (3, 54, "layers[0].dense.activation.slop")),
    ("  - dense: {width: 3, activation: {name: leaky_relu, slope: no}}", (3, 61, "layers[0].dense.activation.slope")),
    ("  - dense: {width: 3, activation: {name: relu, slope: 1}}", (3, 48, "layers[0].dense.activation.slope")),
    ("  - dense: {width: 3, activation: {name: elu, alpha: .nan}}", (3, 54, "layers[0].dense.activation.alpha")),
    ("  - dense: {width: 3, activation: [relu]}", (3, 35, "layers[0].dense.activation")),
    ("  - dense: {width: 3, init: xaveir}", (3, 29, "layers[0].dense.init")),
    ("  - dense: {width: 3, init: {name: he, mode: fanin}}", (3, 46, "layers[0].dense.init.mode")),
    ("  - dense: {width: 3, init: {name: he, gain: automatic}}", (3, 46, "layers[0].dense.init.gain")),
    ("  - dense: {width: 3, init: {name: he, gain: -1}}", (3, 46, "layers[0].dense.init.gain")),
    ("  - dense: {width: 3, init: {name: he, gain: true}}", (3, 46, "layers[0].dense.init.gain")),
    ("  - dense: {width: 3, init: {name: uniform, low: 1, high: 0}}", (3, 29, "layers[0].dense.init")),
    ("  - dense: {width: 3, init: {name: torch.trunc_normal, a: 1, b: 0}}", (3, 29, "layers[0].dense.init")),
    ("  - dense: {width: 3, init: {name: zeros, gain: 1}}", (3, 43, "layers[0].dense.init.gain")),
    ("  - dense: {width: 3, init: {name: file}}", (3, 29, "layers[0].dense.init.path")),
    ("  - dense: {width: 3, init: {name: file, path: 3}}", (3, 48, "layers[0].dense.init.path")),
    ("  - dense: {width: 3, bias: {}}", (3, 29, "layers[0].dense.bias")),
    ("  - dense: {width: 3, bias: {std: 1, value: 2}}", (3, 29, "layers[0].dense.bias")),
    ("  - dense: {width: 3, bias: lots}", (3, 29, "layers[0].dense.bias.value")),
    ("  - {dense: 3, bias: 1}", (3, 16, "layers[0].bias")),
    ("  - dense: 3\n    norm: layer", (4, 11, "layers[0].norm")),
    ("  - dens: 3", (3, 5, "layers[0].dens")),
    ("  - repeat: 3", (3, 5, "layers[0]")),
    ("  - true", (3, 5, "layers[0]")),
    ("  - dense", (3, 5, "layers[0]")),
    ("  - null", (3, 5, "layers[0]")),
    ("  - []", (3, 5, "layers[0]")),
    ("  - dense: 3\n    repeat: 0", (4, 13, "layers[0].repeat")),
    ("  - dense: 3\n    repeat: 2.0", (4, 13, "layers[0].repeat")),
    ("  - dense: 3\n    repeat: 1000001", (4, 13, "layers[0].repeat")),
    ("  - dense: 3\n    repeat: 500000", (4, 13, "layers[0].repeat")),
    ("  - dense: 3\n    name: 12", (4, 11, "layers[0].name")),
    ("  - dense: 3\n  - norm: bath", (4, 11, "layers[1].norm.kind")),
    ("  - dense: 3\n  - norm: {eps: 1}", (4, 11, "layers[1].norm.kind")),
    ("  - dense: 3\n  - dropout: {p: 1}", (4, 15, "layers[1].dropout.p")),
    ("  - activation: relu", (3, 3, "layers")),
    ("  - dense: 3\n  - block: []", (4, 12, "layers[1].block")),
    ("  - dense: 3\n  - block: 3", (4, 12, "layers[1].block")),
    ("  - block: [{dense: 3}, {dens: 4}]", (3, 26, "layers[0].block[1].dens")),
    ("  - dense: 3\n  - residual: []", (4, 15, "layers[1].residual")),
    ("  - dense: 3\n  - residual: {layers: []}", (4, 24, "layers[1].residual.layers")),
    ("  - dense: 3\n  - residual: {layers: [{dense: 4}]}", (4, 5, "layers[1]")),
    ("  - residual: {layers: [{dense: 5}]}", (3, 5, "layers[0]")),
    ("  - dense: 3\n  - residual: {scale: x, layers: [{dense: 3}]}", (4, 23, "layers[1].residual.scale")),
    ("  - dense: 3\n  - residual: {scal: 1, layers: [{dense: 3}]}", (4, 16, "layers[1].residual.scal")),
    ("  - {dense: 3, role: tail}", (3, 22, "layers[0].role")),
    ("  - dense: {width: 3, role: head}", (3, 23, "layers[0].dense.role")),
    ("  - dense: 3\n  - {norm: layer, role: body}", (4, 25, "layers[1].role")),
    ("  - dense: 3\n  - {block: [{dense: 4}], role: head}", (4, 33, "layers[1].role")),
    ("  - role: head", (3, 5, "layers[0]")),
    ("  - {dense: 3, role: head}", (3, 22, "layers[0].role")),
    ("  - {dense: 3, role: head}\n  - dense: 3", (3, 22, "layers[0].role")),
    ("  - dense: 3\n  - {dense: 3, repeat: 5, role: head}", (4, 33, "layers[1].role")),
    ("  - dense: 3\n  - {block: [{dense: 3, role: head}], repeat: 2}", (4, 31, "layers[1].block[0].role")),
    (
        "  - dense: 3\n  - residual: {layers: [{dense: 3, role: head}]}",
        (4, 42, "layers[1].residual.layers[0].role"),
    ),
    ("  - dense: {width: 3, init: {name: gpt2, branches: 0}}", (3, 52, "layers[0].dense.init.branches")),
    ("  - dense: {width: 3, init: {name: gpt2, branches: 2.5}}", (3, 52, "layers[0].dense.init.branches")),
    (
        "  - block: [{block: [{dense: 3, repeat: 1000}], repeat: 1000}]\n    repeat: 1000",
        (3, 57, "layers[0].block[0].repeat"),
    ),
    ("  []", (3, 3, "layers")),
]

TOP_ERRORS = [
    ("input: 4", (1, 8, "input")),
    ("input: {}", (1, 8, "input.features")),
    ("input: {features: 4, distribution: gauss}", (1, 36, "input.distribution")),
    ("input: {features: 4, path: x.npy}", (1, 8, "input")),
    ("input: {features: 4, distribution: file}", (1, 8, "input")),
    ("input: {features: 4, distribution: file, path: none.npy}", (1, 48, "input.path")),
    ("input: {features: 4, mean: abc}", (1, 28, "input.mean")),
    ("input: {featurs: 4}", (1, 9, "input.featurs")),
    ("input:", (1, 1, "input")),
    ("input: {features: 4}\nlayer: 3", (2, 1, "layer")),
    ("input: {features: 4}\nprobe: {trails: 3}", (2, 9, "probe.trails")),
    ("input: {features: 4}\nprobe: {batch: 10_000}", (2, 16, "probe.batch")),
    ("input: {features: 4}\nprobe: {seed: -1}", (2, 15, "probe.seed")),
    ("input: {features: 4}\nprobe: {seed: 9223372036854775808}", (2, 15, "probe.seed")),
    ("input: {features: 4}\nprobe: {dtype: float16}", (2, 16, "probe.dtype")),
    ("input: {features: 4}\nprobe: {dtype: flot32}", (2, 16, "probe.dtype")),
    ("input: {features: 4}\nprobe: {engine: matrixfree}", (2, 17, "probe.engine")),
    ("input: {features: 4}\nprobe: {gradient: ones}", (2, 19, "probe.gradient.name")),
    ("input: {features: 4}\nprobe: {gradient: file}", (2, 19, "probe.gradient")),
    ("input: {features: 4}\nprobe: {gradient: {name: mse, path: x}}", (2, 19, "probe.gradient")),
    ("input: {features: 4}\nprobe: {gradient: {nam: mse}}", (2, 20, "probe.gradient.nam")),
    ("input: {features: 4}\nprobe: 3", (2, 8, "probe")),
    ("input: {features: 4}\nprobe:", (2, 1, "probe")),
    ("input: {features: 4}\nexpect: stable", (2, 9, "expect")),
    ("input: {features: 4}\nexpect: {forward: []}", (2, 19, "expect.forward")),
    ("input: {features: 4}\nexpect: {foward: stable}", (2, 10, "expect.foward")),
    ("input: {features: 4}\ndefaults: {activation: tahn}", (2, 24, "defaults.activation")),
    ("input: {features: 4}\ndefaults: {init: {name: xavier, mode: fan}}", (2, 39, "defaults.init.mode")),
    ("input: {features: 4}\ndefaults: {bias: {std: x}}", (2, 24, "defaults.bias.std")),
    ("input: {features: 4}\ndefaults: relu", (2, 11, "defaults")),
    ("input: {features: 4}\nname: 3", (2, 7, "name")),
    ("input: {features: 100000001}", (1, 19, "input.features")),
]

# What a hint or message must say and a name must find, where several of the rows above share their words.
MORE_ERRORS = [
    (layers("  - dense: yes"), (3, 12, "layers[0].dense.width")),
    (layers("  - dense: .nan"), (3, 12, "layers[0].dense.width")),
    (layers("  - dense: 8.0"), (3, 12, "layers[0].dense.width")),
    (layers("  - dense: 1e400"), (3, 12, "layers[0].dense.width")),
    (layers("  - {dense: 3}\n  - dropout: 1"), (4, 14, "layers[1].dropout.rate")),
    (layers("  - {dense: 3}\n  - dropout: -0.1"), (4, 14, "layers[1].dropout.rate")),
    (layers("  - dense: {width: 3, bias: {std: -1}}"), (3, 35, "layers[0].dense.bias.std")),
    (layers("  - dense: {width: 3, bias: 1e31}"), (3, 29, "layers[0].dense.bias.value")),
    (layers("  - {dense: 3, name: ''}"), (3, 22, "layers[0].name")),
    (top("input: {features: 4, std: -1}"), (1, 27, "input.std")),
    (top("input: {features: 4, std: 1e400}"), (1, 27, "input.std")),
    (top("input: {features: 4}\nprobe: {trials: 0}"), (2, 17, "probe.trials")),
    (top("input: {features: 4}\nprobe: {batch: 0}"), (2, 16, "probe.batch")),
    (top("input: {features: 4}\nexpect: {forward: [stable, 3]}"), (2, 28, "expect.forward[1]")),
    ("input: {features: 4}\nlayers: [{dense: 1}]\nprobe: {gradient: cross_entropy}\n", (3, 19, "probe.gradient")),
    (
        "input: {features: 4}\nlayers: [{dense: 1}]\nprobe: {gradient: {name: cross_entropy}}\n",
        (3, 19, "probe.gradient"),
    ),
    ("input: {features: 4}\n", (1, 1, "layers")),
    ("input: {features: 4}\nlayers:\n", (2, 1, "layers")),
    ("input: {features: 4}\nlayers: {dense: 3}\n", (2, 9, "layers")),
    ("input: {features: 4}\nlayers: [{dense: 8}, {norm: batch}]\nprobe: {batch: 1}\n", (3, 16, "probe.batch")),
]


CONFIG_ERRORS = {
    **{text: (layers(text), place) for text, place in LAYER_ERRORS},
    **{text: (top(text), place) for text, place in TOP_ERRORS},
    **{text: (text, place) for text, place in MORE_ERRORS},
}


@pytest.mark.parametrize("name", CONFIG_ERRORS)
def test_what_is_wrong_is_named_with_place_field_and_way_out(name: str, said: Said) -> None:
    text, (line, column, field) = CONFIG_ERRORS[name]
    with pytest.raises(VarprobeError) as caught:
        read(text)
    error = caught.value
    assert (error.place, error.field) == (Place("net.yaml", line, column), field)
    assert error.hint
    said(error)


def test_a_single_expectation_is_named_without_an_index() -> None:
    assert refusal(top("input: {features: 4}\nexpect: {signal: stable}")).startswith("net.yaml:2:18: expect.signal: ")


@pytest.mark.parametrize(
    "field", ["input: {features: 4}\nname: " + "x" * 201, "input: {features: 4}\nname: " + "é" * 300]
)
def test_a_name_too_long_is_refused_in_whole_words(field: str) -> None:
    message = refusal(top(field))
    assert message.startswith("net.yaml:2:7: name: ")
    assert "String should" not in message


def test_the_first_error_by_place_is_the_one_reported() -> None:
    message = refusal("probe: {trials: x}\ninput: {features: 0}\nlayers: [{dense: 0}]\n")
    assert message.startswith("net.yaml:1:17: probe.trials: must be a whole number")


def test_a_place_counts_from_the_file_as_given(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "tanh.yaml"
    path.parent.mkdir()
    path.write_text("# comment\n\n" + layers("  - dense: {width: 3, activation: rellu}"))
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert (caught.value.place, caught.value.field) == (Place(str(path), 5, 35), "layers[0].dense.activation")


NESTED = """\
input: {features: 6}
defaults: {activation: relu, init: he}
layers:
  - dense: 5
    name: first
  - block:
      - dense: {width: 7, activation: linear}
      - norm: batch
      - activation: tanh
        repeat: 2
    repeat: 3
    name: trunk
  - residual:
      scale: 0.5
      layers:
        - dense: 4
        - dropout: 0.1
        - dense: {width: 7, activation: linear}
    repeat: 2
  - dense: {width: 2, activation: linear}
"""


def test_nested_repeats_are_unrolled_in_order() -> None:
    steps = read(NESTED).steps
    found = [
        (
            step.layer.kind,
            step.name,
            step.path,
            step.line,
            step.repeat_index,
            step.group,
            step.fan_in,
            step.fan_out,
            step.trunk,
        )
        for step in steps
    ]
    block, branch = "layers[1]", "layers[2]"
    inside = f"{branch}.residual.layers"
    expected: list[Any] = [("dense", "first", "layers[0]", 4, 1, None, 6, 5, True)]
    for copy in (1, 2, 3):
        before = 5 if copy == 1 else 7
        expected += [
            ("dense", f"dense{copy + 1}", f"{block}.block[0]", 7, copy, (block, copy), before, 7, True),
            ("norm", f"norm{copy}", f"{block}.block[1]", 8, copy, (block, copy), 7, 7, True),
            # The inner copies count themselves; the group is the entry repeated most often, 3 against 2.
            ("activation", f"activation{2 * copy - 1}", f"{block}.block[2]", 9, 1, (block, copy), 7, 7, True),
            ("activation", f"activation{2 * copy}", f"{block}.block[2]", 9, 2, (block, copy), 7, 7, True),
        ]
    for copy in (1, 2):
        expected += [
            ("open", f"open{copy}", branch, 13, copy, (branch, copy), 7, 7, True),
            ("dense", f"dense{2 * copy + 3}", f"{inside}[0]", 16, copy, (branch, copy), 7, 4, False),
            ("dropout", f"dropout{copy}", f"{inside}[1]", 17, copy, (branch, copy), 4, 4, False),
            ("dense", f"dense{2 * copy + 4}", f"{inside}[2]", 18, copy, (branch, copy), 4, 7, False),
            ("residual", f"residual{copy}", branch, 13, copy, (branch, copy), 7, 7, True),
        ]
    expected.append(("dense", "dense9", "layers[3]", 20, 1, None, 7, 2, True))
    assert found == expected


def test_rows_are_the_steps_but_for_the_opening_ones() -> None:
    spec = read(NESTED)
    assert [step.layer.kind for step in spec.steps if step not in spec.rows] == ["open", "open"]
    assert spec.width == 2
    assert [step.layer.scale for step in spec.steps if isinstance(step.layer, Join)] == [0.5, 0.5]
    assert [step.layer.dropped_share for step in spec.steps if isinstance(step.layer, Dropout)] == [0.1, 0.1]
    assert isinstance(spec.steps[13].layer, Open)


def test_a_residual_inside_a_residual_keeps_both_widths() -> None:
    inner = "{residual: {layers: [{dense: 4}, {dense: 3}]}}"
    spec = read(layers(f"  - dense: 3\n  - residual: {{layers: [{inner}, {{dense: 3}}]}}"))
    kinds = [(step.layer.kind, step.trunk) for step in spec.steps]
    assert kinds == [
        ("dense", True),
        ("open", True),
        ("open", False),
        ("dense", False),
        ("dense", False),
        ("residual", False),
        ("dense", False),
        ("residual", True),
    ]


SHORT_AND_LONG = [
    ("  - dense: 8", "  - dense: {width: 8}"),
    ("  - dense: {width: 8, activation: tanh}", "  - dense: {width: 8, activation: {name: tanh}}"),
    ("  - dense: {width: 8, init: he}", "  - dense: {width: 8, init: {name: he}}"),
    ("  - dense: {width: 8, bias: 0.5}", "  - dense: {width: 8, bias: {value: 0.5}}"),
    ("  - dense: 8\n  - norm: rms", "  - dense: 8\n  - norm: {kind: rms}"),
    ("  - dense: 8\n  - norm: rms", "  - dense: 8\n  - norm: {kind: rms, eps: 1e-5}"),
    ("  - dense: 8\n  - activation: relu", "  - dense: 8\n  - activation: {name: RELU}"),
    ("  - dense: 8", "  - {dense: 8, repeat: 1}"),
    ("  - dense: {width: 8, activation: linear}", "  - dense: {width: 8, activation: identity}"),
]


def shapes(spec: NetworkSpec) -> list[Any]:
    """What can be compared of a network: activations are built anew and hold functions."""
    rows: list[Any] = []
    for step in spec.steps:
        layer = step.layer
        if isinstance(layer, Dense):
            rows.append((layer.weights, layer.bias, layer.activation.label, layer.activation_label, step.fan_out))
        elif isinstance(layer, Pointwise):
            rows.append((layer.activation.label, layer.activation_label))
        else:
            rows.append(layer)
    return rows


@pytest.mark.parametrize(("short", "long"), SHORT_AND_LONG)
def test_short_forms_mean_their_long_ones(short: str, long: str) -> None:
    assert shapes(read(layers(short))) == shapes(read(layers(long)))


def test_a_single_expectation_means_a_list_of_one() -> None:
    found = experiment(
        top("input: {features: 4}\nexpect: {forward: stable, backward: [stable, borderline], signal: fading}")
    )
    assert found.expect == Expectation(("stable",), ("stable", "borderline"), None, ("fading",))
    assert experiment(top("input: {features: 4}")).expect is None


def test_defaults_reach_the_layers_that_do_not_say() -> None:
    defaults = "defaults: {activation: tanh, init: {name: normal, std: 0.5}, bias: {std: 0.1}}"
    own = "{dense: {width: 3, activation: linear, init: small, bias: 0.25}}"
    first, second = read(f"input: {{features: 4}}\n{defaults}\nlayers: [{{dense: 2}}, {own}]\n").steps
    assert isinstance(first.layer, Dense)
    assert (first.layer.weights, first.layer.bias, first.layer.activation_label) == (Normal(0.5), Normal(0.1), "tanh")
    assert first.layer.init_label == "normal(std=0.5)"
    assert isinstance(second.layer, Dense)
    assert (second.layer.weights, second.layer.bias) == (Normal(0.01), Constant(0.25))
    assert second.layer.activation_label == "linear"


def test_without_defaults_layers_are_linear_xavier_without_bias() -> None:
    (step,) = read(layers("  - dense: 8")).steps
    assert isinstance(step.layer, Dense)
    assert (step.layer.activation_label, step.layer.init_label, step.layer.bias) == ("linear", "xavier", Constant(0.0))


@pytest.mark.parametrize(
    ("text", "law"),
    [
        ("features: 4", ("normal", 0.0, 1.0)),
        ("features: 4, distribution: normal, mean: 1, std: 2.5", ("normal", 1.0, 2.5)),
        ("features: 4, distribution: uniform, std: 0", ("uniform", 0.0, 0.0)),
        ("features: 4, distribution: constant, mean: -3", ("constant", -3.0, 1.0)),
    ],
)
def test_every_input_distribution_is_read(text: str, law: tuple[str, float, float]) -> None:
    found = read(top(f"input: {{{text}}}")).input
    assert (found.distribution, found.mean, found.std) == law
    assert found.features == 4
    assert found.rows is None


def test_every_probe_key_is_read() -> None:
    assert read(top("input: {features: 4}")).settings == Settings(128, 20, 0, "float32", "auto")
    keys = "batch: 3, trials: 7, seed: 9223372036854775807, dtype: float64, engine: matrix-free, gradient: mse"
    spec = read(top(f"input: {{features: 4}}\nprobe: {{{keys}}}"))
    assert spec.settings == Settings(3, 7, 2**63 - 1, "float64", "matrix-free")
    assert spec.objective.kind == "mse"


ROLES = """\
input: {features: 4}
layers:
  - {dense: 8, repeat: 2, name: trunk}  # the body
  - dense: 8
    role: head
  - activation: tanh
"""


def test_a_role_overrides_what_the_network_tells() -> None:
    spec = read(ROLES)
    assert [step.role for step in spec.steps] == [None, None, "head", None]
    assert spec.head is spec.steps[2]
    assert [row.is_head for row in describe_rows(spec)] == [False, False, True, False]
    small = "input: {features: 4}\nlayers: [{dense: 8, repeat: 2}, {dense: 3}]\n"
    last = read(small).steps[2]
    assert (last.role, read(small).head) == (None, last)
    for text in (small.replace("3}", "3, role: body}"), small.replace("3}", "3, role: body, repeat: 2}")):
        assert read(text).steps[-1].role == "body"
        assert read(text).head is None
    assert read(small.replace("2}", "2, role: body}")).head is not None
    assert read(small, "layers[1].role=body").head is None
    assert read(small, "layers[1].role=null").head is not None


def test_a_role_is_written_back_where_it_stood() -> None:
    found = experiment(ROLES).document
    assert rewrite(ROLES, found, "net.yaml") == ROLES
    found["layers"][1]["role"] = "body"
    assert rewrite(ROLES, found, "net.yaml") == ROLES.replace("role: head", "role: body")
    assert [step.role for step in load(found).network.steps] == [None, None, "body", None]
    del found["layers"][1]["role"]
    assert "role" not in rewrite(ROLES, found, "net.yaml")
    found["layers"][0]["role"] = "body"
    assert "{dense: 8, repeat: 2, name: trunk, role: body}  # the body" in rewrite(ROLES, found, "net.yaml")


@pytest.mark.parametrize("gradient", ["random", "mse", "cross_entropy", "bce"])
def test_every_objective_has_a_short_and_a_long_form(gradient: str) -> None:
    for text in (gradient, f"{{name: {gradient}}}"):
        objective = read(top(f"input: {{features: 4}}\nprobe: {{gradient: {text}}}")).objective
        assert objective.kind == gradient
        assert objective.cotangent is None


def test_a_mapping_is_loaded_as_a_file_is() -> None:
    spec = load({"input": {"features": 4}, "layers": ({"dense": 8},)}).network
    assert (spec.name, spec.steps[0].line, spec.steps[0].path) == ("network", None, "layers[0]")
    with pytest.raises(ConfigError) as caught:
        load({"input": {"features": 4, "std": float("nan")}, "layers": [{"dense": 8}]})
    assert str(caught.value) == (
        "config: input.std: must be a finite number, given nan\n  hint: write it as in `std: 0.02`"
    )


def test_the_name_is_the_stem_of_the_file_unless_given() -> None:
    assert read(top("input: {features: 4}")).name == "net"
    assert read(top("input: {features: 4}\nname: xavier tanh")).name == "xavier tanh"


def test_the_document_builds_the_same_network_again() -> None:
    first = experiment(NESTED, "layers[1].repeat=2", "defaults.init.gain=1.5")
    again = load(first.document)
    assert shapes(again.network) == shapes(first.network)
    assert again.document == first.document


WEIGHTS = np.arange(32, dtype=np.float32).reshape(8, 4) / 7


def given(arguments: str) -> FromFile:
    (step,) = read(layers(f"  - dense: {{width: 8, init: {{name: file, {arguments}}}}}")).steps
    assert isinstance(step.layer, Dense)
    assert isinstance(step.layer.weights, FromFile)
    return step.layer.weights


def file_refusal(arguments: str) -> str:
    message = refusal(layers(f"  - dense: {{width: 8, init: {{name: file, {arguments}}}}}"))
    assert message.startswith("net.yaml:3:29: layers[0].dense.init")
    return (
        message.removeprefix("net.yaml:3:29: layers[0].dense.init")
        .removeprefix(".path")
        .removeprefix(".key")
        .removeprefix(": ")
    )


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_given_weights_are_read_in_either_order_and_precision(dtype: str, order: Any) -> None:
    values = np.asarray(WEIGHTS, dtype=dtype, order=order)
    np.save("w.npy", values)
    np.savez("w.npz", W1=values, other=values[0])
    np.savez_compressed("one.npz", W=values)
    for arguments, source in (
        ("path: w.npy", "w.npy"),
        ("path: w.npz, key: W1", "w.npz[W1]"),
        ("path: one.npz", "one.npz"),
    ):
        found = given(arguments)
        assert np.array_equal(found.values, WEIGHTS)
        assert found.values.dtype == np.dtype(dtype).newbyteorder("=")
        assert found.values.flags.c_contiguous
        assert found.source == source


def test_relative_paths_count_from_the_folder_of_the_config(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    np.save(tmp_path / "sub" / "w.npy", WEIGHTS)
    path = tmp_path / "sub" / "net.yaml"
    path.write_text(layers("  - dense: {width: 8, init: {name: file, path: w.npy}}"))
    assert isinstance(load(path).network.steps[0].layer, Dense)


def test_repeated_file_layers_share_their_matrix() -> None:
    np.save("square.npy", np.eye(4))
    steps = read(layers("  - dense: {width: 4, init: {name: file, path: square.npy}}\n    repeat: 3")).steps
    assert len({id(step.layer.weights) for step in steps if isinstance(step.layer, Dense)}) == 1


def test_given_biases_and_norm_parameters_are_vectors() -> None:
    np.savez("p.npz", b=np.arange(8.0), g=np.full(8, 2.0), bad=np.ones((8, 1)))
    dense, norm = read(
        layers(
            "  - dense: {width: 8, bias: {path: p.npz, key: b}}\n  - norm: {kind: layer, gamma: {path: p.npz, key: g}}"
        )
    ).steps
    assert isinstance(dense.layer, Dense)
    assert isinstance(dense.layer.bias, FromFile)
    assert dense.layer.bias.values.tolist() == list(range(8))
    assert isinstance(norm.layer, Norm)
    assert norm.layer.gamma is not None
    assert norm.layer.gamma.values.tolist() == [2.0] * 8
    assert norm.layer.beta is None
    assert refusal(layers("  - dense: {width: 8, bias: {path: p.npz, key: bad}}")) == (
        "net.yaml:3:29: layers[0].dense.bias: 'p.npz[bad]' has shape (8, 1), the network needs (8)\n"
        "  hint: its axes are (width,)"
    )


def header(text: str, body: bytes = b"") -> bytes:
    """A .npy file of format 1.0 with that header."""
    padded = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded.encode("latin1") + body


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (WEIGHTS.astype(int), "'w.npy' holds int64\n  hint: save it as float32 or float64"),
        (WEIGHTS.astype(np.float16), "'w.npy' holds float16\n  hint: save it as float32 or float64"),
        (WEIGHTS.astype(complex), "'w.npy' holds complex128\n  hint: save it as float32 or float64"),
        (np.array([{}, 1], dtype=object), "'w.npy' holds object\n  hint: save it as float32 or float64"),
        (WEIGHTS.T, "'w.npy' has shape (4, 8), the network needs (8, 4)\n  hint: its axes are (fan_out, fan_in)"),
        (WEIGHTS[:0], "'w.npy' has shape (0, 4), the network needs (8, 4)\n  hint: its axes are (fan_out, fan_in)"),
        (np.float32(3), "'w.npy' has shape (), the network needs (8, 4)\n  hint: its axes are (fan_out, fan_in)"),
    ],
    ids=["integers", "float16", "complex", "pickled", "transposed", "empty", "scalar"],
)
def test_given_weights_of_another_type_or_shape_are_refused(values: Any, message: str) -> None:
    np.save("w.npy", values, allow_pickle=True)
    assert file_refusal("path: w.npy") == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("path: none.npy", "file 'none.npy' does not exist\n  hint: relative paths count from the config's folder"),
        ("path: folder", "file 'folder' is a directory\n  hint: relative paths count from the config's folder"),
        ("path: w.npz", "'w.npz' has several arrays, and no key is given\n  hint: its keys are W1, b1"),
        ("path: w.npz, key: W7", "'w.npz' has no key 'W7'\n  hint: its keys are W1, b1"),
        ("path: w.npz, key: zzz", "'w.npz' has no key 'zzz'\n  hint: its keys are W1, b1"),
        ("path: w.npy, key: W1", "'w.npy' is no .npz file, so it has no key 'W1'\n  hint: remove the key"),
        (
            "path: w.npz, key: b1",
            "'w.npz[b1]' has shape (8,), the network needs (8, 4)\n  hint: its axes are (fan_out, fan_in)",
        ),
    ],
)
def test_files_and_keys_that_are_not_there_are_named(arguments: str, message: str) -> None:
    Path("folder").mkdir()
    np.save("w.npy", WEIGHTS)
    np.savez("w.npz", W1=WEIGHTS, b1=WEIGHTS[:, 0])
    assert file_refusal(arguments) == message


def test_a_key_in_another_case_is_recognised() -> None:
    np.savez("w.npz", W1=WEIGHTS, other=WEIGHTS)
    assert "did you mean 'W1'?" in file_refusal("path: w.npz, key: w1")


def test_an_archive_without_arrays_is_not_said_to_have_several() -> None:
    np.savez("empty.npz")
    assert "several" not in file_refusal("path: empty.npz")


def saved(values: np.ndarray) -> bytes:
    np.save("saved.npy", values)
    return Path("saved.npy").read_bytes()


def archived() -> bytearray:
    np.savez_compressed("saved.npz", W1=WEIGHTS)
    return bytearray(Path("saved.npz").read_bytes())


def with_byte(data: bytearray, offset: int, value: int) -> bytes:
    data[offset] = value
    return bytes(data)


def encrypted() -> bytes:
    data = archived()
    data[data.find(b"PK\x03\x04") + 6] |= 1
    data[data.find(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


# The deflate stream begins after the local header: 30 bytes, the name, and the extra field of its stated length.
def stream_of(data: bytearray) -> int:
    return 30 + int.from_bytes(data[26:28], "little") + int.from_bytes(data[28:30], "little")


BROKEN = {
    "nothing": lambda: b"",
    "text": lambda: b"hello",
    "noise": lambda: np.random.default_rng(0).bytes(500),
    "pickle": lambda: b"\x80\x04\x95\x0b\x01\x00\x00\x00",
    "cut values": lambda: saved(WEIGHTS)[:-20],
    "cut inside the last byte": lambda: saved(WEIGHTS)[:-1],
    "cut header": lambda: saved(WEIGHTS)[:20],
    "future format": lambda: b"\x93NUMPY\x07\x00" + saved(WEIGHTS)[8:],
    "open bracket": lambda: header("{'descr': '<f8', 'fortran_order': False, 'shape': (8, 4, }"),
    "many brackets": lambda: header("(" * 5000),
    "zero byte": lambda: header("\x00{'a'"),
    "true as length": lambda: header("{'descr': '<f8', 'fortran_order': False, 'shape': (True, 4), }", bytes(256)),
    "negative length": lambda: header("{'descr': '<f8', 'fortran_order': False, 'shape': (-8, -4), }", bytes(256)),
    "no tuple": lambda: header("{'descr': '<f8', 'fortran_order': False, 'shape': 'x', }", bytes(256)),
    "record type": lambda: header("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (8, 4), }", bytes(256)),
    "more than the file holds": lambda: header(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (8, 4), }", bytes(64)
    ),
    "cut archive": lambda: bytes(archived()[:-30]),
    "wrong checksum": lambda: with_byte(data := archived(), data.find(b"PK\x01\x02") + 16, 0xAA),
    "broken deflate": lambda: with_byte(data := archived(), stream_of(data), 0xFF),
    "encrypted archive": encrypted,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_array_is_an_error_that_names_the_file(name: str) -> None:
    Path("broken.npz").write_bytes(BROKEN[name]())
    message = file_refusal("path: broken.npz")
    assert "'broken.npz" in message
    assert "\n  hint: " in message


def test_a_truncated_array_is_said_to_be_cut_short() -> None:
    Path("w.npy").write_bytes(saved(WEIGHTS)[:-20])
    assert file_refusal("path: w.npy") == "'w.npy' is cut short\n  hint: save it again"


@pytest.mark.parametrize("rows", ["1" + "0" * 30, str(2**62), "100000000000", "-3", "True", "0"])
def test_a_header_that_promises_the_impossible_takes_no_memory(rows: str) -> None:
    Path("x.npy").write_bytes(header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({rows}, 4), }}", bytes(64)))
    message = refusal(top("input: {features: 4, distribution: file, path: x.npy}"))
    assert message.startswith("net.yaml:1:48: input.path: 'x.npy' ")


def test_a_member_of_an_archive_that_is_no_array_is_refused() -> None:
    with zipfile.ZipFile("w.npz", "w") as archive:
        archive.writestr("W1.npy", "hello")
    assert file_refusal("path: w.npz, key: W1").startswith("'w.npz")


def test_the_rows_of_an_input_file_are_the_batch() -> None:
    rows = np.arange(20, dtype=np.float64).reshape(5, 4)
    np.save("batch.npy", rows)
    text = "input: {features: 4, distribution: file, path: batch.npy}"
    spec = read(top(text))
    assert spec.settings.batch == 5
    assert spec.input.rows is not None
    assert np.array_equal(spec.input.rows, rows)
    assert read(top(f"{text}\nprobe: {{batch: 5}}")).settings.batch == 5
    assert refusal(top(f"{text}\nprobe: {{batch: 6}}")) == (
        "net.yaml:2:16: probe.batch: the input file has 5 rows, and these are the batch; given 6\n"
        "  hint: remove probe.batch, or save as many rows as it says"
    )
    assert refusal(top(text.replace("features: 4", "features: 3"))) == (
        "net.yaml:1:48: input.path: 'batch.npy' has shape (5, 4), the network needs (any, 3)\n"
        "  hint: its axes are (rows, features)"
    )


def test_a_given_cotangent_has_the_shape_of_the_output() -> None:
    np.save("g.npy", np.ones((3, 8)))
    text = "input: {{features: 4}}\nprobe: {{batch: {}, gradient: {{name: file, path: g.npy}}}}"
    objective = read(top(text.format(3))).objective
    assert objective.kind == "file"
    assert objective.cotangent is not None
    assert objective.cotangent.shape == (3, 8)
    assert refusal(top(text.format(4))) == (
        "net.yaml:2:48: probe.gradient.path: 'g.npy' has shape (3, 8), the network needs (4, 8)\n"
        "  hint: its axes are (batch, width)"
    )


BASE = """\
input: {features: 4}
defaults: {init: he}
layers:
  - dense: 8
    repeat: 2
  - norm: layer
  - dense: {width: 3, activation: relu}
"""
ACCEPTED = [
    ("layers.0.repeat=50", ("layers", 0, "repeat"), 50),
    ("layers[0].repeat=50", ("layers", 0, "repeat"), 50),
    ("layers.0.dense=16", ("layers", 0, "dense"), 16),
    ("layers[0].dense.width=16", ("layers", 0, "dense"), {"width": 16}),
    ("layers[0].dense.bias=0.1", ("layers", 0, "dense"), {"width": 8, "bias": 0.1}),
    ("layers[1].norm.eps=1e-3", ("layers", 1, "norm"), {"kind": "layer", "eps": 0.001}),
    (
        "layers[2].dense.init={name: he, mode: fan_out}",
        ("layers", 2, "dense", "init"),
        {"name": "he", "mode": "fan_out"},
    ),
    ("defaults.init.gain=1.2", ("defaults", "init"), {"name": "he", "gain": 1.2}),
    ("defaults.init=lecun", ("defaults", "init"), "lecun"),
    ("defaults.activation=tanh", ("defaults", "activation"), "tanh"),
    ("defaults.bias.std=0.1", ("defaults", "bias"), {"std": 0.1}),
    ("input.std= 2.0 ", ("input", "std"), 2.0),
    ("probe.trials=50", ("probe", "trials"), 50),
    ("probe={trials: 3}", ("probe",), {"trials": 3}),
    ("probe.gradient=mse", ("probe", "gradient"), "mse"),
    ("probe.gradient.name=mse", ("probe", "gradient"), {"name": "mse"}),
    ("expect.forward=[stable, borderline]", ("expect", "forward"), ["stable", "borderline"]),
    ("name=no", ("name",), "no"),
    ("name='a=b'", ("name",), "a=b"),
    ("layers=[{dense: 3}]", ("layers",), [{"dense": 3}]),
]


@pytest.mark.parametrize(("assignment", "path", "value"), ACCEPTED, ids=[row[0] for row in ACCEPTED])
def test_an_assignment_edits_the_document(assignment: str, path: tuple[Any, ...], value: object) -> None:
    found: Any = experiment(BASE, assignment).document
    for step in path:
        found = found[step]
    assert found == value


def test_assignments_are_made_in_their_order() -> None:
    document = experiment(BASE, "defaults.init.gain=1.2", "defaults.init.mode=fan_out").document
    assert document["defaults"]["init"] == {"name": "he", "gain": 1.2, "mode": "fan_out"}
    assert experiment(BASE, "defaults.init.gain=1.2", "defaults.init=lecun").document["defaults"]["init"] == "lecun"


def test_an_assignment_reaches_only_the_place_it_names() -> None:
    shared = "input: {features: 4}\nlayers: [&a {dense: {width: 8}}, *a]\n"
    assert [step.fan_out for step in read(shared, "layers[1].dense.width=5").steps] == [8, 5]
    shared = "input: {features: 4}\nlayers: [{block: &b [{dense: 8}]}, {block: *b}]\n"
    assert [step.fan_out for step in read(shared, "layers[1].block[0].dense=5").steps] == [8, 5]


def test_an_argument_set_on_a_layer_keeps_the_scheme_that_the_layer_had() -> None:
    # The first layer takes `he` from the defaults; a gain on it must not make it another scheme.
    first = read(BASE, "layers[0].dense.init.gain=2").steps[0].layer
    assert isinstance(first, Dense)
    assert first.init_label == "he(gain=2)"
    leaky = BASE.replace("init: he", "activation: leaky_relu")
    first = read(leaky, "layers[0].dense.activation.slope=0.3").steps[0].layer
    assert isinstance(first, Dense)
    assert first.activation_label == "leaky_relu(slope=0.3)"


REFUSED = [
    "layers[9].repeat=2",
    "layers.x=2",
    "layers[0].rep=3",
    "layers[0].repeat=x",
    "layers[0].repeat.y=3",
    "probe.trails=3",
    "probe.trials=1_0",
    "input.features.x=1",
    "layers[2].dense.activation.slope=1",
    "layers[0].dense.init=x=y",
]


@pytest.mark.parametrize("assignment", REFUSED)
def test_a_wrong_assignment_is_named_with_its_option(assignment: str, said: Said) -> None:
    message = refusal(BASE, assignment)
    assert message.startswith(f"--set {assignment}: ")
    said(message)


@pytest.mark.parametrize(
    "text", ["abc", "=3", "a b=3", "layers[-1].dense=3", "layers[0]..x=1", "layers[²].x=1", "", "[0]=1"]
)
def test_an_assignment_that_is_none_says_how_to_write_one(text: str, said: Said) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_assignment(text)
    said(caught.value)


@pytest.mark.parametrize("text", ["[", "!!int 3", "1\n---\n2", "*a", "{a: 1, a: 2}", "\t", "'"])
def test_a_value_that_is_no_yaml_is_an_error_of_the_option(text: str) -> None:
    assert refusal(BASE, f"probe.trials={text}").startswith("--set probe.trials=")


LOL = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
ANCHOR = "define it before, with &; text that begins with * stands in quotes"
HOSTILE: dict[str, tuple[str | bytes, str, str]] = {
    "billion laughs": (
        LOL,
        ":5:23: expands to more than 50,000 values",
        "write less by anchors and aliases; use repeat",
    ),
    "anchor in itself": ("a: &a [*a]\n", ":1:8: unknown anchor '*a'", ANCHOR),
    "unknown anchor": ("input: *a\n", ":1:8: unknown anchor '*a'", ANCHOR),
    "deep lists": ("a: " + "[" * 100 + "]" * 100 + "\n", ":1:67: nested more than 64 deep", "use fewer levels"),
    "very deep lists": ("[" * 60_000, ":1:65: nested more than 64 deep", "use fewer levels"),
    "deep mappings": ("{a: " * 5000, ":1:257: nested more than 64 deep", "use fewer levels"),
    "deep dashes": ("- " * 3000 + "x\n", ":1:129: nested more than 64 deep", "use fewer levels"),
    "huge integer": (
        top("input: {features: " + "9" * 200_000 + "}"),
        ":1:19: input.features: must be a whole number, given inf",
        "write it as in `features: 784`",
    ),
    "large integer": (
        top("input: {features: " + "9" * 300 + "}"),
        ":1:19: input.features: must be at most 100,000,000, given " + "9" * 60,
        "write a number that is at most 100,000,000",
    ),
    "tab": (
        "input:\n\tfeatures: 4\n",
        ":2:1: not valid YAML: while scanning for the next token found character '\\t' that cannot start any token",
        "YAML indents with spaces; replace the tab",
    ),
    "duplicate key": (
        "input: {features: 4}\nname: a\ninput: {features: 5}\n",
        ":3:1: duplicate key 'input'",
        "it stands first on line 1; remove one",
    ),
    "second document": (
        "input: {features: 4}\n---\nlayers: []\n",
        ":2:1: a second document begins here",
        "a config is one document; remove the '---'",
    ),
    "tag": (
        "input: {features: !!int 4}\n",
        ":1:19: tag 'tag:yaml.org,2002:int' is not supported",
        "remove the tag; quote what is text",
    ),
    "python tag": (
        'input: !!python/object/apply:os.system ["x"]\n',
        ":1:8: tag 'tag:yaml.org,2002:python/object/apply:os.system' is not supported",
        "remove the tag; quote what is text",
    ),
    "complex key": ("? [a, b]\n: 3\n", ":1:3: a key must be a word", "write `key: value`"),
    "open brace": (
        "input: {features: 4\nlayers: []\n",
        ":2:7: not valid YAML: while parsing a flow mapping expected ',' or '}', but got ':'",
        "close the { on line 1, or write a comma between its entries; comments begin with #",
    ),
    "open quote": (
        'input: "abc\n',
        ":1:8: not valid YAML: while scanning a quoted scalar found unexpected end of stream",
        "close the quote that begins here",
    ),
    "control character": (
        "a: \x07\n",
        ": not valid YAML: unacceptable character #x0007: special characters are not allowed",
        "check the file's text",
    ),
    "empty": ("", ": is empty", "`varprobe new` writes an example"),
    "blank": (" \n\n", ": is empty", "`varprobe new` writes an example"),
    "only a comment": (
        "# nothing\n",
        ":1:1: a config is a mapping, this is nothing",
        "begin with `input:` and `layers:`; `varprobe new` writes an example",
    ),
    "a list": (
        "- a\n",
        ":1:1: a config is a mapping, this is a list",
        "begin with `input:` and `layers:`; `varprobe new` writes an example",
    ),
    "a word": (
        "abc\n",
        ":1:1: a config is a mapping, this is a single value",
        "begin with `input:` and `layers:`; `varprobe new` writes an example",
    ),
    "binary": (b"PK\x03\x04\x00\x00", ": is a binary file, not a YAML config", "name a text file"),
    "UTF-16": ("input: 4".encode("utf-16"), ": is a binary file, not a YAML config", "name a text file"),
    "Latin-1": (b"input: {features: 4}\nname: \xe4\n", ":2: is not UTF-8: byte 0xe4", "save the file as UTF-8"),
    "too large": (
        "#" + "x" * 300_000 + "\n",
        ": is larger than 256,000 bytes, too large for a config",
        "use repeat for layers that are alike",
    ),
    "too many layers": (
        layers("  - block: [{block: [{dense: 3, repeat: 1000}], repeat: 1000}]\n    repeat: 1000"),
        ":3:57: layers[0].block[0].repeat: the network unrolls to more than 200,000 layers",
        "lower repeat",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_words_and_at_once(name: str) -> None:
    text, head, hint = HOSTILE[name]
    start = time.process_time()  # of this process: the machine may be busy with others
    assert refusal(text) == f"net.yaml{head}\n  hint: {hint}"
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nofile.yaml", "nofile.yaml: no such file\n  hint: check the path; `varprobe new` writes an example"),
        ("folder", "folder: is a directory\n  hint: name a config file in it"),
        ("net.yaml/x", "net.yaml/x: cannot be read: Not a directory\n  hint: check the path and its rights"),
        (
            "/dev/zero",
            "/dev/zero: is larger than 256,000 bytes, too large for a config\n"
            "  hint: use repeat for layers that are alike",
        ),
    ],
)
def test_a_path_that_is_no_config_is_named(path: str, message: str) -> None:
    Path("folder").mkdir()
    Path("net.yaml").write_text("a: 1\n")
    with pytest.raises(InputFileError) as caught:
        load(path)
    assert str(caught.value) == message


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000])
def test_a_path_that_no_system_takes_is_refused(path: str) -> None:
    with pytest.raises(InputFileError) as caught:
        load(path)
    assert caught.value.hint


def test_a_mapping_that_holds_itself_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["a"] = loop
    with pytest.raises(ConfigError) as caught:
        load(loop)
    assert str(caught.value) == "config: nested more than 100 deep\n  hint: use fewer levels"


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffinput: {features: 4}\nlayers: [{dense: 8}]\n",
        "input: {features: 4}\r\nlayers: [{dense: 8}]\r\n",
        "%YAML 1.2\n---\ninput: {features: 4}\nlayers: [{dense: 8}]\n...\n",
        "&anchor input: {features: 4}\nlayers: [{dense: 8}]",
        '{"input": {"features": 4}, "layers": [{"dense": 8}]}',
    ],
    ids=["byte order mark", "carriage returns", "directive", "anchored key", "JSON"],
)
def test_unusual_but_legal_files_are_read(text: str) -> None:
    assert read(text).width == 8


def test_even_a_document_that_says_yaml_1_1_is_read_as_1_2() -> None:
    assert read("%YAML 1.1\n---\n" + top("input: {features: 4}\nname: no")).name == "no"


@pytest.mark.parametrize(
    ("file", "name"), [("x.varprobe.yaml", "x"), (".varprobe.yaml", ".varprobe"), ("x.y.yml", "x.y")]
)
def test_a_network_without_a_name_has_that_of_its_file(file: str, name: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text("input: {features: 4}\nlayers: [{dense: 4}]\n")
    assert load(tmp_path / file).network.name == name
