"""The table by layer that Markdown and pages share."""

from __future__ import annotations

from varprobe.report.records import LayerRow
from varprobe.reporters import report_phrases as phrases
from varprobe.reporters.axes import activation_typical, gradient_typical
from varprobe.reporters.text import Cell, Heading

HEADINGS = (
    Heading("#", spoken="# of the layer"),
    Heading("layer", word=True),
    Heading("kind", word=True),
    Heading("width"),
    Heading("activation variance"),
    Heading("theory", spoken="theory, activation variance"),
    Heading("se off", spoken="se off, standard errors of the activation's second moment off theory"),
    Heading("gradient variance"),
    Heading("theory", spoken="theory, gradient variance"),
    Heading("se off", spoken="se off, standard errors of the gradient's second moment off theory"),
    Heading("weight std"),
    Heading("marks", word=True),
)


def layer_cells(row: LayerRow, mark: str) -> tuple[Cell, ...]:
    """A layer as the headings have it; `mark` says what was found there."""
    theory = row.predicted
    activation, activation_theory, activation_off = phrases.activation_cells(row)
    gradient, gradient_theory, gradient_off = phrases.gradient_cells(row)
    measured = row.activation is not None
    return (
        Cell(str(row.index), row.index),
        Cell(phrases.row_label(row), word=True),
        Cell(row.kind, word=True),
        Cell(f"{row.fan_out:,}", row.fan_out),
        Cell(activation, activation_typical(row) if measured else None),
        Cell(activation_theory, theory.log10_activation_variance),
        Cell(activation_off, theory.activation_deviation),
        Cell(gradient, gradient_typical(row) if measured else None),
        Cell(gradient_theory, theory.log10_activation_gradient_second_moment),
        Cell(gradient_off, theory.activation_gradient_deviation),
        Cell(*phrases.weight_std_cell(row)),
        Cell(mark, word=True),
    )
