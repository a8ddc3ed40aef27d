"""What to change as the remedy of findings: each cause once, by what edits, what comes of it, and what it mends."""

from __future__ import annotations

import math
from collections.abc import Iterator

from varprobe.advice.amendments import find_amendments
from varprobe.advice.changes import find_changes
from varprobe.advice.lone_cures import find_lone_cures
from varprobe.advice.plan import Plan, find_plan
from varprobe.advice.plan_words import options_of, tell_outcome, tell_plan
from varprobe.advice.ways import By
from varprobe.config.loading import Experiment
from varprobe.errors import VarprobeError
from varprobe.frozen import dataclass
from varprobe.network.spec import NetworkSpec, Settings
from varprobe.theory.predict import predict
from varprobe.verdict.agreement import foresee
from varprobe.verdict.case import Case, foresee_case
from varprobe.verdict.findings import FINDINGS
from varprobe.verdict.judge import conclude
from varprobe.verdict.labels import Severity
from varprobe.verdict.ranges import format_ranges
from varprobe.verdict.records import Amendment, Verdict

# Bias variance of the edge of chaos that is proposed against a slow decay.
_EDGE_BIAS = 0.05
# Rows above which a search would take seconds.
_DEEPEST = 3000
# Findings of a change over the depth, which a search may mend, and of one in the first layers alone.
_LABELS = ("vanishing", "exploding", "borderline")
DEPTH = {"jump", "excursion", "chaotic", *(f"{way}-{label}" for way in ("forward", "backward") for label in _LABELS)}
START = {"levelling-off"}
# Zeros, which no scale changes, but an input, biases or a mean may be the cause of.
DEAD = {"forward-degenerate", "backward-degenerate"}
CURABLE = DEPTH | START
_INPUT = {"input-scale", "input-offset", "input-columns"}
# What only trials show, and goes with a cause.
_GOES_WITH = {
    By.INPUT: {"saturated", "dead-units", "input-columns", "rank-collapse"},
    By.BIAS: {"saturated", "dead-units", "rank-collapse", "dead-trials"},
    By.MEAN: {"rank-collapse", "dead-units", "non-finite"},
    By.SCHEME: {"rank-collapse", "dead-units", "dead-trials", "saturated", "non-finite"},
}
_GOES_WITH_LESS = {"saturated", "non-finite"}
_DRAWS = {"finite-width", "scattered", "inconclusive", "rank-collapse", "theory-ends", "float16-range"}
# Where units are one, batch norm sees two rows, or a branch is frozen, what else is found comes after it.
_AFTER = {
    "symmetric-units": DEPTH | START | {"rank-collapse"},
    "frozen-branch": {"zero-branch", "dead-units"},
    "small-batch": DEPTH | START | DEAD | _DRAWS,
}
# What exact zeros bring with them.
_ZEROS = DEAD | {"collapsed-signal", "dead-units", "rank-collapse", "dead-trials", "zero-branch"}
# What a change may move without having been its cause: these have a remedy of their own.
ALONE = {"width-ratio", "theory-ends", "theory-mismatch", "inconclusive"}
# Where one of these is found, remedies take a search.
SEARCHED = CURABLE | DEAD | _INPUT | set(_AFTER) | {"large-head", "fan-mode", "branch-count", "saturated"}
_ACCEPT = "Accept a slow, not exponential, decay in the first layers"


@dataclass(frozen=True)
class Cure:
    """A remedy, where it stands, and what it does.

    Attributes:
        code: of the finding that it is the remedy of.
        text: empty where the finding's own says it.
        mends: codes of the findings that are gone with it.
        follows: codes of those that are to be looked at after it.
        is_whole: it mends them; else it is all that can be said of them.
        changes: what it changes.
    """

    code: str
    text: str
    mends: frozenset[str] = frozenset()
    follows: frozenset[str] = frozenset()
    is_whole: bool = True
    changes: tuple[Amendment, ...] = ()

    def point_back(self, code: str) -> str:
        """The remedy of a finding that this one takes with it."""
        if code in self.follows:
            return f"First mend {self.code}, then look again."
        comes = "its remedy mends this too" if self.is_whole else "what is said there is all there is"
        return f"A consequence of {self.code}: {comes}."


def find_cures(experiment: Experiment, settings: Settings, case: Case, verdict: Verdict) -> tuple[Cure, ...]:
    """The remedies that take a look at the config, each cause once, in the order in which to mend them."""
    codes = [finding.code for finding in verdict.findings]
    found = list(_find_causes(experiment, settings, case, codes))
    lone = find_lone_cures(experiment, case, verdict.findings)
    return (*found, *(Cure(code, text, changes=changes) for code, text, changes in lone))


