"""One piece of work with varprobe: prints the seconds of each round, then the peak and the planned memory in MiB.

Tanh layers of one width; everything that a report holds is computed, theory and verdict too.
"""

import argparse
import resource
import time
from dataclasses import replace

from varprobe.diagnose import diagnose
from varprobe.engine.plan import make_plan
from varprobe.spec.loading import load

INITS = {
    "xavier": "xavier",
    "xavier-uniform": {"name": "xavier", "distribution": "uniform"},
    "orthogonal": "orthogonal",
}


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("width", "depth", "batch", "trials", "threads", "rounds"):
        parser.add_argument(name, type=int)
    parser.add_argument("init")
    parser.add_argument("engine")
    said = parser.parse_args()
    spec = load(
        {
            "input": {"features": said.width},
            "defaults": {"activation": "tanh", "init": INITS[said.init]},
            "layers": [{"dense": said.width, "repeat": said.depth}],
            "probe": {"batch": said.batch, "trials": said.trials, "engine": said.engine},
        }
    )
    settings = replace(spec.settings, threads=said.threads)
    planned = make_plan(spec, settings).memory
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(said.rounds):
        started = time.perf_counter()
        diagnose(spec, settings)
        print(time.perf_counter() - started, flush=True)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, planned / 2**20)


if __name__ == "__main__":
    main()
