"""How often `varprobe check` is wrong, as users meet it: healthy, broken and borderline networks.

    python reports/check_study.py [--bank DIR] [--replays 2000] [--only WORD]

Every network has a bank of trials. From it come the true T both ways, and the class: healthy where abs(T) is at most
1.6 both ways, broken where it is at least 6.9 one way, each by its 95 % interval; else between. `decide`, the code that
`varprobe check` runs, is replayed on trials drawn from the bank with replacement, with its default expectations, alpha
and most trials. What is rare may be missing from a bank: so the whole is done afresh too, with seeds of its own. Beside
it stand the usual rules on the same banks. Banks and finished networks are kept in DIR: stopped, the same command goes
on where it was. Writes check_study.md and check_study.json beside this file.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import check_pages
import numpy as np
from check_networks import NETWORKS, Network, tilted
from numpy.typing import NDArray

import varprobe
from varprobe.config.loading import Experiment
from varprobe.engine.record import StackStatistics
from varprobe.frozen import dataclass
from varprobe.gate.check import Reached, decide
from varprobe.gate.records import MAX_TRIALS
from varprobe.network.spec import Settings
from varprobe.probe.measure import measure, more
from varprobe.probe.measurement import Measurement
from varprobe.verdict.case import build_case
from varprobe.verdict.intervals import log_mean
from varprobe.verdict.records import ALPHA
from varprobe.verdict.rule import LN10

HERE = Path(__file__).parent
HEALTHY, BROKEN = 1.6, 6.9
SURE = 1.96
BANK_SEED, FRESH_SEED = 7, 1_000_000
TRIALS = 20
RATES = (0.95, 1.0, 1.05)

Decide = Callable[..., Reached]


@dataclass(frozen=True)
class Truth:
    """What a bank says of one direction: T in natural logs, its standard error, the share of dead draws."""

    total: float
    error: float
    dead: float


@dataclass(frozen=True)
class Aim:
    """A range that a forward rate is held to, by at most so many trials; fresh checks beside the replays."""

    low: float
    high: float
    most: int
    fresh: int


# Told from 1, to a thousandth; and 1 told from what is 5 % off, so that both are decided.
AIMS = (Aim(0.999, 1.001, 40, 20), Aim(0.975, 1.025, MAX_TRIALS, 5))


@dataclass(frozen=True)
class Counts:
    """Checks of one network.

    Attributes:
        passed, failed, undecided: how they ended.
        mean_trials, max_trials: what they spent.
        unmet: expectations that were not met, and how they ended.
        astray: checks in which a decision's interval of T did not hold the true T; None where that is not known.
    """

    checks: int
    passed: int
    failed: int
    undecided: int
    mean_trials: float
    max_trials: int
    unmet: dict[str, int]
    astray: int | None


@dataclass(frozen=True)
class Rules:
    """The share of cases in which a usual rule calls the network healthy.

    Attributes:
        change: last over first of one draw lies within [0.1, 10], both ways.
        mean_change: the same of the means over 20 draws.
        output: the standard deviation of the last activation of one draw lies within [0.5, 2].
    """

    change: float
    mean_change: float
    output: float


@dataclass(frozen=True)
class Result:
    """One network."""

    name: str
    group: str
    depth_over_width: float
    bank: int
    forward: Truth
    backward: Truth
    replayed: Counts
    rules: Rules
    seconds: float


def study(network: Network, replays: int, folder: Path, rule: Decide = decide) -> Result:
    """One network's bank and what its replays come to."""
    started = time.process_time()
    experiment, settings = loaded(network)
    bank = stored(folder, experiment, replace(settings, trials=network.bank), network.name)
    truth = forward, backward = truths(bank)
    return Result(
        name=network.name,
        group=group_of(forward, backward),
        depth_over_width=depth_over_width(bank),
        bank=network.bank,
        forward=forward,
        backward=backward,
        replayed=counted((replay(experiment, settings, bank, random, rule) for random in generators(replays)), truth),
        rules=usual_rules(bank),
        seconds=time.process_time() - started,
    )


