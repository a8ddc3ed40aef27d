"""The pages of `trainability_study.py`: its records in JSON, its tables in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from trainability_limits import RIGHT
from trainability_records import pack, unpack
from trainability_scores import LABELS, Record
from trainability_statistics import FAMILIES, OPTIMISERS, TASKS, summary
from trainability_words import ABOUT_SCORES, SHOWN, closing, method, opening, share, with_interval

PARTS = tuple(f"{way} {task}" for way in OPTIMISERS for task in TASKS)

# Fewer networks that fail say nothing of a family.
FEW = 5


def line(record: Record) -> str:
    """One record, for the terminal."""
    ways = " ".join(f"{way} {record[way]['D']}" for way in ("forward", "backward"))
    cells = ", ".join(f"{name} {cell['steps']}" for name, cell in record["cells"].items())
    return f"{record['name']}, {record['task']}: {ways}; {cells}; {record['seconds']} s"


def write(folder: Path, records: Sequence[Record], made: str) -> None:
    """Both files, from the same records."""
    table = pack(records)
    found = summary(unpack(table))
    rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in table["rows"])
    head = json.dumps({"made": made, "summary": found, "columns": table["columns"]}, separators=(",", ":"))
    (folder / "trainability_study.json").write_text(f'{head[:-1]},\n"rows":[\n{rows}\n]}}\n')
    (folder / "trainability_study.md").write_text(page(found, made))


def page(found: dict[str, Any], made: str) -> str:
    """All tables and what they say."""
    parts = (
        opening(found, made),
        method(found),
        labels(found),
        changes(found),
        limits(found),
        scores(found),
        families(found),
        stable_ones(found),
        warm_up(found),
        lenient(found),
        closing(found),
    )
    return "\n".join(line_ for part in parts for line_ in part) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> list[str]:
    """Markdown; all columns but the first so many to the right."""
    marks = ["---" if place < left else "---:" for place in range(len(head))]
    return ["", *(f"| {' | '.join(row)} |" for row in (head, marks, *rows)), ""]


def title(name: str) -> str:
    """`SGD, digits` of `sgd digits`."""
    way, _, task = name.partition(" ")
    return ", ".join(filter(None, (SHOWN.get(way, way), task)))


def labels(found: dict[str, Any]) -> list[str]:
    """The share that trains in each label."""
    parts = found["labels"]
    rows = [
        (one, *(share(part[one]) for part in parts.values()))
        for one in LABELS
        if any(part[one]["cases"] for part in parts.values())
    ]
    return [
        "## The share that trains, by label",
        "",
        "Per cent of so many networks, with the interval.",
        *table(("label", *(title(name) for name in parts)), rows),
    ]


def changes(found: dict[str, Any]) -> list[str]:
    """The share that trains by D, and by its sign."""
    parts = found["changes"]
    spans = [bounds(one) for one in parts["sgd"]]
    rows = [(span, *(share(part[place]) for part in parts.values())) for place, span in enumerate(spans)]
    signs = [
        (span, *(share(found["signs"][sign][way][place]) for sign in found["signs"] for way in OPTIMISERS))
        for place, span in enumerate(spans)
    ]
    head = ("decades", *(f"{sign}, {SHOWN[way]}" for sign in found["signs"] for way in OPTIMISERS))
    return [
        "## The share that trains, by the typical change",
        "",
        "D of the worse direction, in decades of variance, without the interval of the label.",
        *table(("decades", *(title(name) for name in parts)), rows),
        "Plain chains alone, both tasks together, by the sign of the larger change:",
        *table(head, signs),
    ]


def bounds(one: dict[str, Any]) -> str:
    """From where to where."""
    return f"{one['from']:g} and more" if one["to"] is None else f"{one['from']:g} to {one['to']:g}"


def limits(found: dict[str, Any]) -> list[str]:
    """Which limit would serve."""
    rows = [
        (
            title(name),
            with_interval(one["half"]),
            with_interval(one["best"]),
            *(f"{100 * one[key]:.0f} %" if one[key] is not None else "-" for key in RIGHT),
        )
        for name, one in found["limits"].items()
    ]
    plain = [
        (
            f"{title(name)}, plain chains",
            with_interval(one["half"]),
            with_interval(one["best"]),
            *(f"{100 * one[key]:.0f} %" for key in RIGHT),
        )
        for name, one in found["limits_plain"].items()
        if one["right"] is not None
    ]
    return [
        "## Which limit would serve",
        "",
        "`half` is the change from which on fewer than half of the runs train, by the best falling fit to their share;",
        "12 is the end of the scale. `best` is the single limit of D at which the mean of two shares is largest: of",
        "the runs that train those below it, of those that fail those above it; `right` is that mean, there and at the",
        "limits of the rule.",
        *table(("decades", "half", "best", "right there", "right at 2", "right at 3"), [*rows, *plain]),
    ]


def scores(found: dict[str, Any]) -> list[str]:
    """D against other rules."""
    names = list(found["auc"]["all"])
    parts = found["auc"]
    head = ("score", *(title(name) for name in parts))
    rows = [
        (name, *(with_interval(part[name]["auc"]) if name in part else "-" for part in parts.values()))
        for name in names
    ]
    better = [
        (name, *(with_interval(part[name]["D_better_by"]) if name in part else "-" for part in parts.values()))
        for name in names
        if name != "typical change D"
    ]
    plain = [
        (name, *(with_interval(part[name]["auc"]) for part in found["auc_plain"].values()))
        for name in names
        if all(name in part for part in found["auc_plain"].values())
    ]
    within = [
        (what, name, *(with_interval(found["apart"][way][what][name]) for way in found["apart"]))
        for what in found["apart"]["sgd"]
        for name in found["apart"]["sgd"][what]
    ]
    return [
        "## D against other scores",
        "",
        *ABOUT_SCORES.splitlines(),
        *table(head, rows),
        "By how much the AUC of D is larger, on the same runs:",
        *table(head, better),
        "Plain chains alone:",
        *table(("score", *(title(name) for name in found["auc_plain"])), plain),
        "AUC among pairs of like depth (3 to 5, 6 to 9, 10 to 15, 16 to 23, 24 to 32, deeper), and among pairs of one",
        "label (stable; borderline or inconclusive; beyond):",
        *table(("pairs of", "score", *(title(way) for way in found["apart"])), within, left=2),
    ]


def families(found: dict[str, Any]) -> list[str]:
    """Chains, residual stacks and norms apart."""
    shown = ("stable", "borderline", "vanishing", "exploding")
    rows = [
        (
            family,
            SHOWN[way],
            *(
                with_interval(one[key]) if one["failing"] >= FEW else "too few fail"
                for key in ("auc", "relative", "rank")
            ),
            *(share(one["labels"][name]) for name in shown),
        )
        for family in FAMILIES
        if family in found["by_family"]
        for way, one in found["by_family"][family].items()
    ]
    return [
        "## Chains, residual stacks and norms",
        "",
        "AUC of D, of forward D with the relative backward one, and of the effective rank among stable networks alone,",
        f"where at least {FEW} networks fail.",
        *table(("family", "", "AUC of D", "AUC, relative", "AUC of rank, stable", *shown), rows, left=2),
    ]


def stable_ones(found: dict[str, Any]) -> list[str]:
    """What the label does not see."""
    cells = [cell for cell in PARTS if any(cell in part for part in found["overlooked"].values())]
    rows = [(name, *(share(part[cell]) for cell in cells)) for name, part in found["overlooked"].items()]
    return [
        "## Stable, and yet not trained",
        "",
        "The share that trains of networks labelled stable. The effective rank is that of the batch at the last judged",
        "output; the spread is the standard deviation of the change over the draws, in decades.",
        *table(("stable networks with", *(title(name) for name in cells)), rows),
    ]


def warm_up(found: dict[str, Any]) -> list[str]:
    """The same draws without and with warm-up."""
    keys = ("runs", "without", "with", "only_without", "only_with")
    rows = [
        (SHOWN[way], part, *(str(one[part][key]) for key in keys))
        for way, one in found["warm_up"].items()
        for part in ("stable", "other")
    ]
    aucs = "; ".join(
        f"{SHOWN[way]} {with_interval(one['auc'])} without, {with_interval(one['auc_warm'])} with"
        for way, one in found["warm_up"].items()
    )
    return [
        "## Warm-up",
        "",
        "The same draws on digits without and with it, at the best step size of each.",
        *table(("", "label", "runs", "train without", "train with", "only without", "only with"), rows, left=2),
        f"AUC of D on them: {aucs}.",
        "",
    ]


def lenient(found: dict[str, Any]) -> list[str]:
    """With an easier target."""
    parts = found["labels_lenient"]
    rows = [
        ("AUC of D", *(with_interval(found["auc_lenient"][name]) for name in parts)),
        *(
            (one, *(share(part[one]) for part in parts.values()))
            for one in LABELS
            if any(part[one]["cases"] for part in parts.values())
        ),
    ]
    return [
        "## With an easier target",
        "",
        "A draw that ends at 50 % of the digits counts as trained too.",
        *table(("", *(title(name) for name in parts)), rows),
    ]
