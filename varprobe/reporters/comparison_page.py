"""Comparison -> one HTML page that needs nothing else."""

from __future__ import annotations

from varprobe.comparison import Comparison
from varprobe.frozen import dataclass
from varprobe.reporters.comparison_figure import comparison_figure
from varprobe.reporters.comparison_text import change_lines
from varprobe.reporters.page import (
    Cell,
    Heading,
    Line,
    Row,
    config_of,
    direction_cells,
    lines_of,
    questions_on,
    rendered,
)
from varprobe.reporters.picture import picture
from varprobe.reporters.wordlist import DIRECTIONS, made_with, verdict_words
from varprobe.wording import count, printable

_HEADINGS = (
    Heading("network", word=True),
    Heading("overall", word=True),
    *(heading for name in DIRECTIONS for heading in (Heading(name, word=True), Heading("over the depth"))),
)


@dataclass(frozen=True)
class _Network:
    name: str
    overall: str
    words: str
    made: str
    directions: tuple[Line, ...]
    config: str


def render_comparison_page(comparison: Comparison, *, lesson: bool = False) -> str:
    """The page; as a lesson it asks what the learner expects before it shows anything."""
    names = tuple(map(printable, comparison.names))
    networks = tuple(
        _Network(
            name,
            report.verdict.overall,
            verdict_words(report.verdict),
            made_with(report),
            lines_of(report.verdict),
            config_of(report),
        )
        for name, report in zip(names, comparison.reports, strict=True)
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
    return rendered(
        "comparison.html",
        heading,
        questions if lesson else (),
        names=names,
        headings=_HEADINGS,
        rows=rows,
        changes="\n".join(change_lines(comparison)),
        picture=picture(comparison_figure, comparison, "figure", words),
        networks=networks,
    )
