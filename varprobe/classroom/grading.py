"""Grading: a student's weights held to a law, a student's network to a verdict, by statistics and not by numbers.

No two students need draw the same numbers: what is compared is what the law fixes, at a stated chance of an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from varprobe.audit.audit import AuditSettings, audit_tensors
from varprobe.audit.fans import Layout, find_fans
from varprobe.audit.files import tensors_of, tensors_of_arrays
from varprobe.audit.intent import read_intent
from varprobe.audit.records import TOLERANCE, Audit
from varprobe.classroom.student_code import call_function
from varprobe.config.expectation import Expectation
from varprobe.config.loading import Experiment
from varprobe.errors import Place, VarprobeError
from varprobe.frozen import dataclass
from varprobe.gate.audits import check_of
from varprobe.gate.check import check
from varprobe.gate.records import MAX_TRIALS, CheckOutcome, CheckResult, Decision
from varprobe.verdict.labels import Label, Outcome
from varprobe.verdict.records import ALPHA

# Findings that tell of weights drawn once and used again, and schemes whose zeros may make them.
_DEPENDENT, _LATTICE = ("identical-tensors", "duplicate-rows", "rank-deficient"), ("sparse", "identity")
# The chance that a right answer is failed, and how often a function is called.
GRADING_ALPHA, DRAWS = 1e-6, 8
_LONGEST, _AXES = 100_000, 6
_WAYS = ("forward", "backward")


@dataclass(frozen=True)
class Marking:
    """What weights are held to.

    Attributes:
        laws: pattern of names -> law; the first that matches counts.
        alpha: the chance that weights which are drawn from their laws are failed.
        tolerance: a standard deviation that is off by a smaller share passes.
    """

    laws: Mapping[str, str]
    layout: Layout = Layout.TORCH
    alpha: float = GRADING_ALPHA
    tolerance: float = TOLERANCE

    @property
    def settings(self) -> AuditSettings:
        """The same, as an audit takes it."""
        return AuditSettings(self.layout, (), read_intent(self.laws), self.alpha, self.tolerance)


def read_laws(texts: Sequence[str]) -> dict[str, str]:
    """The laws of the command line: `he` is of every array, `b=zeros` of those whose name matches.

    Raises:
        VarprobeError: where two laws are of one pattern.

    >>> read_laws(["he(mode=fan_out)", "b=zeros"])
    {'b': 'zeros', '*': 'he(mode=fan_out)'}
    """
    named: dict[str, str] = {}
    for text in texts:
        pattern, sign, law = text.partition("=")
        if not sign or "(" in pattern:
            pattern, law = "*", text
        if pattern in named:
            told = "of every array" if pattern == "*" else f"of '{pattern}'"
            raise VarprobeError(f"two laws are {told}", hint="write --law 'b=zeros' --law he", place=Place("--law"))
        named[pattern] = law.strip()
    return dict(sorted(named.items(), key=lambda one: one[0] == "*"))


def grade_file(path: Path, marking: Marking) -> CheckResult:
    """The arrays of a file, each held to its law.

    Raises:
        VarprobeError: where the file cannot be read, or a law has no value for an array.
    """
    started = time.perf_counter()
    audit = audit_tensors([tensors_of(path)], marking.settings, path.stem, str(path))
    return _conclude(audit, started)


def grade_arrays(arrays: Mapping[str, Any], marking: Marking, name: str = "weights") -> CheckResult:
    """Arrays in memory, each held to its law."""
    started = time.perf_counter()
    return _conclude(audit_tensors([tensors_of_arrays(arrays)], marking.settings, name, name), started)


def grade_function(
    function: Callable[..., Any],
    shape: tuple[int, ...],
    marking: Marking,
    source: str = "",
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> CheckResult:
    """A function that draws weights, called with several seeds; what it yields must differ from call to call.

    Arguments:
        shape: of the array that is asked for, in the order of the marking's layout.
        source: where the function stands, for messages.

    Raises:
        VarprobeError: where the function cannot be called, or a law has no value for what it yields.
    """
    started, name = time.perf_counter(), getattr(function, "__name__", "function")
    fans = find_fans(name, shape, marking.layout)
    seeds = [int(word) for word in np.random.SeedSequence(seed).generate_state(draws)]
    made = [tensors_of_arrays(call_function(function, shape, fans, one)) for one in seeds]
    shapes = {tuple((one.name, one.shape) for one in draw) for draw in made}
    if len(shapes) > 1:
        raise VarprobeError(f"{name} returns other names or shapes from call to call", hint="let it return the same")
    prints = [_print_of(draw) for draw in made]
    same = next((later for later in range(1, draws) if prints[later] and prints[later] in prints[:later]), None)
    # The same numbers again say nothing new: of draws that are not independent one is judged.
    audit = audit_tensors(made if same is None else made[:1], marking.settings, name, source or name)
    graded = _conclude(
        audit, started, _compare_draws(draws, None if same is None else (prints.index(prints[same]), same))
    )
    return replace(graded, trials=draws, max_trials=draws)


def _conclude(audit: Audit, started: float, *before: Decision) -> CheckResult:
    """The audit as a check, with what tells that its entries are independent.

    Arguments:
        before: what is decided beside it, told first.
    """
    graded = check_of(audit, time.perf_counter() - started)
    decisions = (*before, *graded.decisions, *_compare_entries(audit))
    failed = any(one.outcome == Outcome.FAILED for one in decisions)
    return replace(graded, decisions=decisions, outcome=CheckOutcome.FAILED if failed else CheckOutcome.PASSED)


def _compare_entries(audit: Audit) -> Iterator[Decision]:
    """Of laws with a density no draw repeats itself or lacks rank: whatever the level, that is no accident."""
    random = {
        one.name
        for one in audit.tensors
        if one.intended and one.intended.std and not one.intended.law.startswith(_LATTICE)
    }
    for finding in audit.findings:
        if finding.code in _DEPENDENT and random.intersection(finding.tensors):
            found = f"{finding.tensors[0]}: {finding.message}"
            yield Decision("entries", "independent", Outcome.FAILED, found, finding.remedy)


def _print_of(draw: Sequence[Any]) -> tuple[bytes, ...]:
    """What tells draws apart; empty where all its arrays are constant, which have to be the same."""
    values = [one.read(0, one.size) for one in draw]
    return tuple(one.tobytes() for one in values if one.size and (one != one[0]).any())


def _compare_draws(draws: int, same: tuple[int, int] | None) -> Decision:
    if same is None:
        return Decision("draws", "independent", Outcome.MET, f"no two of {draws} are the same")
    found = f"calls {same[0] + 1} and {same[1] + 1} return the same numbers under other seeds"
    remedy = "Draw from the `rng` that the function is given, or from NumPy's own; set no seed inside it."
    return Decision("draws", "independent", Outcome.FAILED, found, remedy)


def grade_network(
    experiment: Experiment,
    verdicts: Mapping[str, str],
    progress: Callable[[int, int], None] | None = None,
    *,
    alpha: float = ALPHA,
    max_trials: int = MAX_TRIALS,
) -> CheckResult:
    """A network held to labels, whatever its config expects of itself.

    Arguments:
        verdicts: `forward` and `backward` -> label.
        alpha: the chance that the conclusion is wrong.
    """
    forward, backward = ((verdicts[way],) if way in verdicts else None for way in _WAYS)
    expected = Expectation(forward=forward, backward=backward)
    return check(
        replace(experiment, expect=expected),
        experiment.network.settings,
        progress,
        alpha=alpha,
        max_trials=max_trials,
    )


def read_shape(text: str) -> tuple[int, ...]:
    """The lengths of the axes.

    Raises:
        VarprobeError: where the text is no shape.

    >>> read_shape("256x128")
    (256, 128)
    """
    parts = text.lower().split("x")
    if not all(part.isdecimal() and 1 <= int(part) <= _LONGEST for part in parts) or len(parts) > _AXES:
        hint = "write it as 256x128: the outputs, then the inputs, unless --layout says otherwise"
        raise VarprobeError(f"'{text}' is no shape", hint=hint, place=Place("--shape"))
    return tuple(map(int, parts))


def read_verdicts(texts: Sequence[str]) -> dict[str, str]:
    """The verdicts of the command line: `stable` is both ways, `backward=exploding` one.

    Raises:
        VarprobeError: for a label or a way that there is not.

    >>> read_verdicts(["forward=stable", "backward=exploding"])
    {'forward': 'stable', 'backward': 'exploding'}
    """
    found: dict[str, str] = {}
    for text in texts:
        way, sign, label = text.partition("=")
        ways = (way,) if sign else _WAYS
        label = label if sign else text
        if ways[0] not in _WAYS or label not in tuple(Label):
            hint = f"write a label, or forward= or backward= and one: {', '.join(Label)}"
            raise VarprobeError(f"'{text}' is no verdict", hint=hint, place=Place("--verdict"))
        found |= dict.fromkeys(ways, label)
    return found
