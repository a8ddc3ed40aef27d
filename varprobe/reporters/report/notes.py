"""Notes in a picture that name the layers where trouble begins."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes

from varprobe.formatting import printable, shortened
from varprobe.frozen import dataclass
from varprobe.report.records import Report
from varprobe.reporters.axes import activation_typical, gradient_typical
from varprobe.reporters.picture import SMALL, THEORY, Values, width_of, width_of_axes
from varprobe.verdict.labels import Direction, Label, Severity
from varprobe.verdict.records import Finding

# What activations do, and what the gradient does, from a layer on.
_DOES = {
    Label.VANISHING: ("activations vanish", "gradient vanishes"),
    Label.EXPLODING: ("activations explode", "gradient explodes"),
    Label.BORDERLINE: ("activations are borderline", "gradient is borderline"),
    Label.DEGENERATE: ("activations are first exactly zero", "gradient is first exactly zero"),
}
# Characters of a finding's code that a note has room for.
_ROOM = 40
_WAYS = (Direction.FORWARD, Direction.BACKWARD)


@dataclass(frozen=True)
class _Note:
    """What is said of a layer; backward it stands at the gradient's curve."""

    words: str
    layer: int
    backward: bool


def note_trouble(axes: Axes, report: Report) -> None:
    """Points at the layers where directions leave what is stable; where none does, at that of the first error."""
    low, high = axes.get_ylim()
    curves, others = _curves(axes, len(report.layers)), np.empty((0, 3))
    for note in _find_notes(report):
        row = report.layers[note.layer - 1]
        value = gradient_typical(row) if note.backward else activation_typical(row)
        height = low if value is None else value
        target = np.array([(note.layer - 0.5) / len(report.layers), (height - low) / (high - low)])
        half = _half_width(axes, note.words)
        place = _free_place(curves, others, target, half)
        others = np.array([(*place, half)])
        axes.annotate(
            note.words,
            xy=(note.layer, height),
            xytext=place,
            textcoords="axes fraction",
            ha="center",
            va="center",
            fontsize=SMALL,
            arrowprops={"arrowstyle": "->", "color": THEORY, "linewidth": 1.2},
            bbox={"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": THEORY, "linewidth": 0.8},
            zorder=5,
        )


def _find_notes(report: Report) -> Iterator[_Note]:
    labels = (report.verdict.forward.label, report.verdict.backward.label)
    found = 0
    for place, (way, label) in enumerate(zip(_WAYS, labels, strict=True)):
        finding = next((one for one in report.verdict.findings if one.code == f"{way}-{label}"), None)
        if label in _DOES and finding is not None and finding.layer is not None:
            found += 1
            where = "at" if label == Label.DEGENERATE else "from"
            words = f"{_DOES[Label(label)][place]} {where} layer {finding.layer}"
            yield _Note(words, finding.layer, backward=way == Direction.BACKWARD)
    error = _first_error(report)
    if not found and error is not None and error.layer is not None:
        backward = error.code.startswith(Direction.BACKWARD) or "gradient" in error.code
        yield _Note(f"{shortened(printable(error.code), _ROOM)}, layer {error.layer}", error.layer, backward=backward)


def _first_error(report: Report) -> Finding | None:
    found = (one for one in report.verdict.findings if one.severity == Severity.ERROR and one.layer is not None)
    return next(found, None)


def _curves(axes: Axes, layers: int) -> Values:
    """Where curves run, as shares of the axes."""
    low, high = axes.get_ylim()
    points = [
        ((x - 0.5) / layers, (y - low) / (high - low))
        for line in axes.lines
        if line.get_transform() == axes.transData and line.get_zorder() >= 1
        for x, y in zip(np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float), strict=True)
        if np.isfinite(y)
    ]
    return np.array(points or [(-9.0, -9.0)])


def _half_width(axes: Axes, words: str) -> float:
    """Half of a note's width, as a share of the axes, with its frame."""
    return min(0.5, (width_of(words, SMALL) / 2 + 0.12) / width_of_axes(axes))


def _free_place(curves: Values, others: Values, target: Values, half: float) -> tuple[float, float]:
    """A place for a note, in shares of the axes: away from curves and others, and as near to its target as that allows.

    Arguments:
        others: (notes, 3) their places and the halves of their widths; two must not lie over each other.
        half: of the note's own width.
    """
    places = [(x, y) for x in np.linspace(half, 1 - half, 5).tolist() for y in (0.12, 0.3, 0.5, 0.7, 0.9)]

    def badness(place: tuple[float, float]) -> float:
        # A label is some three times as wide as a curve may come near to it.
        near = np.hypot((curves[:, 0] - place[0]) / 3, curves[:, 1] - place[1]).min()
        beside = np.abs(others[:, 0] - place[0]) < others[:, 2] + half
        covered = 10.0 * (beside & (np.abs(others[:, 1] - place[1]) < 0.1)).any()
        return float(np.hypot(*(target - place))) - 8 * min(float(near), 0.1) + covered

    return min(places, key=badness)
