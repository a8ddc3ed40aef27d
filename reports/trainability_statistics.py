"""What the records of `trainability_study.py` come to: AUCs, shares that train, the limits that would serve.

A run is one draw of a network on one task by one optimiser. A score ranks runs, large for those that are to fail.
Bootstrap intervals are 95 %, over networks: all runs of a network go together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.verdict.intervals import binomial_interval

Vector = NDArray[np.float64]
Record = dict[str, Any]

# Of section "labels" of the rule, in log10: within 100 stable, beyond 1000 vanishing or exploding.
STABLE, BEYOND = 2.0, 3.0
UNDECIDED = 1.0
# What a dead draw counts as, in decades.
DEAD = 99.0
TRAINED = 3
OPTIMISERS = ("sgd", "adam")
TASKS = ("digits", "spiral")
LABELS = ("stable", "borderline", "vanishing", "exploding", "inconclusive", "degenerate")
FAMILIES = ("chain", "tilted chain", "residual", "norm stack")
EDGES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, np.inf)
LENIENT = {"digits": 0.5, "spiral": 0.75}
DEPTHS = (6, 10, 16, 24, 33)
REPEATS = 1000
GRID = np.arange(0.2, 10.01, 0.1)


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
    """Whether the draw reached the target; leniently, whether it came as far as half of the way."""
    there = record["cells"][cell]
    return there["steps"][draw] is not None or (lenient and there["accuracy"][draw] >= LENIENT[record["task"]])


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


def compared(runs: Runs, repeats: int) -> dict[str, Any]:
    """The AUC of each score, and by how much that of the typical change is larger."""
    weights = runs.weights(repeats)
    main = runs.score(MAIN)
    found: dict[str, Any] = {}
    for name in SCORES:
        score = runs.score(name)
        known = np.isfinite(score)
        if not known.any():
            continue
        here = auc(score[known], runs.failed[known], weights[:, known])
        beside = auc(main[known], runs.failed[known], weights[:, known])
        found[name] = {"auc": interval(here), "D_beside": interval(beside)[0], "D_better_by": interval(beside - here)}
    return found


def apart(runs: Runs, repeats: int) -> dict[str, Any]:
    """What D says of networks of like depth, and depth and rank of networks of like D."""
    weights = runs.weights(repeats)
    depth = np.digitize(runs.score("depth"), DEPTHS)
    region_ = runs.score("label by 100 and 1000")
    spread = "D and the spread of draws"
    within = {
        "like depth": (depth, (MAIN, spread, "change of the trained draw", "effective rank lost")),
        "one label": (region_, ("depth", "depth/width", spread, "effective rank lost")),
    }
    return {
        what: {name: interval(auc_within(runs.score(name), runs.failed, weights, part)) for name in names}
        for what, (part, names) in within.items()
    }


def shares(records: Sequence[Record], cells: Sequence[str], *, lenient: bool = False) -> dict[str, Any]:
    """Of networks on a task by an optimiser those of which two or three of the three draws train; and of all runs."""
    cases = [(record, cell) for record in records for cell in cells if cell in record["cells"]]
    counts = [sum(trains(record, cell, draw, lenient=lenient) for draw in range(TRAINED)) for record, cell in cases]
    hits = sum(count >= 2 for count in counts)
    low, high = binomial_interval(hits, len(cases), 0.05) if cases else (0.0, 1.0)
    return {
        "cases": len(cases),
        "trained": hits,
        "low": round(low, 3),
        "high": round(high, 3),
        "runs": round(sum(counts) / (TRAINED * len(cases)), 3) if cases else None,
    }


def by_label(records: Sequence[Record], cells: Sequence[str], *, lenient: bool = False) -> dict[str, Any]:
    """The share that trains in each label."""
    return {one: shares([r for r in records if label(r) == one], cells, lenient=lenient) for one in LABELS}


def by_change(records: Sequence[Record], cells: Sequence[str]) -> list[dict[str, Any]]:
    """The share that trains between two typical changes."""
    return [
        {"from": low, "to": None if np.isinf(high) else high}
        | shares([record for record in records if low <= typical(record) < high], cells)
        for low, high in pairwise(EDGES)
    ]


def limits(runs: Runs, repeats: int) -> dict[str, Any]:
    """The limit of D that parts best what trains from what does not: by the mean of both shares that it has right."""
    weights, score = runs.weights(repeats), runs.score(MAIN)
    good, bad = weights * (1 - runs.failed), weights * runs.failed
    with np.errstate(all="ignore"):
        right = np.stack(
            [
                (
                    good[:, score <= limit].sum(axis=1) / good.sum(axis=1)
                    + bad[:, score > limit].sum(axis=1) / bad.sum(axis=1)
                )
                / 2
                for limit in GRID
            ],
            axis=1,
        )
    if not np.isfinite(right[0]).all():
        return {"best": [None, None, None], "right": None, "right_at_2": None, "right_at_3": None}
    # Of equals the one in the middle.
    tops = [np.flatnonzero(row >= row.max() - 1e-12) for row in right if np.isfinite(row).all()]
    best = interval(np.array([GRID[top[len(top) // 2]] for top in tops]))
    at = {limit: round(float(right[0, np.abs(GRID - limit).argmin()]), 3) for limit in (STABLE, BEYOND)}
    return {"best": best, "right": round(float(right[0].max()), 3), "right_at_2": at[STABLE], "right_at_3": at[BEYOND]}


def overlooked(records: Sequence[Record]) -> dict[str, Any]:
    """Where the label is stable: the share that trains, by effective rank, by depth/width, and by both."""
    stable = [record for record in records if label(record) == "stable"]

    def rank(record: Record) -> float:
        return record["effective_rank"] or 0.0

    def spread(record: Record) -> float:
        return max(record[way]["spread"] for way in ("forward", "backward"))

    parts: dict[str, Callable[[Record], bool]] = {
        "effective rank below 1.2": lambda r: rank(r) < 1.2,
        "effective rank 1.2 to 1.5": lambda r: 1.2 <= rank(r) < 1.5,
        "effective rank 1.5 to 3": lambda r: 1.5 <= rank(r) < 3,
        "effective rank 3 and more": lambda r: rank(r) >= 3,
        "depth/width below 0.25": lambda r: r["depth_over_width"] < 0.25,
        "depth/width 0.25 to 1": lambda r: 0.25 <= r["depth_over_width"] < 1,
        "depth/width 1 and more": lambda r: r["depth_over_width"] >= 1,
        "spread of draws below 0.3": lambda r: spread(r) < 0.3,
        "spread of draws 0.3 to 0.6": lambda r: 0.3 <= spread(r) < 0.6,
        "spread of draws 0.6 and more": lambda r: spread(r) >= 0.6,
        "depth below 10": lambda r: r["depth"] < 10,
        "depth 10 to 30": lambda r: 10 <= r["depth"] < 30,
        "depth 30 and more": lambda r: r["depth"] >= 30,
    }
    return {name: shares_by_cell([r for r in stable if holds(r)]) for name, holds in parts.items()}


def shares_by_cell(records: Sequence[Record]) -> dict[str, Any]:
    """For each optimiser and task."""
    return {
        f"{way} {task}": shares([r for r in records if r["task"] == task], [way])
        for way in OPTIMISERS
        for task in TASKS
    }


def warmed(records: Sequence[Record]) -> dict[str, Any]:
    """The same networks and draws without and with warm-up."""
    found: dict[str, Any] = {}
    for way in OPTIMISERS:
        both = [record for record in records if f"{way}+warm-up" in record["cells"]]
        pairs = [
            (label(record), trains(record, way, draw), trains(record, f"{way}+warm-up", draw))
            for record in both
            for draw in range(TRAINED)
        ]
        found[way] = {
            part: {
                "runs": len(chosen := [pair for pair in pairs if (pair[0] == "stable") == (part == "stable")]),
                "without": sum(pair[1] for pair in chosen),
                "with": sum(pair[2] for pair in chosen),
                "only_without": sum(pair[1] and not pair[2] for pair in chosen),
                "only_with": sum(pair[2] and not pair[1] for pair in chosen),
            }
            for part in ("stable", "other")
        } | {"auc": interval(auc_of(both, [way])), "auc_warm": interval(auc_of(both, [f"{way}+warm-up"]))}
    return found


def auc_of(records: Sequence[Record], cells: Sequence[str], repeats: int = REPEATS, *, lenient: bool = False) -> Vector:
    """Of the typical change."""
    runs = Runs(records, cells, lenient=lenient)
    if not runs.cases:
        return np.array([np.nan])
    return auc(runs.score(MAIN), runs.failed, runs.weights(repeats))


def at_the_edge(records: Sequence[Record]) -> dict[str, Any]:
    """Of the runs that trained, how many did so at the smallest and at the largest step size."""
    found = {}
    for way in OPTIMISERS:
        rates = [
            rate
            for record in records
            for rate, steps in zip(record["cells"][way]["rate"], record["cells"][way]["steps"], strict=True)
            if steps is not None
        ]
        found[way] = {"runs": len(rates), "rates": {f"{rate:g}": rates.count(rate) for rate in sorted(set(rates))}}
    return found


def groups(records: Sequence[Record]) -> dict[str, tuple[list[Record], tuple[str, ...]]]:
    """Each optimiser on each task, each optimiser, all."""
    found: dict[str, tuple[list[Record], tuple[str, ...]]] = {
        f"{way} {task}": ([r for r in records if r["task"] == task], (way,)) for way in OPTIMISERS for task in TASKS
    }
    found |= {way: (list(records), (way,)) for way in OPTIMISERS}
    found |= {"all": (list(records), OPTIMISERS)}
    return {name: part for name, part in found.items() if part[0]}


def summary(records: Sequence[Record], repeats: int = REPEATS) -> dict[str, Any]:
    """Everything that the page shows."""
    parts = groups(records)
    plain = [record for record in records if not record["has_norm"] and record["family"] != "residual"]
    families = {
        family: {
            way: {
                "auc": interval(auc_of(own, [way], repeats)),
                "relative": interval(relative_auc(own, way, repeats)),
                "failing": shares(own, [way])["cases"] - shares(own, [way])["trained"],
                "labels": by_label(own, [way]),
                "limits": limits(Runs(own, [way]), repeats),
            }
            for way in OPTIMISERS
        }
        for family, own in ((family, [r for r in records if r["family"] == family]) for family in FAMILIES)
        if own
    }
    return {
        "networks": len({record["name"] for record in records}),
        "records": len(records),
        "seconds": round(sum(record["seconds"] for record in records)),
        "tasks": {task: sum(record["task"] == task for record in records) for task in TASKS}
        | {"warm-up": sum("sgd+warm-up" in record["cells"] for record in records)},
        "widths": counted(records, "width"),
        "families": counted(records, "family"),
        "auc": {name: compared(Runs(*part), repeats) for name, part in parts.items()},
        "apart": {name: apart(Runs(*part), repeats) for name, part in parts.items() if name in OPTIMISERS},
        "auc_plain": {
            name: compared(Runs(plain, part[1]), repeats) for name, part in parts.items() if name in OPTIMISERS
        },
        "labels": {name: by_label(*part) for name, part in parts.items() if name != "all"},
        "labels_lenient": {name: by_label(*part, lenient=True) for name, part in parts.items() if name != "all"},
        "auc_lenient": {name: interval(auc_of(*part, repeats, lenient=True)) for name, part in parts.items()},
        "changes": {name: by_change(*part) for name, part in parts.items() if name != "all"},
        "limits": {name: limits(Runs(*part), repeats) for name, part in parts.items()},
        "limits_plain": {way: limits(Runs(plain, [way]), repeats) for way in OPTIMISERS},
        "signs": {
            sign: {way: by_change([r for r in plain if sign_of(r) == sign], [way]) for way in OPTIMISERS}
            for sign in ("vanishing", "exploding")
        },
        "by_family": families,
        "overlooked": overlooked(records),
        "warm_up": warmed(records),
        "edges": at_the_edge(records),
    }


def relative_auc(records: Sequence[Record], way: str, repeats: int) -> Vector:
    """Of forward D and the relative backward D."""
    runs = Runs(records, [way])
    return auc(runs.score("forward D, relative backward D"), runs.failed, runs.weights(repeats))


def sign_of(record: Record) -> str:
    """Whether the larger change is a loss or a growth."""
    changes = [record[way]["D"] or 0.0 for way in ("forward", "backward")]
    return "exploding" if max(changes, key=abs) > 0 else "vanishing"


def counted(records: Sequence[Record], key: str) -> dict[str, int]:
    """Networks by one of their properties."""
    names = {record["name"]: record[key] for record in records}
    return {str(value): list(names.values()).count(value) for value in sorted(set(names.values()))}
