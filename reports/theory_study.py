"""How often varprobe cries wolf: healthy networks, many seeds, the verdict and `theory-mismatch` of each run.

    python reports/theory_study.py [--seeds 1000] [--processes 2]

Every run is what `varprobe run` does: 20 trials, another seed. Counted are runs that show `theory-mismatch` (the
test's level is 1 % for a whole network) and runs whose verdict is the opposite of the truth, which for these networks
is not to vanish and not to explode. As a control, a tenth as many runs draw weights 5 % larger than theory is told.
Writes theory_study.md and theory_study.json beside this file.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import varprobe
from varprobe.network.layers import Dense
from varprobe.network.spec import NetworkSpec
from varprobe.probe.measure import measure
from varprobe.verdict.agreement import compare
from varprobe.verdict.judge import judge

HERE = Path(__file__).parent
EDGE = {"name": "mean_field", "sw": 1.7609546**0.5, "sb": 0.05**0.5}


def chain(activation: str, init: Any, width: int, depth: int) -> dict[str, Any]:
    """Layers that are all alike."""
    return {
        "input": {"features": width},
        "defaults": {"activation": activation, "init": init},
        "layers": [{"dense": width, "repeat": depth}],
    }


def layers(features: int, init: str, *entries: Any) -> dict[str, Any]:
    """Entries in turn, linear where they do not say otherwise."""
    return {
        "input": {"features": features},
        "defaults": {"activation": "linear", "init": init},
        "layers": list(entries),
    }


NETWORKS: dict[str, dict[str, Any]] = {
    "relu, he, 128 x 20": chain("relu", "he", 128, 20),
    "tanh, xavier, 64 x 40": chain("tanh", "xavier", 64, 40),
    "tanh, orthogonal, 64 x 40": chain("tanh", "orthogonal", 64, 40),
    "tanh, edge of chaos, 128 x 20": chain("tanh", EDGE, 128, 20),
    "linear, xavier, 64 x 50": chain("linear", "xavier", 64, 50),
    "leaky_relu, he uniform, 128 x 20": chain("leaky_relu", {"name": "he", "distribution": "uniform"}, 128, 20),
    "selu, lecun, 128 x 16": chain("selu", "lecun", 128, 16),
    "relu pyramid, he, 256-128-64-32-10": {
        "input": {"features": 784},
        "defaults": {"activation": "relu", "init": "he"},
        "layers": [{"dense": width} for width in (256, 128, 64, 32, 10)],
    },
    "residual relu, he, 64 x 12": layers(
        64,
        "he",
        {"dense": {"width": 64, "init": "lecun"}},
        {"residual": {"scale": 0.25, "layers": [{"activation": "relu"}, {"dense": 64}]}, "repeat": 12},
    ),
    "layer norm, relu, 64 x 12": layers(
        64, "he", {"block": [{"dense": 64}, {"norm": "layer"}, {"activation": "relu"}], "repeat": 12}
    ),
}


def enlarged(spec: NetworkSpec, factor: float) -> NetworkSpec:
    """The same network with all weights times a factor."""
    steps = [
        replace(step, layer=replace(step.layer, weights=step.layer.weights.scaled(factor)))
        if isinstance(step.layer, Dense)
        else step
        for step in spec.steps
    ]
    return replace(spec, steps=tuple(steps))


def one_run(name: str, factor: float, seed: int) -> tuple[str, str, str, bool]:
    """Labels forward and backward, the label of the signal, and whether theory-mismatch was shown."""
    spec = varprobe.load({**NETWORKS[name], "probe": {"batch": 32, "trials": 20}}).network
    settings = replace(spec.settings, seed=seed, threads=1)
    measurement = measure(spec if factor == 1 else enlarged(spec, factor), settings)
    verdict = judge(measurement, compare(measurement, varprobe.derive(spec, settings)))
    mismatch = any(finding.code == "theory-mismatch" for finding in verdict.findings)
    return verdict.forward.label, verdict.backward.label, verdict.signal.label, mismatch


def summary(runs: list[tuple[str, str, str, bool]]) -> dict[str, Any]:
    """The counts of one network."""
    return {
        "runs": len(runs),
        "mismatches": sum(run[3] for run in runs),
        "opposite": sum(run[0] in ("vanishing", "exploding") or run[1] in ("vanishing", "exploding") for run in runs),
        "forward": dict(Counter(run[0] for run in runs).most_common()),
        "backward": dict(Counter(run[1] for run in runs).most_common()),
    }


def page(results: dict[str, Any], seeds: int) -> str:
    """All counts in Markdown."""
    total = sum(result["runs"] for result in results.values())
    wrong = sum(result["mismatches"] for result in results.values())
    opposite = sum(result["opposite"] for result in results.values())
    control = sum(result["control_runs"] for result in results.values())
    found = sum(result["control_found"] for result in results.values())
    lines = [
        "# False alarms on healthy networks",
        "",
        f"Ten healthy networks, {seeds:,} seeds each, 20 trials of batch 32 a run, float32. Made by",
        f"`python reports/theory_study.py --seeds {seeds}` with varprobe {varprobe.__version__},",
        f"NumPy {np.__version__}, Python {platform.python_version()}.",
        "",
        f"- `theory-mismatch` was shown in {wrong:,} of {total:,} runs ({100 * wrong / total:.2f} %). The test has a "
        "level of 1 % for a whole network.",
        f"- The verdict was vanishing or exploding, the opposite of the truth, in {opposite:,} of {total:,} runs.",
        f"- With weights 5 % larger than theory is told, `theory-mismatch` was shown in {found:,} of {control:,} runs.",
        "  Where it is not, next to nothing is tested: so narrow a layer varies too much from draw to draw, or a norm",
        "  ends the bands.",
        "",
        "| network | theory-mismatch | 5 % larger: found | opposite verdict | forward | backward |",
        "|---|---:|---:|---:|---|---|",
    ]
    for name, result in results.items():
        sides = [
            ", ".join(f"{label} {number:,}" for label, number in result[way].items()) for way in ("forward", "backward")
        ]
        found_here = f"{result['control_found']} of {result['control_runs']}"
        cells = (name, str(result["mismatches"]), found_here, str(result["opposite"]), *sides)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs the study."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    results: dict[str, Any] = {}
    with ProcessPoolExecutor(options.processes) as pool:
        for name in NETWORKS:
            run, control = partial(one_run, name, 1.0), partial(one_run, name, 1.05)
            results[name] = summary(list(pool.map(run, range(options.seeds), chunksize=10)))
            found = summary(list(pool.map(control, range(options.seeds // 10), chunksize=10)))
            results[name] |= {"control_runs": found["runs"], "control_found": found["mismatches"]}
            print(name, results[name], flush=True)
    (HERE / "theory_study.json").write_text(json.dumps(results, indent=2) + "\n")
    (HERE / "theory_study.md").write_text(page(results, options.seeds))


if __name__ == "__main__":
    main()
