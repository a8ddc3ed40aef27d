"""`RESULTS`: every kind of result, with its formats. A new kind or format is an entry here, and tested by that."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from varprobe.frozen import dataclass, field


@dataclass(frozen=True)
class ResultKind:
    """A kind of result. Functions and classes are "module:name" below `varprobe`, imported at first use.

    Attributes:
        record: the class.
        version: the key that tells a stored one from those of other kinds, and the number that this varprobe reads.
        command: what writes one by `-o`.
        formats: of files, by suffix: result -> text or bytes. An .html renderer takes `lesson` too.
        terminal: prints a result on a rich console.
        printed: what standard output can be in place of that, by name.
        figure: what a window and the pictures show; empty where there is none.
        axes: draws on given axes what of the figure fits on one; empty where nothing does.
        histograms: whether the figure has histograms, and so takes `own_scale`.
        stored: the class that is stored, where it is not the record itself.
        write: result -> JSON.
        read: stored class and place -> result, or an error for what types do not say.
    """

    record: str
    version: tuple[str, str]
    command: str
    formats: Mapping[str, str]
    terminal: str
    read: str
    write: str = "results.store:dump_lines"
    printed: Mapping[str, str] = field(default_factory=lambda: {"json": "results.store:render_json"})
    figure: str = ""
    axes: str = ""
    histograms: bool = False
    stored: str = ""


PICTURES = {f".{form}": f"reporters.picture:render_{form}" for form in ("png", "svg", "pdf")}
RESULTS: dict[str, ResultKind] = {
    "report": ResultKind(
        record="report.records:Report",
        version=("schema_version", "report.records:SCHEMA_VERSION"),
        command="run",
        formats={
            ".json": "results.store:render_json",
            ".csv": "reporters.report.tables:render_csv",
            ".md": "reporters.report.tables:render_markdown",
            **PICTURES,
            ".html": "reporters.report.page:render_page",
        },
        printed={
            "json": "results.store:render_json",
            **{name: f"reporters.code.write:render_{name}" for name in ("torch", "keras", "flax", "numpy")},
        },
        terminal="reporters.report.terminal:print_report",
        figure="reporters.report.figure:draw_report",
        axes="reporters.report.figure:draw_variances",
        histograms=True,
        write="results.store:dump_whole",
        read="results.sound:check_report",
    ),
    "comparison": ResultKind(
        record="comparison:Comparison",
        version=("comparison_version", "comparison:COMPARISON_VERSION"),
        command="compare",
        formats={
            ".json": "results.store:render_json",
            ".csv": "reporters.comparison.tables:render_csv",
            ".md": "reporters.comparison.tables:render_markdown",
            **PICTURES,
            ".html": "reporters.comparison.page:render_page",
        },
        terminal="reporters.comparison.terminal:print_comparison",
        figure="reporters.comparison.figure:draw_comparison",
        histograms=True,
        stored="results.comparison:StoredComparison",
        write="results.comparison:dump_comparison",
        read="results.comparison:read_comparison",
    ),
    "sweep": ResultKind(
        record="sweeps.records:Sweep",
        version=("sweep_version", "sweeps.records:SWEEP_VERSION"),
        command="sweep",
        formats={
            ".json": "results.store:render_json",
            ".csv": "reporters.sweep.tables:render_csv",
            ".md": "reporters.sweep.tables:render_markdown",
            **PICTURES,
            ".html": "reporters.sweep.page:render_page",
        },
        terminal="reporters.sweep.terminal:print_sweep",
        figure="reporters.sweep.figure:draw_sweep",
        read="results.sound:check_sweep",
    ),
    "check": ResultKind(
        record="gate.records:CheckRun",
        version=("check_version", "gate.records:CHECK_VERSION"),
        command="check",
        formats={
            ".json": "results.store:render_json",
            ".md": "reporters.check.markdown:render_markdown",
            ".xml": "reporters.check.junit:render_junit",
            ".sarif": "reporters.check.sarif:render_sarif",
        },
        printed={
            "github": "reporters.check.github:render_github",
            "json": "results.store:render_json",
            "junit": "reporters.check.junit:render_junit",
            "markdown": "reporters.check.markdown:render_markdown",
            "sarif": "reporters.check.sarif:render_sarif",
        },
        terminal="reporters.check.terminal:print_checks",
        read="results.sound:check_outcomes",
    ),
    "audit": ResultKind(
        record="audit.records:Audit",
        version=("audit_version", "audit.records:AUDIT_VERSION"),
        command="audit",
        formats={
            ".json": "results.store:render_json",
            ".csv": "reporters.audit.tables:render_csv",
            ".md": "reporters.audit.tables:render_markdown",
            **PICTURES,
            ".html": "reporters.audit.page:render_page",
            ".xml": "reporters.audit.builds:render_junit",
            ".sarif": "reporters.audit.builds:render_sarif",
        },
        printed={
            "github": "reporters.audit.builds:render_github",
            "json": "results.store:render_json",
            "junit": "reporters.audit.builds:render_junit",
            "markdown": "reporters.audit.tables:render_markdown",
            "sarif": "reporters.audit.builds:render_sarif",
        },
        terminal="reporters.audit.terminal:print_audit",
        figure="reporters.audit.figure:draw_audit",
        read="results.sound:check_audit",
    ),
}


def noun_of(result: Any) -> str:
    """The key of a result's entry."""
    record = f"{type(result).__module__}:{type(result).__name__}"
    return next(noun for noun, kind in RESULTS.items() if f"varprobe.{kind.record}" == record)


def has_histograms(result: Any) -> bool:
    """Whether the result's figure shows histograms: theory alone has none."""
    reports = getattr(result, "reports", (result,))
    return kind_of(result).histograms and any(row.histogram for report in reports for row in report.layers)


def kind_of(result: Any) -> ResultKind:
    """The entry of a result."""
    return RESULTS[noun_of(result)]


def find(path: str) -> Any:
    """What a "module:name" of the table stands for."""
    module, _, name = path.partition(":")
    return getattr(import_module(f"varprobe.{module}"), name)


def render(result: Any, form: str, **options: bool) -> str | bytes:
    """The result in a format, by its suffix or its name.

    Arguments:
        options: those that are true are handed to the renderer: `lesson`, for pages that ask before they show, and
            `own_scale`, for pictures whose histograms are each in units of their own layer's root mean square.
    """
    kind = kind_of(result)
    taken = {name: True for name, wanted in options.items() if wanted}
    made: str | bytes = find({**kind.formats, **kind.printed}[form])(result, **taken)
    return made
