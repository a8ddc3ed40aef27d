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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from varprobe.config.loading import Experiment
from varprobe.diagnose import examine, report_on
from varprobe.errors import VarprobeError
from varprobe.frozen import dataclass
from varprobe.gate.claim import Claim
from varprobe.gate.claims import claims_of
from varprobe.gate.difference import differ
from varprobe.gate.explanation import explain
from varprobe.gate.records import CHECK_VERSION, MAX_TRIALS, OUTCOMES, CheckOutcome, CheckResult, CheckRun, Decision
from varprobe.network.spec import NetworkSpec, Settings
from varprobe.probe.measure import measure, more
from varprobe.probe.measurement import Measurement
from varprobe.report.records import Report
from varprobe.theory.predict import predict
from varprobe.verdict.judge import Diagnosis
from varprobe.verdict.labels import Label, Outcome
from varprobe.verdict.possible import settle
from varprobe.verdict.records import ALPHA


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
    started, spec = time.perf_counter(), experiment.network
    settings = settings or spec.settings
    draw = drawer(spec, settings, progress)
    reached = decide(experiment, settings, draw, alpha=alpha, max_trials=max_trials, baseline=baseline)
    passed = reached.outcome == CheckOutcome.PASSED
    report = report_on(experiment, settings, reached.diagnosis, remedies=not passed)
    met = {decision.expectation: decision.outcome == Outcome.MET for decision in reached.decisions}
    return CheckResult(
        config=spec.place.source if spec.place else spec.name,
        name=spec.name,
        outcome=reached.outcome,
        decisions=tuple(
            explain(claim, decision, reached.outcome, report)
            for claim, decision in zip(reached.claims, reached.decisions, strict=True)
        ),
        trials=reached.diagnosis.case.trials,
        looks=reached.looks,
        alpha=alpha,
        max_trials=max_trials,
        seconds=time.perf_counter() - started,
        report=replace(report, expect=tuple(replace(one, met=met[one.what]) for one in report.expect)),
        since=differ(baseline, report) if baseline else None,
    )


Draw = Callable[[int, Measurement | None], Measurement]


def drawer(spec: NetworkSpec, settings: Settings, progress: Callable[[int, int], None] | None = None) -> Draw:
    """What gives the measurement of so many trials, those of the measurement before among them."""

    def draw(trials: int, before: Measurement | None) -> Measurement:
        here = replace(settings, trials=trials)
        return measure(spec, here, progress) if before is None else more(before, spec, here, progress)

    return draw


@dataclass(frozen=True)
class Reached:
    """Where a sequence of looks ended: the decision of each claim, what they came to, and all that was drawn."""

    claims: tuple[Claim, ...]
    decisions: tuple[Decision, ...]
    outcome: CheckOutcome
    diagnosis: Diagnosis
    looks: int


def decide(
    experiment: Experiment,
    settings: Settings,
    draw: Draw,
    *,
    alpha: float,
    max_trials: int,
    baseline: Report | None = None,
) -> Reached:
    """Looks at more and more trials until everything is decided, something has failed, or there are no more.

    Theory is asked once: it does not depend on the trials.

    Arguments:
        draw: as `drawer` makes it.
    """
    claims, spec = claims_of(experiment, baseline), experiment.network
    prediction, sizes = predict(spec, settings), looks(settings.trials, max_trials)
    decisions: Sequence[Decision | None] = [None] * len(claims)
    measurement, looked = None, 0
    for size, share in zip(sizes, shares(len(sizes)), strict=True):
        measurement, looked = draw(size, measurement), looked + 1
        diagnosis = examine(spec, settings, prediction, measurement)
        decided = [
            claim.decide(diagnosis, alpha / len(claims) * (1.0 if claim.at_once else share))
            if before is None or before.outcome == Outcome.UNDECIDED
            else before
            for claim, before in zip(claims, decisions, strict=True)
        ]
        if _worst(decided) != Outcome.UNDECIDED:
            break
        decisions = decided
    settled = tuple(map(_settle, claims, decided))
    worst = _worst(settled)
    outcome = CheckOutcome.PASSED if worst == Outcome.MET else CheckOutcome(worst)
    return Reached(claims, settled, outcome, diagnosis, looked)


def gather(checked: Sequence[CheckResult]) -> CheckRun:
    """What several checks come to."""
    worst = min((one.outcome for one in checked), key=OUTCOMES.index, default=CheckOutcome.PASSED)
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


def _worst(decisions: Iterable[Decision]) -> Outcome:
    found = {decision.outcome for decision in decisions}
    return next(outcome for outcome in Outcome if outcome in found)


def _settle(claim: Claim, decision: Decision) -> Decision:
    """A label that cannot be decided is as expected where `inconclusive` is."""
    outcome = settle(Outcome(decision.outcome), claim.labels)
    if outcome == decision.outcome:
        return decision
    return replace(decision, outcome=outcome, found=f"{Label.INCONCLUSIVE}: {decision.found}")
