"""The counts of `check_study.py` summed up, and written as Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from varprobe.verdict.intervals import binomial_interval

# How far depth over width goes that rates are stated for; what is beyond stands apart.
NARROW = 1.6
KINDS = ("healthy", "narrow", "broken", "between")
SOURCES = ("replayed", "fresh")
RULES = {
    "change": "last/first of one draw within [0.1, 10], both ways",
    "mean_change": "last/first of the means over 20 draws within [0.1, 10], both ways",
    "output": "standard deviation of one draw's output within [0.5, 2]",
}

Result = dict[str, Any]
Event = Callable[[Result], int]


def file_name(name: str) -> str:
    """A network's name as a file's."""
    return re.sub(r"[^a-z0-9.+-]+", "_", name.lower())


def line(result: Result) -> str:
    """One network, on one line."""
    one = result["replayed"]
    ends = f"{one['passed']}/{one['failed']}/{one['undecided']} ({one['mean_trials']:.0f} trials, {one['unmet']})"
    sides = ", ".join(
        f"{result[side]['total']:+.2f} +- {result[side]['error']:.2f}" for side in ("forward", "backward")
    )
    return f"{result['name']}: {result['group']} {sides}; {ends}, astray {one['astray']}; {result['seconds']:.0f} s"


def kind_of(result: Result) -> str:
    """The class of a network in the tables: of what is healthy, what is too narrow for its depth apart."""
    narrow = result["group"] == "healthy" and result["depth_over_width"] > NARROW
    return "narrow" if narrow else str(result["group"])


def summary(results: list[Result]) -> dict[str, Any]:
    """By class and source the shares of each end, pooled and of the worst network; and what the usual rules do."""
    found: dict[str, Any] = {}
    for kind in KINDS:
        here = [result for result in results if kind_of(result) == kind]
        for source in SOURCES:
            found[f"{kind} {source}"] = _ends(here, source)
        found[f"{kind} rules"] = {rule: _mean([result["rules"][rule] for result in here]) for rule in RULES}
    return found


def _ends(results: list[Result], source: str) -> dict[str, Any]:
    counts = [result[source] for result in results]
    checks = sum(one["checks"] for one in counts)
    found: dict[str, Any] = {
        "networks": len(counts),
        "checks": checks,
        "mean_trials": sum(one["mean_trials"] * one["checks"] for one in counts) / checks if checks else 0.0,
    }
    for end in ("passed", "failed", "undecided", "astray"):
        hits = [one[end] or 0 for one in counts]
        shares = [one[end] / one["checks"] for one in counts if one["checks"] and one[end] is not None]
        low, high = binomial_interval(sum(hits), checks, 0.05) if checks else (0.0, 1.0)
        found[end] = {"number": sum(hits), "low": low, "high": high, "worst": max(shares, default=0.0)}
    return found


def _mean(shares: list[float]) -> float:
    return sum(shares) / len(shares) if shares else 0.0


def page(results: list[Result], totals: dict[str, Any], rates: list[Result], made: str, replays: int) -> str:
    """All counts in Markdown."""
    parts = [_head(results, made, replays), _pooled(totals), _astray(results), _rules(results, totals)]
    parts += [*(_table(results, kind) for kind in KINDS), _told(rates)]
    return "\n".join(parts)


def _head(results: list[Result], made: str, replays: int) -> str:
    return f"""# How often `varprobe check` is wrong

{len(results)} networks, each with a bank of 400 to 1,000 trials in float32. The bank says what a network is:
healthy, where T, the natural log of the change over the depth, is within +-1.6 both ways; broken, where it is beyond
6.9 one way; between otherwise, or where the bank leaves it open (95 %). What `check` decides, with its default
expectations (stable both ways, no error-level finding), alpha 0.001 and 400 trials at most, was replayed
{replays:,} times a network on trials drawn from its bank with replacement, and done afresh with seeds of its own.
Made by `python reports/check_study.py` with {made}.

What a bank of some hundred trials does not hold, no replay shows: a draw rarer than one in a thousand is met by fresh
checks alone, of which there are fewer. The intervals are of Clopper and Pearson, 95 %; those of replays are of these
banks, not of the networks.
"""


def _pooled(totals: dict[str, Any]) -> str:
    lines = ["| networks | checks | passed | failed | could not decide | worst: failed | worst: not decided | trials |",
             "|---|---:|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    names = {
        "healthy": f"healthy, depth/width to {NARROW}",
        "narrow": f"healthy, depth/width above {NARROW}",
        "broken": "broken",
        "between": "between",
    }
    for kind in KINDS:
        for source in SOURCES:
            one = totals[f"{kind} {source}"]
            worst = [f"{100 * one[end]['worst']:.2f} %" for end in ("failed", "undecided")]
            cells = [f"{one['networks']} {names[kind]}", f"{one['checks']:,} {source}"]
            cells += [_share(one, end) for end in ("passed", "failed", "undecided")]
            lines.append(f"| {' | '.join([*cells, *worst, format(one['mean_trials'], '.0f')])} |")
    return "\n".join(["## Pooled", "", *lines, ""])


def _share(one: Result, end: str) -> str:
    hits = one[end]
    return f"{hits['number']:,} ({100 * hits['low']:.4g} to {100 * hits['high']:.4g} %)"


def _astray(results: list[Result]) -> str:
    worst = max(results, key=lambda result: result["replayed"]["astray"])
    others = [result["replayed"] for result in results if result is not worst]
    hits, checks = sum(one["astray"] for one in others), sum(one["checks"] for one in others)
    low, high = (100 * share for share in binomial_interval(hits, checks, 0.05))
    return f"""Whether alpha is kept, the intervals of T say that decisions rest on: in {hits:,} of {checks:,} replays
