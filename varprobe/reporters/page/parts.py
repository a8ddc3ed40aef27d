"""What all pages share: the template, tables, the verdict, the lesson's questions."""

from __future__ import annotations

from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from varprobe.config.rewriting import write_config
from varprobe.formatting import power, printable
from varprobe.frozen import dataclass
from varprobe.report.records import Report
from varprobe.reporters.report_phrases import finding_head, made_with
from varprobe.reporters.text import Cell, Heading
from varprobe.reporters.verdict_phrases import (
    DIRECTIONS,
    FIGURES,
    direction_figures,
    total_cell,
    verdict_lines,
    verdict_words,
)
from varprobe.verdict.records import DirectionVerdict, Verdict
from varprobe.version import __version__


@dataclass(frozen=True)
class Question:
    """What a learner is asked before the result is shown: the right label, and the result in a sentence."""

    words: str
    label: str
    sentence: str


def environment(package: str = "", folder: str = "") -> Environment:
    """Templates of this room, and of a folder of another package that builds on them; text is escaped."""
    own = PackageLoader("varprobe.reporters.page", "templates")
    loader = ChoiceLoader([PackageLoader(package, folder), own]) if package else own
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.globals |= {"ways": DIRECTIONS, "figures": FIGURES, "config_of": config_of}
    made.globals |= {
        function.__name__: function
        for function in (direction_figures, finding_head, verdict_lines, verdict_words, made_with)
    }
    return made


def common(heading: str, questions: tuple[Question, ...] = ()) -> dict[str, Any]:
    """What every page takes."""
    return {"heading": printable(heading), "questions": questions, "version": __version__}


def render_template(template: str, heading: str, questions: tuple[Question, ...] = (), **content: Any) -> str:
    """The page: text is escaped, unless it is `Markup`."""
    return environment().get_template(template).render(**common(heading, questions), **content)


def way_headings() -> tuple[Heading, ...]:
    """Of the columns that `direction_cells` fills, for every direction."""
    pairs = ((Heading(n, word=True), Heading("over the depth", spoken=f"over the depth, {n}")) for n in DIRECTIONS)
    return tuple(heading for pair in pairs for heading in pair)


def direction_cells(direction: DirectionVerdict | None) -> tuple[Cell, Cell]:
    """Label, and the change in a typical draw over the depth."""
    if direction is None:
        return Cell("", word=True), Cell("")
    return Cell(direction.label, word=True), Cell(total_cell(direction), direction.total_log10)


def questions_on(verdict: Verdict, what: str) -> tuple[Question, ...]:
    """One question for each way that the signal goes; `what` is the network, as a learner should see it."""
    ways = (
        ("the activations", "forward", verdict.forward),
        ("the gradient, on its way back", "backward", verdict.backward),
    )
    return tuple(
        Question(f"{what}: what becomes of {noun}?", way.label, f"{what}, {name}: {way.label}{_total(way)}.")
        for noun, name, way in ways
    )


def _total(direction: DirectionVerdict) -> str:
    return "" if direction.total_log10 is None else f", x {power(direction.total_log10)} over the depth"


def config_of(report: Report, name: str = "") -> str:
    """The config, ready to be saved and run; under another name where one is given."""
    rest = {key: value for key, value in report.spec.items() if key != "name"} if name else report.spec
    return write_config({"name": name or report.name, **rest})


def provenance_of(report: Report) -> str:
    """What made the numbers."""
    made = report.provenance
    versions = f"varprobe {made.varprobe}, NumPy {made.numpy}, Python {made.python}"
    return f"Made by {versions}; seed {made.seed}, {report.settings.engine} engine."


def file_name(name: str) -> str:
    """A file's name for a config; what a name cannot hold becomes `_`."""
    kept = "".join(character if character.isalnum() or character in "-_." else "_" for character in name)
    return f"{kept.strip('.')[:60] or 'network'}.yaml"
