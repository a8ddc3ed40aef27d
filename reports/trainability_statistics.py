"""What the records of `trainability_study.py` come to: the tables of its page, as figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from trainability_limits import apart, compared, limits
from trainability_scores import (
    LABELS,
    LENIENT,
    MAIN,
    TRAINED,
    Record,
    Runs,
    Vector,
    auc,
    interval,
    label,
    trains,
    typical,
)

from varprobe.verdict.intervals import binomial_interval

# Of the rule's note on finite width: a spread of 1 in natural logs.
NOTED = 1 / np.log(10)

OPTIMISERS = ("sgd", "adam")

TASKS = ("digits", "spiral")

FAMILIES = ("chain", "tilted chain", "residual", "norm stack")

EDGES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, np.inf)

REPEATS = 1000


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
        "spread of draws below 0.2": lambda r: spread(r) < 0.2,
        "spread of draws 0.2 to 0.43": lambda r: 0.2 <= spread(r) < NOTED,
        "spread of draws 0.43 and more": lambda r: spread(r) >= NOTED,
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
    eased = {name: part for name, part in parts.items() if name.rpartition(" ")[2] in LENIENT}
    families = {
        family: {
            way: {
                "auc": interval(auc_of(own, [way], repeats)),
                "relative": interval(relative_auc(own, way, repeats)),
                "rank": interval(rank_auc([r for r in own if label(r) == "stable"], way, repeats)),
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
        "labels_lenient": {name: by_label(*part, lenient=True) for name, part in eased.items()},
        "auc_lenient": {name: interval(auc_of(*part, repeats, lenient=True)) for name, part in eased.items()},
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


def rank_auc(records: Sequence[Record], way: str, repeats: int) -> Vector:
    """Of the effective rank."""
    runs = Runs(records, [way])
    if not runs.cases:
        return np.array([np.nan])
    return auc(runs.score("effective rank lost"), runs.failed, runs.weights(repeats))


def sign_of(record: Record) -> str:
    """Whether the larger change is a loss or a growth."""
    changes = [record[way]["D"] or 0.0 for way in ("forward", "backward")]
    return "exploding" if max(changes, key=abs) > 0 else "vanishing"


def counted(records: Sequence[Record], key: str) -> dict[str, int]:
    """Networks by one of their properties."""
    names = {record["name"]: record[key] for record in records}
    return {str(value): list(names.values()).count(value) for value in sorted(set(names.values()))}
