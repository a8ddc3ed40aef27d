"""erf and its kin against mpmath at 50 digits, over everything from subnormal to huge."""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import numpy as np
import pytest

from varprobe.network import special

mp = mpmath.MPContext()
mp.dps = 50

Exact = Callable[[mpmath.mpf], mpmath.mpf]

EXACT = {
    "erf": mp.erf,
    "normal_cdf": mp.ncdf,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "softplus": lambda x: mp.log1p(mp.exp(x)),
}
# Units in the last place that the arithmetic may cost: a polynomial, an exponential, a division and a product of
# at most one ulp each; NumPy states up to 2.5 ulp for its own exp in float32.
ULPS = {np.float64: 4.0, np.float32: 6.0}


def ulps(name: str, x: np.ndarray) -> np.ndarray:
    """The error of special.<name>(x), in spacings of x's precision at the exact value."""
    found = getattr(special, name)(x)
    assert found.dtype == x.dtype
    assert found.shape == x.shape
    exact = [EXACT[name](mp.mpf(float(value))) for value in x]
    spacing = np.spacing(np.abs(np.array([float(value) for value in exact]).astype(x.dtype)))
    off = [abs(mp.mpf(float(have)) - want) for have, want in zip(found, exact, strict=True)]
    return np.array([float(a / mp.mpf(float(b))) for a, b in zip(off, spacing, strict=True)])


def allowed(name: str, x: np.ndarray) -> np.ndarray:
    """The bound in ulps.

    The lower tail of normal_cdf rounds x sqrt(1/2) (constant and product) and its square, five half-ulps on x^2/2,
    which the exponential turns into 5/4 x^2 eps of relative error: at most 5/2 x^2 ulps.
    """
    base = np.full(x.shape, ULPS[x.dtype.type])
    if name == "normal_cdf":
        base += np.where(x < 0, 2.5 * np.square(x.astype(float)), 0.0)
    return base


def grid(dtype: type, tail: float) -> np.ndarray:
    """Both signs, from the smallest normal number to 1e6, dense where the branches meet, and a negative tail."""
    tiny = np.geomspace(2 * np.finfo(dtype).tiny, 1e-2, 60)
    parts = [
        [0.0],
        tiny,
        -tiny,
        np.linspace(-9, 9, 1201),
        np.linspace(0.74, 0.76, 41),
        np.linspace(1.05, 1.07, 41),
        -np.linspace(1.05, 1.07, 41),
        np.linspace(-tail, -9, 200),
        [12.0, 40.0, 800.0, 1e6],
    ]
    return np.unique(np.concatenate(parts).astype(dtype))


# Where the results leave the normal numbers: ln of the smallest one, and its root for the Gaussian tail.
TAILS = {
    ("erf", np.float64): 50.0,
    ("erf", np.float32): 50.0,
    ("normal_cdf", np.float64): 37.0,
    ("normal_cdf", np.float32): 12.5,
    ("sigmoid", np.float64): 707.0,
    ("sigmoid", np.float32): 86.0,
    ("softplus", np.float64): 707.0,
    ("softplus", np.float32): 86.0,
}


@pytest.mark.parametrize(("name", "dtype"), TAILS, ids=[f"{name}-{dtype.__name__}" for name, dtype in TAILS])
def test_special_functions_are_right_to_a_few_ulp(name: str, dtype: type) -> None:
    x = grid(dtype, TAILS[name, dtype])
    off = ulps(name, x)
    worst = int(np.argmax(off / allowed(name, x)))
    assert off[worst] <= allowed(name, x)[worst], f"{off[worst]:.2f} ulp at {x[worst]!r}"


@pytest.mark.parametrize("name", ["erf", "normal_cdf"])
def test_a_few_numbers_are_as_right_as_many(name: str) -> None:
    x = grid(np.float64, TAILS[name, np.float64])[::7]
    assert x.size <= special._FEW
    assert (ulps(name, x) <= allowed(name, x)).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("erf", -1.0, 1.0), ("normal_cdf", 0.0, 1.0), ("sigmoid", 0.0, 1.0), ("softplus", 0.0, np.inf)],
)
def test_limits_are_reached_exactly_and_nan_stays(name: str, low: float, high: float, dtype: type) -> None:
    ends = np.array([-np.inf, np.inf, -1e30, 1e30, np.nan], dtype)
    found = getattr(special, name)(ends)
    top = high if np.isfinite(high) else float(np.float32(1e30)) if dtype is np.float32 else 1e30
    assert found.tolist()[:4] == [low, high, low, top]
    assert np.isnan(found[4])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_symmetries_hold_to_the_last_digit(dtype: type) -> None:
    x = grid(dtype, 30.0)
    assert np.array_equal(special.erf(-x), -special.erf(x))
    # Phi(x) + Phi(-x) = 1 and sigmoid(x) + sigmoid(-x) = 1: two roundings of numbers below 1.
    eps = np.finfo(dtype).eps
    assert np.max(np.abs(special.normal_cdf(x) + special.normal_cdf(-x) - 1)) <= eps
    assert np.max(np.abs(special.sigmoid(x) + special.sigmoid(-x) - 1)) <= 2 * eps


