"""What the loader says, to the letter, and what it knows of the places it speaks of."""

from __future__ import annotations

import io
import math
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from golden import Said
from test_config import layers, read, refusal, top

from varprobe.config.loading import load
from varprobe.config.overrides import parse_assignment
from varprobe.config.schema import config_schema
from varprobe.config.translation import word_complaint
from varprobe.config.yaml_tree import MAX_BYTES, parse_yaml, scalar
from varprobe.errors import InputFileError, Place, VarprobeError
from varprobe.network.initializers import INITIALIZERS
from varprobe.network.laws import Normal
from varprobe.network.layers import Dense


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


HEAD = "input: {features: 4}"


# What is wrong: the text and its place.
WRONG = {
    "a long name of a layer": (layers("  - {dense: 8, name: " + "x" * 101 + "}"), (3, 22, "layers[0].name")),
    "a long name": (top(HEAD + "\nname: " + "x" * 201), (2, 7, "name")),
    "a long key": (
        top(HEAD + "\nexpect: {layers: {" + "x" * 101 + ": {activation.variance: [0, 1]}}}"),
        (2, 122, "expect.layers." + "x" * 101 + ".[key]"),
    ),
    "an empty range": (
        top(HEAD + "\nexpect: {layers: {1: {preactivation.variance: [0, 1], activation.variance: [2, 1]}}}"),
        (2, 76, "expect.layers.1.activation.variance"),
    ),
    "a statistic that the layer lacks": (
        top(HEAD + "\nexpect: {layers: {1: {weight_gradient.variance: [0, 1], activation.saturated: [0, 1]}}}"),
        (2, 79, "expect.layers.1.activation.saturated"),
    ),
    "a number in quotes": (layers("  - dropout: '0.1'\n  - dense: 4"), (3, 14, "layers[0].dropout.rate")),
    "true for a number": (layers("  - dropout: true\n  - dense: 4"), (3, 14, "layers[0].dropout.rate")),
    "two kinds of bias": (
        layers("  - dense: {width: 4, bias: {value: 1, path: b.npy}}"),
        (3, 29, "layers[0].dense.bias"),
    ),
    "a word for a layer": (layers("  - relu"), (3, 5, "layers[0]")),
    # The first by line, then by column, whatever the order of the schema.
    "the first by column": (top(HEAD + "\nprobe: {trials: 0, batch: 0}"), (2, 17, "probe.trials")),
    "an open range": (top(HEAD + "\nexpect: {rate: {forward: [null, null]}}"), (2, 26, "expect.rate.forward")),
    "all dropped": (layers("  - dropout: 1\n  - dense: 4"), (3, 14, "layers[0].dropout.rate")),
    "a negative seed": ("layers: [{dense: 4}]\ninput: {features: 4}\nprobe: {seed: -1}", (3, 15, "probe.seed")),
    "a list for a mapping": ("layers: [{dense: 4}]\ninput: [4]", (2, 8, "input")),
    "nothing": (" \n\n", (None, None, "")),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_to_the_letter(case: str, said: Said) -> None:
    text, (line, column, field) = WRONG[case]
    with pytest.raises(VarprobeError) as caught:
        read(text)
    assert (caught.value.place, caught.value.field) == (Place("net.yaml", line, column), field)
    said(caught.value)


def test_the_longest_names_are_taken() -> None:
    spec = read(layers("  - {dense: 8, name: " + "x" * 100 + "}") + "name: " + "y" * 200)
    assert (spec.steps[0].name, spec.name) == ("x" * 100, "y" * 200)


def test_what_pydantic_says_in_other_words_is_passed_on(said: Said) -> None:
    for text in ("Input should be a date", "Value error, a date", "a date"):
        said("\n".join(word_complaint({"type": "other", "msg": text, "input": [3]})))


def _from_standard_input(data: bytes, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    return load("-").network


def test_standard_input_is_a_config_with_a_place(monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    spec = _from_standard_input(top(HEAD).encode(), monkeypatch)
    assert spec.name == "stdin"
    assert spec.place is not None
    assert spec.place.source == "<stdin>"
    for data, (line, column) in (
        (b"", (None, None)),
        (b"a\0b", (None, None)),
        (b"name: x\n\xff", (2, None)),
        (top("input: {features: 0}").encode(), (1, 19)),
    ):
        with pytest.raises(VarprobeError) as caught:
            _from_standard_input(data, monkeypatch)
        assert caught.value.place == Place("<stdin>", line, column)
        said(caught.value)
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputFileError, match="<stdin>: is empty"):
        load("-")


def test_a_config_has_its_largest_size(said: Said) -> None:
    comment = "#" * (MAX_BYTES - len(top(HEAD)))
    assert read(top(HEAD) + comment).width == 8
    said(refusal(top(HEAD) + comment + "#"))
    assert parse_yaml("x" * MAX_BYTES, "--set").value == "x" * MAX_BYTES
    with pytest.raises(InputFileError) as caught:
        parse_yaml("x" * (MAX_BYTES + 1), "--set")
    said(caught.value)


@pytest.mark.parametrize("assignment", ["layers=[{dense: 8}, {dense: 0}]", "probe={batch: 4, trials: 0}"])
def test_what_an_option_sets_has_its_place_in_the_option(assignment: str) -> None:
    message = refusal(top(HEAD), assignment)
    assert message.startswith(f"--set {assignment}: ")
    assert "must be at least 1, given 0" in message


def test_what_an_option_only_widens_keeps_its_place(said: Said) -> None:
    message = refusal(layers("  - dense: 0"), "layers.0.dense.activation=relu")
    assert message.startswith("net.yaml:3:12: layers[0].dense.width: ")
    said(message)
    assert refusal(layers("  - dense: ~"), "layers.0.dense.activation=relu").startswith(
        "net.yaml:3:12: layers[0].dense.width: is required"
    )


def test_a_layer_s_own_scheme_begins_as_the_default_one() -> None:
    text = "input: {features: 4}\ndefaults: {init: {name: he, mode: fan_out}}\nlayers: [{dense: 8}]\n"
    spec = read(text, "layers.0.dense.init.gain=3")
    layer = spec.steps[0].layer
    assert isinstance(layer, Dense)
    assert isinstance(layer.weights, Normal)
    assert layer.weights.std == pytest.approx(3 / 8**0.5)


def test_a_path_is_no_deeper_than_a_config_may_be() -> None:
    path = ".".join(["layers"] * 64)
    assert parse_assignment(f"{path}=1").path == path
    with pytest.raises(VarprobeError) as caught:
        parse_assignment(f"{path}.layers=1")
    message, hint = str(caught.value).split("\n  hint: ")
    assert message.startswith("--set layers.layers.")
    assert message.endswith(": the path goes more than 64 deep")
    assert hint


@pytest.mark.parametrize(("head", "tail"), [("[", "]"), ("{a: ", "}")])
def test_a_document_is_no_deeper_than_a_config_may_be(head: str, tail: str) -> None:
    # 63 of them and the scalar inside.
    assert parse_yaml(head * 63 + "1" + tail * 63, "net").plain()
    with pytest.raises(VarprobeError, match="nested more than 64 deep"):
        parse_yaml(head * 64 + "1" + tail * 64, "net")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", ["auto", "explicit", "matrix-free"])
def test_every_arithmetic_and_engine_can_be_named(dtype: str, engine: str) -> None:
    settings = read(top(HEAD) + f"probe: {{dtype: {dtype}, engine: {engine}}}").settings
    assert (settings.dtype, settings.engine) == (dtype, engine)


def test_the_name_of_a_file_that_is_no_text_is_made_one(tmp_path: Path) -> None:
    path = tmp_path / "net\udcff.yaml"
    try:
        path.write_text(top(HEAD))
    except OSError:
        pytest.skip("this file system takes no such name")
    assert load(path).network.name == "net?"


def test_options_alone_make_a_config(said: Said) -> None:
    spec = read("# nothing yet\n", "input.features=4", "layers=[{dense: 8}]", "defaults.init.gain=2")
    assert spec.width == 8
    said(refusal("# nothing yet\n"))


def test_a_key_that_no_text_can_hold_is_refused() -> None:
    with pytest.raises(VarprobeError, match=r"unknown key '\?'"):
        load({"input": {"features": 4, "\ud800": 1}, "layers": [{"dense": 8}]})


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (True, "true True TRUE"),
        (False, "false False FALSE"),
        (None, "~ null Null NULL"),
        (math.inf, ".inf .Inf .INF +.inf +.Inf +.INF 1" + "0" * 5000),
        (-math.inf, "-.inf -.Inf -.INF"),
        ("as it is", "tRUE yes Yes on y n no off nULL NuLL +.nan -.nan .iNF inf nan 0b1 0o8 1:30 012 1_000 1e 0xg"),
    ],
)  # fmt: skip
def test_constants_have_three_spellings(value: Any, texts: str) -> None:
    for text in texts.split():
        found = scalar(text)
        wanted = text if value == "as it is" else value
        assert (type(found), found) == (type(wanted), wanted)


