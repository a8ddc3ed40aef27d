"""Report -> one HTML page that needs nothing else."""

from __future__ import annotations

from functools import partial

from varprobe.report.records import Report
from varprobe.reporters import report_phrases as phrases
from varprobe.reporters.page import parts
from varprobe.reporters.page.svg import picture
from varprobe.reporters.report.figure import draw_report
from varprobe.reporters.report.layers import HEADINGS, layer_cells
from varprobe.reporters.text import Row
from varprobe.reporters.verdict_phrases import verdict_words


def render_page(report: Report, *, lesson: bool = False) -> str:
    """The page; as a lesson it asks what the learner expects before it shows anything."""
    marked = phrases.marks(report)
    file = parts.file_name(report.name)
    verb = "predict" if phrases.is_predicted(report) else "run"
    said = verdict_words(report.verdict)
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
