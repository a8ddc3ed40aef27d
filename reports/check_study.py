"""How often labels, intervals and `varprobe check` are wrong, on networks of every kind.

    python reports/check_study.py [--bank DIR] [--only WORD] [--pages]

Every network has two banks of draws, each of a seed of its own. The one says what is true: D, the mean over draws of d,
the natural log of the change, with its error. The other is cut into groups of 20 and of 100 draws, and each group is
judged as a run of so many trials is; `decide`, the code that `varprobe check` runs, begins once at each group of 20 and
goes on through the bank as far as it wants. Beside them stand rules of one draw, and the mean over draws, on the same
groups. Banks and finished networks are kept in DIR: stopped, the same command goes on where it was. Writes
check_study.md and check_study.json beside this file, with --pages of what is finished.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import check_pages
import check_sums
import numpy as np
from check_counts import (
    SIZES,
    TRIALS,
    Checks,
    Side,
    changes_of,
    count_checks,
    groups_of,
    side_of,
    truth_of,
    usual_rules,
)
from check_networks import KINDS, NETWORKS, Network
from numpy.typing import NDArray

import varprobe
from varprobe.config.loading import Experiment
from varprobe.engine.record import StackStatistics
from varprobe.frozen import dataclass
from varprobe.gate.check import Reached, decide
from varprobe.gate.records import MAX_TRIALS
from varprobe.network.spec import Settings
from varprobe.probe.measure import measure
from varprobe.probe.measurement import Measurement
from varprobe.verdict.case import build_case
from varprobe.verdict.findings import LABEL_CODES
from varprobe.verdict.judge import conclude
from varprobe.verdict.labels import Severity
from varprobe.verdict.records import ALPHA

HERE = Path(__file__).parent

Decide = Callable[..., Reached]


@dataclass(frozen=True)
class Result:
    """One network.

    Attributes:
        findings: codes of errors in the long run beside the labels.
        accepted: by rule, the share of draws or of groups that it calls healthy.
    """

    name: str
    kind: str
    depth_over_width: float
    draws: tuple[int, int]
    findings: tuple[str, ...]
    forward: Side
    backward: Side
    checks: Checks
    accepted: dict[str, float]
    seconds: float


def study(network: Network, folder: Path, rule: Decide = decide) -> Result:
    """One network's banks, and what is said of them."""
    started = time.process_time()
    experiment, settings = loaded(network)
    long, bank = (
        stored(folder, experiment, replace(settings, trials=trials, seed=seed), network.name)
        for trials, seed in zip((network.truth, network.draws), seeds_of(network), strict=True)
    )
    judged = conclude(build_case(long))
    cases = [[build_case(taken(bank, group)) for group in groups_of(bank.trials, size)] for size in SIZES]
    changes = [changes_of(build_case(bank), backward=backward) for backward in (False, True)]
    sides = [
        side_of(truth_of(judged.case, backward=backward), cases, changes[backward], backward=backward)
        for backward in (False, True)
    ]
    checks = (replay(experiment, settings, bank, int(group[0]), rule) for group in groups_of(bank.trials, TRIALS))
    return Result(
        name=network.name,
        kind=network.kind,
        depth_over_width=sum(1 / layer.fan_out for layer in bank.layers if layer.kind == "dense"),
        draws=(network.truth, network.draws),
        findings=tuple(
            sorted(
                {found.code for found in judged.verdict.findings if found.severity == Severity.ERROR}
                - set(LABEL_CODES.values())
            )
        ),
        forward=sides[0],
        backward=sides[1],
        checks=count_checks(checks),
        accepted=usual_rules(bank, changes, cases[0]),
        seconds=time.process_time() - started,
    )


def seeds_of(network: Network) -> tuple[int, int]:
    """Of its two banks, others for every name: of one seed, networks of one width would have the same weights."""
    seed = zlib.crc32(network.name.encode())
    return seed, seed + 1


def loaded(network: Network) -> tuple[Experiment, Settings]:
    """A network, and how it is measured."""
    experiment = varprobe.load({**network.config, "probe": {**network.config.get("probe", {}), "trials": TRIALS}})
    return experiment, replace(experiment.network.settings, threads=1)


