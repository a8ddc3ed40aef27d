"""Sentences and cells that several reporters share: the header, theory's lines, layers, findings, expectations."""

from __future__ import annotations

from varprobe.formatting import count, number, power, printable
from varprobe.report.estimates import typical_log10
from varprobe.report.records import Estimate, Expected, LayerRow, Report
from varprobe.reporters.axes import activation_typical, gradient_typical
from varprobe.reporters.verdict_phrases import SUBJECTS
from varprobe.verdict.judged import FEWEST
from varprobe.verdict.records import Finding

MARKS = {"error": "!", "warning": "?", "info": "i"}


def title(report: Report) -> str:
    """The network in a line: name, depth, widths."""
    return f"{printable(report.name)}: {size_words(report)}"


def size_words(report: Report) -> str:
    """Depth and widths of the network."""
    widths = sorted({row.fan_out for row in report.dense})
    width = f"width {widths[0]:,}" if len(widths) == 1 else f"widths {widths[0]:,} to {widths[-1]:,}" if widths else ""
    return f"{count(len(report.dense), 'dense layer')}, {width}"


def made_with(report: Report) -> str:
    """How it was measured, in a line."""
    s = report.settings
    if is_predicted(report):
        return f"theory at large width, nothing drawn; batch {s.batch:,}, {report.provenance.seconds:.2f} s"
    engines = sorted({row.engine for row in report.layers if row.engine}) or [s.engine]
    return (
        f"{' and '.join(engines)} engine, {count(s.trials, 'trial')} of batch {s.batch:,}, "
        f"{printable(s.dtype)}, seed {s.seed}, {report.provenance.seconds:.2f} s"
    )


def whose_variance(report: Report) -> str:
    """What tables and curves of variances are of."""
    return "by theory" if is_predicted(report) else "typical draw"


def is_predicted(report: Report) -> bool:
    """Whether this is theory alone."""
    return all(row.activation is None for row in report.layers)


def theory_line(report: Report) -> str:
    """Where theory says that the network leads; empty where it says nothing."""
    theory = report.prediction
    if theory is None or (theory.regime is None and theory.fixed_point is None):
        return ""
    q = "no fixed point" if theory.fixed_point is None else f"fixed point q* = {number(theory.fixed_point)}"
    parts = [f"theory: {theory.regime or 'no regime'}", q]
    if theory.chi1 is not None:
        parts.append(f"chi1 = {theory.chi1:.4g}")
    scales = (("q", theory.xi_q), ("correlation", theory.xi_c), ("gradient", theory.xi_gradient))
    known = [f"{name} {number(scale)}" for name, scale in scales if scale is not None]
    if known:
        parts.append(f"depth scales in layers: {', '.join(known)}")
    depth = theory.trainable_depth
    parts.append(f"trainable depth {f'{number(depth)} layers' if depth is not None else 'unlimited'}")
    return "; ".join(parts) + "."


def tested_line(report: Report) -> str:
    """In how many layers the measurement was held to theory's bands; empty where in all, or nothing was measured."""
    dense = report.dense
    forward = sum(row.predicted.activation_low is not None for row in dense)
    backward = sum(row.predicted.activation_gradient_low is not None for row in dense)
    # The gradient at the network's output is 1 by definition.
    testable = 2 * len(dense) - report.layers[-1].is_dense
    if is_predicted(report) or report.settings.trials < 2 or forward + backward == testable:
        return ""
    return (
        f"Tested against theory: {forward:,} of {count(len(dense), 'layer')} forward, {backward:,} backward; in the "
        "others, in brackets, its bands end, or draws vary too much to test."
    )


def activation_logs(row: LayerRow) -> tuple[float | None, float | None]:
    """log10 of the variance of a row's output in a typical draw, and theory's beside what was measured."""
    return activation_typical(row), None if row.activation is None else row.predicted.log10_activation_variance


def gradient_logs(row: LayerRow) -> tuple[float | None, float | None]:
    """Likewise of the gradient with respect to the same output."""
    theory = row.predicted.log10_activation_gradient_second_moment
    return gradient_typical(row), None if row.activation_gradient is None else theory


def activation_value(row: LayerRow) -> str:
    """The output's variance in a typical draw, or theory's where nothing was measured."""
    measured, theory, _ = activation_cells(row)
    return theory if row.activation is None else measured


def gradient_value(row: LayerRow) -> str:
    """The variance of the gradient with respect to the output, likewise."""
    measured, theory, _ = gradient_cells(row)
    return theory if row.activation_gradient is None else measured


