"""An `expect` block that a healthy network meets, drafted from what was measured of it.

A range reaches three half-widths of the interval to either side of what was found: with other draws the estimate moves
by at most about sqrt 2 of them, since both estimates have that error, and the interval about it reaches one further.
Intervals are those of the first look of a check of the block, the widest that it may have. Where there is hardly any
noise a range has a least width, since another machine rounds otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from varprobe.config.expectation import HEALTHY, Expectation, Range, SideRange
from varprobe.config.loading import Experiment
from varprobe.config.records import SaturationLimit
from varprobe.formatting import count
from varprobe.frozen import dataclass
from varprobe.gate.check import decide, drawer, looks, shares
from varprobe.gate.claim import Answer
from varprobe.gate.claims import claims_of
from varprobe.gate.direction_claims import label_words
from varprobe.gate.layer_claims import format_claim
from varprobe.gate.records import MAX_TRIALS, CheckOutcome, Decision
from varprobe.network.number_formats import FORMATS
from varprobe.network.spec import SATURATED_ABOVE, NetworkSpec, Settings
from varprobe.verdict.judge import Diagnosis
from varprobe.verdict.labels import Direction, Label, Outcome, SignalLabel
from varprobe.verdict.possible import SIGNAL_REGIONS, labels_between, possible
from varprobe.verdict.records import ALPHA

WIDTHS = 3.0
# The least that a range reaches to either side: of log10, of a share, of a loss and a rank, of a scale as a factor.
_LEAST_LOG10, _LEAST_SHARE, _LEAST_PART, _LEAST_FACTOR = 0.1, 0.05, 0.1, 1.25
# Those of 8 bits are scaled tensor by tensor by whoever uses them.
_FORMATS = tuple(form for form in FORMATS if not form.name.startswith("float8"))


@dataclass(frozen=True)
class DraftLine:
    """One key below `expect`: its path, its value as a config has it, and what that rests on, in words."""

    path: tuple[str, ...]
    value: Any
    found: str


@dataclass(frozen=True)
class Draft:
    """What a healthy network may be held to.

    Attributes:
        config: that it is of.
        trials, seed: that it rests on.
        level: the chance that an interval does not hold the truth.
        refusal: why there is none, in one sentence; empty where there is one.
    """

    config: str
    trials: int
    seed: int
    level: float
    lines: tuple[DraftLine, ...] = ()
    refusal: str = ""


def draft_expect(
    experiment: Experiment,
    settings: Settings | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    alpha: float = ALPHA,
    max_trials: int = MAX_TRIALS,
) -> Draft:
    """What a network may be held to, where it is stable both ways and has no error.

    Arguments:
        experiment: a network as its config has it; of its `expect` only what it allows counts.
        settings, progress, alpha, max_trials: as for `check`.

    Raises:
        VarprobeError: where the network cannot be measured.
    """
    spec = experiment.network
    settings = settings or spec.settings
    healthy = replace(HEALTHY, allow=experiment.expect.allow if experiment.expect else ())
    held = replace(experiment, expect=healthy)
    reached = decide(held, settings, drawer(spec, settings, progress), alpha=alpha, max_trials=max_trials)
    wide = _anything(spec, healthy)
    claims = claims_of(replace(experiment, expect=wide))
    level = alpha / (len(claims) + len(_FORMATS)) * shares(len(looks(settings.trials, max_trials)))[0]
    config = spec.place.source if spec.place else spec.name
    draft = Draft(config, reached.diagnosis.case.trials, settings.seed, level)
    if reached.outcome != CheckOutcome.PASSED:
        return replace(draft, refusal=_refuse(reached.decisions, draft.trials))
    answers = {claim.expectation: claim.answer(reached.diagnosis, level) for claim in claims}
    return replace(draft, lines=tuple(_lines(wide, answers, reached.diagnosis, level)))


def _refuse(decisions: Sequence[Decision], trials: int) -> str:
    """By the worst of what is not as it is in a healthy network."""
    worst = min(decisions, key=lambda one: list(Outcome).index(Outcome(one.outcome)))
    known = "" if worst.outcome == Outcome.FAILED else f" known after {count(trials, 'trial')} to be"
    return f"the network is not{known} healthy: {worst.expectation}: {worst.found}"


def _anything(spec: NetworkSpec, healthy: Expectation) -> Expectation:
    """A healthy network, and of all else whatever it may be."""
    every = Range(-math.inf, math.inf)
    return replace(
        healthy,
        total_log10=(SideRange(Direction.FORWARD, every), SideRange(Direction.BACKWARD, every)),
        head_scale=Range(0.0, math.inf) if spec.head else None,
        initial_loss=every if spec.objective.kind not in ("random", "file") else None,
        effective_rank=Range(0.0, math.inf) if spec.settings.batch > 1 else None,
        saturated=SaturationLimit(1.0, spec.saturated_above),
        dead=1.0,
    )


def _lines(wide: Expectation, answers: dict[str, Answer], diagnosis: Diagnosis, level: float) -> Iterator[DraftLine]:
    for way in (Direction.FORWARD, Direction.BACKWARD):
        yield DraftLine((way,), Label.STABLE.value, answers[way].found)
    yield from _signal_line(diagnosis, level)
    for way in (Direction.FORWARD, Direction.BACKWARD):
        yield from _line(("total_log10", way), answers[f"total_log10.{way}"], _about)
    yield from _line(("head", "scale"), answers.get("head.scale"), _about_scale)
    yield from _line(("initial_loss",), answers.get("initial_loss"), _about_loss)
    yield from _line(("effective_rank",), answers.get("effective_rank"), _at_least)
    above = wide.saturated.above if wide.saturated else SATURATED_ABOVE
    yield from _line(("saturated",), answers.get("saturated"), partial(_at_most, above=above))
    yield from _line(("dead",), answers.get("dead"), _at_most)
    yield from _formats_line(diagnosis, level)
    if wide.allow:
        yield DraftLine(("allow",), list(wide.allow), "as before")


def _line(path: tuple[str, ...], answer: Answer | None, bound: Callable[[float, float], Any]) -> Iterator[DraftLine]:
    """Of a value with its interval, unless there is none, or the bound would bound nothing."""
    if answer is None or answer.value is None or answer.low is None or answer.high is None:
        return
    value = bound(answer.value, max(answer.high - answer.value, answer.value - answer.low))
    if value is not None:
        yield DraftLine(path, value, answer.found)


def _about(value: float, half: float) -> list[float]:
    reach = max(WIDTHS * half, _LEAST_LOG10)
    return [_outward(value - reach, -1, 0.01), _outward(value + reach, 1, 0.01)]


def _about_scale(value: float, half: float) -> list[float | None]:
    """Wider upwards, as an interval of logs is; a head of zeros stays one."""
    if value == 0:
        return [None, 0]
    factor = max((1 + half / value) ** WIDTHS, _LEAST_FACTOR)
    return [_outward(value / factor, -1), _outward(value * factor, 1)]


def _about_loss(value: float, half: float) -> list[float | None]:
    """Open below where it reaches zero, since no loss is negative."""
    reach = max(WIDTHS * half, _LEAST_PART * value)
    return [_outward(value - reach, -1) if value > reach else None, _outward(value + reach, 1)]


def _at_least(value: float, half: float) -> float | None:
    """A rank of 1 or less bounds nothing."""
    low = _outward(value - max(WIDTHS * half, _LEAST_PART * value), -1)
    return low if low > 1 else None


def _at_most(value: float, half: float, above: float = SATURATED_ABOVE) -> Any:
    """All of them bounds nothing."""
    share = _outward(value + max(WIDTHS * half, _LEAST_SHARE), 1, 0.01)
    if share >= 1:
        return None
    return share if above == SATURATED_ABOVE else {"share": share, "above": above}


def _outward(value: float, way: int, step: float | None = None) -> float | int:
    """Rounded away from what lies inside: to a step, or to two digits.

    >>> _outward(0.1234, 1), _outward(-0.1234, -1, 0.01), _outward(1234.0, -1)
    (0.13, -0.13, 1200)
    """
    if value == 0:
        return 0.0
    digits = 1 - math.floor(math.log10(abs(value))) if step is None else -round(math.log10(step))
    scaled = value * 10.0**digits
    whole = math.ceil(scaled - 1e-9) if way > 0 else math.floor(scaled + 1e-9)
    rounded = round(whole / 10.0**digits, max(digits, 0))
    return int(rounded) if rounded.is_integer() else rounded


def _signal_line(diagnosis: Diagnosis, level: float) -> Iterator[DraftLine]:
    """Of a signal that does not collapse: the labels in reach."""
    found = possible(diagnosis.case, Direction.SIGNAL, level)
    labels = found.labels
    if math.isfinite(found.value):
        half = WIDTHS * (found.high - found.low) / 2
        labels = labels_between(SIGNAL_REGIONS, found.value - half, found.value + half)
    if labels and set(labels) <= {SignalLabel.PRESERVED, SignalLabel.FADING}:
        words = [str(label) for label in reversed(labels)]
        yield DraftLine((Direction.SIGNAL,), words if len(words) > 1 else words[0], label_words(found))


def _formats_line(diagnosis: Diagnosis, level: float) -> Iterator[DraftLine]:
    """The formats that draws stay in for certain; said of the last, which is the narrowest."""
    answers = {form.name: format_claim(form.name, None).answer(diagnosis, level) for form in _FORMATS}
    safe = {name: answer for name, answer in answers.items() if answer.outcome == Outcome.MET}
    if safe:
        last = list(safe)[-1]
        yield DraftLine(("safe_in",), list(safe), f"{last}: {safe[last].found}")
