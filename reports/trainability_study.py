"""Does the label predict training? 405 networks, probed as varprobe draws them, then trained.

    python reports/trainability_study.py [--folder DIR] [--only WORD] [--quick]

Every network is drawn 20 times; the change of each draw and the label of the 20 come from one batch of the data. The
first three draws are trained on digits by SGD and by Adam at seven step sizes each, every second network also on a
spiral, every sixth with warm-up.
Finished networks are kept in DIR: stopped, the same command goes on where it was. Needs PyTorch and scikit-learn
(`pip install varprobe[test,torch]`) and some 20 minutes of one core. Writes trainability_study.json and
trainability_study.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trainability_pages
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from trainability_networks import SECOND_EVERY, WARM_EVERY, Network, networks
from trainability_signals import Signals, signals
from trainability_statistics import summary
from trainability_training import Cell, Task, Trained, draw_parameters, train

import varprobe
from varprobe.theory.fixed_point import find_fixed_point
from varprobe.verdict.intervals import log_mean, student_quantile

HERE = Path(__file__).parent
DRAWS, TRAINED = 20, 3
LN10 = math.log(10)
TARGETS = {"digits": 0.8, "spiral": 0.85}
CELLS = (Cell("sgd", warm_up=False), Cell("adam", warm_up=False))
WARM = (Cell("sgd", warm_up=True), Cell("adam", warm_up=True))


def digits() -> Task:
    """scikit-learn's 1797 digits, 8 x 8, each column standardised; the three that are always 0 stay 0."""
    data = load_digits()
    spread = data.data.std(axis=0)
    return Task(
        "digits",
        (data.data - data.data.mean(axis=0)) / np.where(spread > 0, spread, 1.0),
        data.target,
        TARGETS["digits"],
    )


def spiral(samples: int = 1792, noise: float = 0.03) -> Task:
    """Two arms of one turn in the plane, standardised: no linear function tells them apart."""
    random = np.random.default_rng(0)
    arm = np.arange(samples) % 2
    radius = 0.1 + 0.9 * np.sqrt(random.random(samples))
    angle = 2 * np.pi * radius + np.pi * arm
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1) + noise * random.standard_normal(
        (samples, 2)
    )
    return Task("spiral", (x - x.mean(axis=0)) / x.std(axis=0), arm, TARGETS["spiral"])


def study(network: Network, task: Task, cells: tuple[Cell, ...], steps: int | None = None) -> dict[str, Any]:
    """One network on one task: what its draws do to the signal, and how they train."""
    started = time.process_time()
    spec = varprobe.load(network.config(task.x.shape[1], task.classes)).network
    seed = zlib.crc32(f"{network.name} {task.name}".encode())
    drawn = draw_parameters(spec, seed, DRAWS)
    found = signals(spec, task, drawn, seed)
    first = [[one[:TRAINED].clone() for one in own] for own in drawn]
    del drawn
    more = {} if steps is None else {"steps": steps}
    torch.set_flush_denormal(True)
    trained = train(spec, task, first, TRAINED, cells, seed, **more)
    torch.set_flush_denormal(False)
    point = None if network.has_norm else find_fixed_point(spec, 1.0)
    scales = [] if point is None else [one for one in (point.xi_q, point.xi_c, point.xi_gradient) if one is not None]
    return {
        "task": task.name,
        "depth_over_width": network.depth / network.width,
        "xi_c": None if point is None else number(point.xi_c),
        "xi": number(min(scales)) if scales else None,
        "critical": point is not None,
        **described(found),
        "cells": {name: outcome(ends) for name, ends in trained.items()},
        "seconds": round(time.process_time() - started, 2),
    }


def described(found: Signals) -> dict[str, Any]:
    """The draws in log10: all living together, and the trained ones and one other apart."""
    signal = np.where(np.isfinite(found.sample_share), found.sample_share, np.nan)
    rank = np.where(np.isfinite(found.effective_rank), found.effective_rank, np.nan)
    with np.errstate(all="ignore"):
        return {
            "forward": together(found.forward),
            "backward": together(found.backward),
            "relative": together(found.relative),
            "output": [number(one / LN10) for one in found.output[: TRAINED + 1]],
            "sample_share": number(float(np.nanmean(signal)) / LN10) if np.isfinite(signal).any() else None,
            "effective_rank": number(float(np.nanmedian(rank))) if np.isfinite(rank).any() else None,
        }