def test_long_integers_stay_numbers() -> None:
    assert scalar("1" + "0" * 398) == 10**398
    assert type(scalar("1" + "0" * 398)) is int
    assert (type(scalar("1" + "0" * 300 + "." + "0" * 100)), scalar("1" + "0" * 300)) == (float, 10**300)
    assert scalar("1" + "0" * 399) == math.inf
    assert scalar("0xFfffffffff") == 16**10 - 1


# --- the last map of a branch ---


def _gpt2(branch: list[Any]) -> list[float]:
    """The standard deviations of the dense layers, in units of what is no last map."""
    config = {
        "input": {"features": 8},
        "defaults": {"init": "gpt2"},
        "layers": [{"dense": 8}, {"residual": {"layers": branch}, "repeat": 4}],
    }
    usual = 0.02
    assert "gpt2" in INITIALIZERS
    laws = [step.layer.weights for step in load(config).network.steps if isinstance(step.layer, Dense)]
    return [law.std / usual for law in laws if isinstance(law, Normal)]


def test_the_last_map_of_a_branch_is_found_behind_what_is_none() -> None:
    half = 1 / 4**0.5
    assert _gpt2([{"dense": 8}, {"dense": 8}])[:3] == pytest.approx([1, 1, half])
    assert _gpt2([{"dense": 8}, {"norm": "layer"}])[:2] == pytest.approx([1, half])
    # An inner branch without a map: eight branches in all.
    inner = {"residual": {"layers": [{"norm": "layer"}]}}
    assert _gpt2([{"dense": 8}, inner])[:2] == pytest.approx([1, 1 / 8**0.5])
    # A branch without any: the layer before the block is not its last map.
    assert _gpt2([{"norm": "layer"}]) == pytest.approx([1])


# --- the JSON Schema ---


def _mappings(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [found for item in schema for found in _mappings(item)]
    if not isinstance(schema, dict):
        return []
    inner = [found for item in schema.values() for found in _mappings(item)]
    return [schema, *inner] if schema.get("type") == "object" and "properties" in schema else inner


def test_the_json_schema_is_closed_everywhere() -> None:
    schema = config_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "varprobe config"
    found = _mappings(schema)
    assert len(found) > 10
    assert all(mapping["additionalProperties"] is False for mapping in found)
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    good = {"input": {"features": 4}, "layers": [{"dense": {"width": 8, "init": {"name": "he", "mode": "fan_out"}}}]}
    assert validator.is_valid(good)
    for bad in (
        {**good, "extra": 1},
        {**good, "input": {"features": 4, "extra": 1}},
        {**good, "layers": [{"dense": {"width": 8, "extra": 1}}]},
        {**good, "layers": [{"dense": {"width": 8, "init": {"name": "he", "extra": 1}}}]},
        {**good, "expect": {"rate": {"sideways": [0, 1]}}},
    ):
        assert not validator.is_valid(bad), bad
