"""Report -> one HTML page that needs nothing else."""

from __future__ import annotations

from functools import partial

from varprobe.report.records import LayerRow, Report
from varprobe.reporters.figure import figure
from varprobe.reporters.page import (
    Cell,
    Heading,
    Row,
    config_of,
    file_name,
    lines_of,
    provenance_of,
    questions_on,
    rendered,
    told,
)
from varprobe.reporters.picture import picture
from varprobe.reporters.report_phrases import (
    activation_cells,
    activation_log10,
    expectation_lines,
    gradient_cells,
    gradient_log10,
    is_predicted,
    made_with,
    marks,
    row_label,
    tested_line,
    theory_line,
    title,
    verdict_words,
)

_HEADINGS = (
    Heading("#", spoken="# of the layer"),
    Heading("layer", word=True),
    Heading("kind", word=True),
    Heading("width"),
    Heading("activation variance"),
    Heading("theory", spoken="theory, activation variance"),
    Heading("se off", spoken="se off, standard errors of the activation variance off theory"),
    Heading("gradient variance"),
    Heading("theory", spoken="theory, gradient variance"),
    Heading("se off", spoken="se off, standard errors of the gradient variance off theory"),
    Heading("weight std"),
    Heading("marks", word=True),
)


def render_report_page(report: Report, *, lesson: bool = False) -> str:
    """The page; as a lesson it asks what the learner expects before it shows anything."""
    marked = marks(report)
    file = file_name(report.name)
    verb = "predict" if is_predicted(report) else "run"
    said = verdict_words(report.verdict)
    words = f"{title(report)}: activation and gradient variance by layer, and histograms. {said}"
    return rendered(
        "report.html",
        title(report),
        questions_on(report.verdict, _setting(report)) if lesson else (),
        made=made_with(report),
        overall=report.verdict.overall,
        words=said,
        directions=lines_of(report.verdict),
        lines=[line for line in (theory_line(report), tested_line(report), *expectation_lines(report)) if line],
        picture=picture(partial(figure, header=False), report, "figure", words),
        findings=told(report.verdict),
        headings=_HEADINGS,
        rows=[_row(row, marked.get(row.index, "")) for row in report.layers],
        config=config_of(report),
        file=file,
        commands=f"varprobe {verb} {file}\nvarprobe {verb} {file} -o report.html",
        provenance=provenance_of(report),
    )


def _setting(report: Report) -> str:
    """The network as a learner should see it: layers, activation, scheme."""
    dense = [row for row in report.layers if row.kind == "dense"]
    activations = sorted({row.activation_function for row in dense if row.activation_function})
    schemes = sorted({row.init for row in dense if row.init})
    return f"{title(report)}, {' and '.join(activations[:3])}, weights {' and '.join(schemes[:3])}"


def _row(row: LayerRow, mark: str) -> Row:
    weights, theory = row.weights, row.predicted
    std = None if weights is None else weights.std if weights.std is not None else weights.expected_std
    activation, activation_theory, activation_off = activation_cells(row)
    gradient, gradient_theory, gradient_off = gradient_cells(row)
    measured = row.activation is not None
    return Row(
        (
            Cell(str(row.index), row.index),
            Cell(row_label(row), word=True),
            Cell(row.kind, word=True),
            Cell(f"{row.fan_out:,}", row.fan_out),
            Cell(activation, activation_log10(row) if measured else None),
            Cell(activation_theory, theory.log10_activation_variance),
            Cell(activation_off, theory.activation_deviation),
            Cell(gradient, gradient_log10(row) if measured else None),
            Cell(gradient_theory, theory.log10_gradient_second_moment),
            Cell(gradient_off, theory.gradient_deviation),
            Cell("-" if std is None else f"{std:.4g}", std),
            Cell(mark, word=True),
        )
    )
