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
from varprobe.gate.head_claims import loss_claim, rank_claim, scale_claim
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
    spec = experiment.network
    found = [*_of_directions(expect, spec), *_of_head(expect, spec), *_of_layers(expect, spec)]
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


def _of_head(expect: Expectation, spec: NetworkSpec) -> Iterator[Claim]:
    if expect.head_scale is not None:
        yield scale_claim(expect.head_scale, expect.lines.get("head.scale"))
    if expect.initial_loss is not None:
        yield loss_claim(expect.initial_loss, expect.lines.get("initial_loss"))
    if expect.effective_rank is not None:
        rows = [point.row + 1 for point in pick_points(describe_rows(spec)) if not point.layer.is_head]
        yield rank_claim(expect.effective_rank, rows, expect.lines.get("effective_rank"))


def _of_layers(expect: Expectation, spec: NetworkSpec) -> Iterator[Claim]:
    for bound in expect.layers:
        yield bound_claim(bound, expect.lines.get(f"layers.{bound.key}.{bound.statistic}"))
    if expect.saturated is not None:
        rows, limit = _bending_rows(spec, "saturated"), expect.saturated
        yield limit_claim("saturated", limit.share, rows, expect.lines.get("saturated"), limit.above)
    if expect.dead is not None:
        yield limit_claim("dead", expect.dead, _bending_rows(spec, "dead"), expect.lines.get("dead"))
    for name in expect.safe_in:
        yield format_claim(name, expect.lines.get("safe_in"))


def _bending_rows(spec: NetworkSpec, name: str) -> tuple[int, ...]:
    """The report's rows, from 1, of dense and activation layers that have that statistic of their values."""
    statistic, batch = STATISTICS[f"activation.{name}"], spec.settings.batch
    rows = ((row, step.layer) for row, step in enumerate(spec.rows, 1))
    return tuple(
        row for row, layer in rows if layer.kind in ("dense", "activation") and statistic.belongs(layer, batch)
    )
