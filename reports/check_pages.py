"""The counts of `check_study.py` summed up, and written as Markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from check_sums import RULES, SIDES, Result, is_opposite, labels, share, sides_of, wrong_checks

TRUE = ("stable", "borderline", "vanishing", "exploding", "degenerate", "open")
SAID = ("stable", "borderline", "vanishing", "exploding", "degenerate", "inconclusive")
# Of d: above it 20 draws in a group may well have a standard deviation of 4.92.
WIDE = 3.5


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
    return f"""A label of 20 draws is inconclusive where h is above ln 10, where the standard deviation of their d
is above 4.92: it says that the draws differ, not that the rule fails. {sum(wide):,} inconclusive labels are of
the {len(wide)} directions in which d has a standard deviation above {WIDE:g}: networks 4 to 16 wide, and deep ones of
smooth activations. In the other {len(others)} directions they are {_share(narrow)}.

The mean over draws is carried by few of them. Over the whole long run it lies in another region than D in
{mean["elsewhere"]} of {mean["directions"]} directions, and says the opposite in {mean["opposite"]}.

{open_} directions are borderline or open in truth; what is said of them is in the tables, and nothing of it counts as
opposite. Where a check cannot decide, the network lies near a limit, or nearly half of its draws are beyond 100-fold;
of the healthy that are {_share(healthy["undecided"])}, which exit with 1 and the number of draws that would do.

What it does not show: the networks are chosen by hand, so that a share pooled over them is of this list, not of what
people build. Forward and backward, and all groups of a network, are held to one truth, whose error they share: misses
come together, and their intervals in brackets are too narrow. Checks of a network that go on beyond their first look
share draws. A draw rarer than one in a thousand may be in no bank. The truth is of the same engine and the same
definition of d: whether that is the right question, `trainability_study.md` asks. Batches are small."""


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
