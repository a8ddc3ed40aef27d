"""A network held to what is expected of it, by as many trials as it takes.

Trials are looked at when there are `probe.trials` of them, and whenever their number has doubled, up to `max_trials`.
Every expectation has the same share of alpha. Of that the last look has half, since what it leaves undecided is not
met, and the looks before it, whose errors are known least, share the other half (Bonferroni); what is decided at once
has all of it. Whatever the looks and expectations have to do with each other, the chance that any decision is wrong is
at most alpha, as far as Student's t holds; `reports/check_study.md` counts how far. What is decided stays decided;
drawing ends when everything is, or something has failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from varprobe.config.loading import Experiment
from varprobe.diagnose import report_on
from varprobe.errors import VarprobeError
from varprobe.frozen import dataclass
from varprobe.gate.claims import claims_of
from varprobe.gate.evidence import Claim, Evidence
from varprobe.gate.records import ALPHA, CHECK_VERSION, MAX_TRIALS, OUTCOMES, CheckResult, CheckRun, Decision
from varprobe.network.spec import Settings
from varprobe.probe.measure import measure, more
from varprobe.probe.measurement import Measurement
from varprobe.report.records import Report


def check(
    experiment: Experiment,
    settings: Settings | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    alpha: float = ALPHA,
    max_trials: int = MAX_TRIALS,
    baseline: Report | None = None,
) -> CheckResult:
    """Holds a network to its `expect`, or to stability both ways where it has none.

    Arguments:
        experiment: a network as its config has it, from `load`.
        settings: how to measure; by default what the config says.
        progress: called after every pass through a layer with how many are done and how many there are in this look.
        alpha: the chance that any decision is wrong, over all of them and over all looks.
        max_trials: draw no more; what is undecided then is not met.
        baseline: a report of the same network, from which no statistic of a layer may have drifted.

    Raises:
        VarprobeError: where the network cannot be measured, or cannot have what is expected of it.
    """
    if not 0 < alpha < 1:
        raise VarprobeError(f"alpha is a chance between 0 and 1, given {alpha:g}", hint=f"the usual one is {ALPHA:g}")
    if max_trials < 1:
        raise VarprobeError(
            f"max_trials must be at least 1, given {max_trials}", hint=f"the usual ones are {MAX_TRIALS}"
        )
    started = time.perf_counter()
    spec = experiment.network
    settings = settings or spec.settings

    def drawn(trials: int, before: Measurement | None) -> Measurement:
        here = replace(settings, trials=trials)
        return measure(spec, here, progress) if before is None else more(before, spec, here, progress)

    reached = decide(experiment, settings, drawn, alpha=alpha, max_trials=max_trials, baseline=baseline)
    used = replace(settings, trials=reached.measurement.trials)
    report = report_on(experiment, used, reached.measurement, remedies=reached.outcome != "passed")
    return CheckResult(
        config=spec.place.source if spec.place else spec.name,
        name=spec.name,
        outcome=reached.outcome,
        decisions=tuple(_explained(decision, reached.outcome, report) for decision in reached.decisions),
        trials=used.trials,
        looks=reached.looks,
        alpha=alpha,
        max_trials=max_trials,
        seconds=time.perf_counter() - started,
        report=report,
    )


@dataclass(frozen=True)
class Reached:
    """Where a sequence of looks ended: the decisions, what they came to, and all that was drawn."""

    decisions: tuple[Decision, ...]
    outcome: str
    measurement: Measurement
    looks: int


def decide(
    experiment: Experiment,
    settings: Settings,
    draw: Callable[[int, Measurement | None], Measurement],
    *,
    alpha: float,
    max_trials: int,
    baseline: Report | None = None,
) -> Reached:
    """Looks at more and more trials until everything is decided, something has failed, or there are no more.

    Arguments:
        draw: gives the measurement of so many trials, those of the measurement before among them.
    """
    claims = claims_of(experiment, baseline)
    sizes = looks(settings.trials, max_trials)
    decisions: tuple[Decision, ...] = ()
    measurement, looked = None, 0
    for size, share in zip(sizes, shares(len(sizes)), strict=True):
        measurement, looked = draw(size, measurement), looked + 1
        evidence = Evidence(experiment, replace(settings, trials=size), measurement)
        levels = [alpha / len(claims) * (1.0 if claim.at_once else share) for claim in claims]
        decisions = _decided(claims, decisions, evidence, levels)
        outcomes = {decision.outcome for decision in decisions}
        if "failed" in outcomes or "undecided" not in outcomes:
            break
    assert measurement is not None
    decisions = tuple(map(_excused, decisions))
    return Reached(decisions, _outcome(decisions), measurement, looked)


def gathered(checked: list[CheckResult]) -> CheckRun:
    """What several checks come to."""
    worst = min((one.outcome for one in checked), key=OUTCOMES.index, default="passed")
    return CheckRun(CHECK_VERSION, worst, tuple(checked))


def looks(trials: int, most: int) -> tuple[int, ...]:
    """The numbers of trials at which a check looks.

    >>> looks(20, 400), looks(20, 20), looks(50, 10)
    ((20, 40, 80, 160, 320, 400), (20,), (10,))
    """
    sizes = [min(trials, most)]
    while sizes[-1] < most:
        sizes.append(min(2 * sizes[-1], most))
    return tuple(sizes)


def shares(count: int) -> tuple[float, ...]:
    """What each of so many looks may spend of an expectation's chance of error: the last half, the others the rest.

    >>> shares(1), shares(3)
    ((1.0,), (0.25, 0.25, 0.5))
    """
    return (*(0.5 / (count - 1) for _ in range(count - 1)), 0.5) if count > 1 else (1.0,)


def _decided(
    claims: tuple[Claim, ...], before: tuple[Decision, ...], evidence: Evidence, levels: list[float]
) -> tuple[Decision, ...]:
    """The decisions on this evidence; what was decided before stays."""
    if not before:
        return tuple(claim.decide(evidence, level) for claim, level in zip(claims, levels, strict=True))
    return tuple(
        claim.decide(evidence, level) if decision.outcome == "undecided" else decision
        for claim, decision, level in zip(claims, before, levels, strict=True)
    )


def _excused(decision: Decision) -> Decision:
    """A label that cannot be decided is as expected where `inconclusive` is."""
    if decision.outcome == "undecided" and "inconclusive" in decision.wanted.split(" or "):
        return replace(decision, outcome="met", found=f"inconclusive: {decision.found}")
    return decision


def _outcome(decisions: tuple[Decision, ...]) -> str:
    outcomes = {decision.outcome for decision in decisions}
    return "failed" if "failed" in outcomes else "undecided" if "undecided" in outcomes else "passed"


def _explained(decision: Decision, outcome: str, report: Report) -> Decision:
    """What has not been met, with the layer where trouble begins and the remedy, as the report has them."""
    if decision.outcome == "met":
        return decision
    if decision.outcome == "undecided":
        if outcome == "failed":
            return replace(decision, remedy="Not pursued: the check had failed already.", needed=None)
        more_trials = f"Run with --max-trials {decision.needed}." if decision.needed else ""
        return replace(decision, remedy=more_trials or decision.remedy)
    side = decision.expectation.rpartition(".")[2]
    labels = ("degenerate", "exploding", "vanishing", "borderline")
    codes = {"signal": ("collapsed-signal",)}.get(side, tuple(f"{side}-{label}" for label in labels))
    cause = next((finding for finding in report.verdict.findings if finding.code in codes), None)
    if cause is None or decision.remedy:
        return decision
    line = report.layers[cause.layer - 1].line if cause.layer else None
    return replace(decision, remedy=cause.remedy, layer=decision.layer or cause.layer, line=line or decision.line)
