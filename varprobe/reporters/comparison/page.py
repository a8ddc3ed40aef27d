"""Comparison -> one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from varprobe.comparison import Comparison
from varprobe.formatting import count, power, printable
from varprobe.frozen import dataclass
from varprobe.report.records import LayerRow, Report
from varprobe.reporters.comparison.changes import change_lines
from varprobe.reporters.comparison.figure import draw_comparison
from varprobe.reporters.page.parts import (
    Cell,
    Heading,
    Line,
    Row,
    Told,
    config_of,
    direction_cells,
    file_name,
    findings_of,
    lines_of,
    provenance_of,
    questions_on,
    render_template,
    way_headings,
)
from varprobe.reporters.page.svg import picture
from varprobe.reporters.report_phrases import DIRECTIONS, activation_log10, gradient_log10, made_with, verdict_words

_HEADINGS = (Heading("network", word=True), Heading("overall", word=True), *way_headings())


@dataclass(frozen=True)
class _Network:
    name: str
    overall: str
    words: str
    made: str
    directions: tuple[Line, ...]
    findings: tuple[Told, ...]
    file: str
    config: str


def render_page(comparison: Comparison, *, lesson: bool = False) -> str:
    """The page; as a lesson it asks what the learner expects before it shows anything."""
    names = tuple(map(printable, comparison.names))
    files = _files(names)
    networks = tuple(
        _Network(
            name,
            report.verdict.overall,
            verdict_words(report.verdict),
            made_with(report),
            lines_of(report.verdict),
            findings_of(report.verdict),
            file,
            config_of(report, name),
        )
        for name, report, file in zip(names, comparison.reports, files, strict=True)
    )
    pairs = tuple(zip(names, comparison.reports, strict=True))
    questions = tuple(question for name, report in pairs for question in questions_on(report.verdict, name))
    rows = [
        Row(
            (
                Cell(name, word=True),
                Cell(report.verdict.overall, word=True),
                *(cell for way in DIRECTIONS for cell in direction_cells(getattr(report.verdict, way))),
            )
        )
        for name, report in zip(names, comparison.reports, strict=True)
    ]
    heading = f"{count(len(names), 'network')} side by side"
    words = f"Activation and gradient variance by layer of {', '.join(names)}, and their histograms."
    return render_template(
        "comparison.html",
        heading,
        questions if lesson else (),
        names=names,
        headings=_HEADINGS,
        rows=rows,
        changes="\n".join(change_lines(comparison)),
        picture=picture(draw_comparison, comparison, "figure", words),
        networks=networks,
        layer_headings=_layer_headings(names),
        layers=_layers(comparison.reports),
        command=f"varprobe compare {' '.join(files)} -o compare.html",
        provenance=" ".join(dict.fromkeys(map(provenance_of, comparison.reports))),
    )


def _files(names: Sequence[str]) -> tuple[str, ...]:
    """A file's name for every config, each its own."""
    files = tuple(map(file_name, names))
    return files if len(set(files)) == len(files) else tuple(f"{n}_{file}" for n, file in enumerate(files, 1))


def _layer_headings(names: Sequence[str]) -> tuple[Heading, ...]:
    activations = (Heading(f"activation variance, {name}") for name in names)
    gradients = (Heading(f"gradient variance, {name}") for name in names)
    return Heading("#", spoken="# of the layer"), *activations, *gradients


def _layers(reports: Sequence[Report]) -> list[Row]:
    """A row a layer, as deep as the deepest network."""
    found = []
    for place in range(max(len(report.layers) for report in reports)):
        rows = [report.layers[place] if place < len(report.layers) else None for report in reports]
        activations = (_cell(row, activation_log10) for row in rows)
        gradients = (_cell(row, gradient_log10) for row in rows)
        found.append(Row((Cell(str(place + 1), place + 1), *activations, *gradients)))
    return found


def _cell(row: LayerRow | None, get: Callable[[LayerRow], float | None]) -> Cell:
    if row is None:
        return Cell("-")
    log10 = get(row)
    return Cell(power(log10), log10)