def _find_causes(experiment: Experiment, settings: Settings, case: Case, codes: list[str]) -> Iterator[Cure]:
    for code, after in _AFTER.items():
        if code in codes:
            yield Cure(code, "", follows=frozenset(after))
    if (
        {"symmetric-units", "small-batch"} & set(codes)
        or case.agreement is None
        or len(experiment.network.rows) > _DEEPEST
    ):
        return
    found, may_draw = set(codes), case.measurement is not None
    plan, by = None, None if DEPTH & found else By.INPUT if _INPUT & found else None
    if DEAD & found and not (DEPTH | _INPUT) & found:
        plan = _plan(experiment, settings, may_draw=may_draw, by=None)
        first = next(each for each in codes if each in DEAD)
        if plan is not None and plan.is_whole and plan.found.by is not None:
            yield _cure(experiment, settings, first, codes, plan)
        else:
            yield Cure(first, "", follows=frozenset(_ZEROS & found - {first}))
        return
    if (DEPTH | _INPUT) & found:
        plan = _plan(experiment, settings, may_draw=may_draw, by=by)
    if _INPUT & found:
        code = next(each for each in codes if each in _INPUT)
        if plan is not None and plan.found.by is By.INPUT:
            yield _cure(experiment, settings, code, codes, plan)
            return
        yield Cure(code, "", frozenset(_INPUT & found - {code}))
    if plan is not None and by is None:
        yield _cure(experiment, settings, next(each for each in codes if each in DEPTH), codes, plan)
    elif START & found and not _INPUT & found:
        yield from _hold_up(experiment, settings)
    if "saturated" in found and plan is None:
        yield from _take_scheme(experiment, settings, codes)


def _plan(
    experiment: Experiment, settings: Settings, *, may_draw: bool, by: By | None, sb: float | None = None
) -> Plan | None:
    """The plan; None where the config has no words for it."""
    try:
        return find_plan(experiment, settings, may_draw=may_draw, by=by, sb=sb)
    except VarprobeError:
        return None


def _cure(experiment: Experiment, settings: Settings, code: str, codes: list[str], plan: Plan) -> Cure:
    # What is told of the input stands by itself, before the weights.
    told = frozenset() if code in _INPUT else _INPUT
    mends = (DEPTH & set(codes)) | (
        _mended(experiment.network, settings, codes, plan) if plan.is_whole and plan.found.by else set()
    )
    text = " ".join([*tell_plan(experiment.network, plan), *_tell_new(codes, plan)])
    return Cure(
        code, text, frozenset(mends - told - {code}), is_whole=plan.is_whole, changes=_changes(experiment.network, plan)
    )


def _changes(spec: NetworkSpec, plan: Plan) -> tuple[Amendment, ...]:
    return find_amendments(spec, plan.network) if plan.is_advised else ()


def _tell_new(codes: list[str], plan: Plan) -> Iterator[str]:
    """The warnings that the change brings, where it was measured."""
    findings = plan.measured.findings if plan.measured and plan.is_whole else ()
    new = dict.fromkeys(each.code for each in findings if each.severity == Severity.WARNING and each.code not in codes)
    if new:
        yield f"It brings {' and '.join(new)}."


def _mended(spec: NetworkSpec, settings: Settings, codes: list[str], plan: Plan) -> set[str]:
    """The findings that are gone: by a measurement, or by theory, and with the cause what trials alone show."""
    change, network = plan.found.change, plan.network
    others = set(codes) - DEPTH
    if plan.measured is not None:
        return others - {finding.code for finding in plan.measured.findings} - ALONE
    gone = set()
    told = {code for code in others if not FINDINGS[code].needs_trials} - ALONE - {"finite-width"}
    if told:
        prediction = predict(network, settings)
        formats = format_ranges(network, settings, prediction)
        case = foresee_case(network, settings, foresee(prediction, settings.trials), formats)
        gone = told - {finding.code for finding in conclude(case).verdict.findings}
    causes = [By.INPUT] * change.is_standard + [By.BIAS] * bool(change.no_bias) + [By.MEAN] * bool(change.centred)
    causes += [By.SCHEME] * bool(change.schemes)
    for cause in causes:
        gone |= others & _GOES_WITH[cause]
    if change.recipes and all(each.factor < 1 for each in find_changes(spec, network.steps)[0]):
        gone |= others & _GOES_WITH_LESS
    return gone


def _take_scheme(experiment: Experiment, settings: Settings, codes: list[str]) -> Iterator[Cure]:
    """Of a stable network the remedy of the layer at its limits, where its scheme is not that of its neighbours."""
    plan = _plan(experiment, settings, may_draw=False, by=By.SCHEME)
    if plan is not None and plan.edits and plan.is_whole:
        yield _cure(experiment, settings, "saturated", codes, plan)


def _hold_up(experiment: Experiment, settings: Settings) -> Iterator[Cure]:
    """Of a stable network what its first layers lose: biases hold up what decays slowly, as tanh under Xavier."""
    sb = math.sqrt(_EDGE_BIAS)
    plan = _plan(experiment, settings, may_draw=False, by=By.EDGE, sb=sb)
    if plan is None:
        return
    after = plan.after
    steady = [abs(each.total_log10 or 0.0) < 1 for each in (after.forward, after.backward)]
    if plan.edits and plan.is_whole and all(steady):
        text = f"{_ACCEPT}, or let biases hold the signal up, at the edge of chaos: {options_of(plan)}."
        changes = _changes(experiment.network, plan)
        yield Cure("levelling-off", f"{text} {tell_outcome(plan)}", changes=changes)
