"""The counts of `check_study.py` summed up over networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from varprobe.verdict.intervals import binomial_interval
from varprobe.verdict.rule import region_of

Result = dict[str, Any]

SIDES = ("forward", "backward")
BROKEN = ("vanishing", "exploding", "degenerate")
# What a network is to a check; of all but the last it is known whether it should pass.
CLASSES = ("healthy", "error beside the labels", "borderline", "broken", "open")
RULES = {
    "within_10": "last/first of one draw within a factor 10, both ways",
    "within_100": "last/first of one draw within a factor 100, both ways",
    "output": "standard deviation of one draw's output within [0.5, 2]",
    "mean": "last/first in the mean over 20 draws within a factor 100, both ways",
    "label": "labels of 20 draws stable both ways",
}


def is_opposite(said: str, true: str) -> bool:
    """Stable against broken, or vanishing against exploding; nothing is opposite to borderline or open."""
    if true == "stable":
        return said in BROKEN
    return true in BROKEN and (said == "stable" or {said, true} == {"vanishing", "exploding"})


def class_of(result: Result) -> str:
    """What a network is to a check, by its long run."""
    true = {result[side]["truth"]["label"] for side in SIDES}
    if true & set(BROKEN):
        return "broken"
    known = next((label for label in ("borderline", "open") if label in true), None)
    return known or ("error beside the labels" if result["findings"] else "healthy")


def share(hits: int, cases: int) -> dict[str, Any]:
    """A number of cases, with the 95 % interval of its share by Clopper and Pearson."""
    low, high = binomial_interval(hits, cases, 0.05) if cases else (0.0, 1.0)
    return {"number": hits, "of": cases, "low": low, "high": high}


def summary(results: list[Result]) -> dict[str, Any]:
    """All that the tables say of several networks together."""
    kinds = dict.fromkeys(result["kind"] for result in results)
    some = {"all": results, **{kind: [one for one in results if one["kind"] == kind] for kind in kinds}}
    return {
        "networks": {name: len(here) for name, here in some.items()},
        "labels": {
            name: {str(one["draws"]): labels(here, place) for place, one in enumerate(results[0]["forward"]["groups"])}
            for name, here in some.items()
        },
        "checks": {one: checks([result for result in results if class_of(result) == one]) for one in CLASSES},
        "checks_all": checks(results),
        "rules": {one: rules([result for result in results if class_of(result) == one]) for one in CLASSES},
        "one": {name: single(here) for name, here in some.items()},
        "regions": regions(results),
    }


def labels(results: list[Result], place: int) -> dict[str, Any]:
    """Of groups of one size: opposite labels where the truth is known, inconclusive ones, intervals that miss."""
    cells = [(truth["label"], side["groups"][place]) for side, truth in sides_of(results)]
    known = sum(sum(one["labels"].values()) for true, one in cells if true not in ("borderline", "open"))
    every = sum(sum(one["labels"].values()) for _, one in cells)
    intervals = sum(one["intervals"] for _, one in cells)
    below, above = (sum(one[way] for _, one in cells) for way in ("below", "above"))
    return {
        "opposite": share(_opposite((one["labels"], true) for true, one in cells), known),
        "mean_opposite": share(_opposite((one["mean_labels"], true) for true, one in cells), known),
        "inconclusive": share(sum(one["labels"].get("inconclusive", 0) for _, one in cells), every),
        "missed": share(below + above, intervals),
        "below": below,
        "above": above,
    }


def sides_of(results: list[Result]) -> Iterator[tuple[Result, Result]]:
    """Both directions of every network, each with its truth."""
    return ((result[side], result[side]["truth"]) for result in results for side in SIDES)


def _opposite(cells: Iterable[tuple[dict[str, int], str]]) -> int:
    return sum(count for said, true in cells for label, count in said.items() if is_opposite(label, true))


def checks(results: list[Result]) -> dict[str, Any]:
    """How checks ended; draws are averaged over networks."""
    of = [result["checks"] for result in results]
    total = sum(one["checks"] for one in of)
    ends = {end: share(sum(one[end] for one in of), total) for end in ("passed", "failed", "undecided")}
    draws = sum(one["mean_draws"] for one in of) / len(of) if of else 0.0
    return {"networks": len(of), **ends, "mean_draws": draws}


def rules(results: list[Result]) -> dict[str, float]:
    """The share that each rule calls healthy, averaged over networks."""
    return {rule: sum(one["accepted"][rule] for one in results) / max(len(results), 1) for rule in RULES}


def single(results: list[Result]) -> dict[str, Any]:
    """Opposite labels of single draws, where the truth is known."""
    cells = [(side["one"], truth["label"]) for side, truth in sides_of(results)]
    known = sum(sum(said.values()) for said, true in cells if true not in ("borderline", "open"))
    return share(_opposite(cells), known)


def regions(results: list[Result]) -> dict[str, Any]:
    """Directions in which the mean over all of the long run lies elsewhere than D, or says the opposite."""
    known = [truth for _, truth in sides_of(results) if truth["label"] not in ("degenerate", "open")]
    found = [(region_of(truth["mean"]), truth["label"]) for truth in known]
    return {
        "directions": len(found),
        "elsewhere": sum(mean != true for mean, true in found),
        "opposite": sum(is_opposite(mean, true) for mean, true in found),
    }


def wrong_checks(totals: dict[str, Any]) -> dict[str, Any]:
    """Checks that fail a healthy network, or pass one that is known not to be; open ones have no right answer."""
    ends = [totals["checks"][one]["failed" if one == "healthy" else "passed"] for one in CLASSES[:-1]]
    return share(sum(one["number"] for one in ends), sum(one["of"] for one in ends))
