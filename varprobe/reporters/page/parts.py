"""What all pages share: the template, tables, the verdict."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from varprobe.config.rewriting import write_config
from varprobe.formatting import printable
from varprobe.report.records import Report
from varprobe.reporters.glossary import GLOSSARY
from varprobe.reporters.page.glosses import Glosses, mark_code
from varprobe.reporters.page.quizzes import CHOICES, Quiz
from varprobe.reporters.report_phrases import finding_head, is_predicted, is_shallow, made_with
from varprobe.reporters.text import Cell, Heading
from varprobe.reporters.verdict_phrases import (
    DIRECTIONS,
    FIGURES,
    SUBJECTS,
    direction_figures,
    total_cell,
    verdict_lines,
    verdict_sentences,
    verdict_words,
)
from varprobe.verdict.records import DirectionVerdict
from varprobe.version import __version__

# What templates have beside printable characters.
_SPACES = "\n\xa0"
# Before the label, for who sees no colours.
_SIGNS = {"stable": "\u2713", "vanishing": "\u2198", "exploding": "\u2197", "degenerate": "\u2717"}


def environment(package: str = "", folder: str = "") -> Environment:
    """Templates of this room, and of a folder of another package that builds on them; text is escaped."""
    own = PackageLoader("varprobe.reporters.page", "templates")
    loader = ChoiceLoader([PackageLoader(package, folder), own]) if package else own
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    glosses = Glosses(GLOSSARY)
    made.filters |= {"gloss": glosses.mark, "code": mark_code}
    made.globals |= {
        "ways": DIRECTIONS,
        "subjects": SUBJECTS,
        "figures": FIGURES,
        "choices": CHOICES,
        "glosses": glosses,
    }
    made.globals |= {
        function.__name__: function
        for function in (
            *(config_of, digest, direction_figures, finding_head, made_with, sign),
            *(sentences_of, total_cell, verdict_lines, verdict_words),
        )
    }
    return made


def digest(text: str) -> str:
    """What a page's policy allows a script or a style by: the SHA-256 of its text."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def sentences_of(report: Report) -> list[str]:
    """What each direction does, in a sentence."""
    return verdict_sentences(report.verdict, shallow=is_shallow(report), exact=is_predicted(report))


def sign(overall: str) -> str:
    """The mark before a label."""
    return _SIGNS.get(overall, "?")


def common(heading: str, quizzes: tuple[Quiz, ...] = ()) -> dict[str, Any]:
    """What every page takes."""
    return {"heading": printable(heading), "quizzes": quizzes, "version": __version__}


def render_template(template: str, heading: str, quizzes: tuple[Quiz, ...] = (), **content: Any) -> str:
    """The page: text is escaped, unless it is `Markup`."""
    page = environment().get_template(template).render(**common(heading, quizzes), **content)
    # Markup keeps control characters and signs that turn the direction of writing.
    unseen = {ord(one): "?" for one in set(page) if not one.isprintable() and one not in _SPACES}
    return page.translate(unseen) if unseen else page


def way_headings() -> tuple[Heading, ...]:
    """Of the columns that `direction_cells` fills, for every direction."""
    pairs = (
        (Heading(n, word=True), Heading("over the depth", spoken=f"over the depth, {n}")) for n in SUBJECTS.values()
    )
    return tuple(heading for pair in pairs for heading in pair)


def direction_cells(direction: DirectionVerdict | None) -> tuple[Cell, Cell]:
    """Label, and the change in a typical draw over the depth."""
    if direction is None:
        return Cell("", word=True), Cell("")
    return Cell(direction.label, word=True), Cell(total_cell(direction), direction.total_log10)


def question_config(report: Report, name: str = "") -> str:
    """The config as a learner should see it: without what it is expected to do."""
    shown = {key: value for key, value in report.spec.items() if key not in ("name", "expect")}
    return write_config({"name": name or report.name, **shown})


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
