"""What must hold for every input: a network, a report, a sweep, or one clear error. Anything else is a failure."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from varprobe.config.loading import Experiment, load
from varprobe.config.overrides import Override, parse_assignment
from varprobe.diagnose import diagnose
from varprobe.errors import MOST_TOLD, VarprobeError
from varprobe.report.records import Report
from varprobe.reporters.report.explanation import print_explanation
from varprobe.reporters.report.number_formats import print_number_formats
from varprobe.reporters.report.terminal import print_report
from varprobe.reporters.sweep.terminal import print_sweep
from varprobe.results.kinds import render
from varprobe.results.store import from_plain, load_report, load_result, to_dict, to_json
from varprobe.sweeps.records import Sweep

SECONDS = 5.0
TINY_STEPS, TINY_WIDTH = 24, 32
QUICK, SLOW = (".json", ".csv", ".md"), (".html", ".svg")
# No message needs more than that, whatever it is about.
LONGEST = 3000


def check_error(error: VarprobeError) -> None:
    assert error.message
    assert error.place is not None, f"no place: {error}"
    assert error.hint, f"no hint: {error}"
    lines = error.words.split("\n")
    assert len(lines) == 2, lines
    assert all(line.isprintable() for line in lines)
    assert len(error.words) < LONGEST, f"{len(error.words):,} characters: {error.words[:200]}"
    for other in error.others:
        check_error(other)
    told = str(error).split("\n")
    assert len(told) == 2 * min(1 + len(error.others), MOST_TOLD) + (1 + len(error.others) > MOST_TOLD)


def settled(work: Callable[[], Any]) -> Any:
    """What `work` gives, or None where it ended in an error as it should be."""
    started = time.process_time()
    try:
        return work()
    except VarprobeError as error:
        check_error(error)
        return None
    finally:
        assert time.process_time() - started < SECONDS


def settle(source: Any, assignments: Sequence[str] = ()) -> Experiment | None:
    """The network, or None where loading ended in a clear error."""

    def work() -> Experiment:
        overrides: list[Override] = [parse_assignment(text) for text in assignments]
        return load(source, overrides)

    found = settled(work)
    assert found is None or isinstance(found, Experiment)
    return found


def settle_file(folder: Path, data: str | bytes, assignments: Sequence[str] = ()) -> Experiment | None:
    path = folder / "config.yaml"
    path.write_bytes(data if isinstance(data, bytes) else data.encode(errors="surrogatepass"))
    return settle(path, assignments)


def settle_report(folder: Path, data: bytes) -> Report | None:
    path = folder / "report.json"
    path.write_bytes(data)
    report: Report | None = settled(lambda: load_report(path))
    return report


def settle_stored(folder: Path, data: bytes, *, slow: bool = False) -> Report | Sweep | None:
    """As `varprobe show`: the report or sweep, shown in every way; `slow` with pages and pictures."""
    path = folder / "report.json"
    path.write_bytes(data)

    record: Report | Sweep | None = settled(lambda: load_result(path))
    if isinstance(record, Report):
        show_everywhere(record, QUICK + SLOW if slow else QUICK)
    elif record is not None:
        show_sweep(record, QUICK + SLOW if slow else QUICK)
    return record


def probe_if_tiny(experiment: Experiment | None) -> None:
    """Measures a network that is small, and holds its report to what every report must be."""
    if experiment is None:
        return
    spec = experiment.network
    if len(spec.steps) > TINY_STEPS:
        return
    if max(max(step.fan_in, step.fan_out) for step in spec.steps) > TINY_WIDTH or spec.input.rows is not None:
        return
    report = diagnose(experiment, replace(spec.settings, trials=2, batch=2))
    text = to_json(report)
    assert json.loads(text, parse_constant=refuse) == to_dict(report)
    assert from_plain(to_dict(report), "r.json", "report") == report
    show_everywhere(report)


def refuse(token: str) -> None:
    raise AssertionError(f"{token} in a report")


def show_everywhere(report: Report, suffixes: Sequence[str] = QUICK) -> None:
    for suffix in suffixes:
        _check_written(suffix, render(report, suffix))
    for legacy in (False, True):
        console = _console(legacy=legacy)
        print_report(report, console, every_row=legacy)
        print_number_formats(report, console)
        print_explanation(report, console, every_row=legacy)


def show_sweep(sweep: Sweep, suffixes: Sequence[str] = QUICK) -> None:
    for suffix in suffixes:
        _check_written(suffix, render(sweep, suffix))
    print_sweep(sweep, _console(legacy=False))


def _console(*, legacy: bool) -> Console:
    return Console(file=io.StringIO(), width=80, highlight=False, markup=False, emoji=False, legacy_windows=legacy)


def _check_written(suffix: str, made: str | bytes) -> None:
    text = made if isinstance(made, str) else made.decode()
    text.encode()
    if suffix == ".json":
        json.loads(text, parse_constant=refuse)
