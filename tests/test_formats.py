"""Number formats: where a network leaves them, by theory, held to draws."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import varprobe
from varprobe.cli.main import run as run_command
from varprobe.diagnose import diagnose, predict_report
from varprobe.network.number_formats import FORMATS, NumberFormat
from varprobe.report.records import Report
from varprobe.theory.formats import predict_chances, tabulate_rows
from varprobe.verdict.ranges import count_chances
from varprobe.verdict.records import FormatRange

FLOAT16 = next(number for number in FORMATS if number.name == "float16")


def chain(activation: str, sw: float, depth: int, width: int = 100, **probe: Any) -> dict[str, Any]:
    return {
        "input": {"features": width},
        "defaults": {"activation": activation, "init": {"name": "mean_field", "sw": sw}},
        "layers": [{"dense": width, "repeat": depth}],
        "probe": {"batch": 128, "seed": 1, **probe},
    }


def of(report: Report, name: str) -> FormatRange:
    return next(number for number in report.formats if number.name == name)


def finding(report: Report, name: str) -> Any:
    return next((item for item in report.verdict.findings if item.code == f"{name}-range"), None)


@pytest.mark.parametrize("number", [item for item in FORMATS if item.name in ("float32", "float16")])
def test_the_limits_are_those_of_numpy(number: NumberFormat) -> None:
    info = np.finfo(number.name)
    assert (number.largest, number.smallest) == (float(info.max), float(info.smallest_subnormal))


@pytest.mark.parametrize(
    ("name", "exponent_bits", "fraction_bits", "special"),
    [("bfloat16", 8, 7, 1), ("float8_e5m2", 5, 2, 1), ("float8_e4m3", 4, 3, 0)],
)
def test_the_limits_follow_from_the_bits(name: str, exponent_bits: int, fraction_bits: int, special: int) -> None:
    number = next(item for item in FORMATS if item.name == name)
    bias = 2 ** (exponent_bits - 1) - 1
    top = 2**exponent_bits - 1 - special - bias
    # e4m3 keeps its highest exponent for numbers, and only its last fraction for nan.
    fraction = 2 - 2.0**-fraction_bits if special else 2 - 2 * 2.0**-fraction_bits
    assert number.largest == fraction * 2.0**top
    assert number.smallest == 2.0 ** (1 - bias - fraction_bits)


@pytest.mark.parametrize(
    ("activation", "low", "high"),
    # By hand: rms 2^l and a largest of 12,800 values near 3.9 give layer 14; relu has rms 2^((l+1)/2).
    [("linear", 13, 15), ("relu", 23, 31)],
)
@pytest.mark.parametrize("built", [5, 50])
def test_float16_overflows_where_it_is_known_to(activation: str, low: int, high: int, built: int) -> None:
    report = predict_report(varprobe.load(chain(activation, 2.0, built)))
    layer = of(report, "float16").predicted.overflow_layer
    assert layer is not None
    assert low <= layer <= high
    named = finding(report, "float16")
    if built == 5:
        assert named is None or "gradient" in named.message  # what was not built is a forecast, not a finding
    else:
        assert named.layer == layer
        assert f"From layer {layer} of 50 on the activations overflow float16" in named.message


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh"])
def test_the_chances_are_those_of_draws(activation: str) -> None:
    spec = varprobe.load(chain(activation, 2.0, 32, width=40, trials=300, batch=8, dtype="float64")).network
    measured = count_chances(varprobe.measure(spec), FLOAT16)
    predicted = predict_chances(tabulate_rows(spec, varprobe.derive(spec)), 8, FLOAT16, is_chain=True)
    # Where overflow becomes likelier than not, within a layer: a layer is a factor 2 (linear) or sqrt 2 in size.
    first = [int(np.argmax(chances.overflow >= 0.5)) for chances in (measured, predicted)]
    assert abs(first[0] - first[1]) <= (1 if activation == "linear" else 2)
    assert (activation == "tanh") == (predicted.overflow.max() == 0)
    # In between the share of draws: 0.15 is 5 standard errors of a share, and the ln of q is not quite Gaussian.
    assert np.abs(measured.overflow - predicted.overflow).mean() < 0.05
    assert np.abs(measured.gradient_underflow - predicted.gradient_underflow).max() <= 0.15


def test_samples_that_are_alike_overflow_later_than_independent_ones() -> None:
    # Deep relu layers see one sample 128 times over: the largest of 100 values, not of 12,800.
    spec = varprobe.load(chain("relu", 2.0, 27)).network
    table = tabulate_rows(spec, varprobe.derive(spec))
    together, alone = (predict_chances(table, rows, FLOAT16, is_chain=True).overflow[-1] for rows in (128, 1))
    assert together < 0.5
    assert alone < together < 1 - (1 - alone) ** 128


def test_a_vanishing_gradient_names_the_loss_scale_that_holds_it() -> None:
    # rms of the gradient at layer l: 0.3^(20 - l).
    report = predict_report(varprobe.load(chain("linear", 0.3, 20)))
    gradient = of(report, "float16").predicted
    assert gradient.gradient_underflow_layer == 20 - math.ceil(math.log(FLOAT16.smallest) / math.log(0.3))
    assert gradient.loss_scale_log2 is not None
    sizes = [row.predicted.log10_gradient_second_moment for row in report.layers]
    smallest, largest = (pick(size for size in sizes if size is not None) / 2 for pick in (min, max))
    scale = gradient.loss_scale_log2 * math.log10(2)
    assert smallest + scale >= math.log10(FLOAT16.smallest)
    assert largest + scale + math.log10(4) <= math.log10(FLOAT16.largest)
    assert "2^" in finding(report, "float16").remedy or "activations" in finding(report, "float16").message


def test_no_loss_scale_holds_a_gradient_that_spans_more_than_the_format() -> None:
    report = predict_report(varprobe.load(chain("linear", 0.1, 20)))
    assert of(report, "float16").predicted.loss_scale_log2 is None


def test_a_stable_network_fits_every_wide_format() -> None:
    report = diagnose(varprobe.load(chain("tanh", 1.0, 10, trials=5, batch=8)))
    for name in ("float32", "bfloat16", "float16"):
        number = of(report, name)
        for leaving in (number.measured, number.predicted):
            assert leaving is not None
            assert leaving.overflow_layer is None
            assert leaving.gradient_underflow_layer is None
            assert leaving.loss_scale_log2 == 0
        assert finding(report, name) is None


def test_the_table_of_formats_says_what_the_report_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "linear.yaml"
    config.write_text(
        "input: {features: 100}\ndefaults: {activation: linear, init: {name: mean_field, sw: 2.0}}\n"
        "layers: [{dense: 100, repeat: 20}]\nprobe: {trials: 3, batch: 16}\n"
    )
    assert run_command(["run", str(config), "--number-formats", "--quiet"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    names = [line[0] for line in lines if line[1:2] == ["measured"]]
    assert names == [number.name for number in FORMATS]
    start = next(i for i, line in enumerate(lines) if line[:2] == ["float16", "measured"])
    measured, theory = lines[start][2:4], lines[start + 1][1:3]
    assert lines[start + 1][0] == "theory"
    assert measured[0] == theory[0] == "layer"
    assert abs(int(measured[1]) - int(theory[1])) <= 1
