"""Numbers written as arithmetic: what the grammar takes, what it refuses, and where it may stand."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from golden import Said

from varprobe.config.arithmetic import MAX_CHARACTERS, FormulaError, evaluate, evaluate_constants, is_arithmetic
from varprobe.config.loading import Experiment, load, read_config
from varprobe.config.overrides import parse_assignment
from varprobe.config.rewriting import rewrite
from varprobe.config.schema import config_schema
from varprobe.errors import VarprobeError
from varprobe.network.laws import Normal
from varprobe.network.layers import Dense, Dropout, Join, Norm
from varprobe.network.spec import NetworkSpec
from varprobe.tuning import tune

TEXT = """\
constants: {w: 64, depth: 2*3, s: 0.6/sqrt(depth)}   # names for what follows
input: {features: w, mean: -(1/4), std: sqrt(2)/2}
defaults: {activation: tanh, init: {name: normal, std: s/sqrt(w)}, bias: {std: s*1e-2}}
layers:
  - dense: w/2
    repeat: depth-1
  - norm: {kind: layer, eps: 10**-4}
  - dropout: 1/8
  - residual: {scale: 1/sqrt(2*depth), layers: [{dense: w/2}]}
  - {dense: {width: w, init: {name: he, gain: sqrt(2)}, bias: -pi}}
