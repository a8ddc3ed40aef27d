"""Runs the checks of several configs: what is wrong with one does not keep the others from being checked."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from varprobe.cli.interruptible import wait_for
from varprobe.config.loading import ConfigText, load, load_text, names_audit, read_config
from varprobe.config.overrides import Override
from varprobe.errors import ConfigError, Place, VarprobeError
from varprobe.formatting import count
from varprobe.frozen import dataclass
from varprobe.gate.check import check, gather
from varprobe.gate.records import CheckError, CheckResult, CheckRun
from varprobe.network.spec import with_threads
from varprobe.output import check_writable, write_file
from varprobe.results.baseline import baseline_path, load_baseline
from varprobe.results.store import to_json
from varprobe.streams import say

if TYPE_CHECKING:
    from varprobe.gate.drafting import Draft
    from varprobe.network.spec import NetworkSpec
    from varprobe.report.records import Report


@dataclass(frozen=True)
class Gate:
    """What the command line says of every config.

    Attributes:
        update: write the baseline in place of comparing with it.
        tell: says what was written.
        allow_import: whether the code of models that configs name may be run.
        several: whether there are several configs, each with a baseline of its own.
    """

    overrides: Sequence[Override]
    threads: int | None
    alpha: float
    max_trials: int
    baseline: Path | None
    update: bool
    tell: Callable[[str], None]
    several: bool = False
    allow_import: bool = False


def check_all(configs: Sequence[str], gate: Gate, *, quiet: bool) -> CheckRun:
    """Checks them in turn."""
    gate = replace(gate, several=len(configs) > 1)
    baselines: dict[Path, str] = {}
    found: list[CheckResult] = []

    def kept() -> str:
        written = count(len(baselines) - 1, "baseline") if gate.update and len(baselines) > 1 else "nothing"
        return f"{len(found):,} of {count(len(configs), 'config')} checked; {written} kept"

    found.extend(_one(config, gate, baselines, kept, quiet=quiet) for config in configs)
    return gather(found)


def draft_one(config: str, gate: Gate, *, quiet: bool) -> Draft:
    """What a config's network may be held to.

    Raises:
        VarprobeError: where it cannot be measured.
    """
    from varprobe.gate.drafting import draft_expect

    experiment = load(config, gate.overrides)
    settings = with_threads(experiment.network.settings, gate.threads)
    return wait_for(
        lambda reached: draft_expect(experiment, settings, reached, alpha=gate.alpha, max_trials=gate.max_trials),
        experiment.network.name,
        quiet=quiet,
    )


def _one(config: str, gate: Gate, baselines: dict[Path, str], kept: Callable[[], str], *, quiet: bool) -> CheckResult:
    try:
        return _check(config, gate, baselines, kept, quiet=quiet)
    except VarprobeError as error:
        return _give_up(config, gate, "error", *_troubles(config, error))
    except MemoryError:
        return _give_up(config, gate, "error", CheckError("out of memory", "lower --batch, --trials or the widths"))
    except Exception as error:
        say(traceback.format_exc(), error=True, end="")
        hint = "please report it with the lines on standard error"
        return _give_up(config, gate, "fault", CheckError(f"a fault of varprobe's: {error!r}", hint))


def _check(config: str, gate: Gate, baselines: dict[Path, str], kept: Callable[[], str], *, quiet: bool) -> CheckResult:
    written = read_config(config)
    if names_audit(written):
        return replace(_check_audit(written, gate, baselines), config=config)
    experiment = load_text(written, gate.overrides)
    spec = experiment.network
    stored, target = _baseline(spec, gate, baselines)
    settings = with_threads(spec.settings, gate.threads)
    done = wait_for(
        lambda reached: check(
            experiment, settings, reached, alpha=gate.alpha, max_trials=gate.max_trials, baseline=stored
        ),
        spec.name,
        quiet=quiet,
        kept=kept,
    )
    if target is not None and done.report is not None:
        write_file(target, to_json(done.report))
        gate.tell(f"wrote {target}")
    return replace(done, config=config)


def _baseline(spec: NetworkSpec, gate: Gate, baselines: dict[Path, str]) -> tuple[Report | None, Path | None]:
    """The report to compare with, or the file to write; `baselines` are those of the configs before."""
    if gate.baseline is None:
        return None, None
    path = _baseline_path(spec.name, spec.place or Place(spec.name), gate, baselines)
    if not gate.update:
        return load_baseline(path), None
    check_writable(path)
    return None, path


def _baseline_path(name: str, place: Place, gate: Gate, baselines: dict[Path, str]) -> Path:
    """The file of a config's baseline, in a folder that is there where it is to be written."""
    assert gate.baseline is not None
    path, here = baseline_path(gate.baseline, name, several=gate.several), place.source
    if baselines.setdefault(path, here) != here:
        message = f"the network is called '{name}' as that of {baselines[path]}, and so is its baseline {path}"
        raise ConfigError(message, hint="give one of them another `name`", place=place, field="name")
    if gate.update and gate.several:
        path.parent.mkdir(exist_ok=True)
    return path


def _check_audit(written: ConfigText, gate: Gate, baselines: dict[Path, str]) -> CheckResult:
    """The audit that a config asks for."""
    from varprobe.cli.audits import check_config

    def find_baseline(name: str) -> Path | None:
        return None if gate.baseline is None else _baseline_path(name, Place(written.label), gate, baselines)

    return check_config(
        written,
        gate.overrides,
        gate.alpha,
        find_baseline,
        gate.tell,
        update=gate.update,
        allow_import=gate.allow_import,
    )


def _troubles(config: str, error: VarprobeError) -> Iterator[CheckError]:
    """Every mistake that is told at once, in the order of the file."""
    for one in error.told:
        place = one.place
        line, column = (place.line, place.column) if place else (None, None)
        elsewhere = "" if place is None or place.source in (config, "<stdin>") else f"{place.source}: "
        yield CheckError(f"{elsewhere}{one.message}", one.hint, one.field, line, column)
    if error.has_more:
        yield CheckError("there are more mistakes behind these", "mend these first, then check again")


def _give_up(config: str, gate: Gate, outcome: str, trouble: CheckError, *further: CheckError) -> CheckResult:
    return CheckResult(
        config, Path(config).stem, outcome, (), 0, 0, gate.alpha, gate.max_trials, 0.0, None, trouble, further
    )
