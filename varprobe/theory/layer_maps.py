"""What each kind of layer makes of a signal: second moment, mean and sample variance."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from varprobe.network.laws import Constant, Identity, Law, Normal, Uniform
from varprobe.network.layers import Dense, Dropout, Norm
from varprobe.network.spec import InputLaw
from varprobe.theory.batch_norm import normalise_batch
from varprobe.theory.extended_float import ZERO, ExtendedFloat
from varprobe.theory.records import SignalMoments
from varprobe.theory.shared_mean import map_with_mean, weight_mean

_SMALLEST = 1e-280
# ln of the ratio beyond which eps or the variance is all that batch norm sees.
_ALONE = 60.0


def input_moments(law: InputLaw) -> SignalMoments:
    """The signal of the batch itself."""
    if law.rows is not None:
        with np.errstate(invalid="ignore"):  # nan where the rows hold what is no finite number
            return _given_moments(law.rows.astype(np.float64))
    if law.distribution == "one_hot":  # a row's entries sum to 1: two of them are never both there
        each = ExtendedFloat(1 / law.features)
        pair = ZERO if law.features == 1 else each * each * -1.0
        return SignalMoments(each, each, each - each * each, False, pair, pair)
    mean, std = ExtendedFloat(law.mean), ExtendedFloat(law.std)
    if law.distribution == "sparse":
        second, mean = (mean * mean + std * std) * law.density, mean * law.density
        return SignalMoments(second, mean, second - mean * mean, gaussian=False)
    apart = ZERO if law.distribution == "constant" else std * std
    return SignalMoments(mean * mean + apart, mean, apart, gaussian=law.distribution in ("constant", "normal"))


def _given_moments(rows: NDArray[np.float64]) -> SignalMoments:
    """Given rows: the row sums are what they are, so that two units of a row have a covariance."""
    exponent = math.frexp(float(np.max(np.abs(rows))))[1]
    rows = np.ldexp(rows, -exponent)
    batch, units = rows.shape
    second, mean, sums = float(np.mean(rows**2)), float(rows.mean()), rows.sum(axis=1)
    apart, shared, together = float(rows.var(axis=0, ddof=1).mean()) if batch > 1 else None, 0.0, 0.0
    if units > 1:
        pairs = units * (units - 1)
        shared = float((np.mean(sums**2) - units * second) / pairs) - mean**2
        if apart is not None:
            together = float((sums.var(ddof=1) - units * apart) / pairs)
    return SignalMoments(
        ExtendedFloat(second, 2 * exponent),
        ExtendedFloat(mean, exponent),
        None if apart is None else ExtendedFloat(apart, 2 * exponent),
        gaussian=False,
        shared=ExtendedFloat(shared, 2 * exponent),
        shared_sample_variance=ExtendedFloat(together, 2 * exponent),
    )


def map_affine(layer: Dense, signal: SignalMoments, fan_in: int, fan_out: int) -> SignalMoments:
    """z = W a + b: q = fan_in Var(W) E[a^2] + E[b^2]; the same map takes the sample variance, without the bias."""
    if isinstance(layer.weights, Identity):
        return add(_copy(signal, layer.weights.gain, fan_in, fan_out), _bias_moments(layer.bias))
    gain, apart = weight_gain(layer.weights, fan_in, fan_out, fan_in), signal.sample_variance
    mean = weight_mean(layer.weights, fan_in, fan_out)
    if mean:
        z = map_with_mean(signal, gain, mean, fan_in)
    else:
        reason = signal.sample_variance_reason
        z = SignalMoments(
            gain * signal.second_moment, ZERO, apart and gain * apart, True, sample_variance_reason=reason
        )
    return add(z, _bias_moments(layer.bias))


def _copy(signal: SignalMoments, gain: float, fan_in: int, fan_out: int) -> SignalMoments:
    """Identity weights: the units there are places for, and zeros beside them."""
    kept, square, apart = min(fan_in, fan_out) / fan_out, ExtendedFloat(gain) ** 2, signal.sample_variance
    return SignalMoments(
        signal.second_moment * square * kept,
        gain * kept * signal.mean,
        apart and apart * square * kept,
        signal.gaussian and kept == 1,
        signal.shared * square * (kept * kept),
        signal.shared_sample_variance * square * (kept * kept),
        sample_variance_reason=signal.sample_variance_reason,
    )


@lru_cache(maxsize=4096)
def weight_gain(law: Law, fan_in: int, fan_out: int, fan: int) -> ExtendedFloat:
    """fan times the variance of one weight."""
    variance = law.variance(fan_in, fan_out) or 0.0
    if variance > _SMALLEST:
        return ExtendedFloat(fan * variance)
    # The square of a standard deviation may be below the smallest double.
    try:
        return ExtendedFloat(fan * (law.scaled(2.0**500).variance(fan_in, fan_out) or 0.0), -1000)
    except OverflowError:  # no small standard deviation: the variance is zero for another reason, as all entries are
        return ZERO


@lru_cache(maxsize=4096)
def _bias_moments(law: Law) -> SignalMoments:
    match law:
        case Constant(value):
            mean, variance = ExtendedFloat(value), ZERO
        case Normal() | Uniform():
            mean, variance = ExtendedFloat(law.mean), weight_gain(law, 1, 1, 1)
        case _:
            raise TypeError(law)
    return SignalMoments(mean * mean + variance, mean, ZERO, gaussian=True)


def add(one: SignalMoments, other: SignalMoments) -> SignalMoments:
    """The sum of two signals that only their means correlate."""
    if not other.second_moment.value and other.sample_variance is not None:
        return one
    apart, together = None, ZERO
    if one.sample_variance is not None and other.sample_variance is not None:
        apart = one.sample_variance + other.sample_variance
        together = one.shared_sample_variance + other.shared_sample_variance
    return SignalMoments(
        one.second_moment + other.second_moment + 2.0 * one.mean * other.mean,
        one.mean + other.mean,
        apart,
        one.gaussian and other.gaussian,
        one.shared + other.shared,
        together,
        sample_variance_reason=one.sample_variance_reason or other.sample_variance_reason,
    )


def normalise(norm: Norm, signal: SignalMoments, batch: int) -> SignalMoments:
    """The signal behind a norm, at large width; batch norm at its own batch size."""
    apart, reason = signal.sample_variance, signal.sample_variance_reason
    if norm.variant == "batch":
        assert apart is not None
        own = apart * ((batch - 1) / batch)
        second = own / (own + norm.eps) if own else own
        ratio = eps_in_units(norm, apart)
        if ratio:
            second = ExtendedFloat(normalise_batch(ratio, batch)[0])
        # Over the batch the normalised values add up to zero: two of them have covariance -second/(batch - 1).
        return SignalMoments(second, ZERO, second * (batch / (batch - 1)), signal.gaussian)
    size = norm_size(norm, signal)
    if not size:
        return vanish(signal)
    if norm.variant == "layer":  # what the units share is their mean, and taken away
        apart = apart and (apart - signal.shared_sample_variance) / size
        return SignalMoments(_own(signal) / size, ZERO, apart, signal.gaussian, sample_variance_reason=reason)
    return SignalMoments(
        signal.second_moment / size,
        signal.mean / size.sqrt(),
        apart and apart / size,
        signal.gaussian,
        signal.shared / size,
        signal.shared_sample_variance / size,
        sample_variance_reason=reason,
    )


def eps_in_units(norm: Norm, apart: ExtendedFloat) -> float | None:
    """The eps of batch norm over that sample variance; None where one of them is nothing beside the other."""
    if not apart or not norm.eps:
        return None
    log = math.log(norm.eps) - apart.log
    return math.exp(log) if abs(log) < _ALONE else None


def norm_size(norm: Norm, signal: SignalMoments) -> ExtendedFloat:
    """What a norm over features divides the second moment by."""
    return (signal.second_moment if norm.variant == "rms" else _own(signal)) + norm.eps


def _own(signal: SignalMoments) -> ExtendedFloat:
    """The variance over units, for one sample."""
    own = signal.own_variance
    if own or signal.sample_variance is None:
        return own
    # Lost beside the mean; what samples differ by is not.
    return signal.sample_variance - signal.shared_sample_variance


def drop(signal: SignalMoments, layer: Dropout) -> SignalMoments:
    """The signal behind dropout: a multiple of what came in, and noise that no two samples and no two units share.

    Entries are a x + b with chance k, else d: the noise has a^2 k (1 - k) q + 2 a k b mean + k b^2 + (1 - k) d^2.
    Inverted dropout has a = 1/k and neither b nor d.
    """
    share = layer.dropped_share
    if not share:
        return signal
    keep, factor, shift = 1 - share, layer.kept_factor, layer.kept_shift
    extra = signal.second_moment * (factor * factor * keep * share)
    if layer.is_alpha:
        extra += keep * shift * shift + share * layer.dropped_value**2
        extra += 2.0 * factor * keep * shift * signal.mean
        signal = signal.times(layer.mean_factor)
    apart = signal.sample_variance
    second, apart = signal.second_moment + extra, None if apart is None else apart + extra
    return replace(signal, second_moment=second, sample_variance=apart, gaussian=False)


def vanish(signal: SignalMoments) -> SignalMoments:
    """A signal of zeros, in place of that one."""
    apart, reason = signal.sample_variance and ZERO, signal.sample_variance_reason
    return SignalMoments(ZERO, ZERO, apart, signal.gaussian, sample_variance_reason=reason)
