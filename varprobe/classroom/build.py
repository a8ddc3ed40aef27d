"""Lessons -> a folder of pages and configs: what is measured and predicted in them is made here."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np
from jinja2 import Environment
from latex2mathml.converter import convert
from markupsafe import Markup

from varprobe.classroom.lessons import LESSONS, Lesson
from varprobe.comparison import Comparison, compare_reports
from varprobe.config.loading import ConfigText, load_text
from varprobe.diagnose import diagnose, predict_report
from varprobe.formatting import power
from varprobe.frozen import dataclass
from varprobe.network.spec import with_threads
from varprobe.report.records import Estimate, Report
from varprobe.reporters.comparison.histograms import draw_histograms
from varprobe.reporters.comparison.panels import curve_panels, histogram_panels
from varprobe.reporters.page.panels import draw_panel
from varprobe.reporters.page.parts import common, environment
from varprobe.reporters.page.quizzes import Quiz, ask_about
from varprobe.reporters.page.svg import picture
from varprobe.reporters.report_phrases import made_with
from varprobe.reporters.verdict_phrases import DIRECTIONS
from varprobe.verdict.intervals import student_quantile
from varprobe.verdict.records import DirectionVerdict, Verdict

PAGE, INDEX = "page.html", "index.html"


@dataclass(frozen=True)
class Ratio:
    """ln of a ratio between two layers: mean over trials, half its 95 % interval, and theory."""

    measured: float
    error: float
    theory: float | None


@dataclass(frozen=True)
class Way:
    """One direction: its label, rate per layer and change between the first layer and the last; then by theory."""

    name: str
    label: str
    rate: str
    seen: str
    theory_label: str
    theory_rate: str
    theory_seen: str


@dataclass(frozen=True)
class LessonNetwork:
    """A network of a lesson, measured, and what theory said before.

    Attributes:
        shown: the config without comments, which give the answer away.
        ways: forward, backward and signal.
        forward_ln: of the variance of z, last layer over first; backward_ln: of dObjective/dz, first over last.
        saturated: share of saturated values in the last layer; None where the activation has no limits.
    """

    name: str
    shown: str
    made: str
    ways: tuple[Way, ...]
    forward_ln: Ratio
    backward_ln: Ratio
    saturated: float | None


def build_lessons(threads: int | None = None, progress: Callable[[int, int], None] | None = None) -> dict[str, str]:
    """Every file of the classroom, by its path from the folder.

    Arguments:
        progress: called with how many networks are measured, and how many there are.
    """
    total = sum(len(lesson.networks) for lesson in LESSONS)
    files: dict[str, str] = {}
    done = 0
    for number, lesson in enumerate(LESSONS):
        reports, networks = [], []
        for name in lesson.networks:
            text = _material(lesson.folder, f"{name}.yaml")
            report, network = _measured(name, text, threads)
            reports.append(report)
            networks.append(network)
            files[f"{lesson.folder}/{name}.yaml"] = text
            done += 1
            if progress is not None:
                progress(done, total)
        files[f"{lesson.folder}/{INDEX}"] = _page(number, lesson, reports, networks)
    files[INDEX] = (
        _environment().get_template(INDEX).render(**common("Variance propagation in five lessons"), lessons=LESSONS)
    )
    return files


def _material(folder: str, name: str) -> str:
    return resources.files("varprobe.classroom").joinpath("material", folder, name).read_text(encoding="utf-8")


def _environment() -> Environment:
    found = environment("varprobe.classroom", "material")
    found.filters["tex"] = lambda text: Markup(convert(str(text)))
    found.filters["formula"] = lambda text: Markup('<div class="formula">{}</div>').format(
        Markup(convert(str(text), display="block"))
    )
    found.filters["ln"] = lambda value: "-" if value is None else f"{value:.2f}"
    return found


def _measured(name: str, text: str, threads: int | None) -> tuple[Report, LessonNetwork]:
    experiment = load_text(ConfigText(text, f"{name}.yaml", Path(), name))
    settings = with_threads(experiment.network.settings, threads)
    report, theory = diagnose(experiment, settings), predict_report(experiment, settings)
    first, last = report.dense[0], report.dense[-1]
    assert first.preactivation
    assert last.preactivation
    assert first.gradient
    assert last.gradient
    assert last.activation
    saturated = last.activation.saturated
    network = LessonNetwork(
        name=name,
        shown="\n".join(line for line in text.splitlines() if not line.startswith("#")),
        made=made_with(report).rpartition(", ")[0],
        ways=_ways(report.verdict, theory.verdict),
        forward_ln=_ratio(
            last.preactivation.variance,
            first.preactivation.variance,
            _difference(last.predicted.variance, first.predicted.variance),
        ),
        backward_ln=_ratio(
            first.gradient.variance,
            last.gradient.variance,
            _difference(first.predicted.gradient_second_moment, last.predicted.gradient_second_moment),
        ),
        saturated=saturated.mean if saturated else None,
    )
    return report, network


def _difference(above: float | None, below: float | None) -> float | None:
    return math.log(above / below) if above and below else None


def _ways(measured: Verdict, theory: Verdict) -> tuple[Way, ...]:
    ways = ((name, getattr(measured, name), getattr(theory, name)) for name in DIRECTIONS)
    return tuple(
        Way(name, found.label, _rate(found), _seen(found), said.label, _rate(said), _seen(said))
        for name, found, said in ways
    )


def _rate(direction: DirectionVerdict) -> str:
    return "-" if direction.rate is None else f"{direction.rate:.4g}"


def _seen(direction: DirectionVerdict) -> str:
    return "-" if direction.total_log10 is None else f"x {power(direction.total_log10)}"


def _ratio(above: Estimate, below: Estimate, theory: float | None) -> Ratio:
    pairs = zip(above.trials, below.trials, strict=True)
    logs = np.array([(a - b) * math.log(10) for a, b in pairs if a is not None and b is not None])
    half = student_quantile(0.975, len(logs) - 1) * logs.std(ddof=1) / math.sqrt(len(logs))
    return Ratio(float(logs.mean()), float(half), theory)


def _page(number: int, lesson: Lesson, reports: list[Report], networks: list[LessonNetwork]) -> str:
    comparison = compare_reports(lesson.networks, reports)
    histograms = _densities(comparison) if lesson.histograms else []
    quizzes = tuple(
        Quiz(f"{one.name}.yaml", one.shown, ask_about(report.verdict, lesson.because[one.name]))
        for one, report in zip(networks, reports, strict=True)
    )
    page = _environment().get_template(f"{lesson.folder}/{PAGE}")
    return page.render(
        **common(f"{number + 1}. {lesson.title}", quizzes),
        lesson=lesson,
        before=LESSONS[number - 1] if number else None,
        after=LESSONS[number + 1] if number + 1 < len(LESSONS) else None,
        networks=networks,
        net={one.name: one for one in networks},
        curves=curve_panels(comparison),
        ridges=histogram_panels(comparison),
        histograms=histograms,
    )


def _densities(comparison: Comparison) -> list[Markup]:
    """The histograms in absolute units, a panel a network: activations above gradients."""
    count = len(comparison.names)
    return [
        picture(
            partial(draw_panel, draw_histograms, places=(place, place + count)),
            comparison,
            f"densities-{place}",
            f"Histograms of activations and gradients by layer of {name}, in absolute units.",
        )
        for place, name in enumerate(comparison.names)
    ]
