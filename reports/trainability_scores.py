"""Labels and scores of the records of `trainability_study.py`, and how well a score tells what fails.

A run is one draw of a network on one task by one optimiser. A score ranks runs, large for those that are to fail.
Bootstrap intervals are 95 %, over networks: all runs of a network go together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

Record = dict[str, Any]

# Of section "labels" of the rule, in log10: within 100 stable, beyond 1000 vanishing or exploding.
STABLE, BEYOND = 2.0, 3.0

UNDECIDED = 1.0

# What a dead draw counts as, in decades.
DEAD = 99.0

TRAINED = 3

LABELS = ("stable", "borderline", "vanishing", "exploding", "inconclusive", "degenerate")

# An easier target; of the spiral a linear map reaches 80 %, so that there is none.
LENIENT = {"digits": 0.5}


def worst(*changes: float | None) -> float:
    """The larger change, in decades; one that is not known is that of a dead draw."""
    return max(DEAD if change is None else abs(change) for change in changes)


def typical(record: Record, *ways: str) -> float:
    """The typical change of the network in its worse direction; of one that is degenerate that of a dead draw."""
    return worst(*(None if is_degenerate(record[way]) else record[way]["D"] for way in ways or ("forward", "backward")))


def typical_size(record: Record) -> float:
    """The root mean square change of a draw, in the worse direction: D and the spread of the draws together."""
    return max(
        DEAD if is_degenerate(record[way]) else float(np.hypot(record[way]["D"], record[way]["spread"]))
        for way in ("forward", "backward")
    )


def of_draw(record: Record, draw: int) -> float:
    """The change of one draw in its worse direction; number TRAINED is one that is not trained."""
    return worst(record["forward"]["draws"][draw], record["backward"]["draws"][draw])


def is_degenerate(way: Record) -> bool:
    """Half of the 20 draws or more are dead."""
    return way["D"] is None or way["dead"] >= 10


def direction_label(way: Record) -> str:
    """The label of one direction from its 20 draws."""
    if is_degenerate(way):
        return "degenerate"
    change, reach = way["D"], way["h"]
    if change - reach > BEYOND:
        return "exploding"
    if change + reach < -BEYOND:
        return "vanishing"
    if reach > UNDECIDED:
        return "inconclusive"
    return region(change)


def region(change: float) -> str:
    """The label of a change that is known."""
    if abs(change) <= STABLE:
        return "stable"
    if abs(change) <= BEYOND:
        return "borderline"
    return "exploding" if change > 0 else "vanishing"


def label(record: Record) -> str:
    """That of the network: the graver of both directions; of vanishing and exploding the larger change."""
    ways = (record["forward"], record["backward"])
    labels = [direction_label(way) for way in ways]
    for one in ("degenerate", ("vanishing", "exploding"), "inconclusive", "borderline"):
        found = [(abs(way["D"] or 0.0), here) for way, here in zip(ways, labels, strict=True) if here in one]
        if found:
            return max(found)[1]
    return "stable"


def one_draw_label(record: Record, draw: int) -> float:
    """What the limits say of a single draw: 0 stable, 1 borderline, 2 beyond."""
    change = of_draw(record, draw)
    return float((change > STABLE) + (change > BEYOND))


def label_rank(record: Record) -> float:
    """0 stable, 1 borderline or inconclusive, 2 beyond or degenerate."""
    return {"stable": 0.0, "borderline": 1.0, "inconclusive": 1.0}.get(label(record), 2.0)


def to_theory(record: Record, key: str) -> float:
    """Depth over six depth scales of infinite width; 0 at a critical point, nan where there is no theory."""
    if not record["critical"]:
        return np.nan
    scale = record[key]
    return 0.0 if scale is None else record["depth"] / max(6 * scale, 1e-9)


Score = Callable[[Record, int], float]

SCORES: dict[str, Score] = {
    "typical change D": lambda record, _: typical(record),
    "D and the spread of draws": lambda record, _: typical_size(record),
    "label by 100 and 1000": lambda record, _: label_rank(record),
    "change of the trained draw": lambda record, draw: of_draw(record, draw),
    "change of one other draw": lambda record, _: of_draw(record, TRAINED),
    "label of one other draw": lambda record, _: one_draw_label(record, TRAINED),
    "output scale of one draw": lambda record, _: worst(record["output"][TRAINED]),
    "change of the mean": lambda record, _: worst(record["forward"]["mean"], record["backward"]["mean"]),
    "forward D alone": lambda record, _: typical(record, "forward"),
    "backward D alone": lambda record, _: typical(record, "backward"),
    "forward D, relative backward D": lambda record, _: typical(record, "forward", "relative"),
    "depth/width": lambda record, _: record["depth_over_width"],
    "depth": lambda record, _: float(record["depth"]),
    "signal lost": lambda record, _: -DEAD if record["sample_share"] is None else -record["sample_share"],
    "effective rank lost": lambda record, _: 0.0 if record["effective_rank"] is None else -record["effective_rank"],
    "theory: depth over 6 xi_c": lambda record, _: to_theory(record, "xi_c"),
    "theory: depth over 6 xi, the shortest": lambda record, _: to_theory(record, "xi"),
}  # fmt: skip

THEORY = ("theory: depth over 6 xi_c", "theory: depth over 6 xi, the shortest")

MAIN = "typical change D"


class Runs:
    """Runs of some records and optimisers.

    Attributes:
        records: that of each run.
        draws: its draw.
        network: its network's number.
        failed: 1.0 where it did not reach the target.
    """

    def __init__(self, records: Sequence[Record], cells: Sequence[str], *, lenient: bool = False) -> None:
        names = {name: place for place, name in enumerate(sorted({record["name"] for record in records}))}
        self.cases = [
            (record, cell, draw)
            for record in records
            for cell in cells
            if cell in record["cells"]
            for draw in range(TRAINED)
        ]
        self.network = np.array([names[record["name"]] for record, _, _ in self.cases], int)
        self.networks = len(names)
        self.failed = np.array(
            [float(not trains(record, cell, draw, lenient=lenient)) for record, cell, draw in self.cases]
        )

    def score(self, name: str) -> Vector:
        return np.array([SCORES[name](record, draw) for record, _, draw in self.cases])

    def weights(self, repeats: int) -> Vector:
        """Of each run in the sample itself and in that many bootstrap samples, (1 + repeats, runs)."""
        random = np.random.default_rng(0)
        counts = random.multinomial(self.networks, np.full(self.networks, 1 / self.networks), repeats)
        return np.vstack([np.ones(len(self.network)), counts[:, self.network]])


def trains(record: Record, cell: str, draw: int, *, lenient: bool = False) -> bool:
    """Whether the draw reached the target; leniently, whether it came as far as the easier one."""
    there = record["cells"][cell]
    return there["steps"][draw] is not None or (lenient and there["accuracy"][draw] >= LENIENT.get(record["task"], 1.0))


def auc(score: Vector, failed: Vector, weights: Vector) -> Vector:
    """The chance that a run that fails has the larger score than one that trains, ties half; (samples)."""
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    bad = np.add.reduceat(weights[:, order] * failed[order], starts, axis=1)
    good = np.add.reduceat(weights[:, order] * (1 - failed[order]), starts, axis=1)
    below = np.cumsum(good, axis=1) - good / 2
    with np.errstate(all="ignore"):
        return (bad * below).sum(axis=1) / (bad.sum(axis=1) * good.sum(axis=1))


def auc_within(score: Vector, failed: Vector, weights: Vector, part: Vector) -> Vector:
    """The same of pairs within one part, the parts taken by their pairs."""
    above, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for one in np.unique(part):
        here = part == one
        own = weights[:, here]
        count = (own * failed[here]).sum(axis=1) * (own * (1 - failed[here])).sum(axis=1)
        above += np.nan_to_num(auc(score[here], failed[here], own)) * count
        pairs += count
    with np.errstate(all="ignore"):
        return above / pairs


def interval(samples: Vector) -> list[float | None]:
    """The value and its 95 % bootstrap interval."""
    if not np.isfinite(samples[0]):
        return [None, None, None]
    spread = samples[1:][np.isfinite(samples[1:])]
    low, high = np.quantile(spread, [0.025, 0.975]) if spread.size else (samples[0], samples[0])
    return [round(float(one), 3) for one in (samples[0], low, high)]
