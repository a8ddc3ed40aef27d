"""What an expert would leave as it is: zeros, codes and small shares that are meant, measured and by theory alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from varprobe.config.loading import load
from varprobe.diagnose import diagnose, predict_report
from varprobe.gate.check import check
from varprobe.gate.records import CheckOutcome
from varprobe.report.records import Report
from varprobe.theory.predict import predict

LINEAR = {"activation": "linear"}
ZEROS = {"width": 64, "init": "zeros"}


def config(layers: list[Any], activation: str = "relu", init: Any = "he", **parts: Any) -> dict[str, Any]:
    source = {"features": 64, **parts.pop("input", {})}
    defaults = {"activation": activation, "init": init}
    return {"input": source, "defaults": defaults, "layers": layers, "probe": {"batch": 32, **parts}}


def both(layers: list[Any], *init: Any, **parts: Any) -> tuple[Report, Report]:
    """Measured, and by theory alone."""
    experiment = load(config(layers, *init, **parts))
    return diagnose(experiment), predict_report(experiment)


def codes(report: Report, severity: str | None = None) -> set[str]:
    return {each.code for each in report.verdict.findings if severity in (None, each.severity)}


# --- a linear model may start at zero ---


@pytest.mark.parametrize(
    ("width", "activation", "gradient"),
    [(1, "linear", "bce"), (10, "linear", "cross_entropy"), (3, "linear", "mse"), (3, "sigmoid", "mse")],
)
def test_one_layer_of_zeros_is_a_model_that_learns(width: int, activation: str, gradient: str) -> None:
    layers = [{"dense": {"width": width, "activation": activation, "init": "zeros"}}]
    for report in both(layers, gradient=gradient):
        verdict = report.verdict
        assert (verdict.overall, verdict.signal.label) == ("stable", "preserved")
        assert codes(report) == {"zero-head"}
        assert verdict.findings[0].severity == "info"
        # Nothing lies between the input and it, which is all the body there is.
        assert (verdict.forward.total_log10, verdict.backward.total_log10) == (0.0, 0.0)


def test_one_layer_of_zeros_passes_a_check() -> None:
    result = check(load(config([{"dense": {"width": 1, "init": "zeros", **LINEAR}}], gradient="bce")))
    assert result.outcome == CheckOutcome.PASSED


@pytest.mark.parametrize(
    "layers",
    [
        [{"dense": {**ZEROS, "activation": "relu"}}],  # flat at zero
        [{"dense": {**ZEROS, **LINEAR}}, {"dense": {**ZEROS, **LINEAR}}],  # a product of zeros
    ],
)
def test_other_zeros_never_learn(layers: list[Any]) -> None:
    for report in both(layers):
        assert report.verdict.overall == "degenerate"


# --- an input that is a code ---


def rows(tmp_path: Path, values: np.ndarray) -> dict[str, Any]:
    path = tmp_path / "batch.npy"
    np.save(path, values.astype(np.float32))
    return {"features": values.shape[1], "distribution": "file", "path": str(path)}


def one_hot(rng: np.random.Generator) -> np.ndarray:
    return np.eye(300)[rng.integers(0, 300, 32)]


def flags(rng: np.random.Generator) -> np.ndarray:
    """A few columns that are often on, and many that hardly ever are."""
    return rng.random((32, 300)) < np.where(np.arange(300) < 20, 0.9, 0.001)


def counts(rng: np.random.Generator) -> np.ndarray:
    return rng.poisson(3.0, (32, 300)) * (rng.random((32, 300)) < 0.02)


@pytest.mark.parametrize("make", [one_hot, flags, counts])
def test_a_code_is_not_told_to_be_standardised(make: Any, tmp_path: Path) -> None:
    given = rows(tmp_path, make(np.random.default_rng(0)))
    for report in both([{"dense": 64, "repeat": 5}], input=given):
        found = [each for each in report.verdict.findings if each.code.startswith("input-")]
        assert {(each.code, each.severity) for each in found} <= {("input-scale", "info")}
        assert all("Standardise" not in each.remedy for each in found)


def test_the_size_of_one_hot_rows_is_told_with_the_factor_that_an_embedding_has(tmp_path: Path) -> None:
    given = rows(tmp_path, one_hot(np.random.default_rng(0)))
    for source in (given, {"features": 300, "distribution": "one_hot"}):
        for report in both([{"dense": 64, "repeat": 5}], input=source):
            (found,) = (each for each in report.verdict.findings if each.code == "input-scale")
            assert "multiply its weights alone by about 17.3" in found.remedy  # sqrt(300)


@pytest.mark.parametrize(
    "values", [1e4 * np.eye(300)[:32], np.random.default_rng(0).normal(0.0, 1e-3, (32, 300)), np.full((32, 300), 100.0)]
)
def test_figures_far_from_one_are_still_told(values: np.ndarray, tmp_path: Path) -> None:
    for report in both([{"dense": 64, "repeat": 5}], input=rows(tmp_path, values)):
        assert "input-scale" in codes(report, "warning")


# --- branches of zeros ---


FIXUP = [{"dense": 64}, {"dense": {**ZEROS, **LINEAR}}]
DRAWN = [{"dense": 64}, {"dense": {"width": 64, **LINEAR}}]
BRANCHES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "fixup": ({"layers": FIXUP}, {"zero-branch"}),
    "rezero": ({"layers": DRAWN, "scale": 0}, {"zero-branch"}),
    "both": ({"layers": FIXUP, "scale": 0}, {"zero-branch", "frozen-branch"}),
    "all zeros": ({"layers": [{"dense": ZEROS}, {"dense": {**ZEROS, **LINEAR}}]}, {"zero-branch", "frozen-branch"}),
    "first zeros": ({"layers": [{"dense": ZEROS}, DRAWN[1]]}, {"zero-branch", "frozen-branch"}),
    "drawn": ({"layers": DRAWN, "scale": 0.2}, set()),
    "a norm before": ({"layers": [{"norm": "layer"}, *FIXUP]}, {"zero-branch"}),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_theory_alone_foresees_branches_that_add_nothing_and_those_that_never_will(name: str) -> None:
    block, wanted = BRANCHES[name]
    layers = [{"dense": {"width": 64, "init": "lecun", **LINEAR}}, {"residual": block, "repeat": 4}]
    for report in both(layers):
        assert codes(report) & {"zero-branch", "frozen-branch"} == wanted


# --- draws that agree though depth over width is large ---


NORMED = {"block": [{"dense": {"width": 32, **LINEAR}}, {"norm": "batch"}, {"activation": "relu"}], "repeat": 10}
# Depth over width, of which a fifth is told of plain relu layers.
AGREE: dict[str, list[Any]] = {
    "batch norm": [NORMED],  # 0.31
    "fixup": [{"dense": 64}, {"residual": {"layers": FIXUP}, "repeat": 16}],  # 0.27
    "small branches": [{"dense": 64}, {"residual": {"layers": DRAWN, "scale": 0.1}, "repeat": 16}],  # 0.52
}


@pytest.mark.parametrize("name", AGREE)
def test_theory_does_not_say_that_draws_must_differ_where_they_agree(name: str) -> None:
    measured, foreseen = both(AGREE[name], trials=40)
    for direction in (measured.verdict.forward, measured.verdict.backward):
        assert direction.spread_log10 is not None
        assert direction.spread_log10 < 0.3
    assert "finite-width" not in codes(measured) | codes(foreseen)


def test_theory_says_that_draws_must_differ_where_they_do() -> None:
    layers = [{"block": [{"dense": {"width": 32, **LINEAR}}, {"norm": "layer"}, {"activation": "relu"}], "repeat": 30}]
    measured, foreseen = both(layers, trials=40)
    assert "finite-width" in codes(measured) & codes(foreseen)


# --- the phase of what grows without end ---


@pytest.mark.parametrize(("init", "depth"), [({"name": "lecun", "gain": 1.3}, 11.43), ("he", 8.656)])
def test_a_linear_network_that_grows_explodes_and_is_not_chaotic(init: Any, depth: float) -> None:
    layers = [{"dense": 64, "repeat": 30}]
    point = predict(load(config(layers, "linear", init)).network).fixed_point
    assert point is not None
    assert point.regime == "exploding"
    # Six depth scales of the size, 1/ln chi1 each: it has grown 400-fold by then.
    assert point.trainable_depth == pytest.approx(depth, rel=1e-3)
    assert "unlimited" not in str(both(layers, "linear", init)[1])


# --- batch norm of few rows ---


def normed(batch: int, kind: str = "batch", **norm: Any) -> tuple[Report, Report]:
    block = [{"dense": {"width": 32, **LINEAR}}, {"norm": {"kind": kind, **norm}}, {"activation": "relu"}]
    return both([{"block": block, "repeat": 5}], batch=batch)


def test_batch_norm_of_two_rows_is_told_as_the_cause_and_a_larger_batch_as_the_remedy() -> None:
    for report in normed(2):
        found = {each.code: each for each in report.verdict.findings}
        assert (found["small-batch"].severity, found["small-batch"].layer) == ("warning", 2)
        assert "larger batch" in found["small-batch"].remedy
        others = [each for code, each in found.items() if code != "small-batch"]
        assert {each.remedy for each in others} == {"First mend small-batch, then look again."}


@pytest.mark.parametrize(("batch", "kind", "norm"), [(3, "batch", {}), (2, "layer", {}), (2, "batch", {"eps": 100.0})])
def test_it_is_told_only_where_the_norm_hands_on_signs(batch: int, kind: str, norm: dict[str, Any]) -> None:
    for report in normed(batch, kind, **norm):
        assert "small-batch" not in codes(report)


@pytest.mark.parametrize("batch", [2, 3])
def test_theory_alone_does_not_judge_a_gradient_whose_mean_rare_units_make(batch: int) -> None:
    _, foreseen = normed(batch)
    assert foreseen.verdict.forward.label == "stable"
    assert foreseen.verdict.backward.label == "inconclusive"
    assert "theory-ends" in codes(foreseen)


def test_theory_judges_it_from_four_rows_on() -> None:
    measured, foreseen = normed(4)
    (one, other) = (each.verdict.backward.total_log10 or 0.0 for each in (measured, foreseen))
    # Theory has the mean over draws, a draw the rest: half a variance apart, which is below 1 here.
    assert abs(one - other) * np.log(10) < 1
