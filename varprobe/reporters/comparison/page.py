"""Comparison -> one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from varprobe.comparison import Comparison
from varprobe.formatting import count, power, printable
from varprobe.frozen import dataclass
from varprobe.report.records import LayerRow, Report
from varprobe.reporters.axes import activation_typical, gradient_typical
from varprobe.reporters.comparison.changes import change_lines
from varprobe.reporters.comparison.panels import curve_panels, histogram_panels
from varprobe.reporters.page import parts
from varprobe.reporters.page.quizzes import Quiz, ask_about
from varprobe.reporters.page.remedies import Advised, advise, notes_of
from varprobe.reporters.text import Cell, Heading, Row
from varprobe.reporters.verdict_phrases import DIRECTIONS
from varprobe.verdict.records import Finding

_HEADINGS = (Heading("network", word=True), Heading("overall", word=True), *parts.way_headings())


@dataclass(frozen=True)
class _Network:
    name: str
    report: Report
    file: str
    advised: tuple[Advised, ...]
    notes: tuple[Finding, ...]


def render_page(comparison: Comparison, *, lesson: bool = False) -> str:
    """The page; as a lesson it asks what the learner expects before it shows anything."""
    names = tuple(map(printable, comparison.names))
    networks = tuple(
        _Network(name, report, file, advise(report, file), notes_of(report))
        for name, report, file in zip(names, comparison.reports, _files(names), strict=True)
    )
    quizzes = tuple(
        Quiz(one.name, parts.question_config(one.report, one.name), ask_about(one.report.verdict)) for one in networks
    )
    heading = f"{count(len(names), 'network')} side by side"
    return parts.render_template(
        "comparison.html",
        heading,
        quizzes if lesson else (),
        names=names,
        headings=_HEADINGS,
        rows=list(map(_row, networks)),
        changes="\n".join(change_lines(comparison)),
        curves=curve_panels(comparison),
        histograms=histogram_panels(comparison),
        networks=networks,
        layer_headings=_layer_headings(names),
        layers=_layers(comparison.reports),
        command=f"varprobe compare {' '.join(one.file for one in networks)} -o compare.html",
        provenance=" ".join(dict.fromkeys(map(parts.provenance_of, comparison.reports))),
    )


def _row(network: _Network) -> Row:
    verdict = network.report.verdict
    ways = (cell for way in DIRECTIONS for cell in parts.direction_cells(getattr(verdict, way)))
    return Row((Cell(network.name, word=True), Cell(verdict.overall, word=True), *ways))


def _files(names: Sequence[str]) -> tuple[str, ...]:
    """A file's name for every config, each its own."""
    files = tuple(map(parts.file_name, names))
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
        activations = (_cell(row, activation_typical) for row in rows)
        gradients = (_cell(row, gradient_typical) for row in rows)
        found.append(Row((Cell(str(place + 1), place + 1), *activations, *gradients)))
    return found


def _cell(row: LayerRow | None, get: Callable[[LayerRow], float | None]) -> Cell:
    if row is None:
        return Cell("-")
    log10 = get(row)
    return Cell(power(log10), log10)
