"""Numbers beyond the range of doubles: a value and a power of two beside it.

Powers of two change no digit: at ordinary scale the exponent is 0 and the arithmetic that of plain floats.
"""

from __future__ import annotations

import math

from varprobe.frozen import dataclass

LN2 = math.log(2.0)
# Values between these carry exponent 0; squares and products of two of them still fit into a double.
_LOW, _HIGH = 2.0**-250, 2.0**250
# Beyond this the natural log of a number would not fit into a double either.
EXPONENT_END = 2**1000


@dataclass(frozen=True, slots=True)
class ExtendedFloat:
    """The number value * 2**exponent."""

    value: float
    exponent: int = 0

    def __mul__(self, other: ExtendedFloat) -> ExtendedFloat:
        return wide(self.value * other.value, self.exponent + other.exponent)

    def __truediv__(self, other: ExtendedFloat) -> ExtendedFloat:
        return wide(self.value / other.value, self.exponent - other.exponent)

    def __add__(self, other: ExtendedFloat) -> ExtendedFloat:
        if self.exponent == other.exponent:
            return wide(self.value + other.value, self.exponent)
        if not self.value:
            return other
        if not other.value:
            return self
        small, large = (self, other) if self.bits < other.bits else (other, self)
        return wide(large.value + unscaled(small.value, small.exponent - large.exponent), large.exponent)

    def __float__(self) -> float:
        return unscaled(self.value, self.exponent)

    @property
    def inverse(self) -> ExtendedFloat:
        """1 over the number, which must not be 0."""
        return wide(1 / self.value, -self.exponent)

    @property
    def root(self) -> ExtendedFloat:
        """The square root."""
        odd = self.exponent % 2
        return wide(math.sqrt(self.value * 2**odd), (self.exponent - odd) // 2)

    @property
    def bits(self) -> int:
        """The power of two just above the number; it must not be 0."""
        return math.frexp(self.value)[1] + self.exponent

    @property
    def log(self) -> float:
        """Natural log, -inf for an exact zero."""
        return log_unscaled(self.value, self.exponent)


def wide(value: float, exponent: int = 0) -> ExtendedFloat:
    """value * 2**exponent, its value brought back into the comfortable range."""
    if not exponent and _LOW < abs(value) < _HIGH:
        return ExtendedFloat(value)
    if not value or not math.isfinite(value):
        return ExtendedFloat(value)
    mantissa, bits = math.frexp(value)
    total = bits + exponent
    return ExtendedFloat(math.ldexp(mantissa, total)) if -200 < total < 200 else ExtendedFloat(mantissa, total)


def unscaled(value: float, exponent: int) -> float:
    """value * 2**exponent as a double: 0 below their range, infinite above."""
    if not exponent or not value:
        return value
    try:
        return math.ldexp(value, max(-5000, min(exponent, 5000)))
    except OverflowError:
        return math.copysign(math.inf, value)


def log_unscaled(value: float, exponent: int) -> float:
    """ln(value * 2**exponent), -inf for an exact zero."""
    return math.log(value) + LN2 * exponent if value > 0 else -math.inf
