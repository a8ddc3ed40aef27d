"""Remedies of findings about one layer, with the edits that make them: the head, a fan, the branches of gpt2."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from varprobe.advice.amendments import find_amendments
from varprobe.advice.changes import digits
from varprobe.advice.edits import find_edits
from varprobe.advice.plan_words import option_of
from varprobe.advice.variants import Recipe, Variation, is_tunable, std_of
from varprobe.config.loading import Experiment, load_edited
from varprobe.config.overrides import Override
from varprobe.config.parts import DEFAULT_INIT
from varprobe.errors import VarprobeError
from varprobe.network.spec import Step
from varprobe.verdict.case import Case
from varprobe.verdict.records import Amendment, Finding

_DIGITS = 6
# Code and remedy of a finding, and what the remedy changes.
LoneCure = tuple[str, str, tuple[Amendment, ...]]


def find_lone_cures(experiment: Experiment, case: Case, findings: Sequence[Finding]) -> Iterator[LoneCure]:
    """The cure of each that has one."""
    rows = experiment.network.rows
    for finding in findings:
        if finding.code == "large-head" and finding.layer and case.head and case.head.scale_log10 is not None:
            yield from _scale_head(experiment, rows[finding.layer - 1], case.head.scale_log10)
        elif finding.code == "fan-mode" and finding.layer:
            yield from _take_fan_in(experiment, rows[finding.layer - 1])
        elif finding.code == "branch-count" and finding.measured:
            yield from _count_branches(experiment, int(finding.measured))


def _scale_head(experiment: Experiment, head: Step, scale_log10: float) -> Iterator[LoneCure]:
    """A factor of the head alone, which makes its output as large as the body's."""
    std = std_of(head)
    if not std or not is_tunable(head):
        return
    factor = 10 ** (-scale_log10 / 2)
    edits = _find_edits(experiment, head, Recipe(factor=factor))
    text = f"Multiply the head's weights alone by {digits(factor)}: std {digits(std)} -> {digits(std * factor)}"
    told = f"{text}, and its output is as large as the body's.{_options(edits)}"
    yield "large-head", told, _changes(experiment, edits)


def _take_fan_in(experiment: Experiment, step: Step) -> Iterator[LoneCure]:
    """The same scheme by the other fan."""
    std = std_of(step)
    if not std or not is_tunable(step):
        return
    edits = _find_edits(experiment, step, Recipe(mode="fan_in", gain=std * math.sqrt(step.fan_out)))
    after = std * math.sqrt(step.fan_out / step.fan_in)
    text = f"Take fan_in here: std {digits(std)} -> {digits(after)}"
    told = f"{text}, or keep fan_out where the gradient's size is what matters.{_options(edits)}"
    yield "fan-mode", told, _changes(experiment, edits)


def _find_edits(experiment: Experiment, step: Step, recipe: Recipe) -> tuple[Override, ...]:
    """None where its copies would change too, or the config's own words cannot say it."""
    if sum(each.path == step.path for each in experiment.network.steps) > 1:
        return ()
    try:
        return find_edits(experiment, Variation(recipes={step.path: recipe}), _DIGITS)
    except VarprobeError:
        return ()


def _options(edits: Sequence[Override]) -> str:
    return f" That is `{' '.join(map(option_of, edits))}`." if edits else ""


def _changes(experiment: Experiment, edits: Sequence[Override]) -> tuple[Amendment, ...]:
    return find_amendments(experiment.network, load_edited(experiment, edits).network) if edits else ()


def _count_branches(experiment: Experiment, branches: int) -> Iterator[LoneCure]:
    written = (experiment.document.get("defaults") or {}).get("init", DEFAULT_INIT)
    name = written if isinstance(written, str) else written.get("name")
    edit = Override("defaults.init.branches", str(2 * branches), "")
    edits = [edit] if name == "gpt2" else []
    text = f"If it is a transformer without its attention, give the scheme `branches: {2 * branches}`."
    yield "branch-count", f"{text}{_options(edits)}", _changes(experiment, edits)
