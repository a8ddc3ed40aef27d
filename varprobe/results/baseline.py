"""Stored reports that a network is held against."""

from __future__ import annotations

from pathlib import Path

from varprobe.errors import InputFileError, Place
from varprobe.report.records import Report
from varprobe.results.store import load_report

_HINT = "`varprobe check CONFIG --baseline FILE --update-baseline` writes one"


def load_baseline(path: Path) -> Report:
    """A stored report that has noise to compare with.

    Raises:
        InputFileError: where the file cannot be read, is no report, or one that cannot be a baseline.
    """
    place = Place(str(path))
    if not path.exists():
        raise InputFileError("no such baseline", hint=_HINT, place=place)
    report = load_report(path)
    if any(row.activation is None for row in report.layers):
        raise InputFileError("is of theory alone, which has no noise", hint=_HINT, place=place)
    if report.settings.trials < 2:
        raise InputFileError("has one trial, which says nothing about noise", hint=_HINT, place=place)
    return report


def baseline_path(baseline: Path, name: str, *, several: bool) -> Path:
    """The file of a network's baseline: as it is named, or NAME.json in a folder, as it is for several networks."""
    from varprobe.formatting import file_stem

    return baseline / f"{file_stem(name)}.json" if several or baseline.is_dir() else baseline
