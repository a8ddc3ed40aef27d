"""Sweep -> one HTML page that needs nothing else: sliders move through its points."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from varprobe.config.rewriting import write_config
from varprobe.config.yaml_tree import scalar
from varprobe.formatting import printable
from varprobe.frozen import dataclass
from varprobe.reporters.page import parts
from varprobe.reporters.page.quizzes import Quiz, ask_about
from varprobe.reporters.page.svg import picture
from varprobe.reporters.picture import ACTIVATION, GRADIENT, THEORY, draw_grid, house_style, mark_layers, mark_powers
from varprobe.reporters.report_phrases import finding_head
from varprobe.reporters.sweep.panels import sweep_panels
from varprobe.reporters.sweep.words import counts_line, failure_lines, letter_words, made_line, sweep_title
from varprobe.reporters.text import Cell, Heading, Row
from varprobe.reporters.verdict_phrases import DIRECTIONS, verdict_words
from varprobe.sweeps.records import Curves, Sweep, SweepPoint
from varprobe.verdict.records import Finding

# Values that all curves of a page may have together, and the fewest of one curve.
_VALUES, _FEWEST = 160_000, 12
_DECIMALS = 3
# Letters that the findings of all points may have together.
_WORDS = 500_000
_LINES = ("activation", "gradient", "activation_theory", "gradient_theory")
_BANDS = ("activation_low", "activation_high", "gradient_low", "gradient_high")
_LOOKS = {
    "activation_band": "fill: var(--activation); fill-opacity: 0.22",
    "gradient_band": "fill: var(--gradient); fill-opacity: 0.22",
    "activation_theory": "fill: none; stroke: var(--theory); stroke-width: 1; stroke-dasharray: 1 2",
    "gradient_theory": "fill: none; stroke: var(--theory); stroke-width: 1; stroke-dasharray: 1 2",
    "activation": "fill: none; stroke: var(--activation); stroke-width: 1.8",
    "gradient": "fill: none; stroke: var(--gradient); stroke-width: 1.8; stroke-dasharray: 6 3",
}


@dataclass(frozen=True)
class _Slider:
    path: str
    values: tuple[str, ...]
    start: int


@dataclass(frozen=True)
class _Frame:
    """The axes that every point's curves are drawn in: values -> the picture's units, as offset and factor."""

    drawn: Figure
    x: tuple[float, float]
    y: tuple[float, float]


def render_page(sweep: Sweep, *, lesson: bool = False) -> str:
    """The page; as a lesson it asks what the learner expects before it shows anything."""
    file = parts.file_name(sweep.name)
    findings = _findings(sweep.points)
    shown = [
        _show_point(point, len(sweep.points)) | {"findings": each, "command": _command(file, sweep, point)}
        for point, each in zip(sweep.points, findings, strict=True)
    ]
    with house_style():
        frame = _frame(sweep)
    start = tuple(len(axis.values) // 2 for axis in sweep.axes)
    index = start[0] if len(start) == 1 else start[0] * len(sweep.axes[1].values) + start[1]
    vary = " ".join(f"--vary {shlex.quote(axis.path + '=' + ','.join(axis.values))}" for axis in sweep.axes)
    said = f"{sweep_title(sweep)}. {counts_line(sweep)}."
    made = sweep.provenance
    return parts.render_template(
        "sweep.html",
        sweep_title(sweep),
        _quizzes(sweep) if lesson else (),
        made=made_line(sweep),
        tone=_tone(sweep),
        counts=counts_line(sweep),
        failures=failure_lines(sweep),
        maps=sweep_panels(sweep, said),
        letters=letter_words(sweep),
        axes=[_Slider(printable(axis.path), axis.values, place) for axis, place in zip(sweep.axes, start, strict=True)],
        shown=shown[index],
        curves=_curves(frame, shown[index]),
        headings=_headings(sweep),
        rows=[_row(point, place) for place, point in enumerate(sweep.points)],
        config=write_config({"name": sweep.name, **sweep.spec}),
        file=file,
        commands=f"varprobe sweep {file} {vary} -o sweep.html",
        provenance=f"Made by varprobe {made.varprobe}, NumPy {made.numpy}, Python {made.python}; seed {made.seed}.",
        points={
            "axes": [{"values": axis.values} for axis in sweep.axes],
            "points": shown,
            "scale": {"x": frame.x, "y": frame.y},
        },
    )


def _tone(sweep: Sweep) -> str:
    """The label that all points share; `borderline` where they differ."""
    labels = {point.verdict.overall if point.verdict else "failed" for point in sweep.points}
    return labels.pop() if len(labels) == 1 else "borderline"


def _quizzes(sweep: Sweep) -> tuple[Quiz, ...]:
    """On the first point, the one in the middle and the last."""
    measured = [point for point in sweep.points if point.verdict]
    picked = dict.fromkeys((0, len(measured) // 2, len(measured) - 1)) if measured else ()
    return tuple(quiz for place in picked for quiz in _ask_about(sweep, measured[place]))


def _ask_about(sweep: Sweep, point: SweepPoint) -> Iterator[Quiz]:
    if point.verdict is None:
        return
    settings = [(axis.path, value) for axis, value in zip(sweep.axes, point.values, strict=True)]
    where = printable(f"{sweep.name} at {', '.join(f'{path} {value}' for path, value in settings)}")
    config = write_config({key: value for key, value in sweep.spec.items() if key != "expect"})
    set_so = "\n".join(f"{path}={value}" for path, value in settings)
    yield Quiz(where, f"{config}\n{set_so}", ask_about(point.verdict))


def _sentence(point: SweepPoint) -> str:
    if point.verdict is None:
        return printable(f"failed: {point.failure}")
    return f"{point.verdict.overall}: {verdict_words(point.verdict)}"


def _findings(points: Sequence[SweepPoint]) -> list[list[dict[str, str]]]:
    """Errors and warnings of every point; their heads alone where there is no room for all words."""
    found = [
        [one for one in point.verdict.findings if one.severity != "info"] if point.verdict else [] for point in points
    ]
    heads_only = sum(len(one.message) + len(one.remedy) for each in found for one in each) > _WORDS
    return [[_tell(one, heads_only=heads_only) for one in each] for each in found]


def _tell(finding: Finding, *, heads_only: bool) -> dict[str, str]:
    words = {"message": "", "remedy": ""} if heads_only else {"message": finding.message, "remedy": finding.remedy}
    return {"severity": finding.severity, "head": finding_head(finding), **words}


def _command(file: str, sweep: Sweep, point: SweepPoint) -> str:
    """Measures the point alone."""
    pairs = zip(sweep.axes, point.values, strict=True)
    return " ".join(["varprobe run", file, *(f"--set {shlex.quote(f'{axis.path}={value}')}" for axis, value in pairs)])


def _headings(sweep: Sweep) -> tuple[Heading, ...]:
    axes = (Heading(printable(axis.path)) for axis in sweep.axes)
    return *axes, Heading("overall", word=True), *parts.way_headings()


def _row(point: SweepPoint, index: int) -> Row:
    settings = tuple(_setting(value) for value in point.values)
    overall = Cell(point.verdict.overall if point.verdict else "failed", word=True)
    ways = tuple(cell for name in DIRECTIONS for cell in parts.direction_cells(getattr(point.verdict, name, None)))
    return Row((*settings, overall, *ways), index)


def _setting(value: str) -> Cell:
    found = scalar(value)
    number = isinstance(found, (int, float)) and not isinstance(found, bool)
    return Cell(printable(value), float(found)) if number else Cell(printable(value), word=True)


def _show_point(point: SweepPoint, count: int) -> dict[str, Any]:
    """A point as the page's script reads it: as many layers as there is room for, and the sentence."""
    curves = point.curves
    depth = len(curves.activation) if curves else 0
    room = max(_FEWEST, _VALUES // ((len(_LINES) + len(_BANDS)) * count))
    picked = range(depth) if depth <= room else [round(i * (depth - 1) / (room - 1)) for i in range(room)]
    body: dict[str, Any] = {name: _pick(curves, name, picked) for name in (*_LINES, *_BANDS)}
    return body | {"layers": [place + 1 for place in picked], "sentence": _sentence(point)}


def _pick(curves: Curves | None, name: str, places: Sequence[int]) -> list[float | None]:
    values = getattr(curves, name, ())
    return [None if values[place] is None else round(values[place], _DECIMALS) for place in places]


def _frame(sweep: Sweep) -> _Frame:
    drawn = Figure(figsize=(5.0, 4.2), dpi=72)
    drawn.subplots_adjust(left=0.165, right=0.97, top=0.85, bottom=0.13)
    axes = drawn.subplots()
    curves = [point.curves for point in sweep.points if point.curves]
    values = [v for one in curves for name in (*_LINES, *_BANDS) for v in getattr(one, name) if v is not None]
    axes.set_ylim(min(values, default=-1), max(values, default=1))
    mark_powers(axes)
    mark_layers(axes, max((len(one.activation) for one in curves), default=1))
    axes.set_ylabel("variance, typical draw (log scale)")
    draw_grid(axes)
    handles = [
        Line2D([], [], color=ACTIVATION, linewidth=1.8, label="activation variance"),
        Line2D([], [], color=GRADIENT, linewidth=1.8, linestyle="--", label="gradient variance"),
        Line2D([], [], color=THEORY, linewidth=1.0, linestyle=":", label="theory"),
        Patch(facecolor="#dddddd", label="middle 90 % of the trials"),
    ]
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=2,
        frameon=False,
        fontsize=10,
        columnspacing=1,
    )
    place = axes.transData.transform
    (x0, y0), (x1, y1) = place((0.0, 0.0)), place((1.0, 1.0))
    height = drawn.get_figheight() * 72
    return _Frame(drawn, (float(x0), float(x1 - x0)), (float(height - y0), float(y0 - y1)))


