"""Batch norm of a Gaussian signal at its own batch size, eps included.

The biased variance w over the batch is that of chi^2 with batch - 1 degrees of freedom. Of a gradient the mean over the
batch is taken out; what lies along the signal is multiplied by eps/(w + eps), and all of it by 1/sqrt(w + eps). At two
rows nothing else is left, so that eps decides the gradient: rare units whose rows almost agree carry its mean.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

# Steps in ln w, and how far below the smaller of w and eps the integral begins.
_STEP, _BELOW = 1 / 64, 60.0


@lru_cache(maxsize=4096)
def normalise_batch(eps: float, batch: int) -> tuple[float, float]:
    """E[w/(w + eps)], and what the gradient's own second moment is multiplied by.

    Arguments:
        eps: in units of the sample variance (ddof 1); above 0.
        batch: rows, two or more.

    >>> [round(value, 3) for value in normalise_batch(1e-9, 8)], round(normalise_batch(1e-4, 2)[1], 2)
    ([1.0, 1.2], 33.23)
    """
    freedom = batch - 1
    start = math.log(min(eps, 1.0)) - _BELOW
    x = np.arange(start, math.log(1 + 80 / freedom) + 4, _STEP)
    w = np.exp(x)
    half = freedom / 2
    # The density of ln w, where w batch is chi^2.
    density = np.exp(half * (x + math.log(batch / 2)) - w * batch / 2 - math.lgamma(half)) * _STEP
    passed = eps / (w + eps)
    factor = (batch - 2 + passed**2) / (w + eps) / batch
    return float(density @ (w / (w + eps))), float(density @ factor)
