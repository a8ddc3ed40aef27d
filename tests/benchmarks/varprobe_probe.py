"""One piece of work with varprobe: prints the seconds of each round, those of measuring, and the memory.

The memory is the peak and what was planned, in MiB.

Tanh layers of one width; everything that a report holds is computed, theory and verdict too.
"""

import argparse
import resource
import time
from dataclasses import replace

from varprobe.config.loading import Experiment, load
from varprobe.diagnose import diagnose
from varprobe.engine.schedule import make_schedule

INITS = {
    "xavier": "xavier",
    "xavier-uniform": {"name": "xavier", "distribution": "uniform"},
    "orthogonal": "orthogonal",
}


def network(width: int, depth: int, batch: int, trials: int, init: str, engine: str) -> Experiment:
    return load(
        {
            "input": {"features": width},
            "defaults": {"activation": "tanh", "init": INITS[init]},
            "layers": [{"dense": width, "repeat": depth}],
            "probe": {"batch": batch, "trials": trials, "engine": engine},
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("width", "depth", "batch", "trials", "threads", "rounds"):
        parser.add_argument(name, type=int)
    parser.add_argument("init")
    parser.add_argument("engine")
    said = parser.parse_args()
    experiment = network(said.width, said.depth, said.batch, said.trials, said.init, said.engine)
    spec = experiment.network
    settings = replace(spec.settings, threads=said.threads)
    planned = make_schedule(spec, settings).memory
    warm = network(8, 2, 4, 1, "xavier", "auto")
    diagnose(warm)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(said.rounds):
        started = time.perf_counter()
        report = diagnose(experiment, settings)
        print(time.perf_counter() - started, report.provenance.seconds, flush=True)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, planned / 2**20)


if __name__ == "__main__":
    main()
