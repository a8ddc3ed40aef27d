"""The counts of `check_study.py` summed up, and written as Markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from varprobe.verdict.intervals import binomial_interval
from varprobe.verdict.rule import region_of

Result = dict[str, Any]

SIDES = ("forward", "backward")
BROKEN = ("vanishing", "exploding", "degenerate")
TRUE = ("stable", "borderline", "vanishing", "exploding", "degenerate", "open")
SAID = ("stable", "borderline", "vanishing", "exploding", "degenerate", "inconclusive")
# What a network is to a check; of all but the last it is known whether it should pass.
CLASSES = ("healthy", "error beside the labels", "borderline", "broken", "open")
# Of d: above it 20 draws in a group may well have a standard deviation of 4.92.
WIDE = 3.5
RULES = {
    "within_10": "last/first of one draw within a factor 10, both ways",
    "within_100": "last/first of one draw within a factor 100, both ways",
    "output": "standard deviation of one draw's output within [0.5, 2]",
    "mean": "last/first in the mean over 20 draws within a factor 100, both ways",
    "label": "labels of 20 draws stable both ways",
}


def file_name(name: str) -> str:
    """A network's name as a file's."""
    return re.sub(r"[^a-z0-9.+-]+", "_", name.lower())


def line(result: Result) -> str:
    """One network, on one line."""
    sides = []
    for side in SIDES:
        truth, groups = result[side]["truth"], result[side]["groups"]
        missed = "/".join(f"{one['below']}+{one['above']} of {one['intervals']}" for one in groups)
        labels = [", ".join(f"{count} {label}" for label, count in one["labels"].items()) for one in groups]
        sides.append(f"{side} {truth['label']} {_total(truth)}; {'; '.join(labels)}; missed {missed}")
    ends = f"{_ends(result)}, {result['checks']['mean_draws']:.0f} draws, {result['checks']['unmet']}"
    return f"{result['name']}: {'; '.join(sides)}; {ends}; {result['findings']}; {result['seconds']:.0f} s"


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


def page(results: list[Result], totals: dict[str, Any], made: str) -> str:
    """All counts in Markdown."""
    places = {one["draws"]: place for place, one in enumerate(results[0]["forward"]["groups"])}
    parts = [
        _head(results, totals, made),
        _section("Aims", _aims(totals)),
        _section("How to read it", _reading(results, totals)),
        *(_section(f"{size} draws: what was said", _confusion(results, place)) for size, place in places.items()),
        _section("Labels, by kind", _by_kind(totals)),
        _section("Intervals, by kind", _coverage(totals)),
        _section("`varprobe check`", _checks(totals)),
        _section("Rules of one draw, and the mean over draws", _rules(totals)),
        _section("The worst networks", _worst(results)),
        *(_section(kind.capitalize(), _table([one for one in results if one["kind"] == kind]))
          for kind in totals["networks"] if kind != "all"),
    ]  # fmt: skip
    return "\n".join(parts)


def _section(title: str, *texts: str) -> str:
    return "\n".join([f"## {title}", "", *(f"{text}\n" for text in texts if text)])


def _head(results: list[Result], totals: dict[str, Any], made: str) -> str:
    truth, judged = ([result["draws"][place] for result in results] for place in (0, 1))
    return f"""# How often labels, intervals and `varprobe check` are wrong

{len(results)} networks of {len(totals["networks"]) - 1} kinds, 4 to 1,024 wide and 3 to 400 layers deep, in float32 on
batches of 4 to 32. Each has two banks of draws of its own seed. The first, of {min(truth)} to {max(truth)} draws, says
what is true: D, the mean over draws of d, the natural log of the change from the first judged layer to the last. A
truth is known where three standard errors about D touch neither ln 100 nor ln 1000, and where the share of dead draws
is as surely on one side of one half; else it is open. The second, of {min(judged)} to {max(judged):,}, is cut into
groups of 20 and of 100 draws, no draw in two of a size, and each is judged as `varprobe run` judges so many trials.
`varprobe check`, with its default expectations (stable both ways, no error-level finding), alpha 0.001 and 400 draws at
most, begins once at each group of 20 and goes on through the bank, from its end to its beginning.
Made by `python reports/check_study.py` with {made}.

