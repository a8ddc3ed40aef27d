"""Pairs of Gaussians under a line and waves, by their Fourier series."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.gaussian.quadrature import PHASES
from varprobe.network.activations import Activation
from varprobe.network.special import Array

Waves = NDArray[np.complexfloating[Any]]

# Harmonics on both sides of 0.
_ORDERS = np.arange(PHASES) - PHASES // 2


def integrate_waves(activation: Activation, period: float, mean: float, variance: float, difference: float) -> float:
    """E[(phi(u1) - phi(u2))^2]/2 for phi(x) = a x + p(x), p of that period.

    It is a^2 d + 2 a d E[p'] + E[(p(u1) - p(u2))^2]/2, the middle by Stein's lemma.
    """
    line, waves, slopes = _expand(activation, period)
    turns = 2 * math.pi / period * _ORDERS
    rise = float((slopes @ np.exp(1j * mean * turns - turns * turns * (variance / 2))).real)
    return difference * line * (line + 2 * rise) + _separate(waves, turns, mean, variance, difference)


def integrate_wave_slopes(
    activation: Activation, period: float, mean: float, variance: float, difference: float
) -> float:
    """E[(phi'(u1) - phi'(u2))^2]/2 of the same."""
    _, _, slopes = _expand(activation, period)
    return _separate(slopes, 2 * math.pi / period * _ORDERS, mean, variance, difference)


@cache
def _expand(activation: Activation, period: float) -> tuple[float, Waves, Waves]:
    """The line's slope, and the coefficients of p and of p', shape (harmonics,), good where phi has 30 or fewer."""
    line = activation.far[1] if activation.far else 0.0
    phases = np.arange(PHASES) / PHASES
    waves: Waves = np.exp(-2j * math.pi * np.outer(_ORDERS, phases)) @ (
        activation.value(period * phases) - line * period * phases
    )
    waves /= PHASES
    return line, waves, 2j * math.pi / period * _ORDERS * waves


def _separate(waves: Waves, turns: Array, mean: float, variance: float, difference: float) -> float:
    """E[(p(u1) - p(u2))^2]/2 for p(x) = sum of c_n exp(i w_n x).

    E[exp(i a)] = exp(i E[a] - Var(a)/2) with a = w_n u1 + w_k u1 and a = w_n u1 + w_k u2; the variances of the two
    differ by 2 d w_n w_k, so that nothing cancels for small d.
    """
    products, sums = np.outer(turns, turns), np.square(np.add.outer(turns, turns))
    one, two = sums * (variance / 2), sums * (variance / 2) - products * difference
    gaps = np.sign(products) * np.exp(-np.minimum(one, two)) * np.expm1(-np.abs(products) * difference)
    turned = waves * np.exp(1j * mean * turns)
    return float((turned @ gaps @ turned).real)
