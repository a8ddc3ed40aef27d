"""How D compares with other scores, and which limit of it would serve."""

from __future__ import annotations

from typing import Any

import numpy as np
from trainability_scores import BEYOND, MAIN, SCORES, STABLE, Runs, Vector, auc, auc_within, interval

DEPTHS = (6, 10, 16, 24, 33)

# The changes that limits are tried at, in decades; the last stands for all beyond.
GRID_STEP, GRID_SIZE = 0.1, 120

RIGHT = ("right", "right_at_2", "right_at_3")


def compared(runs: Runs, repeats: int) -> dict[str, Any]:
    """The AUC of each score, and by how much that of the typical change is larger."""
    weights = runs.weights(repeats)
    main = runs.score(MAIN)
    found: dict[str, Any] = {}
    for name in SCORES:
        score = runs.score(name)
        known = np.isfinite(score)
        if not known.any():
            continue
        here = auc(score[known], runs.failed[known], weights[:, known])
        beside = auc(main[known], runs.failed[known], weights[:, known])
        found[name] = {"auc": interval(here), "D_beside": interval(beside)[0], "D_better_by": interval(beside - here)}
    return found


def apart(runs: Runs, repeats: int) -> dict[str, Any]:
    """What D says of networks of like depth, and depth and rank of networks of like D."""
    weights = runs.weights(repeats)
    depth = np.digitize(runs.score("depth"), DEPTHS)
    region_ = runs.score("label by 100 and 1000")
    spread = "D and the spread of draws"
    within = {
        "like depth": (depth, (MAIN, spread, "change of the trained draw", "effective rank lost")),
        "one label": (region_, ("depth", "depth/width", spread, "effective rank lost")),
    }
    return {
        what: {name: interval(auc_within(runs.score(name), runs.failed, weights, part)) for name in names}
        for what, (part, names) in within.items()
    }


def limits(runs: Runs, repeats: int) -> dict[str, Any]:
    """Where half of the runs train, and the limit of D that parts best what trains from what does not."""
    weights, score = runs.weights(repeats), runs.score(MAIN)
    place = np.minimum(np.floor(score / GRID_STEP + 1e-9).astype(int), GRID_SIZE)
    good, bad = (
        np.stack([np.bincount(place, row * share_, GRID_SIZE + 1) for row in weights])
        for share_ in (1 - runs.failed, runs.failed)
    )
    if not (good[0].any() and bad[0].any()):
        return {"half": [None, None, None], "best": [None, None, None]} | dict.fromkeys(RIGHT)
    halves = np.array([half_trains(*pair) for pair in zip(good, bad, strict=True)])
    with np.errstate(all="ignore"):
        kept = good.cumsum(axis=1) / good.sum(axis=1, keepdims=True)
        caught = 1 - bad.cumsum(axis=1) / bad.sum(axis=1, keepdims=True)
    right = (kept + caught)[:, :-1] / 2
    # Of equals the one in the middle.
    tops = [np.flatnonzero(row >= row.max() - 1e-12) for row in right if np.isfinite(row).all()]
    best = np.array([GRID_STEP * (top[len(top) // 2] + 1) for top in tops])
    at = [float(right[0, round(limit / GRID_STEP) - 1]) for limit in (STABLE, BEYOND)]
    values = (round(one, 3) for one in (float(right[0].max()), *at))
    return {"half": interval(halves), "best": interval(best)} | dict(zip(RIGHT, values, strict=True))


def half_trains(good: Vector, bad: Vector) -> float:
    """The change from which on fewer than half train, of the best falling fit to the share in steps of GRID_STEP."""
    blocks: list[list[float]] = []
    for width, (hits, misses) in enumerate(zip(good, bad, strict=True), start=1):
        blocks.append([hits, hits + misses, float(width)])
        while len(blocks) > 1 and blocks[-1][0] * blocks[-2][1] >= blocks[-2][0] * blocks[-1][1]:
            hits_, count, end = blocks.pop()
            blocks[-1] = [blocks[-1][0] + hits_, blocks[-1][1] + count, end]
    below = [end for hits, count, end in blocks if 2 * hits >= count]
    return GRID_STEP * min(max(below, default=0.0), float(GRID_SIZE))
