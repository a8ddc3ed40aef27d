"""What the rule looks at: the judged layers of a network, and the logs of what they hand on.

Judged are the outputs of the body's layers: what a dense layer of the trunk hands on, and at a residual stack what a
join hands on, behind the activation, norm and dropout rows that follow it before the next dense layer or block. So a
scale that a norm takes out is never judged, nor a frequency inside an activation. Forward that is the second moment of
the output, backward its number of entries per sample times the second moment of the gradient with respect to it, and of
the signal the sample variance over the second moment.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass
from varprobe.network.description import LayerDescription

Logs = NDArray[np.float64]
# Judged layers below which the change is from the input on.
FEWEST = 4


@dataclass(frozen=True)
class JudgedLayer:
    """A layer of the body: a dense layer of the trunk, or the join of an outermost residual block.

    Attributes:
        row: its own row in the report, from 0.
        output: the row whose output it hands on: its own, or the last of those that belong to it.
        between: what stands between the judged layer before it and this one; part of what a step does.
        behind: what belongs to it.
    """

    row: int
    layer: LayerDescription
    output: int
    between: tuple[Hashable, ...] = ()
    behind: tuple[Hashable, ...] = ()

    @property
    def likeness(self) -> Hashable:
        """Equal for layers whose law is the same, with what belongs to them."""
        return self.layer.likeness, self.behind


@dataclass(frozen=True)
class Stretch:
    """Points start..stop-1 that are alike, or a repeated block of `period` points, compared place by place."""

    start: int
    stop: int
    period: int = 1

    @property
    def copies(self) -> int:
        return (self.stop - self.start) // self.period


def pick_points(layers: Sequence[LayerDescription]) -> tuple[JudgedLayer, ...]:
    """The judged layers, in order from the input."""
    own = [row for row, layer in enumerate(layers) if layer.trunk and layer.kind in ("dense", "residual")]
    points: list[JudgedLayer] = []
    for place, row in enumerate(own):
        if layers[row].is_head:
            continue
        stop = own[place + 1] if place + 1 < len(own) else len(layers)
        output = row
        while output + 1 < stop and layers[output + 1].trunk:
            output += 1
        start = own[place - 1] + 1 if place else 0
        between, behind = layers[start:row], layers[row + 1 : output + 1]
        likenesses = (tuple(layer.likeness for layer in some) for some in (between, behind))
        points.append(JudgedLayer(row, layers[row], output, *likenesses))
    return tuple(points)


def find_head_row(layers: Sequence[LayerDescription]) -> int | None:
    """The row of the head, from 0; None where there is none."""
    return next((row for row, layer in enumerate(layers) if layer.is_head), None)


def stretches(points: Sequence[JudgedLayer]) -> tuple[Stretch, ...]:
    """The cut of the whole network into stretches of layers that are alike, in order and without gaps."""
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
        while stop < len(points) and _group(points[stop]) == group:
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
    # What follows the last one may be more, as a norm before the head; the second sets what a step goes through.
    return index == start + 1 or here.between == points[start + 1].between


def find_longest(cut: Sequence[Stretch]) -> Stretch | None:
    """The longest stretch of four copies or more; None where there is none."""
    return max((one for one in cut if one.copies >= 4), key=lambda one: one.stop - one.start, default=None)


def find_deep_half(cut: Sequence[Stretch]) -> NDArray[np.float64] | None:
    """Weights (points,): times a draw's logs they give its slope per layer in the deep half of the longest stretch.

    Least squares, in a repeated block for each of its places apart. None where no four copies are alike.
    """
    longest = find_longest(cut)
    if longest is None:
        return None
    weights = np.zeros(cut[-1].stop)
    for place in range(longest.period):
        at = longest.start + place + longest.period * np.arange(longest.copies // 2, longest.copies)
        centred = np.arange(len(at)) - (len(at) - 1) / 2
        weights[at] += centred / np.square(centred).sum() / longest.period**2
    return weights


def cut_off(cut: Sequence[Stretch], stop: int) -> tuple[Stretch, ...]:
    """The same of the points before `stop` alone."""
    return tuple(replace(one, stop=min(one.stop, stop)) for one in cut if one.start < stop)


def find_seams(cut: Sequence[Stretch]) -> NDArray[np.int64]:
    """The points (from 1) that begin a stretch: a step to them is between layers that are not alike."""
    return np.array([stretch.start for stretch in cut[1:]], np.int64)
