"""Lessons -> a folder of pages and configs: what is measured and predicted in them is made here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np
from jinja2 import Environment
from latex2mathml.converter import convert
from markupsafe import Markup

from varprobe.classroom import training
from varprobe.classroom.lessons import LESSONS, Lesson
from varprobe.classroom.moves import MOVES
from varprobe.classroom.training import Learning, train
from varprobe.comparison import Comparison, compare_reports
from varprobe.config.loading import ConfigText, Experiment, load_text
from varprobe.diagnose import diagnose, predict_report
from varprobe.formatting import power
from varprobe.frozen import dataclass
from varprobe.lab.build import build_page
from varprobe.network.spec import with_threads
from varprobe.report.records import Estimate, Report
from varprobe.reporters.comparison.histograms import draw_histograms
from varprobe.reporters.comparison.panels import curve_panels, histogram_panels
from varprobe.reporters.page.losses import LossCurve, draw_losses
from varprobe.reporters.page.panels import draw_panel
from varprobe.reporters.page.parts import common, environment
from varprobe.reporters.page.quizzes import Question, Quiz, ask_about
from varprobe.reporters.page.svg import picture
from varprobe.reporters.report_phrases import made_with
from varprobe.reporters.verdict_phrases import DIRECTIONS
from varprobe.verdict.intervals import student_quantile
from varprobe.verdict.records import DirectionVerdict, Verdict

PAGE, INDEX, LAB = "page.html", "index.html", "lab.html"
# What is for paper, and what is for the teacher: no page of a lesson leads to the latter.
HANDOUTS = {
    "worksheet.html": "Worksheet: variance propagation",
    "teacher/plan.html": "Fifty minutes of variance propagation: a plan",
    "teacher/key.html": "The teacher's key",
}
# log10 of changes beyond which they are told as powers of ten.
_FACTOR = 2
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class Ratio:
    """ln of a ratio between two layers: mean over trials, half its 95 % interval, and theory."""

    measured: float
    error: float
    theory: float | None


@dataclass(frozen=True)
class Way:
    """One direction: its label, rate per layer and change between the first layer and the last; then by theory.

    Attributes:
        found: what was measured, as numbers.
    """

    name: str
    label: str
    rate: str
    seen: str
    theory_label: str
    theory_rate: str
    theory_seen: str
    found: DirectionVerdict

    @property
    def rate_exact(self) -> str:
        """The rate with its 95 % interval."""
        low, high = self.found.rate_low, self.found.rate_high
        return self.rate if low is None or high is None else f"{self.rate} ({low:.4g} to {high:.4g})"

    @property
    def exact(self) -> str:
        """The change in a typical draw with its 95 % interval, as a power of ten where it is large."""
        total, error = self.found.total_log10, self.found.error_log10
        if total is None or error is None:
            return self.seen
        if abs(total) > _FACTOR:
            return f"10^({total:.2f} ± {error:.2f})"
        return f"x {10**total:.3g} ({10 ** (total - error):.3g} to {10 ** (total + error):.3g})"


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


@dataclass(frozen=True)
class Taught:
    """A lesson with what its networks did."""

    lesson: Lesson
    reports: tuple[Report, ...]
    networks: tuple[LessonNetwork, ...]
    learned: tuple[Learning, ...]

    @property
    def quizzes(self) -> tuple[Quiz, ...]:
        """What the page asks, in its order: configs, and moves in the lab."""
        found = dict(zip(self.lesson.networks, zip(self.networks, self.reports, strict=True), strict=True))
        return tuple(self._ask(one, found) for one in self.lesson.order)

    def _ask(self, one: str | int, found: Mapping[str, tuple[LessonNetwork, Report]]) -> Quiz:
        if isinstance(one, int):
            move = MOVES[self.lesson.folder][one]
            asked = (Question(move.asks, move.right, move.because, move.choices),)
            return Quiz("In the lab", "", asked, move.address, move.does)
        network, report = found[one]
        return Quiz(f"{one}.yaml", network.shown, ask_about(report.verdict, self.lesson.because[one]))


def build_lessons(threads: int | None = None, progress: Callable[[int, int], None] | None = None) -> dict[str, str]:
    """Every file of the classroom, by its path from the folder.

    Arguments:
        progress: called with how many networks are measured, and how many there are.
    """
    total = sum(len(lesson.networks) for lesson in LESSONS)
    files, done = {LAB: build_page()}, 0
    taught = []
    for number, lesson in enumerate(LESSONS):
        reports, networks, learned = [], [], []
        for name in lesson.networks:
            text = _material(lesson.folder, f"{name}.yaml")
            report, network = _measured(name, text, threads)
            reports.append(report)
            networks.append(network)
            if lesson.trains:
                learned.append(train(name, _load(name, text).network))
            files[f"{lesson.folder}/{name}.yaml"] = text
            done += 1
            if progress is not None:
                progress(done, total)
        taught.append(Taught(lesson, tuple(reports), tuple(networks), tuple(learned)))
        files[f"{lesson.folder}/{INDEX}"] = _page(number, taught[-1])
    heading = f"Variance propagation in {_NUMBERS[len(LESSONS)]} lessons"
    for name, title in ((INDEX, heading), *HANDOUTS.items()):
        template = _environment().get_template(name.rpartition("/")[2])
        files[name] = template.render(**common(title), lessons=LESSONS, taught=taught)
    return files


def _load(name: str, text: str) -> Experiment:
    return load_text(ConfigText(text, f"{name}.yaml", Path(), name))


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
    experiment = _load(name, text)
    settings = with_threads(experiment.network.settings, threads)
    report, theory = diagnose(experiment, settings, remedies=False), predict_report(experiment, settings)
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
        Way(name, found.label, _rate(found), _seen(found), said.label, _rate(said), _seen(said), found)
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


def _page(number: int, taught: Taught) -> str:
    lesson, networks = taught.lesson, taught.networks
    comparison = compare_reports(lesson.networks, taught.reports)
    return (
        _environment()
        .get_template(f"{lesson.folder}/{PAGE}")
        .render(
            **common(f"{number + 1}. {lesson.title}", taught.quizzes),
            lesson=lesson,
            before=LESSONS[number - 1] if number else None,
            after=LESSONS[number + 1] if number + 1 < len(LESSONS) else None,
            networks=networks,
            net={one.name: one for one in networks},
            curves=curve_panels(comparison),
            ridges=histogram_panels(comparison),
            histograms=_densities(comparison) if lesson.histograms else [],
            training=training,
            learned=taught.learned,
            losses=_draw_losses(taught.learned) if taught.learned else "",
        )
    )


def _draw_losses(learned: Sequence[Learning]) -> Markup:
    """The losses of all networks, each at its own step size."""
    steps = [training.WINDOW * (place + 0.5) for place in range(training.STEPS // training.WINDOW)]
    curves = [LossCurve(one.name, steps, one.losses, one.low, one.high) for one in learned]
    words = "; ".join(f"{one.name} ends at {one.last:.3f}" for one in learned)
    return picture(partial(draw_losses, chance=training.CHANCE), curves, "losses-figure", f"Loss over steps: {words}.")


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
