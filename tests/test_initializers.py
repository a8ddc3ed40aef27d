"""Every initialiser of the table: 10^6 draws against independent formulas; how schemes depend on the network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import stats

from varprobe.config.loading import load
from varprobe.engine.draws import draw, draw_haar
from varprobe.engine.streams import Role, Streams
from varprobe.errors import VarprobeError
from varprobe.network.initializers import INITIALIZERS, torch_gain
from varprobe.network.laws import CUT_STD, Constant, Law, Lsuv, Normal, TruncatedNormal, Uniform, cut_normal_std
from varprobe.network.layers import Dense

FAN_IN, FAN_OUT = 500, 2000
ENTRIES = FAN_IN * FAN_OUT
CUT = 0.87962566103423978  # the sd of N(0, 1) cut at +-2, as Keras and JAX have it
CUT_VARIANCE = 0.7737413035499233

# Fourth moment over squared variance: se of a sample variance is sqrt((kurtosis - 1)/n) times the variance.
KURTOSIS = {"normal": 3.0, "uniform": 1.8, "cut": float(stats.truncnorm(-2, 2).stats("k")) + 3}


@dataclass(frozen=True)
class Case:
    """What a scheme must draw, by formulas of this file: the shape of its law, variance, mean and hard bounds."""

    name: str
    arguments: dict[str, Any]
    family: str
    variance: float
    mean: float = 0.0
    bounds: tuple[float, float] | None = None
    context: dict[str, Any] | None = None
    fans: tuple[int, int] = (FAN_IN, FAN_OUT)

    @property
    def id(self) -> str:
        given = {**self.arguments, **(self.context or {})}
        fans = [] if self.fans == (FAN_IN, FAN_OUT) else [f"{self.fans[0]}to{self.fans[1]}"]
        return "-".join([self.name, *(f"{key}={value}" for key, value in given.items()), *fans])


def normal(name: str, variance: float, mean: float = 0.0, /, **arguments: Any) -> Case:
    return Case(name, arguments, "normal", variance, mean)


def uniform(name: str, low: float, high: float, /, **arguments: Any) -> Case:
    return Case(name, arguments, "uniform", (high - low) ** 2 / 12, (low + high) / 2, (low, high))


def cut(name: str, std: float, /, **arguments: Any) -> Case:
    """N(0, std^2) cut at +-2 std: `std` is that of the uncut law."""
    return Case(name, arguments, "cut", CUT_VARIANCE * std**2, 0.0, (-2 * std, 2 * std))


def spread(name: str, variance: float, distribution: str, /, **arguments: Any) -> Case:
    """A law of exactly that variance."""
    if distribution == "uniform":
        bound = math.sqrt(3 * variance)
        return uniform(name, -bound, bound, **arguments)
    if distribution == "truncated_normal":
        return cut(name, math.sqrt(variance) / CUT, **arguments)
    return normal(name, variance, **arguments)


def fan(mode: str) -> float:
    return {"fan_in": 500.0, "fan_out": 2000.0, "fan_avg": 1250.0, "fan_geo_avg": 1000.0}[mode]


MODES = ("fan_in", "fan_out", "fan_avg", "fan_geo_avg")
SHAPES = ("normal", "uniform", "truncated_normal")
DEFAULT_MODE = {"xavier": "fan_avg", "he": "fan_in", "lecun": "fan_in", "variance_scaling": "fan_in"}


def named_cases() -> list[Case]:
    cases = []
    for name, numerator in (("xavier", 1.0), ("he", 2.0), ("lecun", 1.0), ("variance_scaling", 1.0)):
        own = fan(DEFAULT_MODE[name])
        cases.append(normal(name, numerator / own))
        cases.append(
            spread(name, 1.5**2 / own * (1 if name == "he" else numerator), "uniform", gain=1.5, distribution="uniform")
        )
        cases.extend(
            spread(name, numerator / fan(mode), shape, mode=mode, distribution=shape)
            for mode in MODES
            for shape in SHAPES
        )
    cases.append(normal("he", 2 / (1 + 0.2**2) / 500, slope=0.2))
    cases.append(spread("he", 2 / (1 + 0.5**2) / 2000, "uniform", slope=0.5, mode="fan_out", distribution="uniform"))
    cases.append(normal("he", 1.2**2 / 500, gain=1.2))
    cases.append(normal("variance_scaling", 3.0 / 500, scale=3.0))
    return cases


TANH, RELU, SELU = 5 / 3, math.sqrt(2), 0.75

CASES = [
    normal("small", 1e-4),
    normal("small", 9e-4, std=0.03),
    normal("large", 1.0),
    normal("large", 4.0, std=1.0, gain=2.0),
    normal("normal", 1e-4),
    Case("normal", {"std": 0.2, "mean": 0.3}, "normal", 0.04, 0.3),
    Case("normal", {"std": 0.1, "mean": -2.0, "gain": 3.0}, "normal", 0.09, -6.0),
    uniform("uniform", -0.05, 0.05),
    uniform("uniform", 0.5, 2.0, low=0.5, high=2.0),
    Case("uniform", {"low": -1.0, "high": 0.0, "gain": 2.0}, "uniform", 4 / 12, -1.0, (-2.0, 0.0)),
    cut("truncated_normal", 0.01),
    Case(
        "truncated_normal",
        {"std": 0.5, "cut": 1.0},
        "cut1",
        0.25 * float(stats.truncnorm(-1, 1).stats("v")),
        0.0,
        (-0.5, 0.5),
    ),
    Case("constant", {"value": -0.3}, "fixed", 0.0, -0.3),
    Case("constant", {"value": 2.0, "gain": 0.5}, "fixed", 0.0, 1.0),
    Case("zeros", {}, "fixed", 0.0, 0.0),
    Case("ones", {}, "fixed", 0.0, 1.0),
    Case("ones", {"gain": 0.1}, "fixed", 0.0, 0.1),
    Case("identity", {}, "identity", 1 / 2000 * (1 - 1 / 2000), 1 / 2000),
    Case("identity", {"gain": 3.0}, "identity", 9 / 2000 * (1 - 1 / 2000), 3 / 2000),
    *named_cases(),
    normal("mean_field", 1 / 500),
    normal("mean_field", 1.7609546 / 500, sw=math.sqrt(1.7609546), sb=math.sqrt(0.05)),
    *(
        Case(name, arguments, "orthogonal", gain**2 / max(fans), fans=fans)
        for name in ("orthogonal", "torch.orthogonal")
        for arguments, gain in (({}, 1.0), ({"gain": RELU}, RELU))
        for fans in ((500, 2000), (2000, 500), (400, 400))
    ),
    *(
        Case(name, arguments, f"sparse{zeros}", (1 - zeros / 2000) * std**2)
        for name in ("sparse", "torch.sparse")
        for arguments, zeros, std in (
            ({}, 1800, 0.01),
            ({"sparsity": 0.0003, "std": 0.2}, 1, 0.2),
            ({"sparsity": 0.5, "std": 1.0, "gain": 2.0}, 1000, 2.0),
            ({"sparsity": 1.0}, 2000, 0.01),
            ({"sparsity": 0.0}, 0, 0.01),
        )
    ),
    Case("siren", {}, "uniform", 1 / (3 * 500**2), 0.0, (-1 / 500, 1 / 500), {"first": True}),
    uniform("siren", -math.sqrt(6 / 500) / 30, math.sqrt(6 / 500) / 30),
    uniform("siren", -math.sqrt(6 / 500) / 5, math.sqrt(6 / 500) / 5, w0=5.0),
    normal("gpt2", 0.02**2),
    Case("gpt2", {}, "normal", 0.02**2 / 24, context={"last_in_branch": True, "branches": 24}),
    Case("gpt2", {"branches": 96}, "normal", 0.02**2 / 96, context={"last_in_branch": True, "branches": 24}),
    Case("gpt2", {"std": 0.1, "branches": 96}, "normal", 0.01, context={"last_in_branch": False, "branches": 24}),
    uniform("torch.linear_default", -1 / math.sqrt(500), 1 / math.sqrt(500)),
    normal("torch.xavier_normal", 2 / 2500),
    normal("torch.xavier_normal", TANH**2 * 2 / 2500, gain=TANH),
    uniform("torch.xavier_uniform", -math.sqrt(6 / 2500), math.sqrt(6 / 2500)),
    normal("torch.kaiming_normal", 2 / 500),
    normal("torch.kaiming_normal", 2 / (1 + 0.1**2) / 500, a=0.1),
    normal("torch.kaiming_normal", TANH**2 / 2000, mode="fan_out", nonlinearity="tanh"),
    normal("torch.kaiming_normal", SELU**2 / 500, nonlinearity="selu"),
    normal("torch.kaiming_normal", 1 / 500, nonlinearity="sigmoid"),
    normal("torch.kaiming_normal", 1 / 500, nonlinearity="linear"),
    spread("torch.kaiming_uniform", 2 / 500, "uniform"),
    spread("torch.kaiming_uniform", 1 / (3 * 500), "uniform", a=math.sqrt(5)),
    spread("torch.kaiming_uniform", 2 / 2000, "uniform", mode="fan_out", nonlinearity="relu", a=0.7),
    cut("torch.trunc_normal", 1.0),
    Case(
        "torch.trunc_normal",
        {"std": 0.02},
        "normal",
        0.02**2,
        0.0,
        (-2.0, 2.0),
    ),
    *(
        spread(f"{house}.{name}", variance, "truncated_normal", **gain)
        for gain, factor in (({}, 1.0), ({"gain": 1.3}, 1.69))
        for house, names in (
            ("keras", ("glorot_normal", "he_normal", "lecun_normal")),
            ("jax", ("glorot_normal", "he_normal", "lecun_normal")),
            ("flax", ("default",)),
        )
        for name in names
        for variance in (
            factor
            * {"glorot_normal": 2 / 2500, "he_normal": 2 / 500, "lecun_normal": 1 / 500, "default": 1 / 500}[name],
        )
    ),
    uniform("keras.glorot_uniform", -math.sqrt(6 / 2500), math.sqrt(6 / 2500)),
    uniform("keras.he_uniform", -math.sqrt(6 / 500), math.sqrt(6 / 500)),
    uniform("keras.lecun_uniform", -math.sqrt(3 / 500), math.sqrt(3 / 500)),
    spread("keras.variance_scaling", 1 / 500, "truncated_normal"),
    normal("keras.variance_scaling", 2 / 1250, scale=2.0, mode="fan_avg", distribution="untruncated_normal"),
    spread("keras.variance_scaling", 1 / 2000, "uniform", mode="fan_out", distribution="uniform"),
    cut("keras.truncated_normal", 0.05),
    normal("keras.random_normal", 0.05**2),
    uniform("keras.random_uniform", -0.05, 0.05),
    cut("jax.truncated_normal", 0.01),
    uniform("jax.uniform", 0.0, 0.01),
    uniform("jax.uniform", 0.0, 3.0, scale=3.0),
    cut("haiku.linear_default", 1 / math.sqrt(500)),
    cut("haiku.linear_default", 2 / math.sqrt(500), gain=2.0),
]
EVERY = pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
FROM_DATA = {"lsuv", "file"}


def dense_of(name: str, fan_in: int, fan_out: int, around: dict[str, Any] | None, arguments: dict[str, Any]) -> Dense:
    """The layer that a config with this scheme makes, second in its network unless `around` says otherwise."""
    around = around or {}
    before: list[Any] = [{"dense": {"width": fan_in, "init": "zeros"}}]
    layer = {"dense": {"width": fan_out, "init": {"name": name, **arguments}}}
    if around.get("first"):
        before = []
    if around.get("branches"):
        inner = {"dense": {"width": fan_in, "init": {"name": name, **arguments}}}
        before = [{"residual": {"layers": [inner]}, "repeat": around["branches"]}]
    steps = load({"input": {"features": fan_in}, "layers": [*before, layer]}).network.steps
    dense = [step.layer for step in steps if isinstance(step.layer, Dense)]
    return dense[0] if around.get("last_in_branch") else dense[-1]


def law_of(
    name: str, fan_in: int = FAN_IN, fan_out: int = FAN_OUT, around: dict[str, Any] | None = None, /, **arguments: Any
) -> Law:
    return dense_of(name, fan_in, fan_out, around, arguments).weights


def bias_of(name: str, /, **arguments: Any) -> Law:
    return dense_of(name, FAN_IN, FAN_OUT, None, arguments).bias


def drawn(law: Law, shape: tuple[int, ...], seed: int = 0, dtype: type = np.float64) -> np.ndarray:
    one = draw(law, shape, Streams(seed, [0], Role.WEIGHTS, 0), np.dtype(dtype))
    assert one.values.shape == (1, *shape)
    assert one.values.dtype == dtype
    return one.values[0] * one.factor


def standard_errors(case: Case) -> tuple[float, float]:
    """The standard errors of the sample variance and of the sample mean over the entries of one matrix."""
    entries = case.fans[0] * case.fans[1]
    if case.family == "orthogonal":
        # The mean square is fixed, so the variance is off only by the squared mean; the entries' sum is
        # sqrt(fan_in fan_out) times one entry in another basis, of variance gain^2/max. Where the mean is off by k
        # standard errors the variance is off by k^2 of its unit: 5 of the errors given here are k = 5.
        mean = math.sqrt(case.variance / entries)
        return 5 * case.variance / entries, mean
    if case.family.startswith("sparse"):
        # A share of the entries is N(0, s^2), the rest exact zeros: se(variance) = variance sqrt(2/m).
        nonzero = entries - case.fans[0] * int(case.family.removeprefix("sparse"))
        return case.variance * math.sqrt(2 / max(nonzero, 1)), math.sqrt(case.variance / entries)
    if case.family in ("fixed", "identity"):
        return 1e-13 * case.variance + 1e-30, 1e-13 * abs(case.mean)
    kurtosis = KURTOSIS.get(case.family, 3.0)
    return case.variance * math.sqrt((kurtosis - 1) / entries), math.sqrt(case.variance / entries)


def test_every_initializer_has_a_case() -> None:
    assert {case.name for case in CASES} | FROM_DATA == set(INITIALIZERS)


@EVERY
def test_stated_variance_and_mean_are_the_formula(case: Case) -> None:
    law = law_of(case.name, *case.fans, case.context, **case.arguments)
    assert law.variance(*case.fans) == pytest.approx(case.variance, rel=1e-12, abs=0)
    if hasattr(law, "mean"):
        assert law.mean == pytest.approx(case.mean, rel=1e-12, abs=1e-15 * math.sqrt(case.variance))


@EVERY
def test_a_million_draws_have_the_variance_mean_and_bounds(case: Case) -> None:
    law = law_of(case.name, *case.fans, case.context, **case.arguments)
    values = drawn(law, case.fans[::-1])
    assert values.shape == case.fans[::-1]
    variance_error, mean_error = standard_errors(case)
    mean = float(values.mean())
    assert abs(float(np.square(values - mean).mean()) - case.variance) <= 5 * variance_error
    assert abs(mean - case.mean) <= 5 * mean_error + 1e-17
    if case.bounds:
        # Scaling back may round the bound itself: 2 ulp.
        slack = 4.5e-16 * max(map(abs, case.bounds))
        assert case.bounds[0] - slack <= values.min()
        assert values.max() <= case.bounds[1] + slack
        if case.family != "normal":
            # The draws fill the range: the gap to a bound of density p is exponential of mean 1/(n p).
            width = case.bounds[1] - case.bounds[0]
            assert values.min() - case.bounds[0] < 1e-3 * width
            assert case.bounds[1] - values.max() < 1e-3 * width


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in CASES
        if case.family in KURTOSIS and "gain" not in case.arguments and "mode" not in case.arguments
    ],
    ids=lambda case: case.id,
)
def test_float32_draws_have_the_same_law(case: Case) -> None:
    law = law_of(case.name, *case.fans, case.context, **case.arguments)
    values = drawn(law, case.fans[::-1], seed=3, dtype=np.float32).astype(np.float64)
    variance_error, mean_error = standard_errors(case)
    mean = values.mean()
    # float32 rounds each entry by 6e-8 of itself, far below the standard errors of 1e-3.
    assert abs(float(np.square(values - mean).mean()) - case.variance) <= 5 * variance_error
    assert abs(mean - case.mean) <= 5 * mean_error + 1e-7 * abs(case.mean)
    if case.bounds:
        slack = 3e-7 * max(map(abs, case.bounds))
        assert case.bounds[0] - slack <= values.min()
        assert values.max() <= case.bounds[1] + slack


def test_one_per_cent_of_std_would_be_noticed() -> None:
    case = next(case for case in CASES if case.name == "lecun" and not case.arguments)
    values = 1.01 * drawn(law_of("lecun"), (FAN_OUT, FAN_IN))
    assert abs(values.var() - case.variance) > 5 * standard_errors(case)[0]


@pytest.mark.parametrize("name", ["sparse", "torch.sparse"])
def test_sparse_zeroes_exactly_its_share_of_every_column_at_random_places(name: str) -> None:
    values = drawn(law_of(name, 300, 40, sparsity=0.26), (40, 300))
    assert np.array_equal((values == 0).sum(axis=0), np.full(300, 11))  # ceil(0.26 * 40) = ceil(10.4)
    per_row = (values == 0).sum(axis=1)
    # Each row is zeroed in Binomial(300, 11/40) columns: sd 7.7; the largest of 40 lies within 4.5 sd.
    assert np.all(np.abs(per_row - 82.5) < 4.5 * 7.74)
    assert len({tuple(np.flatnonzero(column)) for column in values.T == 0}) > 290


@pytest.mark.parametrize("fans", [(5, 3), (3, 5), (4, 4)])
def test_identity_and_constants_are_exact(fans: tuple[int, int]) -> None:
    shape = fans[::-1]
    assert np.array_equal(drawn(law_of("identity", *fans), shape), np.eye(*shape))
    assert np.array_equal(drawn(law_of("identity", *fans, gain=0.5), shape), 0.5 * np.eye(*shape))
    assert np.array_equal(drawn(law_of("constant", *fans, value=-0.3), shape), np.full(shape, -0.3))
    assert np.array_equal(drawn(law_of("zeros", *fans), shape), np.zeros(shape))
    assert np.array_equal(drawn(law_of("ones", *fans), shape), np.ones(shape))


# Name, law, its scipy twin, and the centre about which a wrong std would stretch it (None: not stretched here).
# Kolmogorov-Smirnov at level 1e-3 with 10^6 draws and a fixed seed: a 1 % wrong std moves the distribution function
# by 0.0024 (normal) to 0.005 (uniform), against a critical distance of 0.00195.
# Other rows and float32 are held to it with 2 10^5 draws.
LEVEL = 1e-3
DISTRIBUTIONS = [
    ("normal", law_of("normal", std=0.7, mean=0.2), stats.norm(0.2, 0.7), 0.2),
    ("uniform", law_of("uniform", low=-0.5, high=1.5), stats.uniform(-0.5, 2.0), 0.5),
    ("truncated", law_of("haiku.linear_default"), stats.truncnorm(-2, 2, scale=500**-0.5), 0.0),
    ("corrected", law_of("keras.he_normal"), stats.truncnorm(-2, 2, scale=(2 / 500) ** 0.5 / CUT), 0.0),
    ("cut narrow", law_of("truncated_normal", std=1.0, cut=0.1), stats.truncnorm(-0.1, 0.1), 0.0),
    (
        "one-sided",
        law_of("torch.trunc_normal", mean=1.0, std=2.0, a=0.0, b=9.0),
        stats.truncnorm(-0.5, 4.0, loc=1, scale=2),
        None,
    ),
    ("far tail", law_of("torch.trunc_normal", a=5.0, b=7.0), stats.truncnorm(5, 7), None),
    ("far lower tail", law_of("torch.trunc_normal", a=-9.0, b=-4.0), stats.truncnorm(-9, -4), None),
]


def distance_p(values: np.ndarray, law: Any) -> float:
    return float(stats.kstest(values.ravel(), law.cdf, method="asymp").pvalue)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("law", "exact", "centre"), [row[1:] for row in DISTRIBUTIONS], ids=[row[0] for row in DISTRIBUTIONS]
)
def test_draws_follow_their_law(law: Law, exact: Any, centre: float | None, dtype: type) -> None:
    values = drawn(law, (1000, 1000) if dtype is np.float64 and centre is not None else (400, 500), seed=5, dtype=dtype)
    assert distance_p(values.astype(np.float64), exact) > LEVEL


@pytest.mark.parametrize(
    ("law", "exact", "centre"), [row[1:] for row in DISTRIBUTIONS[:5]], ids=[row[0] for row in DISTRIBUTIONS[:5]]
)
def test_draws_with_a_one_per_cent_wrong_std_are_rejected(law: Law, exact: Any, centre: float) -> None:
    values = centre + 1.01 * (drawn(law, (1000, 1000), seed=5) - centre)
    assert distance_p(values, exact) < LEVEL


@pytest.mark.parametrize(
    ("low", "high"),
    [(-2, 2), (-1, 1), (0, 1e-3), (-0.5, 4), (5, 7), (-9, -4), (30, 40), (40, 1e6), (-1e6, -40), (3, 1e9)],
)
def test_moments_of_cut_normals_are_those_of_mpmath(low: float, high: float) -> None:
    law = TruncatedNormal(1.0, low, high)
    mp = mpmath.MPContext()
    mp.dps = 30
    sign, near, far = (1, low, high) if low + high >= 0 else (-1, -high, -low)
    # Beyond 12 units from where the density is largest it weighs less than e^-72.
    start = mp.mpf(max(near, 0.0))
    stops = [mp.mpf(near), *([mp.mpf(0)] if near < 0 else []), *(start + mp.mpf(step) / 4 for step in range(1, 49))]
    stops = [stop for stop in stops if stop < far] + [min(mp.mpf(far), start + 12)]

    def moment(power: int, centre: Any = 0) -> Any:
        return mp.quad(lambda x: (x - centre) ** power * mp.exp(-(x - start) * (x + start) / 2), stops)

    mass = moment(0)
    mean = moment(1) / mass
    variance = moment(2, mean) / mass
    assert law.mean == pytest.approx(float(sign * mean), rel=1e-13, abs=1e-15)
    assert law.variance(1, 1) == pytest.approx(float(variance), rel=1e-11)


def test_the_constant_of_the_correction_is_the_sd_of_the_cut_law() -> None:
    mp = mpmath.MPContext()
    mp.dps = 30
    density, inside = mp.npdf(2), mp.erf(mp.sqrt(2))
    exact = float(mp.sqrt(1 - 4 * density / inside))
    assert pytest.approx(exact, rel=1e-15) == CUT_STD
    assert cut_normal_std(-2, 2) == pytest.approx(exact, rel=1e-14)
    assert pytest.approx(exact**2, rel=1e-14) == CUT_VARIANCE


@pytest.mark.parametrize(("a", "b"), [(30.0, 40.0), (-50.0, -49.5), (8.0, 1e6)])
def test_torch_trunc_normal_draws_the_far_tails(a: float, b: float) -> None:
    law = law_of("torch.trunc_normal", a=a, b=b)
    values = drawn(law, (100, 1000), seed=2)
    assert a <= values.min()
    assert values.max() <= b
    # An exponential tail: kurtosis 9 at most.
    assert isinstance(law, TruncatedNormal)
    assert abs(values.mean() - law.mean) <= 5 * math.sqrt(law.variance(1, 1) / values.size)
    assert values.var() == pytest.approx(law.variance(1, 1), rel=5 * math.sqrt(8 / values.size))


@pytest.mark.parametrize("std", [1e-300, 1e-30, 1e30])
def test_extreme_stds_neither_underflow_nor_overflow_in_float32(std: float) -> None:
    for law in (Normal(std), Uniform(-std, std), TruncatedNormal(std, -2 * std, 2 * std)):
        one = draw(law, (50, 50), Streams(0, [0], Role.WEIGHTS, 0), np.dtype(np.float32))
        assert np.all(np.isfinite(one.values))
        assert 0.3 < one.values.std() < 1.1
        assert one.factor == pytest.approx(std)


@pytest.mark.parametrize(("rows", "columns"), [(60, 25), (25, 60), (40, 40), (1, 30), (30, 1)])
def test_orthogonal_matrices_are_orthonormal(rows: int, columns: int) -> None:
    values = drawn(law_of("orthogonal", columns, rows, gain=2.0), (rows, columns)) / 2
    gram = values @ values.T if rows <= columns else values.T @ values
    assert np.max(np.abs(gram - np.eye(min(rows, columns)))) < 1e-12


ROTATIONS = 4000


def rotations(rows: int, columns: int) -> np.ndarray:
    stream = Streams(11, [0], Role.WEIGHTS, 0).generators()[0]
    return np.stack([draw_haar(rows, columns, stream) for _ in range(ROTATIONS)])


@pytest.mark.parametrize(("rows", "columns"), [(6, 4), (4, 6), (5, 5)])
def test_orthogonal_matrices_are_haar(rows: int, columns: int) -> None:
    draws = rotations(rows, columns)
    size = max(rows, columns)
    # Each entry has mean 0 and variance 1/n: the largest of 30 means lies within 4.5 standard errors.
    assert np.max(np.abs(draws.mean(axis=0))) < 4.5 / math.sqrt(ROTATIONS * size)
    # And so have the products of two entries of one column and of one row, which are uncorrelated: sd below 1/n.
    assert abs((draws[:, 0, 0] * draws[:, 1, 1]).mean()) < 5 / (size * math.sqrt(ROTATIONS))
    # An entry squared is Beta(1/2, (n-1)/2), in any basis: here along two fixed directions too.
    beta = stats.beta(0.5, (size - 1) / 2)
    left, right = np.arange(1.0, rows + 1), np.arange(2.0, columns + 2)
    turned = draws @ (right / np.linalg.norm(right)) @ (left / np.linalg.norm(left))
    for entry in (draws[:, 0, 0], draws[:, -1, -1], turned):
        assert distance_p(np.square(entry), beta) > LEVEL
        assert abs((entry > 0).mean() - 0.5) < 5 * 0.5 / math.sqrt(ROTATIONS)


def test_the_bare_qr_is_rejected_as_haar() -> None:
    stream = Streams(11, [0], Role.WEIGHTS, 0).generators()[0]
    draws = np.stack([np.linalg.qr(stream.standard_normal((6, 4)))[0] for _ in range(ROTATIONS)])
    assert np.max(np.abs(draws.mean(axis=0))) > 20 / math.sqrt(ROTATIONS * 6)


def test_biases_that_a_scheme_draws_itself() -> None:
    assert {name for name, kind in INITIALIZERS.items() if kind.bias} == {"mean_field", "torch.linear_default"}
    assert bias_of("mean_field", sb=0.3) == Normal(0.3)
    # The bias of torch.nn.Linear is U(+-1/sqrt(fan_in)); a gain is one of the weights only.
    bound = 1 / math.sqrt(500)
    for arguments in ({}, {"gain": 2.0}):
        law = bias_of("torch.linear_default", **arguments)
        assert law == Uniform(-bound, bound)
    values = drawn(Uniform(-bound, bound), (1_000_000,))
    assert abs(values.var() - 1 / 1500) <= 5 * math.sqrt(0.8 / 1e6) / 1500


@pytest.mark.parametrize(
    ("nonlinearity", "slope", "gain"),
    [
        ("linear", 0.01, 1.0),
        ("sigmoid", 0.01, 1.0),
        ("tanh", 0.01, 5 / 3),
        ("relu", 0.01, math.sqrt(2)),
        ("leaky_relu", 0.2, math.sqrt(2 / 1.04)),
        ("leaky_relu", math.sqrt(5), math.sqrt(1 / 3)),
        ("selu", 0.01, 0.75),
    ],
)
def test_torch_gains_are_those_of_calculate_gain(nonlinearity: str, slope: float, gain: float) -> None:
    assert torch_gain(nonlinearity, slope) == pytest.approx(gain, rel=1e-15)


def laws(config: dict[str, Any]) -> list[Law]:
    return [step.layer.weights for step in load(config).network.steps if isinstance(step.layer, Dense)]


def network(*layers: Any, **defaults: Any) -> dict[str, Any]:
    return {"input": {"features": 100}, "defaults": defaults, "layers": list(layers)}


AUTO = {"init": {"name": "lecun", "gain": "auto"}}


@pytest.mark.parametrize(
    ("before", "gain"),
    [
        pytest.param([], 1.0, id="raw input"),
        pytest.param([{"dense": {"width": 100, "activation": "relu"}}], math.sqrt(2), id="after relu"),
        pytest.param([{"dense": {"width": 100, "activation": "linear"}}], 1.0, id="after linear"),
        pytest.param(
            [{"dense": {"width": 100, "activation": {"name": "leaky_relu", "slope": 0.5}}}],
            math.sqrt(2 / 1.25),
            id="after leaky relu",
        ),
        pytest.param(
            [{"dense": {"width": 100, "activation": "sin"}}], math.sqrt(2 / (1 - math.exp(-2))), id="after sin"
        ),
        pytest.param([{"dense": {"width": 100, "activation": "relu"}}, {"norm": "layer"}], 1.0, id="after a norm"),
        pytest.param(
            [{"dense": {"width": 100, "activation": "linear"}}, {"norm": "batch"}, {"activation": "relu"}],
            math.sqrt(2),
            id="after norm and relu",
        ),
        pytest.param([{"activation": "relu"}], math.sqrt(2), id="after an activation of the input"),
        pytest.param(
            [{"dense": {"width": 100, "activation": "relu"}}, {"dropout": 0.5}], math.sqrt(2), id="dropout between"
        ),
        pytest.param(
            [{"residual": {"layers": [{"dense": {"width": 100, "activation": "relu"}}]}}], 1.0, id="after a join"
        ),
    ],
)
def test_gain_auto_is_the_exact_gain_of_what_feeds_the_layer(before: list[Any], gain: float) -> None:
    last = {"dense": {"width": 50, **AUTO}}
    law = laws(network(*before, last))[-1]
    assert law.variance(100, 50) == pytest.approx(gain**2 / 100, rel=1e-12)


def test_gain_auto_follows_every_copy_of_a_repeated_layer() -> None:
    found = laws(network({"dense": 100, "repeat": 3}, activation="relu", init={"name": "xavier", "gain": "auto"}))
    assert [law.variance(100, 100) for law in found] == pytest.approx([0.01, 0.02, 0.02], rel=1e-12)


def test_in_he_a_gain_replaces_the_root_of_two() -> None:
    he = {"name": "he", "gain": "auto"}
    found = laws(network({"dense": 100, "repeat": 2}, activation="relu", init=he))
    assert [law.variance(100, 100) for law in found] == pytest.approx([0.01, 0.02], rel=1e-12)
    fixed = laws(network({"dense": {"width": 100, "init": {"name": "he", "gain": 3.0}}}))[0]
    assert fixed.variance(100, 100) == pytest.approx(0.09, rel=1e-12)


def test_he_does_not_take_the_slope_of_its_layer() -> None:
    leaky = {"name": "leaky_relu", "slope": 0.5}
    assert laws(network({"dense": {"width": 100, "activation": leaky, "init": "he"}}))[0] == Normal(math.sqrt(0.02))


def test_he_with_a_gain_and_a_slope_is_an_error() -> None:
    with pytest.raises(VarprobeError) as caught:
        load(network({"dense": {"width": 4, "init": {"name": "he", "gain": 1.0, "slope": 0.1}}}))
    assert str(caught.value) == (
        "config: layers[0].dense.init: takes a gain or a slope, not both\n"
        "  hint: the gain replaces sqrt(2/(1 + slope^2))"
    )


def test_lsuv_is_left_to_the_engine() -> None:
    found = laws(network({"dense": 100, "repeat": 2}, activation="relu", init="lsuv"))
    assert found == [Lsuv(1.0), Lsuv(1.0)]
    found = laws(network({"dense": 100, "repeat": 2}, activation="relu", init={"name": "lsuv", "gain": "auto"}))
    assert [law.gain for law in found if isinstance(law, Lsuv)] == pytest.approx([1.0, math.sqrt(2)], rel=1e-12)
    assert Lsuv().variance(3, 3) is None


def test_siren_and_gpt2_look_at_the_place_of_the_layer() -> None:
    siren = laws(network({"dense": 100, "repeat": 3}, init="siren"))
    bounds = [law.high for law in siren if isinstance(law, Uniform)]
    assert bounds == pytest.approx([0.01, math.sqrt(0.06) / 30, math.sqrt(0.06) / 30], rel=1e-14)
    branch = {"residual": {"layers": [{"dense": 100}, {"dense": 100}]}, "repeat": 4}
    gpt2 = laws(network({"dense": 100}, branch, {"dense": 10}, init="gpt2"))
    # Four branches: their second maps have std 0.02/sqrt(4).
    assert [law.std for law in gpt2 if isinstance(law, Normal)] == pytest.approx([0.02, *[0.02, 0.01] * 4, 0.02])
    half = laws(network({"dense": 100}, branch, {"dense": 10}, init={"name": "gpt2", "branches": 16}))
    assert [law.std for law in half if isinstance(law, Normal)] == pytest.approx([0.02, *[0.02, 0.005] * 4, 0.02])


def test_a_bias_of_the_config_replaces_that_of_the_scheme() -> None:
    config = network({"dense": 10}, {"dense": {"width": 10, "bias": 0.5}}, init="torch.linear_default")
    first, second = (step.layer.bias for step in load(config).network.steps if isinstance(step.layer, Dense))
    assert first == Uniform(-0.1, 0.1)
    assert second == Constant(0.5)


@pytest.mark.parametrize("name", [name for name, kind in INITIALIZERS.items() if "gain" in kind.parameters])
def test_gain_multiplies_what_is_drawn(name: str) -> None:
    if name == "lsuv":
        assert law_of(name, gain=2.0) == Lsuv(2.0)
        return
    plain = drawn(law_of(name, 30, 20), (20, 30), seed=9)
    # He's own factor is sqrt 2, which a gain replaces.
    factor = 2 / math.sqrt(2) if name == "he" else 2.0
    assert drawn(law_of(name, 30, 20, gain=2.0), (20, 30), seed=9) == pytest.approx(
        factor * plain, rel=1e-13, abs=1e-16
    )


@pytest.mark.parametrize("name", [name for name, kind in INITIALIZERS.items() if "gain" in kind.parameters])
def test_a_gain_of_zero_is_a_matrix_of_zeros(name: str) -> None:
    values = drawn(law_of(name, 6, 5, gain=0.0), (5, 6), dtype=np.float32)
    assert np.array_equal(values, np.zeros((5, 6)))


def test_no_activation_so_flat_that_its_gain_is_infinite_crashes_the_loader() -> None:
    flat = {"name": "soft_shrink", "threshold": 50.0}
    with pytest.raises(VarprobeError):
        load(network({"dense": {"width": 9, "activation": flat}}, {"dense": 9}, init={"name": "he", "gain": "auto"}))


def test_aliases_are_unique_and_shadow_no_name() -> None:
    aliases = [alias for kind in INITIALIZERS.values() for alias in kind.aliases]
    assert len(set(aliases)) == len(aliases)
    assert not set(aliases) & set(INITIALIZERS)
    assert all(name == name.lower() for name in (*INITIALIZERS, *aliases))


@pytest.mark.parametrize(
    ("name", "alias"), [(name, alias) for name, kind in INITIALIZERS.items() for alias in kind.aliases]
)
def test_an_alias_means_its_name(name: str, alias: str) -> None:
    by_alias, by_name = (laws(network({"dense": {"width": 7, "init": init}})) for init in (alias.upper(), name))
    assert by_alias == by_name
