"""Report -> one HTML page that needs nothing else."""

from __future__ import annotations

from functools import partial

from varprobe.report.records import LayerRow, Report
from varprobe.reporters import report_phrases as phrases
from varprobe.reporters.page.parts import (
    Cell,
    Heading,
    Row,
    config_of,
    file_name,
    findings_of,
    lines_of,
    provenance_of,
    questions_on,
    render_template,
)
from varprobe.reporters.page.svg import picture
from varprobe.reporters.report.figure import draw_report

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


def render_page(report: Report, *, lesson: bool = False) -> str:
    """The page; as a lesson it asks what the learner expects before it shows anything."""
    marked = phrases.marks(report)
    file = file_name(report.name)
    verb = "predict" if phrases.is_predicted(report) else "run"
    said = phrases.verdict_words(report.verdict)
    words = f"{phrases.title(report)}: activation and gradient variance by layer, and histograms. {said}"
    return render_template(
        "report.html",
        phrases.title(report),
        questions_on(report.verdict, _setting(report)) if lesson else (),
        made=phrases.made_with(report),
        overall=report.verdict.overall,
        words=said,
        directions=lines_of(report.verdict),
        lines=[
            line
            for line in (phrases.theory_line(report), phrases.tested_line(report), *phrases.expectation_lines(report))
            if line
        ],
        picture=picture(partial(draw_report, header=False), report, "figure", words),
        findings=findings_of(report.verdict),
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
    return f"{phrases.title(report)}, {' and '.join(activations[:3])}, weights {' and '.join(schemes[:3])}"


def _row(row: LayerRow, mark: str) -> Row:
    theory = row.predicted
    activation, activation_theory, activation_off = phrases.activation_cells(row)
    gradient, gradient_theory, gradient_off = phrases.gradient_cells(row)
    measured = row.activation is not None
    return Row(
        (
            Cell(str(row.index), row.index),
            Cell(phrases.row_label(row), word=True),
            Cell(row.kind, word=True),
            Cell(f"{row.fan_out:,}", row.fan_out),
            Cell(activation, phrases.activation_log10(row) if measured else None),
            Cell(activation_theory, theory.log10_activation_variance),
            Cell(activation_off, theory.activation_deviation),
            Cell(gradient, phrases.gradient_log10(row) if measured else None),
            Cell(gradient_theory, theory.log10_gradient_second_moment),
            Cell(gradient_off, theory.gradient_deviation),
            Cell(*phrases.weight_std_cell(row)),
            Cell(mark, word=True),
        )
    )
