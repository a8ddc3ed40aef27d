"""Sentences and cells that reporters of sweeps share."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any

from varprobe.formatting import count, printable
from varprobe.reporters.verdict_phrases import DIRECTIONS, total_cell
from varprobe.sweeps.axes import numbers
from varprobe.sweeps.records import Axis, Sweep, SweepPoint

# Failed points whose reasons are told, and names that a title tells.
_TOLD, _NAMED = 3, 6
# The overall labels, from the best to the worst, and the letter of each where there is no room for a word.
LETTERS = {"stable": "s", "borderline": "b", "inconclusive": "i", "vanishing": "v", "exploding": "e", "degenerate": "d"}

# Settings in words, by the end of their path; the longest that fits is taken.
_SETTINGS = {
    "init": "initialiser",
    "init.name": "initialiser",
    "init.gain": "weight gain",
    "init.std": "weight standard deviation",
    "init.scale": "weight scale",
    "init.mode": "fan",
    "init.distribution": "weight distribution",
    "init.slope": "slope that the weights allow for",
    "init.sw": "weight spread sigma_w",
    "init.sb": "bias spread sigma_b",
    "activation": "activation",
    "activation.name": "activation",
    "activation.slope": "negative slope",
    "bias": "bias",
    "bias.std": "bias standard deviation",
    "dense": "width",
    "dense.width": "width",
    "repeat": "depth",
    "dropout": "drop probability",
    "norm": "norm",
    "norm.kind": "norm",
    "norm.eps": "epsilon of the norm",
    "residual.scale": "branch scale",
    "residual.skip": "skip scale",
    "input.features": "input features",
    "input.distribution": "input distribution",
    "input.mean": "input mean",
    "input.std": "input standard deviation",
    "probe.batch": "batch size",
    "probe.trials": "trials",
    "probe.seed": "seed",
    "probe.dtype": "precision",
    "probe.engine": "engine",
    "probe.gradient": "objective",
}
_INDEX = re.compile(r"\[(\d+)\]")


def setting_words(sweep: Sweep, axis: Axis) -> str:
    """What an axis changes, in words: "weight gain", "depth"; which entry of the layers, where there are several.

    A setting without words of its own is told by the end of its path.
    """
    names = _INDEX.sub(r".\1", axis.path).split(".")
    entries = [name for name in names if name.isdigit()]
    bare = [name for name in names if not name.isdigit()]
    ends = (".".join(bare[start:]) for start in range(len(bare)))
    known = next((_SETTINGS[end] for end in ends if end in _SETTINGS), "")
    words = known or " ".join(bare[-2:] if bare[0] in ("defaults", "layers") else bare).replace("_", " ")
    layers = sweep.spec.get("layers")
    if not entries or not isinstance(layers, list) or len(layers) == 1 or _is_only_one(layers, known):
        return printable(words)
    return printable(f"{'repeats' if words == 'depth' else words} of layers[{']['.join(entries)}]")


def _is_only_one(layers: list[Any], words: str) -> bool:
    """Whether a depth is that of the one entry which is repeated."""
    repeated = [one for one in layers if isinstance(one, dict) and one.get("repeat", 1) != 1]
    return words == "depth" and len(repeated) == 1


def sweep_title(sweep: Sweep) -> str:
    """The network and its axes in a line."""
    return (
        f"{printable(sweep.name)}: {count(len(sweep.points), 'point')} over {' and '.join(map(axis_words, sweep.axes))}"
    )


def axis_words(axis: Axis) -> str:
    """A setting and the ends of its values; names stand in no order, and are all told where they are few."""
    first, last = axis.values[0], axis.values[-1]
    if numbers(axis) is None:
        few = len(axis.values) <= _NAMED
        return printable(f"{axis.path} ({', '.join(axis.values) if few else count(len(axis.values), 'value')})")
    return printable(f"{axis.path} ({first}{f' to {last}' if len(axis.values) > 1 else ''})")


def made_line(sweep: Sweep) -> str:
    """How each point was measured."""
    s = sweep.settings
    return f"{count(s.trials, 'trial')} of batch {s.batch:,} a point, {printable(s.dtype)}, seed {s.seed}"


def counts_line(sweep: Sweep) -> str:
    """How many points have each label."""
    labels = [point.verdict.overall for point in sweep.points if point.verdict]
    failed = sum(bool(point.failure) for point in sweep.points)
    parts = [f"{labels.count(label)} {label}" for label in LETTERS if label in labels]
    return ", ".join([*parts, *([f"{failed} failed"] if failed else [])])


def label_lines(sweep: Sweep) -> list[str]:
    """Of a sweep over one setting, for which of its values each label holds; the best label last."""
    axis, values = sweep.axes[0], sweep.axes[0].values
    labels = ["failed" if point.verdict is None else point.verdict.overall for point in sweep.points]
    lines = []
    for label in ("failed", *reversed(LETTERS)):
        runs = [
            [place for place, _ in run]
            for found, run in groupby(enumerate(labels), lambda one: one[1])
            if found == label
        ]
        if not runs:
            continue
        ordered = numbers(axis) is not None
        told = [
            text
            for run in runs
            for text in (
                [f"{values[run[0]]} to {values[run[-1]]}"] if ordered and len(run) > 1 else [values[at] for at in run]
            )
        ]
        more = f" and {len(told) - _NAMED:,} more" if len(told) > _NAMED else ""
        amount = count(sum(map(len, runs)), "point")
        name = axis.path.rsplit(".", 1)[-1]
        lines.append(printable(f"{label}: {name} {', '.join(told[:_NAMED])}{more} ({amount})"))
    return lines


def failure_lines(sweep: Sweep) -> list[str]:
    """Why points failed, for the first few."""
    failed = [point for point in sweep.points if point.failure]
    lines = [printable(f"failed at {' '.join(point.values)}: {point.failure}") for point in failed[:_TOLD]]
    return lines + ([f"and {len(failed) - _TOLD:,} more"] if len(failed) > _TOLD else [])


def verdict_cells(point: SweepPoint) -> list[str]:
    """Label and the change in a typical draw forward and backward, and the signal's label."""
    if point.verdict is None:
        return ["failed", "", "", "", ""]
    forward, backward, signal = (getattr(point.verdict, name) for name in DIRECTIONS)
    return [forward.label, total_cell(forward), backward.label, total_cell(backward), signal.label]


def letter(point: SweepPoint) -> str:
    """The label's letter; x where the point failed."""
    return "x" if point.verdict is None else LETTERS.get(point.verdict.overall, "?")


def letter_words(sweep: Sweep) -> str:
    """What the letters of a sweep's points stand for."""
    used = {letter(point) for point in sweep.points}
    return ", ".join(
        [
            *(f"{mark} {label}" for label, mark in LETTERS.items() if mark in used),
            *(["x failed"] if "x" in used else []),
        ]
    )
