"""Report -> one HTML page that needs nothing else."""

from __future__ import annotations

from functools import partial

from markupsafe import Markup
from matplotlib.figure import Figure

from varprobe.report.records import Report
from varprobe.reporters import report_phrases as phrases
from varprobe.reporters.page import parts
from varprobe.reporters.page.quizzes import Quiz, ask_about
from varprobe.reporters.page.remedies import advise, notes_of
from varprobe.reporters.page.svg import picture
from varprobe.reporters.picture import SMALL
from varprobe.reporters.report.figure import draw_variances
from varprobe.reporters.report.layers import HEADINGS, layer_cells
from varprobe.reporters.report.ridges import SIDES, RidgeSide, draw_ridges, find_ridge_axis, ridge_rows
from varprobe.reporters.text import Row
from varprobe.reporters.verdict_phrases import verdict_words

_NOTE = (
    "Both variances, of each layer's output and of the gradient with respect to the same output, in units of the "
    "gradient at the network's output: curves and table are a typical draw, which the verdict is about; theory is for "
    "the mean over draws. Histograms are of dense layers."
)


def render_page(report: Report, *, lesson: bool = False) -> str:
    """The page; as a lesson it asks what the learner expects before it shows anything."""
    marked = phrases.marks(report)
    file = parts.file_name(report.name)
    verb = "predict" if phrases.is_predicted(report) else "run"
    return parts.render_template(
        "report.html",
        phrases.title(report),
        (Quiz(_setting(report), parts.question_config(report), ask_about(report.verdict)),) if lesson else (),
        made=phrases.made_with(report),
        report=report,
        verdict=report.verdict,
        lines=[
            line
            for line in (phrases.theory_line(report), phrases.tested_line(report), *phrases.expectation_lines(report))
            if line
        ],
        variances=_variances(report),
        histograms=_histograms(report),
        note=_NOTE,
        whose=phrases.whose_variance(report),
        advised=advise(report, file),
        notes=notes_of(report),
        headings=HEADINGS,
        rows=[Row(layer_cells(row, marked.get(row.index, ""))) for row in report.layers],
        config=parts.config_of(report),
        file=file,
        commands=f"varprobe {verb} {file}\nvarprobe {verb} {file} -o report.html",
        provenance=parts.provenance_of(report),
    )


def _setting(report: Report) -> str:
    """The network as a learner should see it: layers, activation, scheme."""
    dense = report.dense
    activations = sorted({row.activation_function for row in dense if row.activation_function})
    schemes = sorted({row.init for row in dense if row.init})
    return f"{phrases.title(report)}, {' and '.join(activations[:3])}, weights {' and '.join(schemes[:3])}"


def _variances(report: Report) -> Markup:
    """Both variances over depth, for wide screens and for narrow ones."""
    words = f"{phrases.title(report)}: activation and gradient variance by layer. {verdict_words(report.verdict)}"
    wide = picture(partial(_draw_variances, size=(8.0, 4.8), columns=3), report, "figure", words, "wide")
    narrow = picture(partial(_draw_variances, size=(4.6, 5.2), columns=1), report, "narrow", words, "narrow")
    return Markup('<div data-slide aria-label="Variance over depth">{}</div>').format(wide + narrow)


def _draw_variances(report: Report, size: tuple[float, float], columns: int) -> Figure:
    """Size in inches; columns of the legend."""
    drawn = Figure(figsize=size, layout="constrained")
    axes = drawn.subplots()
    draw_variances(axes, report, columns=columns)
    return drawn


def _histograms(report: Report) -> list[Markup]:
    """Those of the activations, and of the gradients; none where nothing was counted."""
    if not ridge_rows(report):
        return []
    return [
        picture(
            partial(_draw_histograms, side=side),
            report,
            side.heading.replace(" ", "-"),
            f"{phrases.title(report)}: histograms of the {side.heading} by layer.",
        )
        for side in SIDES
    ]


def _draw_histograms(report: Report, side: RidgeSide) -> Figure:
    """All layers on one axis, as in pictures."""
    drawn, rows = Figure(figsize=(4.4, 3.9), layout="constrained"), ridge_rows(report)
    axes = drawn.subplots()
    told = draw_ridges(axes, report, rows, side, find_ridge_axis([(report, rows)], side))
    axes.set_ylabel("layer")
    axes.set_xlabel(f"in units of {side.whose} root mean square", fontsize=SMALL)
    axes.set_title(f"{side.heading}{', and the share of zeros' if told else ''}", fontsize=11)
    return drawn
