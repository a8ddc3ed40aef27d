"""Remedies of findings about one layer, with the edits that make them: the head, a fan, the branches of gpt2."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from varprobe.advice.changes import digits
from varprobe.advice.edits import find_edits
from varprobe.advice.plan_words import option_of
from varprobe.advice.variants import Recipe, Variation, is_tunable, std_of
from varprobe.config.loading import Experiment
from varprobe.config.overrides import Override
from varprobe.config.parts import DEFAULT_INIT
from varprobe.errors import VarprobeError
from varprobe.network.spec import Step
from varprobe.verdict.case import Case
from varprobe.verdict.records import Finding

_DIGITS = 6


def find_lone_cures(experiment: Experiment, case: Case, findings: Sequence[Finding]) -> Iterator[tuple[str, str]]:
    """Code and remedy of each."""
    rows = experiment.network.rows
    for finding in findings:
        if finding.code == "large-head" and finding.layer and case.head and case.head.scale_log10 is not None:
            yield from _scale_head(experiment, rows[finding.layer - 1], case.head.scale_log10)
        elif finding.code == "fan-mode" and finding.layer:
            yield from _take_fan_in(experiment, rows[finding.layer - 1])
        elif finding.code == "branch-count" and finding.measured:
            yield from _count_branches(experiment, int(finding.measured))


def _scale_head(experiment: Experiment, head: Step, scale_log10: float) -> Iterator[tuple[str, str]]:
    """A factor of the head alone, which makes its output as large as the body's."""
    std = std_of(head)
    if not std or not is_tunable(head):
        return
    factor = 10 ** (-scale_log10 / 2)
    options = _options(experiment, head, Recipe(factor=factor))
    text = f"Multiply the head's weights alone by {digits(factor)}: std {digits(std)} -> {digits(std * factor)}"
    yield "large-head", f"{text}, and its output is as large as the body's.{options}"


def _take_fan_in(experiment: Experiment, step: Step) -> Iterator[tuple[str, str]]:
    """The same scheme by the other fan."""
    std = std_of(step)
    if not std or not is_tunable(step):
        return
    recipe = Recipe(mode="fan_in", gain=std * math.sqrt(step.fan_out))
    after = std * math.sqrt(step.fan_out / step.fan_in)
    text = f"Take fan_in here: std {digits(std)} -> {digits(after)}"
    yield (
        "fan-mode",
        f"{text}, or keep fan_out where the gradient's size is what matters.{_options(experiment, step, recipe)}",
    )


def _options(experiment: Experiment, step: Step, recipe: Recipe) -> str:
    if sum(each.path == step.path for each in experiment.network.steps) > 1:  # its copies would change too
        return ""
    try:
        edits = find_edits(experiment, Variation(recipes={step.path: recipe}), _DIGITS)
    except VarprobeError:  # the config's own words cannot say it
        return ""
    return f" That is `{' '.join(map(option_of, edits))}`."


def _count_branches(experiment: Experiment, branches: int) -> Iterator[tuple[str, str]]:
    written = (experiment.document.get("defaults") or {}).get("init", DEFAULT_INIT)
    name = written if isinstance(written, str) else written.get("name")
    edit = Override("defaults.init.branches", str(2 * branches), "")
    said = f" That is `{option_of(edit)}`." if name == "gpt2" else ""
    text = f"If it is a transformer without its attention, give the scheme `branches: {2 * branches}`."
    yield "branch-count", f"{text}{said}"