({low:.3f} to {high:.3f} %) one of them did not hold the bank's T, where 0.067 % are allowed (two of three
expectations). Left out there is "{worst["name"]}" with {worst["replayed"]["astray"]:,} of
{worst["replayed"]["checks"]:,}: a few of its draws are millions of times larger than a typical one and carry the mean,
so that 20 or 40 draws know T less well than they show. Student's t cannot see what has not been drawn.
"""


def _rules(results: list[Result], totals: dict[str, Any]) -> str:
    healthy = [result for result in results if kind_of(result) == "healthy"]
    steady = [result for result in healthy if result["rules"]["mean_change"] > 0]
    lines = ["| rule | healthy it rejects | steady ones it rejects | broken it accepts |", "|---|---:|---:|---:|"]
    for rule, words in RULES.items():
        rejected = [1 - totals["healthy rules"][rule], 1 - _mean([result["rules"][rule] for result in steady])]
        shares = [f"{100 * share:.1f} %" for share in (*rejected, totals["broken rules"][rule])]
        lines.append(f"| {' | '.join([words, *shares])} |")
    rejected = [_not_passed(some) for some in (healthy, steady)]
    missed = totals["broken replayed"]["passed"]["number"] / max(1, totals["broken replayed"]["checks"])
    shares = [f"{100 * share:.3f} %" for share in (*rejected, missed)]
    lines.append(f"| {' | '.join(['`varprobe check`, replayed', *shares])} |")
    text = f"""Shares of the draws, or of 2,000 means, averaged over the {len(healthy)} healthy networks with
depth/width to {NARROW} and over the broken ones. {len(steady)} of the healthy are steady: in the others the first
layers alone change the signal more than tenfold, as slow decay does, and a rule for first and last layer is bound to
reject them."""
    return "\n".join(["## The usual rules on the same banks", "", text, "", *lines, ""])


def _not_passed(results: list[Result]) -> float:
    counts = [result["replayed"] for result in results]
    return 1 - sum(one["passed"] for one in counts) / max(1, sum(one["checks"] for one in counts))


def _table(results: list[Result], kind: str) -> str:
    lines = [
        "| network | T forward | T backward | passed, failed, not decided | trials: mean, most | astray | fresh "
        "| trials |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for result in results:
        if kind_of(result) != kind:
            continue
        replayed, fresh = result["replayed"], result["fresh"]
        ends = [", ".join(f"{one[end]:,}" for end in ("passed", "failed", "undecided")) for one in (replayed, fresh)]
        sides = [f"{result[side]['total']:+.2f} +- {result[side]['error']:.2f}" for side in ("forward", "backward")]
        spent = f"{replayed['mean_trials']:.0f}, {replayed['max_trials']}"
        cells = [
            result["name"],
            *sides,
            ends[0],
            spent,
            f"{replayed['astray']}",
            ends[1],
            f"{fresh['mean_trials']:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    note = "Astray: replays in which an interval of T that a decision rests on does not hold the bank's T." if (
        kind == KINDS[0]) else ""  # fmt: skip
    return "\n".join([f"## {kind.capitalize()}", "", *([note, ""] if note else []), *lines, ""])


def _told(rates: list[Result]) -> str:
    lines = [
        "relu with He, 256 x 20, batch 32, its weights scaled so that the forward rate is as said, held to a range of",
        "rates alone (`expect: {rate: {forward: [LOW, HIGH]}}`).",
        "",
        "| rate | held to | most trials | passed, failed, not decided | trials: mean, most | fresh |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for one in rates:
        aim, replayed, fresh = one["aim"], one["replayed"], one["fresh"]
        ends = [", ".join(f"{of[end]:,}" for end in ("passed", "failed", "undecided")) for of in (replayed, fresh)]
        spent = f"{replayed['mean_trials']:.0f}, {replayed['max_trials']}"
        cells = [f"{one['rate']:g}", f"{aim['low']:g} to {aim['high']:g}", str(aim["most"]), ends[0], spent, ends[1]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(["## A rate that is off by 5 %", "", *lines, ""])