def together(logs: NDArray[np.float64]) -> dict[str, Any]:
    """D, h, the spread and the mean over the living draws, and single draws; log10, None for a dead one."""
    living = logs[np.isfinite(logs)]
    count = len(living)
    spread = float(living.std(ddof=1)) if count > 1 else 0.0
    return {
        "dead": len(logs) - count,
        "D": number(float(living.mean()) / LN10) if count else None,
        "h": number(student_quantile(0.975, count - 1) * spread / math.sqrt(count) / LN10) if count > 1 else None,
        "spread": number(spread / LN10),
        "mean": number(float(log_mean(living)) / LN10) if count else None,
        "draws": [number(one / LN10) for one in logs[: TRAINED + 1]],
    }


def outcome(ends: list[Trained]) -> dict[str, Any]:
    """Of each draw."""
    return {
        "steps": [end.steps for end in ends],
        "rate": [number(math.log10(end.rate)) if end.rate else None for end in ends],
        "accuracy": [round(end.accuracy, 2) for end in ends],
    }


def number(value: float | None) -> float | None:
    """Four digits; None for what is not finite."""
    return float(f"{value:.4g}") if value is not None and math.isfinite(value) else None


def stored(path: Path) -> dict[tuple[str, str, bool], dict[str, Any]]:
    """What is finished, by network, task and whether it is the warm-up; a line that was cut is not."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[record["name"], record["task"], WARM[0].name in record["cells"]] = record
    return found


def collect(chosen: list[Network], tasks: list[Task], path: Path, steps: int | None = None) -> list[dict[str, Any]]:
    """All records, made where they are not stored, each stored when it is made; the first task first."""
    done = stored(path)
    plan = [(network, tasks[0], False) for network in chosen]
    for place, network in enumerate(chosen):
        plan += [(network, task, False) for task in tasks[1:] if place % SECOND_EVERY == 0]
        plan += [(network, tasks[0], True)] if place % WARM_EVERY == 0 else []
    for place, (network, task, warm) in enumerate(plan):
        key = (network.name, task.name, warm)
        if key in done:
            continue
        about = {key: getattr(network, key) for key in ("name", "family", "width", "depth", "has_norm")}
        done[key] = about | study(network, task, WARM if warm else CELLS, steps)
        with path.open("a") as file:
            file.write("\n" + json.dumps(done[key]))
        print(f"{place + 1}/{len(plan)}", trainability_pages.line(done[key]), flush=True)
    return merged(done)


def merged(done: dict[tuple[str, str, bool], dict[str, Any]]) -> list[dict[str, Any]]:
    """The records, those of the warm-up within the others."""
    records = {(name, task): dict(record) for (name, task, warm), record in done.items() if not warm}
    for (name, task, warm), record in done.items():
        if warm and (name, task) in records:
            there = records[name, task]
            there["cells"] = there["cells"] | record["cells"]
            there["seconds"] = round(there["seconds"] + record["seconds"], 2)
    return list(records.values())


def main() -> None:
    """Runs the study."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "varprobe_trainability_study")
    parser.add_argument("--only", default="", help="networks whose name contains this; nothing is written")
    parser.add_argument("--quick", action="store_true", help="two small networks, 40 steps; nothing is written")
    parser.add_argument("--pages", action="store_true", help="only what is finished, written anew")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.quick:
        small = networks({"chain": 1, "norm stack": 1})
        with tempfile.TemporaryDirectory() as folder:
            records = collect(small, [digits(), spiral()], Path(folder) / "records.jsonl", steps=40)
        print(trainability_pages.page(summary(records, repeats=50), "a quick run"))
        return
    path = options.folder / "records.jsonl"
    chosen = [network for network in networks() if options.only in network.name]
    records = merged(stored(path)) if options.pages else collect(chosen, [digits(), spiral()], path)
    if options.only:
        return
    made = (
        f"varprobe {varprobe.__version__}, PyTorch {torch.__version__}, NumPy {np.__version__} "
        f"and Python {platform.python_version()}"
    )
    trainability_pages.write(HERE, records, made)


if __name__ == "__main__":
    main()