A label is opposite where it says stable of what vanishes, explodes or dies, one of these of what is stable, or
vanishing for exploding. Nothing is opposite to a truth that is borderline or open: those are counted apart. An interval
misses where it and the truth are farther apart than Student's t allows for both their errors. Intervals in brackets
are of Clopper and Pearson, 95 %.
"""


def _aims(totals: dict[str, Any]) -> str:
    few, many = totals["labels"]["all"].values()
    wrong = wrong_checks(totals)
    rows = [
        ["opposite labels at 20 draws", "at most 0.1 %", _share(few["opposite"])],
        ["opposite labels at 100 draws", "none", _share(many["opposite"])],
        ["inconclusive at 20 draws", "at most 2 %", _share(few["inconclusive"])],
        ["95 % intervals of D that miss, at 20 draws", "at most 7 %", _share(few["missed"])],
        ["95 % intervals of D that miss, at 100 draws", "at most 7 %", _share(many["missed"])],
        ["checks that fail the healthy or pass what is not", "at most 0.1 %", _share(wrong)],
        ["mean draws of a check", "at most 75", f"{totals['checks_all']['mean_draws']:.1f}"],
    ]
    return _grid(["what", "aim", "found"], rows, left=3)


def _reading(results: list[Result], totals: dict[str, Any]) -> str:
    sides = [(truth, side["groups"][0]["labels"]) for side, truth in sides_of(results)]
    wide = [said.get("inconclusive", 0) for truth, said in sides if (truth["spread"] or 0.0) > WIDE]
    others = [said for truth, said in sides if (truth["spread"] or 0.0) <= WIDE]
    narrow = share(sum(one.get("inconclusive", 0) for one in others), sum(sum(one.values()) for one in others))
    mean, healthy = totals["regions"], totals["checks"]["healthy"]
    open_ = sum(truth["label"] in ("borderline", "open") for truth, _ in sides)
    return f"""A label of 20 draws is inconclusive where h is above ln 10, which is where the standard deviation of
their d is above 4.92: it says that the draws differ, not that the rule fails. {sum(wide):,} of the inconclusive
labels are of the {len(wide)} directions in which d has a standard deviation above {WIDE:g}: networks 4 to 8 wide and
deep ones of smooth
activations. In the other {len(others)} directions the share is {_share(narrow)}.

The mean over draws is carried by few of them. Over the whole long run it lies in another region than D in
{mean["elsewhere"]} of {mean["directions"]} directions, and says the opposite in {mean["opposite"]}.

{open_} directions are borderline or open in truth; what is said of them is in the tables, and nothing of it counts as
opposite. Networks of which a check cannot decide lie near a limit; {_share(healthy["undecided"])} of the checks of
healthy ones end so, with exit code 1 and the number of draws that would do.