def _curves(frame: _Frame, shown: dict[str, Any]) -> Markup:
    """The axes with the curves of the point that is shown first."""
    text = picture(
        lambda one: one.drawn, frame, "curves", "Activation and gradient variance by layer at the chosen point"
    )
    paths = {f"{name}_band": _band(frame, shown, name) for name in ("activation", "gradient")}
    paths |= {name: _line(frame, shown[name], shown["layers"]) for name in _LINES}
    drawn = "".join(
        Markup('<path id="curve-{}" d="{}" style="{}"/>').format(name, paths[name], look)
        for name, look in _LOOKS.items()
    )
    head, end, rest = text.rpartition("</svg>")
    return Markup(head) + Markup(drawn) + Markup(end + rest)


def _line(frame: _Frame, values: Sequence[float | None], layers: Sequence[int]) -> str:
    path, pen = "", "M"
    for layer, value in zip(layers, values, strict=True):
        if value is None:
            pen = "M"
            continue
        path += f"{pen}{_at(frame, layer, value)}"
        pen = "L"
    return path


def _band(frame: _Frame, shown: dict[str, Any], name: str) -> str:
    ends = zip(shown["layers"], shown[f"{name}_low"], shown[f"{name}_high"], strict=True)
    there = [(layer, low, high) for layer, low, high in ends if low is not None and high is not None]
    if len(there) < 2:
        return ""
    up = [_at(frame, layer, low) for layer, low, _ in there]
    back = [_at(frame, layer, high) for layer, _, high in reversed(there)]
    return f"M{'L'.join(up + back)}z"


def _at(frame: _Frame, layer: float, log10: float) -> str:
    return f"{frame.x[0] + frame.x[1] * layer:.2f} {frame.y[0] + frame.y[1] * log10:.2f}"
