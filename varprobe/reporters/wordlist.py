"""Sentences that several reporters share: the header, the verdict's lines, the expectation."""

from __future__ import annotations

from varprobe.report.records import Estimate, LayerRow, Report
from varprobe.verdict.records import Direction, Finding
from varprobe.wording import count, number, power, printable

MARKS = {"error": "!", "warning": "?", "info": "i"}


def title(report: Report) -> str:
    """The network in a line: name, depth, widths."""
    dense = [row for row in report.layers if row.kind == "dense"]
    widths = sorted({row.fan_out for row in dense})
    width = f"width {widths[0]:,}" if len(widths) == 1 else f"widths {widths[0]:,} to {widths[-1]:,}" if widths else ""
    return f"{printable(report.name)}: {count(len(dense), 'dense layer')}, {width}"


def made_with(report: Report) -> str:
    """How it was measured, in a line."""
    s = report.settings
    engines = sorted({row.engine for row in report.layers if row.engine}) or [s.engine]
    return (
        f"{' and '.join(engines)} engine, {count(s.trials, 'trial')} of batch {s.batch:,}, "
        f"{printable(s.dtype)}, seed {s.seed}, {report.provenance.seconds:.2f} s"
    )


def direction_figures(direction: Direction) -> tuple[str, str, str]:
    """Rate with its interval, factor over the whole depth, and depth scale in layers; `-` for what is not known."""
    rate = "-"
    if direction.rate is not None:
        low, high = direction.rate_low, direction.rate_high
        rate = f"{direction.rate:.4g}" + (f" ({low:.4g}, {high:.4g})" if low is not None and high is not None else "")
    total = "-" if direction.total_log10 is None else f"x {power(direction.total_log10)}"
    scale = direction.depth_scale
    return rate, total, f"{number(scale)} layers" if scale is not None and scale < 1e6 else "-"


def expectation_lines(report: Report) -> list[str]:
    """Whether the config's `expect` is met, a line each."""
    return [
        f"expected {item.what} {' or '.join(item.allowed)}: {'met' if item.met else f'not met, it is {item.found}'}"
        for item in report.expect
    ]


def marks(report: Report) -> dict[int, str]:
    """The marks of every row that a finding names, by its index."""
    found: dict[int, str] = {}
    for finding in report.verdict.findings:
        if finding.layer is not None:
            mark = MARKS.get(finding.severity, "?")
            if mark not in found.get(finding.layer, ""):
                found[finding.layer] = found.get(finding.layer, "") + mark
    return found


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
    """The mean over trials at any size."""
    if value is None or (value.mean is None and value.log10_mean is None):
        return "-"
    return power(value.log10_mean)


def row_label(row: LayerRow) -> str:
    """The row's name; in rows that are not dense this is also what they do."""
    return printable(row.name)
