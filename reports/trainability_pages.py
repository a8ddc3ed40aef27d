"""The pages of `trainability_study.py`: its records in JSON, its tables in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from trainability_statistics import FAMILIES, LABELS, OPTIMISERS, TASKS, Record, summary

SHOWN = {"sgd": "SGD", "adam": "Adam"}
PARTS = tuple(f"{way} {task}" for way in OPTIMISERS for task in TASKS)
RIGHT = ("right", "right_at_2", "right_at_3")
METHOD = """\
## How it was done

- **Networks**: {families}; {widths}. Depth 3 to 32, log-uniform (to 16 at width 128, to 8 at 256), and of
  width 32 one in sixteen between 32 and 100. A chain is a scheme and an activation that are met together;
  a tilted chain has its gain off by 2 to 20 % or by up to 8 decades over its depth; residual stacks are
  without norm (scale 1, 1/sqrt(blocks) or 0.3), with the norm first or last; norm stacks have it before or
  behind the activation. Layer, batch and RMS norm. The head is linear with LeCun's variance, and not judged.
  `trainability_networks.py` is the whole law.
- **Judged**: 20 draws on one batch of 64 samples of the task, in float64. A draw's change is log10 of the last
  over the first judged output's second moment, and backward of the entries times the second moment of the
  gradient of the cross entropy; D is its mean over the draws. With fewer than four judged layers it is taken
  from the input. The label is that of the rule, limits 2 and 3 decades (100 and 1000 of variance), with
  Student's interval; of both directions the graver. The worse change of both directions is what scores use.
- **Tasks**: scikit-learn's digits (1797 samples, 64 standardised features, 10 classes), where a linear map
  already does well, and two arms of a spiral (1792 samples, 2 features), where none does: there a network
  has to bend what it hands on. {digits} networks are trained on digits, a random
  {spiral} of them on the spiral too.
- **Training**: three draws of each network, batches of 64, cross entropy, by SGD without momentum and by Adam
  (0.9, 0.999), each at seven step sizes (SGD 10^-4.5 to 1, Adam 10^-4.5 to 10^-1.5). After 80 steps the three
  of lowest loss go on. Norms have no gamma and beta, nothing is clipped, there is no weight decay.
  {warm} networks are trained with a linear warm-up of 50 steps too.
- **Trained** is a draw of which one step size reaches 80 % (digits) or 85 % (spiral) of the samples of ten
  batches in turn within 200 steps; a network of whose three draws two or three are.
- **AUC** is the chance that a run (a draw, a task, an optimiser) that fails has the larger score than one that
  trains: 0.5 is chance. Its intervals are bootstrap ones, 95 %, over networks. Intervals of shares are those
  of Clopper and Pearson, over networks; where tasks are together a network on two tasks counts as two.
"""
ABOUT_SCORES = """\
AUC. `one other draw` is a draw that is not trained; `output scale` the size of its last judged output against
1; `change of the mean` that of the mean over draws of the change itself, which infinite-width theory is about;
`relative` the sum over entries of x^2 g^2; `D and the spread` sqrt(D^2 + sd^2), sd over the draws; `signal
lost` the fall of the sample variance's share; theory's depth scales exist for plain chains alone.
"""
# Fewer networks that fail say nothing of a family.
FEW = 5
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
        closing(),
    )
    return "\n".join(line_ for part in parts for line_ in part) + "\n"


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


def percent(part: dict[str, Any]) -> str:
    """83 %."""
    return f"{100 * part['trained'] / part['cases']:.0f} %" if part["cases"] else "none"


def in_turn(part: dict[str, Any], names: Sequence[str] = ("stable", "borderline", "vanishing", "exploding")) -> str:
    """The shares of several labels."""
    return ", ".join(f"{name} {percent(part[name])}" for name in names)


def opening(found: dict[str, Any], made: str) -> list[str]:
    """What was found, in short."""
    return [
        "# Does the label predict training?",
        "",
        f"{found['networks']} networks, drawn as varprobe draws them, labelled, then trained. Made by",
        f"`python reports/trainability_study.py` in {found['seconds'] / 60:.0f} minutes of one core, with {made}.",
        "",
    ]


def method(found: dict[str, Any]) -> list[str]:
    """How it was done."""
    widths = ", ".join(f"{count} of width {width}" for width, count in found["widths"].items())
    families_ = ", ".join(f"{found['families'][name]} {name}s" for name in FAMILIES if name in found["families"])
    tasks = found["tasks"]
    text = METHOD.format(
        families=families_, widths=widths, digits=tasks["digits"], spiral=tasks["spiral"], warm=tasks["warm-up"]
    )
    return [*text.splitlines(), ""]


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
            with_interval(one["best"]),
            *(f"{100 * one[key]:.0f} %" if one[key] is not None else "-" for key in RIGHT),
        )
        for name, one in found["limits"].items()
    ]
    plain = [
        (f"{title(name)}, plain chains", with_interval(one["best"]), *(f"{100 * one[key]:.0f} %" for key in RIGHT))
        for name, one in found["limits_plain"].items()
        if one["right"] is not None
    ]
    return [
        "## Which limit would serve",
        "",
        "The single limit of D, in decades, at which the mean of two shares is largest: of the runs that train those",
        "below it, of those that fail those above it; and that mean at the limits of the rule.",
        *table(("", "best limit", "right there", "right at 2", "right at 3"), [*rows, *plain]),
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
            *(with_interval(one[key]) if one["failing"] >= FEW else "too few fail" for key in ("auc", "relative")),
            *(share(one["labels"][name]) for name in shown),
        )
        for family in FAMILIES
        if family in found["by_family"]
        for way, one in found["by_family"][family].items()
    ]
    return [
        "## Chains, residual stacks and norms",
        "",
        f"AUC of D, and of forward D with the relative backward one, where at least {FEW} networks fail.",
        *table(("family", "", "AUC of D", "AUC, relative", *shown), rows, left=2),
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
        "A draw that ends at 50 % of the digits or at 75 % of the spiral counts as trained too.",
        *table(("", *(title(name) for name in parts)), rows),
    ]


def closing() -> list[str]:
    """What it does not show."""
    return []