def stored(folder: Path, experiment: Experiment, settings: Settings, name: str) -> Measurement:
    """The bank of a network, measured or from the folder."""
    path = folder / f"{check_pages.file_name(name)}-{settings.seed}-{settings.trials}.npz"
    if not path.exists():
        measured = measure(experiment.network, settings)
        with path.with_suffix(".part").open("wb") as file:
            np.savez(file, **vars(measured.statistics))
        path.with_suffix(".part").replace(path)
        return measured
    two = measure(experiment.network, replace(settings, trials=2))
    with np.load(path, allow_pickle=False) as tables:
        statistics = StackStatistics(**{field.name: tables[field.name] for field in fields(StackStatistics)})
    return replace(two, statistics=statistics, trials=len(statistics.dead))


def taken(bank: Measurement, trials: NDArray[np.int64]) -> Measurement:
    """Trials of a bank; histograms stay those of the whole."""
    tables = {name: table[trials] for name, table in vars(bank.statistics).items() if not name.endswith("histogram")}
    return replace(bank, statistics=replace(bank.statistics, **tables), trials=len(trials))


def replay(experiment: Experiment, settings: Settings, bank: Measurement, start: int, rule: Decide = decide) -> Reached:
    """One check whose trials are those of the bank from `start` on, and after its end from its beginning."""

    def draw(trials: int, _: Measurement | None) -> Measurement:
        return taken(bank, (start + np.arange(trials)) % bank.trials)

    return rule(experiment, settings, draw, alpha=ALPHA, max_trials=min(MAX_TRIALS, bank.trials))


def finished(path: Path, make: Callable[[], Result]) -> dict[str, Any]:
    """What is in the file, made and written first where it is not there."""
    if not path.exists():
        path.with_suffix(".part").write_text(json.dumps(without_nan(asdict(make())), indent=1) + "\n")
        path.with_suffix(".part").replace(path)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def without_nan(found: Any) -> Any:
    """The same with None for what is not a number, which JSON has no word for."""
    if isinstance(found, dict):
        return {key: without_nan(value) for key, value in found.items()}
    if isinstance(found, (list, tuple)):
        return [without_nan(value) for value in found]
    return None if isinstance(found, float) and not math.isfinite(found) else found


def in_turn(networks: Iterable[Network]) -> list[Network]:
    """One of each kind after the other, so that what is finished early is of all kinds."""
    count: Counter[str] = Counter()
    places = {}
    for network in networks:
        places[network.name] = (count[network.kind], KINDS.index(network.kind))
        count[network.kind] += 1
    return sorted(networks, key=lambda network: places[network.name])


def main() -> None:
    """Runs the study."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bank", type=Path, default=Path(tempfile.gettempdir()) / "varprobe_check_study")
    parser.add_argument("--only", default="", help="networks whose name contains this; nothing is written")
    parser.add_argument("--pages", action="store_true", help="write the pages of what is finished, and no more")
    options = parser.parse_args()
    options.bank.mkdir(parents=True, exist_ok=True)
    paths = {
        one.name: options.bank / f"{check_pages.file_name(one.name)}-{one.truth}-{one.draws}.json" for one in NETWORKS
    }
    networks = [one for one in NETWORKS if options.only in one.name and (paths[one.name].exists() or not options.pages)]
    for network in in_turn(networks):
        print(check_pages.line(finished(paths[network.name], partial(study, network, options.bank))), flush=True)
    if options.only:
        return
    results = [without_nan(json.loads(paths[network.name].read_text())) for network in networks]
    totals = check_sums.summary(results)
    made = f"varprobe {varprobe.__version__}, NumPy {np.__version__}, Python {platform.python_version()}"
    lines = ",\n".join(map(json.dumps, results))
    text = f'{{"made": {json.dumps(made)},\n"summary": {json.dumps(totals, indent=1)},\n"networks": [\n{lines}\n]}}\n'
    (HERE / "check_study.json").write_text(text)
    (HERE / "check_study.md").write_text(check_pages.page(results, totals, made))


if __name__ == "__main__":
    main()
