"""Expectation -> claims, in the order of the config. A new kind of expectation is one more line of `claims_of`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from varprobe.config.expectation import HEALTHY, Expectation
from varprobe.config.loading import Experiment
from varprobe.diagnose import expects_stable, label_sides
from varprobe.gate.baseline import baseline_claim
from varprobe.gate.claim import Claim
from varprobe.gate.direction_claims import label_claim, range_claim
from varprobe.gate.finding_claims import findings_claim, theory_claim
from varprobe.gate.layer_claims import bound_claim, format_claim, limit_claim
from varprobe.network.description import describe_rows
from varprobe.network.spec import NetworkSpec
from varprobe.network.statistics import STATISTICS
from varprobe.report.records import Report
from varprobe.verdict.judged import find_deep_half, pick_points, stretches
from varprobe.verdict.possible import OVERALL


def claims_of(experiment: Experiment, baseline: Report | None = None) -> tuple[Claim, ...]:
    """What a network is held to: its `expect`, or stability both ways, and a baseline.

    Raises:
        ConfigError: for an expectation that such a network cannot have.
    """
    expect = _expectation(experiment.expect)
    found = [*_of_directions(expect, experiment.network), *_of_layers(expect, experiment.network)]
    if expect.theory:
        found.append(theory_claim(expect.lines.get("theory")))
    if expects_stable(expect):
        found.append(findings_claim(expect.allow, expect.lines.get("allow")))
    if baseline is not None:
        found.append(baseline_claim(baseline))
    return tuple(found)


def _expectation(expect: Expectation | None) -> Expectation:
    """What the config says; where that is nothing but what to allow, a healthy network."""
    if expect is None:
        return HEALTHY
    if replace(expect, allow=()) == Expectation():
        return replace(HEALTHY, allow=expect.allow, lines=expect.lines)
    return expect


def _of_directions(expect: Expectation, spec: NetworkSpec) -> Iterator[Claim]:
    for what, labels in sorted(label_sides(expect).items(), key=lambda side: side[0] == OVERALL):
        yield label_claim(what, labels, expect.lines.get(what))
    has_rate = bool(expect.rate) and find_deep_half(stretches(pick_points(describe_rows(spec)))) is not None
    for what in ("rate", "total_log10"):
        for bound in getattr(expect, what):
            yield range_claim(what, bound, expect.lines.get(f"{what}.{bound.side}"), spec, has_rate=has_rate)


def _of_layers(expect: Expectation, spec: NetworkSpec) -> Iterator[Claim]:
    for bound in expect.layers:
        yield bound_claim(bound, expect.lines.get(f"layers.{bound.key}.{bound.statistic}"))
    for name in ("saturated", "dead"):
        limit = getattr(expect, name)
        if limit is not None:
            statistic = STATISTICS[f"activation.{name}"]
            rows = [
                row
                for row, step in enumerate(spec.rows, 1)
                if step.layer.kind in ("dense", "activation") and statistic.belongs(step.layer, spec.settings.batch)
            ]
            yield limit_claim(name, limit, tuple(rows), expect.lines.get(name))
    for name in expect.safe_in:
        yield format_claim(name, expect.lines.get("safe_in"))
