"""Measures both engines from 64 to 2,048 units and 1 to 512 rows, and fits the costs that `auto` weighs.

    .venv/bin/python tests/benchmarks/engines.py

Prints every ratio and, fitted to the seconds by non-negative least squares of relative errors, the nanoseconds of each
term of `varprobe.engine.costs.Cost`. Statistics cost both engines the same; their part is in both columns' `value`.
"""

import time
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import nnls

from varprobe.config.loading import load
from varprobe.engine.costs import GAUSSIAN, ORTHOGONAL, Cost
from varprobe.probe.measure import measure

WIDTHS = (64, 128, 256, 512, 1024, 2048)
BATCHES = (1, 8, 32, 128, 512)
DEPTH, ROUNDS = 6, 4


@dataclass(frozen=True)
class Point:
    width: int
    batch: int
    trials: int
    explicit: float
    matrix_free: float


def nanoseconds(engine: str, width: int, batch: int, trials: int, init: str) -> float:
    """Of one layer in one trial: the best of a few rounds."""
    spec = load(
        {
            "input": {"features": width},
            "defaults": {"activation": "tanh", "init": init},
            "layers": [{"dense": width, "repeat": DEPTH}],
            "probe": {"batch": batch, "trials": trials},
        }
    ).network
    settings = replace(spec.settings, engine=engine)
    best = np.inf
    for _ in range(ROUNDS):
        started = time.perf_counter()
        measure(spec, settings)
        best = min(best, time.perf_counter() - started)
    return best / DEPTH / trials * 1e9


def points(init: str) -> list[Point]:
    found = []
    for width in WIDTHS if init == "xavier" else WIDTHS[:-1]:
        for batch in BATCHES:
            trials = max(1, min(20, 2**19 // width**2))
            seconds = [nanoseconds(engine, width, batch, trials, init) for engine in ("explicit", "matrix-free")]
            found.append(Point(width, batch, trials, *seconds))
    return found


def fitted(columns: list[np.ndarray], measured: np.ndarray) -> np.ndarray:
    return nnls(np.stack(columns, 1) / measured[:, None], np.ones_like(measured))[0]


def show(init: str, cost: Cost) -> None:
    found = points(init)
    for point in found:
        n, b = point.width, point.batch
        shipped = cost.explicit(n, n, b) / cost.matrix_free(n, n, b)
        ratio = point.explicit / point.matrix_free
        wrong = "" if (shipped > 1) == (ratio > 1) else "  shipped constants choose the slower"
        print(f"{init} {n:5d} units, batch {b:3d}: explicit / matrix-free {ratio:7.2f}{wrong}", flush=True)
    n, b, trials = (np.array([getattr(point, name) for point in found], float) for name in ("width", "batch", "trials"))
    layer, values, square = 1 / trials, 2 * b * n, n * n
    explicit = fitted([layer, values, square, square * b, square * n], np.array([point.explicit for point in found]))
    free = fitted([layer, values, values * b, b**3], np.array([point.matrix_free for point in found]))
    names = ("layer", "value", "weight", "product", "decomposition"), ("layer", "value", "pair", "cube")
    for title, terms, numbers in zip(("explicit", "matrix-free"), names, (explicit, free), strict=True):
        print(init, title, ", ".join(f"{name} {number:.3g}" for name, number in zip(terms, numbers, strict=True)))


if __name__ == "__main__":
    show("xavier", GAUSSIAN)
    show("orthogonal", ORTHOGONAL)
