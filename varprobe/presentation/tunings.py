"""A tuning in a few lines, its config as a file, and its changes as rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from varprobe.advice.changes import ScaleChange
from varprobe.formatting import count
from varprobe.presentation.kinds import Outline
from varprobe.reporters.tuning import render_tuning, render_tuning_json
from varprobe.tuning import Tuning, rewrite_config


def outline_tuning(tuning: Tuning) -> Outline:
    """Whether it is confirmed, and the edits of the config."""
    edits = tuple(f"{edit.path} = {edit.text.strip()}" for edit in tuning.edits)
    return Outline(_verdict(tuning), (f"{tuning.network.name}: {count(len(edits), 'edit')}",), edits)


def _verdict(tuning: Tuning) -> str:
    if tuning.measured is None:
        return f"nothing was changed, and nothing measured: {tuning.reason}"
    if tuning.is_confirmed:
        return "stable both ways, confirmed by measuring" if tuning.edits else "stable both ways as it is"
    return f"not confirmed: measured, it is {tuning.measured.overall}. {tuning.reason}".strip()


def summarise_tuning(tuning: Tuning) -> Iterator[str]:
    """What `varprobe tune` prints."""
    yield from render_tuning(tuning).rstrip().split("\n")


def render_config(tuning: Tuning, target: Path) -> str:
    """The config with the changes in it; relative paths hold from the target's folder."""
    return rewrite_config(tuning.config, tuning, target)


def render_json(tuning: Tuning, target: Path) -> str:
    """The tuning as `varprobe tune --json` prints it."""
    return render_tuning_json(tuning)


def list_changes(tuning: Tuning) -> list[dict[str, Any]]:
    """A row a scale that changes: of the weights, then of the residual branches."""
    changes = (*tuning.changes, *tuning.branches)
    return [{one.name: getattr(change, one.name) for one in fields(ScaleChange)} | {"factor": change.factor}
            for change in changes]  # fmt: skip