def fresh(network: Network, checks: int, rule: Decide = decide) -> Counts:
    """What checks with seeds of their own come to."""
    experiment, settings = loaded(network)
    return counted(afresh(experiment, replace(settings, seed=FRESH_SEED + seed), rule) for seed in range(checks))


def loaded(network: Network) -> tuple[Settings]:
    """A network, and how its bank is measured."""
    experiment = varprobe.load({**network.config, "probe": {**network.config.get("probe", {}), "trials": TRIALS}})
    return experiment, replace(experiment.network.settings, threads=1, seed=BANK_SEED)


def stored(folder: Path, experiment: Experiment, settings: Settings, name: str) -> Measurement:
    """The bank of a network, measured or from the folder."""
    path = folder / f"{check_pages.file_name(name)}-{settings.trials}.npz"
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


def truths(bank: Measurement) -> tuple[Truth, Truth]:
    """T both ways, from the whole bank."""
    case = build_case(bank)
    forward, backward = (
        Truth((judged.direction.total_log10 or 0.0) * LN10, judged.error, (judged.dead + judged.ended) / bank.trials)
        for judged in (case.forward, case.backward)
    )
    return forward, backward


def group_of(*both: Truth) -> str:
    """The class of a network, each bound with its 95 % interval."""
    if all(abs(truth.total) + SURE * truth.error <= HEALTHY for truth in both):
        return "healthy"
    return "broken" if any(abs(truth.total) - SURE * truth.error >= BROKEN for truth in both) else "between"


def depth_over_width(bank: Measurement) -> float:
    """The sum of 1/width over the dense layers."""
    return sum(1 / layer.fan_out for layer in bank.layers if layer.kind == "dense")


def generators(count: int) -> Iterable[np.random.Generator]:
    """One a replay, so that each can be repeated alone."""
    return map(np.random.default_rng, range(count))


def replay(
    experiment: Experiment,
    settings: Settings,
    bank: Measurement,
    random: np.random.Generator,
    rule: Decide = decide,
    most: int = MAX_TRIALS,
) -> Reached:
    """One check whose trials are drawn from the bank, with replacement."""
    order = random.integers(0, bank.trials, most)
    return rule(experiment, settings, lambda trials, _: taken(bank, order[:trials]), alpha=ALPHA, max_trials=most)


def taken(bank: Measurement, trials: NDArray[np.int64]) -> Measurement:
    """Trials of a bank; histograms stay those of the whole."""
    tables = {name: table[trials] for name, table in vars(bank.statistics).items() if not name.endswith("histogram")}
    return replace(bank, statistics=replace(bank.statistics, **tables), trials=len(trials))


def afresh(experiment: Experiment, settings: Settings, rule: Decide = decide, most: int = MAX_TRIALS) -> Reached:
    """One check as the command makes it."""

    def draw(trials: int, before: Measurement | None) -> Measurement:
        here = replace(settings, trials=trials)
        return measure(experiment.network, here) if before is None else more(before, experiment.network, here)

    return rule(experiment, settings, draw, alpha=ALPHA, max_trials=most)


def counted(checks: Iterable[Reached], truth: tuple[Truth, Truth] | None = None) -> Counts:
    """How they ended, and how often an interval went astray where the truth is known."""
    ends: Counter[str] = Counter()
    unmet: Counter[str] = Counter()
    trials: list[int] = []
    astray = 0
    for check in checks:
        ends[check.outcome] += 1
        unmet.update(f"{one.expectation} {one.outcome}" for one in check.decisions if one.outcome != "met")
        trials.append(check.diagnosis.case.trials)
        astray += truth is not None and is_astray(check, truth)
    return Counts(
        checks=len(trials),
        passed=ends["passed"],
        failed=ends["failed"],
        undecided=ends["undecided"],
        mean_trials=float(np.mean(trials)) if trials else 0.0,
        max_trials=max(trials, default=0),
        unmet=dict(sorted(unmet.items())),
        astray=None if truth is None else astray,
    )


def is_astray(check: Reached, truth: tuple[Truth, Truth]) -> bool:
    """Whether a decision's interval of T does not hold the truth."""
    totals = {"forward": truth[0].total / LN10, "backward": truth[1].total / LN10}
    return any(
        decision.low is not None
        and decision.high is not None
        and not decision.low <= totals[decision.expectation] <= decision.high
        for decision in check.decisions
        if decision.expectation in totals
    )