def test_normal_density_is_the_derivative_of_normal_cdf() -> None:
    x = np.linspace(-8, 8, 161)
    exact = np.array([float(mp.npdf(mp.mpf(float(value)))) for value in x])
    # x * x rounds by eps/2 of x^2/2, which the exponential turns into relative error.
    assert np.all(np.abs(special.normal_density(x) / exact - 1) <= 2.3e-16 * (3 + x * x))


@pytest.mark.parametrize(
    ("name", "naive", "x"),
    [
        ("normal_cdf", lambda x: (1 + special.erf(x / np.sqrt(2))) / 2, -8.0),
        ("softplus", lambda x: np.log(1 + np.exp(x)), -30.0),
        ("sigmoid", lambda x: 1 - 1 / (1 + np.exp(x)), -30.0),
        ("erf", lambda x: 2 * special.normal_cdf(x * np.sqrt(2)) - 1, 1e-12),
    ],
)
def test_the_measure_rejects_the_formulas_that_cancel(
    name: str, naive: Callable[[np.ndarray], np.ndarray], x: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = np.array([x])
    assert np.all(ulps(name, point) <= allowed(name, point))
    wrong = naive(point)
    monkeypatch.setattr(special, name, lambda _: wrong)
    assert np.all(ulps(name, point) > 100 * allowed(name, point))


def interpolant(function: Exact, count: int, low: str, high: str) -> list[mpmath.mpf]:
    """Coefficients, highest power first, of the polynomial through `function` at the Chebyshev nodes of low..high."""
    a, b = mp.mpf(low), mp.mpf(high)
    nodes = [(a + b) / 2 + (b - a) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * count)) for k in range(count)]
    divided = [function(node) for node in nodes]
    for order in range(1, count):
        for i in range(count - 1, order - 1, -1):
            divided[i] = (divided[i] - divided[i - 1]) / (nodes[i] - nodes[i - order])
    power = [divided[-1]]
    for i in range(count - 2, -1, -1):
        shifted = [*power, mp.mpf(0)]
        for k, coefficient in enumerate(power):
            shifted[k + 1] -= coefficient * nodes[i]
        shifted[-1] += divided[i]
        power = shifted
    return power


def tail(t: mpmath.mpf) -> mpmath.mpf:
    """erfc(x) exp(x^2) (1 + 2 x) at x = 3.75 (1 + t)/(1 - t)."""
    x = mp.mpf("3.75") * (1 + t) / (1 - t)
    return mp.erfc(x) * mp.exp(x * x) * (1 + 2 * x)


def core(square: mpmath.mpf) -> mpmath.mpf:
    """erf(x)/x at x^2."""
    root = mp.sqrt(square)
    return mp.erf(root) / root


def horner(coefficients: tuple[float, ...], x: mpmath.mpf) -> mpmath.mpf:
    total = mp.mpf(0)
    for coefficient in coefficients:
        total = total * x + mp.mpf(coefficient)
    return total


POLYNOMIALS = [
    ("_TAIL", tail, "-1", "1", 1e-15),
    ("_TAIL_SINGLE", tail, "-1", "1", 3e-8),
    ("_CORE", core, "0", "0.5625", 1e-16),
    ("_CORE_SINGLE", core, "0", "0.5625", 3e-8),
]


@pytest.mark.parametrize(
    ("table", "function", "low", "high", "error"), POLYNOMIALS, ids=[row[0] for row in POLYNOMIALS]
)
def test_stored_coefficients_are_the_chebyshev_interpolants(
    table: str, function: Exact, low: str, high: str, error: float
) -> None:
    stored = getattr(special, table)
    computed = interpolant(function, len(stored), low, high)
    # The variable stays within -1..1, so the summed differences bound what they do to the value: half an ulp of it.
    assert sum(abs(a - mp.mpf(b)) for a, b in zip(computed, stored, strict=True)) <= np.finfo(float).eps
    # The polynomial itself, evaluated without rounding, misses the function by less than its precision resolves.
    a, b = mp.mpf(low), mp.mpf(high)
    points = [a + (b - a) * (2 * k + 1) / 800 for k in range(400)]
    misses = [abs(horner(stored, x) / function(x) - 1) for x in points]
    assert max(misses) <= error


def test_a_changed_coefficient_is_noticed() -> None:
    computed = interpolant(core, len(special._CORE), "0", "0.5625")
    assert abs(computed[3] - mp.mpf(special._CORE[3]) * (1 + mp.mpf("1e-10"))) > np.finfo(float).eps
