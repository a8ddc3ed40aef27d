"""The pages of `trainability_study.py`: its records in JSON, its tables in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from trainability_statistics import FAMILIES, LABELS, OPTIMISERS, TASKS, Record, summary

SHOWN = {"sgd": "SGD", "adam": "Adam"}
PARTS = tuple(f"{way} {task}" for way in OPTIMISERS for task in TASKS)
# Of the relative gradient only what the tables need.
LEFT_OUT = ("relative.h", "relative.spread", "relative.mean", "relative.draws")


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


def pack(records: Sequence[Record]) -> dict[str, list[Any]]:
    """A table of a row for each record; numbers to three decimals."""
    flat = [{path: rounded(value) for path, value in flattened(record)} for record in records]
    columns = sorted({path for one in flat for path in one})
    return {"columns": columns, "rows": [[one.get(path) for path in columns] for one in flat]}


def unpack(table: dict[str, Any]) -> list[Record]:
    """The records of a table."""
    records = []
    for row in table["rows"]:
        record: Record = {"cells": {}}
        for path, value in zip(table["columns"], row, strict=True):
            *over, key = path.split(".")
            if over[:1] == ["cells"] and value is None:
                continue
            place = record
            for name in over:
                place = place.setdefault(name, {})
            place[key] = value
        records.append(record)
    return records


def flattened(record: Record, over: str = "") -> Iterable[tuple[str, Any]]:
    """Every value with the path of its keys."""
    for key, value in record.items():
        path = f"{over}{key}"
        if isinstance(value, dict):
            yield from flattened(value, f"{path}.")
        elif path not in LEFT_OUT:
            yield path, value


def rounded(value: Any) -> Any:
    """Numbers to three decimals."""
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return round(value, 3) if isinstance(value, float) else value


def page(found: dict[str, Any], made: str) -> str:
    """All tables and what they say."""
    return (
        "\n".join(
            (
                *opening(found, made),
                *scores(found),
                *labels(found),
                *changes(found),
                *limits(found),
                *families(found),
                *stable_ones(found),
                *warm_up(found),
                *lenient(found),
                *edges(found),
                *closing(found),
            )
        )
        + "\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> list[str]:
    """Markdown; all columns but the first so many to the right."""
    marks = ["---" if place < left else "---:" for place in range(len(head))]
    return ["", *(f"| {' | '.join(row)} |" for row in (head, marks, *rows)), ""]


def with_interval(three: Sequence[float | None]) -> str:
    """0.81 (0.77 to 0.85)."""
    value, low, high = three
    return "-" if value is None else f"{value:.2f} ({low:.2f} to {high:.2f})"


def share(part: dict[str, Any]) -> str:
    """83 % of 40 (68 to 93)."""
    if not part["cases"]:
        return "-"
    low, high = 100 * part["low"], 100 * part["high"]
    return f"{100 * part['trained'] / part['cases']:.0f} % of {part['cases']} ({low:.0f} to {high:.0f})"


def title(name: str) -> str:
    """`SGD, digits` of `sgd digits`."""
    way, _, task = name.partition(" ")
    return ", ".join(filter(None, (SHOWN.get(way, way), task)))


def opening(found: dict[str, Any], made: str) -> list[str]:
    return ["# Does the label predict training?", "", made]


def scores(found: dict[str, Any]) -> list[str]:
    names = list(found["auc"]["all"])
    head = ("score", *(title(name) for name in found["auc"]))
    rows = [
        (name, *(with_interval(part[name]["auc"]) if name in part else "-" for part in found["auc"].values()))
        for name in names
    ]
    better = [
        (name, *(with_interval(part[name]["D_better_by"]) if name in part else "-" for part in found["auc"].values()))
        for name in names
    ]
    plain = [
        (name, *(with_interval(part[name]["auc"]) for part in found["auc_plain"].values()))
        for name in names
        if all(name in part for part in found["auc_plain"].values())
    ]
    return [
        "## Scores", *table(head, rows), "D better by:", *table(head, better), "plain chains:",
        *table(("score", *(title(name) for name in found["auc_plain"])), plain),
    ]  # fmt: skip


def labels(found: dict[str, Any]) -> list[str]:
    parts = found["labels"]
    rows = [(one, *(share(part[one]) for part in parts.values())) for one in LABELS]
    return ["## Labels", *table(("label", *(title(name) for name in parts)), rows)]


def changes(found: dict[str, Any]) -> list[str]:
    parts = found["changes"]
    spans = [bounds(one) for one in parts["sgd"]]
    rows = [(span, *(share(part[place]) for part in parts.values())) for place, span in enumerate(spans)]
    signs = [
        (span, *(share(found["signs"][sign][way][place]) for sign in found["signs"] for way in OPTIMISERS))
        for place, span in enumerate(spans)
    ]
    head = ("D", *(f"{sign}, {SHOWN[way]}" for sign in found["signs"] for way in OPTIMISERS))
    return ["## By change", *table(("D", *(title(name) for name in parts)), rows), *table(head, signs)]


def bounds(one: dict[str, Any]) -> str:
    return f"{one['from']:g} and more" if one["to"] is None else f"{one['from']:g} to {one['to']:g}"


def limits(found: dict[str, Any]) -> list[str]:
    rows = [
        (
            title(name),
            with_interval(one["best"]),
            *(
                f"{100 * one[key]:.0f} %" if one[key] is not None else "-"
                for key in ("right", "right_at_2", "right_at_3")
            ),
        )
        for name, one in found["limits"].items()
    ]
    return ["## Limits", *table(("", "best limit, decades", "right there", "right at 2", "right at 3"), rows)]


def families(found: dict[str, Any]) -> list[str]:
    rows = [
        (
            family,
            SHOWN[way],
            with_interval(one["auc"]),
            with_interval(one["relative"]),
            *(share(one["labels"][name]) for name in ("stable", "borderline", "vanishing", "exploding")),
            with_interval(one["limits"]["best"]),
        )
        for family in FAMILIES
        if family in found["by_family"]
        for way, one in found["by_family"][family].items()
    ]
    return [
        "## Families",
        *table(
            ("family", "", "AUC of D", "relative", "stable", "borderline", "vanishing", "exploding", "best limit"),
            rows,
            left=2,
        ),
    ]


def stable_ones(found: dict[str, Any]) -> list[str]:
    rows = [(name, *(share(part[cell]) for cell in PARTS)) for name, part in found["overlooked"].items()]
    return ["## Stable, and yet", *table(("stable networks with", *(title(name) for name in PARTS)), rows)]


def warm_up(found: dict[str, Any]) -> list[str]:
    rows = [
        (SHOWN[way], part, *(str(one[part][key]) for key in ("runs", "without", "with", "only_without", "only_with")))
        for way, one in found["warm_up"].items()
        for part in ("stable", "other")
    ]
    return [
        "## Warm-up",
        *table(("", "label", "runs", "train without", "train with", "only without", "only with"), rows, left=2),
        *(
            f"{SHOWN[way]} {with_interval(one['auc'])} {with_interval(one['auc_warm'])}"
            for way, one in found["warm_up"].items()
        ),
    ]


def lenient(found: dict[str, Any]) -> list[str]:
    parts = found["labels_lenient"]
    rows = [
        ("AUC of D", *(with_interval(found["auc_lenient"][name]) for name in parts)),
        *((one, *(share(part[one]) for part in parts.values())) for one in LABELS),
    ]
    return ["## Half of the way", *table(("", *(title(name) for name in parts)), rows)]


def edges(found: dict[str, Any]) -> list[str]:
    return [f"{SHOWN[way]}: {one}" for way, one in found["edges"].items()]


def closing(found: dict[str, Any]) -> list[str]:
    return []