def usual_rules(bank: Measurement, means: int = 2000) -> Rules:
    """What the usual rules say of the same trials."""
    traces = build_case(bank).traces
    order = np.random.default_rng(0).integers(0, bank.trials, (means, 20))
    one, mean = np.ones(bank.trials, bool), np.ones(means, bool)
    for logs in (traces.forward, traces.backward):
        first, last = logs[:, 0], logs[:, -1]
        one &= np.abs(last - first) <= LN10
        mean &= np.abs(log_mean(last[order], axis=1) - log_mean(first[order], axis=1)) <= LN10
    output = bank.statistics.log_activation_variance[:, -1] / 2
    within = (output >= np.log(0.5)) & (output <= np.log(2.0))
    return Rules(float(one.mean()), float(mean.mean()), float(within.mean()))


def told(rate: float, aim: Aim, checks: int, folder: Path) -> dict[str, Any]:
    """A 256 x 20 network of that forward rate, held to a range: the trials that telling takes."""
    config = {**tilted(256, 20, 20 * math.log(rate), batch=32), "expect": {"rate": {"forward": [aim.low, aim.high]}}}
    experiment = varprobe.load(config)
    settings = replace(experiment.network.settings, threads=1, seed=BANK_SEED)
    bank = stored(folder, experiment, replace(settings, trials=400), f"rate {rate}")
    replays = (replay(experiment, settings, bank, random, most=aim.most) for random in generators(checks))
    afresh_ = (
        afresh(experiment, replace(settings, seed=FRESH_SEED + seed), most=aim.most) for seed in range(aim.fresh)
    )
    truth = truths(bank)[0]
    return {
        "rate": rate,
        "bank_rate": math.exp(truth.total / 20),
        "aim": asdict(aim),
        "replayed": asdict(counted(replays)),
        "fresh": asdict(counted(afresh_)),
    }


def finished(path: Path, make: Callable[[], Any]) -> Any:
    """What is in the file, made and written first where it is not there."""
    if not path.exists():
        made = make()
        text = json.dumps(made if isinstance(made, dict) else asdict(made), indent=1)
        path.with_suffix(".part").write_text(text + "\n")
        path.with_suffix(".part").replace(path)
    return json.loads(path.read_text())


def main() -> None:
    """Runs the study."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bank", type=Path, default=Path(tempfile.gettempdir()) / "varprobe_check_study")
    parser.add_argument("--replays", type=int, default=2000)
    parser.add_argument("--only", default="", help="networks whose name contains this; nothing is written")
    options = parser.parse_args()
    folder, replays = options.bank, options.replays
    folder.mkdir(parents=True, exist_ok=True)
    networks = [network for network in NETWORKS if options.only in network.name]
    results: list[dict[str, Any]] = []
    for network in networks:
        path = folder / f"{check_pages.file_name(network.name)}-{network.bank}-{replays}.json"
        results.append(finished(path, partial(study, network, replays, folder)))
        print(check_pages.line(results[-1]), flush=True)
    for network, result in zip(networks, results, strict=True):
        path = folder / f"{check_pages.file_name(network.name)}-fresh-{network.fresh}.json"
        result["fresh"] = finished(path, partial(fresh, network, network.fresh))
        print(network.name, result["fresh"], flush=True)
    if options.only:
        return
    rates = []
    for aim, rate in product(AIMS, RATES):
        path = folder / f"rate-{rate}-{aim.low}-{aim.most}-{replays}.json"
        rates.append(finished(path, partial(told, rate, aim, replays // 2, folder)))
    made = f"varprobe {varprobe.__version__}, NumPy {np.__version__}, Python {platform.python_version()}"
    summary = check_pages.summary(results)
    whole = {"made": made, "replays": replays, "summary": summary, "networks": results, "rates": rates}
    (HERE / "check_study.json").write_text(json.dumps(whole, indent=1) + "\n")
    (HERE / "check_study.md").write_text(check_pages.page(results, summary, rates, made, replays))


if __name__ == "__main__":
    main()