def outside_theory(row: LayerRow) -> tuple[bool, bool]:
    """Whether the second moments of the output, and of the gradient there, lie outside the bands they are held to."""
    theory = row.predicted
    output = None if row.activation is None else row.activation.second_moment
    gradient = None if row.activation_gradient is None else row.activation_gradient.second_moment
    return (
        _is_outside(output, theory.activation_low, theory.activation_high),
        _is_outside(gradient, theory.activation_gradient_low, theory.activation_gradient_high),
    )


def _is_outside(measured: Estimate | None, low: float | None, high: float | None) -> bool:
    if measured is None or measured.mean is None or low is None or high is None:
        return False
    return not low <= measured.mean <= high


def activation_cells(row: LayerRow) -> tuple[str, str, str]:
    """The output's variance: in a typical draw and by theory; and the standard errors between their second moments."""
    theory = row.predicted
    measured = "-" if row.activation is None else estimate(row.activation.variance)
    value = theory_value(theory.activation_variance, theory.log10_activation_variance)
    return measured, value, _deviation(theory.activation_deviation, is_tested=theory.activation_low is not None)


def gradient_cells(row: LayerRow) -> tuple[str, str, str]:
    """The variance of the gradient with respect to the output, likewise."""
    theory = row.predicted
    measured = "-" if row.activation_gradient is None else estimate(row.activation_gradient.variance)
    value = theory_value(theory.activation_gradient_second_moment, theory.log10_activation_gradient_second_moment)
    is_tested = theory.activation_gradient_low is not None
    return measured, value, _deviation(theory.activation_gradient_deviation, is_tested=is_tested)


def theory_value(value: float | None, log10: float | None) -> str:
    """A predicted value at any size."""
    return power(log10) if log10 is not None else number(value)


def _deviation(value: float | None, *, is_tested: bool) -> str:
    """In brackets where it is to be expected: the width is too small for theory's bands."""
    if value is None:
        return ""
    text = f"{value:+.1f}" if abs(value) < 99.95 else f"{value:+.0f}"
    return text if is_tested else f"({text})"


def expectation_lines(report: Report) -> list[str]:
    """Whether the config's `expect` is met, a line each."""
    return [
        f"expected {SUBJECTS.get(one.what, one.what)} {' or '.join(one.allowed)}: {_expectation_words(one)}"
        for one in report.expect
    ]


def _expectation_words(one: Expected) -> str:
    if one.met:
        return "met"
    if one.found in one.allowed:
        return f"not decided, it is {one.found} but so few trials leave other labels possible"
    return f"not met, it is {one.found}"


def marks(report: Report) -> dict[int, str]:
    """The marks of every row that a finding names, by its index."""
    found: dict[int, str] = {}
    for finding in report.verdict.findings:
        if finding.layer is not None:
            mark = MARKS.get(finding.severity, "?")
            if mark not in found.get(finding.layer, ""):
                found[finding.layer] = found.get(finding.layer, "") + mark
    return found


def is_shallow(report: Report) -> bool:
    """Whether there are so few judged layers that the change is judged from the input on."""
    trunk = [row for row in report.layers if row.kind in ("dense", "residual") and "residual" not in row.path]
    return len(trunk) - (report.verdict.head is not None) < FEWEST


def finding_counts(report: Report) -> str:
    """How many findings there are of each severity."""
    found = [finding.severity for finding in report.verdict.findings]
    words = {"error": "error", "warning": "warning", "info": "note"}
    counts = [count(found.count(severity), word) for severity, word in words.items() if severity in found]
    return ", ".join(counts) or "no findings"


def finding_head(finding: Finding) -> str:
    """Severity, code and layer of a finding."""
    where = f", layer {finding.layer}" if finding.layer is not None else ""
    return f"{MARKS.get(finding.severity, '?')} {finding.severity}: {finding.code}{where}"


def estimate(value: Estimate | None) -> str:
    """What a typical draw has, at any size."""
    if value is None or (value.mean is None and value.log10_mean is None):
        return "-"
    return power(typical_log10(value))


def row_label(row: LayerRow) -> str:
    """The row's name; in rows that are not dense this is also what they do."""
    return printable(row.name)


def weight_std_cell(row: LayerRow) -> tuple[str, float | None]:
    """The standard deviation of a weight, as drawn or else by its law: as text and as a number."""
    weights = row.weights
    std = None if weights is None else weights.std if weights.std is not None else weights.expected_std
    return "-" if std is None else f"{std:.4g}", std