probe: {batch: 2**4, trials: 2, seed: 2**63-1}
expect: {effective_rank: 1/2, rate: {forward: [1/2, 2*e]}, saturated: 1/10, dead: 3/4}
"""


def read(text: str, folder: Path, *assignments: str) -> Experiment:
    path = folder / "net.yaml"
    path.write_text(text)
    return load(path, [parse_assignment(assignment) for assignment in assignments])


# --- the grammar ---


def _random_text(draw: random.Random, depth: int) -> str:
    if depth == 0 or draw.random() < 0.2:
        return draw.choice(["2", "3", "0.5", "1e-1", ".25", "pi", "e", "w", "7."])
    inner = [_random_text(draw, depth - 1) for _ in range(2)]
    form = draw.choice(["{} + {}", "{}-{}", "{}*{}", "{} / {}", "{}**{}", "-{}", "+{}", "({})", "sqrt({})", "{}**-{}"])
    return form.format(*inner)


def test_values_are_those_of_python() -> None:
    draw, compared = random.Random(0), 0
    names = {"pi": math.pi, "e": math.e, "sqrt": math.sqrt, "w": 6, "__builtins__": {}}
    for _ in range(4000):
        text = _random_text(draw, 4)
        if len(text) > MAX_CHARACTERS:
            continue
        try:
            wanted = eval(text, dict(names))
        except (ValueError, ZeroDivisionError, OverflowError):
            wanted = None
        try:
            found = evaluate(text, {"w": 6})
        except FormulaError:
            found = None
        if wanted is None or isinstance(wanted, complex) or not abs(wanted) <= 1e300:
            # Python goes on with what overflows or turns complex on the way; the end may be finite again.
            assert found is None or abs(found) <= 1e300, text
            continue
        if found is not None:
            compared += 1
            assert (type(found), found) == (type(wanted), wanted), text
    assert compared > 2500


@pytest.mark.parametrize(
    ("text", "value"),
    [("2**63-1", 2**63 - 1), ("-2**2", -4), ("2**3**2", 512), ("2**-1", 0.5), ("- - 3", 3), ("1e3*2", 2000.0)],
)
def test_precedence_and_whole_numbers_are_kept(text: str, value: float) -> None:
    assert (type(evaluate(text, {})), evaluate(text, {})) == (type(value), value)


REFUSED = {
    "a division by zero": "1/(2-2)",
    "a power that divides by zero": "0**-1",
    "a sum that is not finite": "1e300+1e300",
    "a product that is not finite": "1e200*1e200",
    "a literal that is not finite": "1e999+1",
    "a huge power": "9**9**9",
    "a power just too large": "10**301",
    "a small base to a huge power": "0.5**-2000",
    "a root of a negative": "sqrt(-2)",
    "a fractional power of a negative": "(-8)**(1/3)",
    "a caret": "2^3",
    "an open parenthesis": "2*(3+1",
    "a closed one": "2*3)",
    "nothing in the end": "2*",
    "an operator first": "*2",
    "two numbers": "(2) 3",
    "an unknown name": "2*wdith",
    "an unknown function": "log(2)",
    "a root without parentheses": "sqrt+2",
    "an attribute": "pi.real+1",
    "underscores": "1_000*2",
    "a whole division": "7//2",
    "a remainder": "7%2*1",
    "a call of something": "__import__('os')*1",
    "a list": "[1]*9",
    "deep parentheses": "(" * 60 + "1" + ")" * 60,
    "a long tower": "1**" * 50 + "1",
    "a long sum": "1+" * 200 + "1",
    "letters of another script": "2*\u0661",
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_arithmetic_is_refused_at_once_with_a_way_out(case: str, said: Said) -> None:
    start = time.process_time()
    with pytest.raises(FormulaError) as caught:
        evaluate(REFUSED[case], {"width": 3})
    assert time.process_time() - start < 0.1
    assert caught.value.hint
    said(f"{caught.value.message}\n  hint: {caught.value.hint}")


@pytest.mark.parametrize(
    "text",
    ["auto", "relu", "012", "1_000", "-1e-3", "+.5", "2026-01-01", "2026-1-1", "1e", "-", ".", "nan", "inf", "yes"],
)
def test_words_dates_and_numbers_in_quotes_are_no_arithmetic(text: str) -> None:
    assert not is_arithmetic(text, {})


def test_constants_may_name_those_before_them() -> None:
    found, wrong = evaluate_constants({"a": 2, "b": "a**2", "c": "d+1", "d": 1, "pi": 3, "if": 1, "x y": 1, "t": True})
    assert found == {"a": 2, "b": 4, "d": 1}
    assert list(wrong) == ["c", "pi", "if", "x y", "t"]


# --- in a config ---


def test_arithmetic_stands_wherever_the_grammar_takes_a_number(tmp_path: Path) -> None:
    found = read(TEXT, tmp_path)
    _check(found.network)
    assert found.expect is not None
    assert found.expect.effective_rank is not None
    assert (found.expect.effective_rank.low, found.expect.dead) == (0.5, 0.75)
    assert found.expect.rate[0].range.high == pytest.approx(2 * math.e)
    assert found.expect.saturated is not None
    assert found.expect.saturated.share == 0.1


def _check(spec: NetworkSpec) -> None:
    s = 0.6 / math.sqrt(6)
    assert (spec.input.features, spec.input.mean, spec.input.std) == (64, -0.25, math.sqrt(2) / 2)
    assert [step.fan_out for step in spec.rows] == [32] * 9 + [64]
    first, last = spec.steps[0].layer, spec.steps[-1].layer
    assert isinstance(first, Dense)
    assert (first.weights, first.bias) == (Normal(s / 8), Normal(s * 1e-2))
    assert isinstance(last, Dense)
    assert last.weights == Normal(math.sqrt(2) / math.sqrt(32))
    assert vars(last.bias) == {"value": -math.pi}
    others = {type(step.layer): step.layer for step in spec.steps}
    norm, dropout, join = others[Norm], others[Dropout], others[Join]
    assert isinstance(norm, Norm)
    assert isinstance(join, Join)
    assert (norm.eps, dropout.dropped_share, join.scale) == (1e-4, 0.125, 1 / math.sqrt(12))
    assert (spec.settings.batch, spec.settings.seed) == (16, 2**63 - 1)


def test_its_text_stays_as_it_was_written(tmp_path: Path) -> None:
    document = read(TEXT, tmp_path).document
    assert document["input"]["features"] == "w"
    assert rewrite(TEXT, document, "net.yaml") == TEXT
    _check(load(document).network)
    document["layers"][0]["repeat"] = "depth-2"
    again = rewrite(TEXT, document, "net.yaml")
    assert [step.fan_out for step in read(again, tmp_path).network.rows][:-1] == [32] * 8


def test_options_take_it_and_know_the_constants(tmp_path: Path) -> None:
    spec = read(
        TEXT, tmp_path, "constants.w=2*8", "layers[4].dense.width=w*3", "defaults.init.std=2*s", "input.mean=e"
    ).network
    first = spec.steps[0].layer
    assert isinstance(first, Dense)
    assert first.weights == Normal(2 * (0.6 / math.sqrt(6)))
    assert (spec.input.features, spec.width, spec.input.mean) == (16, 48, math.e)


def test_a_tuned_config_keeps_the_arithmetic_that_it_does_not_change(tmp_path: Path) -> None:
    text = "constants: {w: 32}\ninput: {features: w}\ndefaults: {activation: tanh, init: {name: normal, std: 1/w}}\n"
    text += "layers:\n  - dense: 2*w/2\n    repeat: 12\nprobe: {trials: 5, batch: 16}\n"
    path = tmp_path / "net.yaml"
    path.write_text(text)
    document = tune(read_config(path)).tuned.document
    assert (document["input"]["features"], document["layers"][0]["dense"]) == ("w", "2*w/2")
    assert document["defaults"]["init"] != {"name": "normal", "std": "1/w"}
    load(document)


WRONG = {
    "a share beyond one": ("input: {features: 4}\nlayers: [{dropout: 3/2}, {dense: 4}]", (2, 20)),
    "half a unit": ("input: {features: 4}\nlayers: [{dense: 5/2}]", (2, 18)),
    "no width": ("input: {features: 4}\nlayers: [{dense: 4-4}]", (2, 18)),
    "a huge width": ("input: {features: 10**9}\nlayers: [{dense: 4}]", (1, 19)),
    "a number beyond the largest": ("input: {features: 4, std: 10**31}\nlayers: [{dense: 4}]", (1, 27)),
    "a negative gain": (
        "input: {features: 4}\nlayers: [{dense: {width: 4, init: {name: he, gain: 1-2}}}]",
        (2, 52),
    ),
    "a name nobody knows": (
        "constants: {sigma: 1}\ninput: {features: 4, std: 2*sigmo}\nlayers: [{dense: 4}]",
        (2, 27),
    ),
    "nearly a name": ("constants: {sigma: 1}\ninput: {features: 4, std: sigmo}\nlayers: [{dense: 4}]", (2, 27)),
    "a division by zero": ("input: {features: 4, std: 1/0}\nlayers: [{dense: 4}]", (1, 27)),
    "a constant that names a later one": (
        "constants: {a: b, b: 1}\ninput: {features: 4}\nlayers: [{dense: 4}]",
        (1, 16),
    ),
    "a constant that is a word": (
        "constants: {a: 1, b: relu}\ninput: {features: 4}\nlayers: [{dense: 4}]",
        (1, 22),
    ),
    "a constant with a taken name": ("constants: {pi: 3}\ninput: {features: 4}\nlayers: [{dense: 4}]", (1, 17)),
    "constants that are none": ("constants: [1]\ninput: {features: 4}\nlayers: [{dense: 4}]", (1, 12)),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_it_has_its_place_and_a_way_out(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.chdir(tmp_path)
    text, (line, column) = WRONG[case]
    Path("net.yaml").write_text(text)
    with pytest.raises(VarprobeError) as caught:
        load("net.yaml")
    place = caught.value.place
    assert place is not None
    assert (place.line, place.column) == (line, column)
    assert caught.value.hint
    said(caught.value)


def test_the_json_schema_allows_it_wherever_it_allows_a_number() -> None:
    validator = jsonschema.Draft202012Validator(config_schema())
    good: dict[str, Any] = {
        "constants": {"w": "2*8", "s": 1},
        "input": {"features": "w"},
        "layers": [{"dense": {"width": "2*w", "init": {"name": "he", "gain": "sqrt(2)"}, "bias": "pi"}, "repeat": "w"}],
        "expect": {"effective_rank": "1/2", "rate": {"forward": ["1/2", None]}},
    }
    assert validator.is_valid(good)
    assert not validator.is_valid({**good, "input": {"features": "w;w"}})
    assert not validator.is_valid({**good, "constants": {"w": []}})
