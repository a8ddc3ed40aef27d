"""Pairs of Gaussians by quadrature over their plane, for functions that are neither smooth nor straight."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from varprobe.gaussian.expectations import measure_bend
from varprobe.gaussian.quadrature import Vector, grade_panels, legendre
from varprobe.network.activations import Activation
from varprobe.network.special import Array

# Standard deviations that count on each side, the nodes of a panel and how fast panels may grow from a bend.
_REACH, _COUNT, _RATIO = 9.0, 24, 12.0
# Around a place where one of the two Gaussians is narrow, in its standard deviations.
_AROUND = np.array([-8.0, -3.0, 0.0, 3.0, 8.0])


def integrate_over_plane(
    function: Callable[[Array], Array], activation: Activation, mean: float, variance: float, difference: float
) -> float:
    """E[(f(u1) - f(u2))^2]/2, f the activation or its derivative.

    With u1 = x + y, u2 = x - y: x ~ N(m, v - d/2), y ~ N(0, d/2). For every y the panels in x are split where u1 or
    u2 meets a bend, and grow from there on; the ones in y where both meet two bends at once.
    """
    std_x, std_y = math.sqrt(max(variance - difference / 2, 1e-16 * variance)), math.sqrt(difference / 2)
    bends = np.array(activation.kinks or (0.0,))
    nodes, weights = legendre(_COUNT)
    unit, bent = activation.unit, measure_bend(activation)
    reach = _REACH * std_y
    # Bends lie in order: y = (k_j - k_i)/2 meets two of them at once, and y = 0 one.
    marks = [(bends[:, None] - bends).ravel() / 2, [reach], grade_panels(reach, unit, bent, _RATIO)]
    if std_x < std_y / 2:
        # The bends are met at y = +-(k - m) within some std_x.
        marks.append((np.abs(bends - mean)[:, None] + std_x * _AROUND).ravel())
    edges = np.array(sorted({min(max(mark, 0.0), reach) for mark in np.concatenate(marks).tolist()}))
    y, weight_y = _fill_panels(edges, nodes, weights)
    weight_y *= np.exp(-np.square(y / std_y) / 2)

    reach = _REACH * std_x
    out = grade_panels(reach, unit, bent, _RATIO)
    around = np.concatenate([[0.0], out, -out])
    meets = np.concatenate([bends[:, None] - y, bends[:, None] + y])
    points = (meets[:, None, :] + around[:, None]).reshape(-1, y.size).T
    fixed = np.broadcast_to([mean - reach, mean, mean + reach], (y.size, 3))
    edges = np.sort(np.clip(np.concatenate([points, fixed], axis=1), mean - reach, mean + reach), axis=1)
    x, weight_x = _fill_panels(edges, nodes, weights)
    weight_x *= np.exp(-np.square((x - mean) / std_x) / 2)
    shift = y[:, None]
    gap = function(x + shift) - function(x - shift)
    inner = np.einsum("ij,ij,ij->i", weight_x, gap, gap)
    return float(weight_y @ inner) / (2 * math.pi * std_x * std_y)


def _fill_panels(edges: Vector, nodes: Vector, weights: Vector) -> tuple[Vector, Vector]:
    """Nodes and weights of every row of edges."""
    half = np.diff(edges, axis=-1)[..., None] / 2
    x = edges[..., :-1, None] + half + half * nodes
    rows = edges.shape[:-1]
    return x.reshape(*rows, -1), (half * weights).reshape(*rows, -1)
