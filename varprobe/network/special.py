"""erf, erfc and their kin to full double accuracy, as NumPy expressions.

The standard library's `math.erf` takes one number at a time, the faster way for a few. For many,
erfc(x) = exp(-x^2) p(t) / (1 + 2 x) for x >= 0, with t = (x - 3.75) / (x + 3.75), the map of Shepherd and Laframboise
(Math. Comp. 36, 1981); p is a Chebyshev interpolant. Near zero, erf(x) = x r(x^2). `tests/test_special.py` recomputes
the coefficients with mpmath and holds the results to it. They are the network's because activations are made of them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

_TAIL = (
    -7.66620979599882e-11, -3.758730803563047e-11, 9.23486770752957e-10, 5.460657473631207e-10, -6.60682947791671e-09,
    -4.3902519431409845e-09, 4.10739893733258e-08, 2.4291311771894864e-08, -2.612582098890154e-07,
    -5.8264397666957126e-08, 1.7535246298697825e-06, -9.728484952656482e-07, -1.144508983794941e-05,
    2.2383911531916976e-05, 5.1649421745236465e-05, -0.0002901539791322486, 0.000293713591593492,
    0.0017556258323895534, -0.009746579547145438, 0.028362277421519668, -0.05869339859058929, 0.09230432116019804,
    -0.10880393014170556, 0.08227673849015103, 0.003585415485463656, -0.14024059858554702, 1.2375126308378275,
)  # fmt: skip
_TAIL_SINGLE = (
    -0.00022874723359084774, 0.0003967046382800549, 0.0016886622311156746, -0.009845491094959295, 0.02839648212065827,
    -0.0586459828677125, 0.092296367961203, -0.10881458496174144, 0.08227741756036867, 0.003586310101688852,
    -0.14024060801000693, 1.2375126184625718,
)  # fmt: skip
_CORE = (
    1.1472499701094691e-08, -1.5940066854661717e-07, 1.643068417974155e-06, -1.4924196305569617e-05,
    0.00012055289567541706, -0.0008548326188759752, 0.005223977615420539, -0.026866170644428485, 0.11283791670952596,
    -0.37612638903183715, 1.1283791670955126,
)  # fmt: skip
_CORE_SINGLE = (
    -0.0006756479568680047, 0.005115332112532226, -0.026835114568609705, 0.11283386538414544, -0.37612619469437675,
    1.1283791655787516,
)  # fmt: skip
_SMALL = 0.75
# Up to so many numbers the calls into NumPy cost more than a loop; quadrature asks for that many.
_FEW = 512
SQRT_HALF = 0.7071067811865476
INV_SQRT_2PI = 0.3989422804014327


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """Horner's rule in place, in the precision of x; the highest power comes first."""
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total *= x
        total += coefficient
    return total


def _erfc_positive(x: Array) -> Array:
    """erfc for x >= 0, with a small relative error also where it is tiny."""
    # Beyond 27 erfc is below the smallest double; the clip keeps x^2 finite.
    clipped = np.minimum(x, 30.0)
    t = (clipped - 3.75) / (clipped + 3.75)
    scaled = _polynomial(_TAIL if x.dtype == np.float64 else _TAIL_SINGLE, t)
    scaled *= np.exp(-clipped * clipped)
    scaled /= 1 + 2 * clipped
    return scaled


def erf(x: Array) -> Array:
    """The error function, elementwise, in the precision of x."""
    if x.size <= _FEW and x.dtype == np.float64:
        return np.array([math.erf(value) for value in x.ravel().tolist()]).reshape(x.shape)
    absolute = np.abs(x)
    near = np.minimum(absolute, _SMALL)
    core = near * _polynomial(_CORE if x.dtype == np.float64 else _CORE_SINGLE, near * near)
    return np.copysign(np.where(absolute < _SMALL, core, 1 - _erfc_positive(absolute)), x)


def normal_cdf(x: Array) -> Array:
    """The standard normal distribution function, with a small relative error in its lower tail too."""
    if x.size <= _FEW and x.dtype == np.float64:
        return np.array([math.erfc(value) / 2 for value in (x * -SQRT_HALF).ravel().tolist()]).reshape(x.shape)
    scaled = np.abs(x) * SQRT_HALF
    near = np.minimum(scaled, _SMALL)
    half_core = near * _polynomial(_CORE if x.dtype == np.float64 else _CORE_SINGLE, near * near) / 2
    half_tail = _erfc_positive(scaled) / 2
    upper = np.where(scaled < _SMALL, 0.5 + half_core, 1 - half_tail)
    lower = np.where(scaled < _SMALL, 0.5 - half_core, half_tail)
    return np.where(x < 0, lower, upper)


def normal_density(x: Array) -> Array:
    """The standard normal density."""
    return INV_SQRT_2PI * np.exp(x * x * -0.5)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow and with a small relative error in the lower tail."""
    decay = np.exp(-np.abs(x))
    return np.where(x < 0, decay, 1) / (1 + decay)


def softplus(x: Array) -> Array:
    """ln(1 + exp(x)), without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