What it does not show: the networks are chosen by hand, so that a share pooled over them is of this list, not of what
people build. Forward and backward, and all groups of a network, are held to one truth, whose error they share: misses
come together, and their intervals in brackets are too narrow. Checks of a network that go on beyond their first look
share draws. A draw rarer than one in a thousand may be in no bank. Batches are small; larger ones spread d less."""


def wrong_checks(totals: dict[str, Any]) -> dict[str, Any]:
    """Checks that fail a healthy network, or pass one that is known not to be; open ones have no right answer."""
    ends = [totals["checks"][one]["failed" if one == "healthy" else "passed"] for one in CLASSES[:-1]]
    return share(sum(one["number"] for one in ends), sum(one["of"] for one in ends))


def _grid(heads: Iterable[str], rows: Iterable[Iterable[str]], left: int = 1) -> str:
    heads = list(heads)
    rule = ["---"] * left + ["---:"] * (len(heads) - left)
    return "\n".join([f"| {' | '.join(heads)} |", f"|{'|'.join(rule)}|", *(f"| {' | '.join(row)} |" for row in rows)])


def _confusion(results: list[Result], place: int) -> str:
    counts: dict[str, Counter[str]] = {true: Counter() for true in TRUE}
    directions = Counter(truth["label"] for _, truth in sides_of(results))
    for side, truth in sides_of(results):
        counts[truth["label"]].update(side["groups"][place]["labels"])
    rows = [
        [
            f"{true} ({directions[true]})",
            *(_marked(counts[true][said], opposite=is_opposite(said, true)) for said in SAID),
        ]
        for true in TRUE
        if directions[true]
    ]
    return _grid(["in truth (directions)", *SAID], rows)


def _marked(count: int, *, opposite: bool) -> str:
    return f"**{count:,}**" if opposite else f"{count:,}"


def _by_kind(totals: dict[str, Any]) -> str:
    rows = []
    for kind, here in totals["labels"].items():
        cells = [_share(one[what]) for what in ("opposite", "inconclusive") for one in here.values()]
        rows.append([kind, str(totals["networks"][kind]), *cells])
    sizes = list(totals["labels"]["all"])
    heads = [f"{what}, {size} draws" for what in ("opposite", "inconclusive") for size in sizes]
    return _grid(["kind", "networks", *heads], rows)


def _coverage(totals: dict[str, Any]) -> str:
    sizes = list(totals["labels"]["all"])
    rows = [
        [
            kind,
            *(cell for one in here.values() for cell in (_share(one["missed"]), f"{one['below']:,}, {one['above']:,}")),
        ]
        for kind, here in totals["labels"].items()
    ]
    heads = [f"{head}, {size} draws" for size in sizes for head in ("missed", "below, above")]
    return _grid(["kind", *heads], rows)


def _checks(totals: dict[str, Any]) -> str:
    found = {**totals["checks"], "all": totals["checks_all"]}
    rows = [
        [
            name,
            str(one["networks"]),
            *(_share(one[end]) for end in ("passed", "failed", "undecided")),
            f"{one['mean_draws']:.0f}",
        ]
        for name, one in found.items()
        if one["networks"]
    ]
    return _grid(["in truth", "networks", "passed", "failed", "could not decide", "mean draws"], rows)


def _rules(totals: dict[str, Any]) -> str:
    healthy, broken = totals["rules"]["healthy"], totals["rules"]["broken"]
    rows = [[words, _percent(1 - healthy[rule]), _percent(broken[rule])] for rule, words in RULES.items()]
    ends = [totals["checks"][one] for one in ("healthy", "broken")]
    rows.append(["`varprobe check`: fails, passes", *(_percent(one[end]["number"] / max(one[end]["of"], 1))
                 for one, end in zip(ends, ("failed", "passed"), strict=True))])  # fmt: skip
    accepted = _grid(["rule", "healthy it rejects", "broken it accepts"], rows)
    first = next(iter(totals["labels"]["all"]))
    others = [
        [kind, _share(totals["one"][kind]), _share(here[first]["mean_opposite"]), _share(here[first]["opposite"])]
        for kind, here in totals["labels"].items()
    ]
    heads = ["opposite label", "of one draw", f"of the mean over {first} draws", f"of `varprobe run`, {first} draws"]
    return f"{accepted}\n\n{_grid(heads, others)}"


def _worst(results: list[Result]) -> str:
    found = {one["name"]: labels([one], 0) for one in results}
    columns = [sorted(found, key=lambda name: _rate(found[name][what]), reverse=True)[:10]
               for what in ("opposite", "inconclusive", "missed")]  # fmt: skip
    cells = [
        [f"{name}: {_share(found[name][what], short=True)}" if found[name][what]["number"] else "" for name in column]
        for what, column in zip(("opposite", "inconclusive", "missed"), columns, strict=True)
    ]
    slowest = sorted(results, key=lambda one: one["checks"]["mean_draws"], reverse=True)[:10]
    cells.append([f"{one['name']}: {one['checks']['mean_draws']:.0f}" for one in slowest])
    heads = ["opposite", "inconclusive", "missed", "draws of a check"]
    return _grid(heads, zip(*cells, strict=True), left=4)


def _rate(one: dict[str, Any]) -> float:
    return float(one["number"] / max(one["of"], 1))


def _table(results: list[Result]) -> str:
    rows = []
    for result in results:
        few, many = (labels([result], place) for place in (0, 1))
        rows.append([
            result["name"],
            *(_total(result[side]["truth"]) for side in SIDES),
            _class(result),
            f"{few['opposite']['number']}, {few['inconclusive']['number']} of {few['inconclusive']['of']}",
            f"{few['missed']['number']} of {few['missed']['of']}",
            f"{many['opposite']['number']}, {many['inconclusive']['number']} of {many['inconclusive']['of']}",
            _ends(result),
            f"{result['checks']['mean_draws']:.0f}",
        ])  # fmt: skip
    heads = ["network", "forward D (sd)", "backward D (sd)", "in truth", "20: opposite, inconclusive", "20: missed",
             "100: opposite, inconclusive", "passed, failed, not decided", "draws"]  # fmt: skip
    return _grid(heads, rows)


def _class(result: Result) -> str:
    true = [result[side]["truth"]["label"] for side in SIDES]
    words = true[0] if true[0] == true[1] else " / ".join(true)
    return "; ".join([words, *result["findings"]])


def _ends(result: Result) -> str:
    return ", ".join(str(result["checks"][end]) for end in ("passed", "failed", "undecided"))


def _total(truth: dict[str, Any]) -> str:
    dead = f", {100 * truth['dead']:.0f} % dead" if truth["dead"] else ""
    if truth["total"] is None or truth["spread"] is None:
        return f"none lives{dead}"
    return f"{truth['total']:+.2f} +- {truth['error']:.2f} ({truth['spread']:.2g}{dead})"


def _share(one: dict[str, Any], *, short: bool = False) -> str:
    if not one["of"]:
        return ""
    number = f"{one['number']:,} of {one['of']:,}"
    return number if short else f"{number} ({100 * one['low']:.3g} to {100 * one['high']:.3g} %)"


def _percent(part: float) -> str:
    return f"{100 * part:.2f} %"
