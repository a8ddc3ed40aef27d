"""Report -> one HTML page that needs nothing else."""

from __future__ import annotations

from functools import partial

from varprobe.report.records import LayerRow, Report
from varprobe.reporters import report_phrases as phrases
from varprobe.reporters.page import parts
from varprobe.reporters.page.svg import picture
from varprobe.reporters.report.figure import draw_report

_HEADINGS = (
    parts.Heading("#", spoken="# of the layer"),
    parts.Heading("layer", word=True),
    parts.Heading("kind", word=True),
    parts.Heading("width"),
    parts.Heading("activation variance"),
    parts.Heading("theory", spoken="theory, activation variance"),
    parts.Heading("se off", spoken="se off, standard errors of the activation variance off theory"),
    parts.Heading("gradient variance"),
    parts.Heading("theory", spoken="theory, gradient variance"),
    parts.Heading("se off", spoken="se off, standard errors of the gradient variance off theory"),
    parts.Heading("weight std"),
    parts.Heading("marks", word=True),
)


def render_page(report: Report, *, lesson: bool = False) -> str:
    """The page; as a lesson it asks what the learner expects before it shows anything."""
    marked = phrases.marks(report)
    file = parts.file_name(report.name)
    verb = "predict" if phrases.is_predicted(report) else "run"
    said = phrases.verdict_words(report.verdict)
    words = f"{phrases.title(report)}: activation and gradient variance by layer, and histograms. {said}"
    return parts.render_template(
        "report.html",
        phrases.title(report),
        parts.questions_on(report.verdict, _setting(report)) if lesson else (),
        made=phrases.made_with(report),
        verdict=report.verdict,
        lines=[
            line
            for line in (phrases.theory_line(report), phrases.tested_line(report), *phrases.expectation_lines(report))
            if line
        ],
        picture=picture(partial(draw_report, header=False), report, "figure", words),
        headings=_HEADINGS,
        rows=[_row(row, marked.get(row.index, "")) for row in report.layers],
        config=parts.config_of(report),
        file=file,
        commands=f"varprobe {verb} {file}\nvarprobe {verb} {file} -o report.html",
        provenance=parts.provenance_of(report),
    )


def _setting(report: Report) -> str:
    """The network as a learner should see it: layers, activation, scheme."""
    dense = [row for row in report.layers if row.kind == "dense"]
    activations = sorted({row.activation_function for row in dense if row.activation_function})
    schemes = sorted({row.init for row in dense if row.init})
    return f"{phrases.title(report)}, {' and '.join(activations[:3])}, weights {' and '.join(schemes[:3])}"


def _row(row: LayerRow, mark: str) -> parts.Row:
    theory = row.predicted
    activation, activation_theory, activation_off = phrases.activation_cells(row)
    gradient, gradient_theory, gradient_off = phrases.gradient_cells(row)
    measured = row.activation is not None
    return parts.Row(
        (
            parts.Cell(str(row.index), row.index),
            parts.Cell(phrases.row_label(row), word=True),
            parts.Cell(row.kind, word=True),
            parts.Cell(f"{row.fan_out:,}", row.fan_out),
            parts.Cell(activation, phrases.activation_log10(row) if measured else None),
            parts.Cell(activation_theory, theory.log10_activation_variance),
            parts.Cell(activation_off, theory.activation_deviation),
            parts.Cell(gradient, phrases.gradient_log10(row) if measured else None),
            parts.Cell(gradient_theory, theory.log10_gradient_second_moment),
            parts.Cell(gradient_off, theory.gradient_deviation),
            parts.Cell(*phrases.weight_std_cell(row)),
            parts.Cell(mark, word=True),
        )
    )
