"""The verdict's words and figures, and that tables, curves and label speak of the same tensors."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any

import numpy as np
import pytest

import varprobe
from varprobe.diagnose import predict_report
from varprobe.formatting import power
from varprobe.report.records import Report
from varprobe.reporters.axes import activation_typical, gradient_typical
from varprobe.reporters.report_phrases import gradient_cells
from varprobe.reporters.verdict_phrases import (
    direction_figures,
    head_line,
    share_lines,
    verdict_lines,
    verdict_words,
)
from varprobe.results.kinds import render
from varprobe.verdict.records import DirectionVerdict, Finding, HeadVerdict, Share, Verdict

STABLE = DirectionVerdict("stable", total_log10=-0.2, error_log10=0.1)
PRESERVED = DirectionVerdict("preserved")


def a_verdict(
    forward: DirectionVerdict = STABLE, backward: DirectionVerdict = STABLE, **parts: Any
) -> Verdict:  # fmt: skip
    return Verdict("stable", forward, backward, PRESERVED, **parts)


def config(**probe: Any) -> dict[str, Any]:
    return {
        "name": "net",
        "input": {"features": 16},
        "defaults": {"activation": "relu", "init": "he"},
        "layers": [
            {"dense": 16, "repeat": 5},
            {"dense": {"width": 4, "activation": "linear", "init": {"name": "small", "std": 0.001}}},
        ],
        "probe": {"batch": 8, "trials": 6, "gradient": "cross_entropy", **probe},
    }


@pytest.fixture(scope="module")
def report() -> Report:
    return varprobe.run(config())


def test_the_figures_of_a_direction_are_its_change_its_error_and_its_rate() -> None:
    direction = DirectionVerdict(
        "stable", total_log10=-1.0, error_log10=0.301, rate=0.9, rate_low=0.85, rate_high=0.95, depth_scale=9.49
    )
    assert direction_figures(direction) == ("x 0.1", "2", "0.9 (0.85, 0.95)", "9.49 layers")
    assert direction_figures(replace(direction, error_log10=0.0)) == ("x 0.1", "-", "0.9 (0.85, 0.95)", "9.49 layers")
    assert direction_figures(DirectionVerdict("degenerate")) == ("-", "-", "-", "-")


def test_a_sentence_tells_both_ways_and_what_levels_off() -> None:
    level = DirectionVerdict("stable", total_log10=-1.5, deep_half_log10=-0.6)
    assert verdict_words(a_verdict(level)) == (
        "the activations level off (x 0.0316 over the depth); the gradient keeps its size (x 0.631 over the depth); "
        "samples stay distinct (signal preserved)."
    )
    # As large, and exponential; and as small in the deep half, but vanishing all the same.
    for other in (replace(level, deep_half_log10=-1.4), replace(level, label="vanishing", total_log10=-4.0)):
        assert "level off" not in verdict_words(a_verdict(other))
    assert "the gradient levels off (" in verdict_words(a_verdict(backward=level))


def test_draws_are_told_only_where_they_do_not_agree() -> None:
    some, none, every = Share(0.25, 0.0866, 0.491), Share(0.0, 0.0, 0.168), Share(1.0, 0.832, 1.0)
    forward = replace(STABLE, lost=some, grown=none)
    assert share_lines(a_verdict(forward)) == ["activations: 25 % of the draws (9 % to 49 %) lose more than 100-fold."]
    assert share_lines(a_verdict(backward=replace(STABLE, lost=some, grown=some))) == [
        "gradient: 25 % of the draws (9 % to 49 %) lose and 25 % of the draws (9 % to 49 %) gain more than 100-fold."
    ]
    assert share_lines(a_verdict(replace(STABLE, lost=every, grown=none))) == []


def test_a_head_is_told_with_its_loss() -> None:
    head = HeadVerdict(-4.0, -3.0, 2.3126, 2.302585)
    assert head_line(a_verdict(head=head)) == (
        "head: output x 1.00e-4 of the body's, gradient passed back x 0.001; initial loss 2.31, chance 2.30."
    )
    assert head_line(a_verdict(head=replace(head, initial_loss=None, chance_loss=None))).endswith("back x 0.001.")
    zero = Finding("zero-head", "info", 6, "It is zero.", "")
    nothing = HeadVerdict(None, None, 2.302585, 2.302585)
    assert head_line(a_verdict(head=nothing, findings=(zero,))) == "head: zero; initial loss 2.30, chance 2.30."
    assert head_line(a_verdict(head=HeadVerdict(None, None))) == "head: not known."
    assert head_line(a_verdict()) == ""


def test_every_document_tells_the_head(report: Report) -> None:
    (line,) = [line for line in verdict_lines(report.verdict) if line.startswith("head: ")]
    assert report.verdict.head is not None
    assert line.endswith("initial loss 1.39, chance 1.39.")  # ln 4, of a head that says next to nothing
    for suffix in (".md", ".html"):
        # A page links the words that it explains.
        assert line in unescape(re.sub(r"</?a\b[^>]*>", "", str(render(report, suffix))))


def test_curves_and_cells_are_of_outputs_and_of_the_gradient_there(report: Report) -> None:
    for row in report.layers[:-1]:
        assert row.activation
        assert row.activation_gradient
        assert row.gradient
        assert activation_typical(row) == row.activation.variance.log10_typical
        assert gradient_typical(row) == row.activation_gradient.variance.log10_typical
        # relu passes half of it on, so that the gradient with respect to z is another number.
        assert row.gradient.variance.log10_mean < row.activation_gradient.variance.log10_mean - 0.1
        assert gradient_cells(row)[0] == power(row.activation_gradient.variance.log10_typical)
    theory = predict_report(varprobe.load(config(gradient="random"))).layers[0]
    predicted = theory.predicted.log10_activation_gradient_second_moment
    # 2 E[phi'^2] of He relu is 1: what reaches the body's output is all there is, 4 outputs times 0.001^2.
    assert predicted == pytest.approx(np.log10(4e-6))
    assert gradient_typical(theory) == predicted
    assert gradient_cells(theory)[1] == power(predicted)


def test_the_label_s_total_is_that_of_the_rows(report: Report) -> None:
    first, last = report.layers[0], report.layers[-2]
    assert first.activation
    assert last.activation
    change = np.subtract(last.activation.second_moment.trials, first.activation.second_moment.trials)
    assert report.verdict.forward.total_log10 == pytest.approx(change.mean())
    assert first.activation_gradient
    assert last.activation_gradient
    back = np.subtract(
        first.activation_gradient.second_moment.trials, last.activation_gradient.second_moment.trials
    )  # fmt: skip
    assert report.verdict.backward.total_log10 == pytest.approx(back.mean())  # the widths are the same


def test_the_effective_rank_is_an_estimate_where_there_is_one(report: Report) -> None:
    measured = varprobe.measure(config()).statistics.effective_rank
    for row, column in zip(report.layers, measured.T, strict=True):
        assert row.activation
        rank = row.activation.effective_rank
        assert rank is not None
        assert rank.mean == pytest.approx(column.mean())
        assert rank.trials == pytest.approx(np.log10(column))
        assert 1 <= column.min() <= column.max() <= 7  # of eight samples, centred
    alone = varprobe.run(config(batch=1))
    assert all(row.activation and row.activation.effective_rank is None for row in alone.layers)
