"""What the rule looks at: the judged points of a network, cut into stretches of layers that are alike.

From these follow, per direction, the step ratios and their weights in the total T: T = sum of c_j ln(mean over
trials of ratio_j). A network whose layers are all alike is one stretch, and T = L lambda of its deep half.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass
from varprobe.network.description import LayerDescription

Logs = NDArray[np.float64]


@dataclass(frozen=True)
class JudgedLayer:
    """A judged layer: a dense layer of the trunk, or the join of an outermost residual block.

    Attributes:
        row: its row in the report, from 0.
        between: what stands between the point before it and this one; part of what a step does.
    """

    row: int
    layer: LayerDescription
    between: tuple[str, ...]

    @property
    def is_join(self) -> bool:
        return self.layer.kind == "residual"


@dataclass(frozen=True)
class Stretch:
    """Points start..stop-1 that are alike, or a repeated block of `period` points, compared place by place."""

    start: int
    stop: int
    period: int = 1

    @property
    def length(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Terms:
    """T as a sum: column j of `steps` (pairs of points) with weight c_j; `slope` gives each trial's own total.

    `slope` (points,) is linear in the logs: its product with a trial's logs is that trial's typical total.
    """

    pairs: tuple[tuple[int, int], ...]
    weights: NDArray[np.float64]
    slope: NDArray[np.float64]


def judged_points(layers: Sequence[LayerDescription]) -> tuple[JudgedLayer, ...]:
    """The points that forward, backward and signal are judged at, in order from the input."""
    points: list[JudgedLayer] = []
    between: list[str] = []
    for row, layer in enumerate(layers):
        if layer.trunk and layer.kind in ("dense", "residual"):
            points.append(JudgedLayer(row, layer, tuple(between)))
            between = []
        else:
            between.append(f"{layer.kind} {layer.likeness}")
    return tuple(points)


def stretches(points: Sequence[JudgedLayer]) -> tuple[Stretch, ...]:
    """The cut of the whole network, in order and without gaps."""
    found: list[Stretch] = []
    start = 0
    while start < len(points):
        found.append(_stretch(points, start))
        start = found[-1].stop
    return tuple(found)


def _stretch(points: Sequence[JudgedLayer], start: int) -> Stretch:
    first = points[start]
    if first.layer.group and not first.layer.given:
        group = first.layer.group[0]
        stop = start
        while stop < len(points) and points[stop].layer.group and _group(points[stop]) == group:
            stop += 1
        copies = len({_copy(point) for point in points[start:stop]})
        period, rest = divmod(stop - start, copies)
        block_given = any(point.layer.given for point in points[start:stop])
        if period > 1 and rest == 0 and not block_given:
            return Stretch(start, stop, period)
    stop = start + 1
    while stop < len(points) and _alike(points, start, stop):
        stop += 1
    return Stretch(start, stop)


def _group(point: JudgedLayer) -> str:
    return point.layer.group[0] if point.layer.group else ""


def _copy(point: JudgedLayer) -> int:
    return point.layer.group[1] if point.layer.group else 0


def _alike(points: Sequence[JudgedLayer], start: int, index: int) -> bool:
    first, here = points[start], points[index]
    if first.layer.given or here.layer.given or first.layer.likeness != here.layer.likeness:
        return False
    # The second point sets what a step of this stretch goes through; the later ones must follow it.
    return index == start + 1 or here.between == points[start + 1].between


def window(length: int) -> tuple[int, int]:
    """First index (from 0) of the deep half of `length` points, and the step k within it.

    >>> window(20), window(3), window(100)
    ((10, 2), (1, 1), (50, 12))
    """
    first = length // 2
    return first, min(max(1, length // 8), max(1, length - first - 1))


def terms(cut: Sequence[Stretch]) -> Terms:
    """The step ratios of a network cut like this, weighted so that they add up to T = L/(L-1) S."""
    count = cut[-1].stop
    pairs: list[tuple[int, int]] = []
    weights: list[float] = []
    slope = np.zeros(count)

    def change(a: int, b: int) -> None:
        pairs.append((a, b))
        weights.append(1.0)
        slope[b] += 1.0
        slope[a] -= 1.0

    for before, after in pairwise(cut):
        change(before.stop - 1, after.start)
    for stretch in cut:
        copies = stretch.length // stretch.period
        if copies < 4:
            if stretch.length > 1:
                change(stretch.start, stretch.stop - 1)
            continue
        first, step = window(copies)
        per_layer = (stretch.length - 1) / stretch.period
        for place in range(stretch.period):
            at = stretch.start + place + stretch.period * np.arange(first, copies)
            here = [(int(a), int(b)) for a, b in zip(at[:-step], at[step:], strict=True)]
            pairs += here
            weights += [per_layer / stretch.period / (step * len(here))] * len(here)
            centred = np.arange(len(at)) - (len(at) - 1) / 2
            slope[at] += per_layer / stretch.period * centred / np.square(centred).sum()
    scale = count / (count - 1)
    return Terms(tuple(pairs), np.array(weights) * scale, slope * scale)
