"""Numbers beyond the range of doubles: a value and a power of two beside it.

Powers of two change no digit: at ordinary scale the exponent is 0 and the arithmetic that of plain floats.
"""

from __future__ import annotations

import math
from typing import Final

# Numbers of a size from 2**-200 to 2**200 have exponent 0: squares and products of two of them fit into a double.
_BITS = 200
# The log of a number up to this power of two is that of the double.
_WHOLE = 250
_LN2 = math.log(2.0)
_LOW, _HIGH = 2.0**-_BITS, 2.0**_BITS
# Beyond this the natural log of a number would not fit into a double either.
EXPONENT_END = 2**1000


class ExtendedFloat:
    """The number value * 2**exponent, immutable; plain floats may stand on either side of an operator.

    >>> float(ExtendedFloat(3.0, 900) / ExtendedFloat(2.0, 900) - 1.0)
    0.5
    """

    __slots__ = ("exponent", "value")

    def __init__(self, value: float, exponent: int = 0) -> None:
        if exponent or not _LOW <= value < _HIGH:
            value, exponent = _normalise(value, exponent)
        self.value: Final = value
        self.exponent: Final = exponent

    def __add__(self, other: ExtendedFloat | float) -> ExtendedFloat:
        if not isinstance(other, ExtendedFloat):
            other = ExtendedFloat(other)
        if self.exponent == other.exponent:
            return ExtendedFloat(self.value + other.value, self.exponent)
        if not self.value:
            return other
        if not other.value:
            return self
        small, large = (self, other) if self.bits < other.bits else (other, self)
        return ExtendedFloat(large.value + small.scaled(-large.exponent), large.exponent)

    def __mul__(self, other: ExtendedFloat | float) -> ExtendedFloat:
        if not isinstance(other, ExtendedFloat):
            other = ExtendedFloat(other)
        return ExtendedFloat(self.value * other.value, self.exponent + other.exponent)

    def __truediv__(self, other: ExtendedFloat | float) -> ExtendedFloat:
        if not isinstance(other, ExtendedFloat):
            other = ExtendedFloat(other)
        return ExtendedFloat(self.value / other.value, self.exponent - other.exponent)

    __radd__, __rmul__ = __add__, __mul__

    def __rtruediv__(self, other: float) -> ExtendedFloat:
        return ExtendedFloat(other) / self

    def __neg__(self) -> ExtendedFloat:
        return ExtendedFloat(-self.value, self.exponent)

    def __sub__(self, other: ExtendedFloat | float) -> ExtendedFloat:
        if isinstance(other, ExtendedFloat) and self.exponent == other.exponent:
            return ExtendedFloat(self.value - other.value, self.exponent)
        return self + -other

    def __rsub__(self, other: float) -> ExtendedFloat:
        return -self + other

    def __pow__(self, power: int) -> ExtendedFloat:
        return ExtendedFloat(self.value**power, self.exponent * power)

    def __abs__(self) -> ExtendedFloat:
        return -self if self.value < 0 else self

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ExtendedFloat):
            return self.value == other.value and self.exponent == other.exponent
        return self == ExtendedFloat(other) if isinstance(other, (float, int)) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.value)

    def __lt__(self, other: ExtendedFloat | float) -> bool:
        return (self - other).value < 0

    def __le__(self, other: ExtendedFloat | float) -> bool:
        return (self - other).value <= 0

    def __gt__(self, other: ExtendedFloat | float) -> bool:
        return (self - other).value > 0

    def __ge__(self, other: ExtendedFloat | float) -> bool:
        return (self - other).value >= 0

    def __bool__(self) -> bool:
        return bool(self.value)

    def __round__(self, digits: int | None = None) -> float:
        return round(float(self), digits)

    def __float__(self) -> float:
        return self.scaled(0) if self.exponent else self.value

    def __repr__(self) -> str:
        return f"{self.value!r} * 2**{self.exponent}" if self.exponent else repr(self.value)

    def __format__(self, spec: str) -> str:
        return format(float(self), spec)

    def scaled(self, exponent: int) -> float:
        """The number times 2**exponent as a double: 0 below their range, infinite above."""
        exponent += self.exponent
        if not exponent or not self.value:
            return self.value
        try:
            return math.ldexp(self.value, max(-5000, min(exponent, 5000)))
        except OverflowError:
            return math.copysign(math.inf, self.value)

    def sqrt(self) -> ExtendedFloat:
        """The square root."""
        odd = self.exponent % 2
        return ExtendedFloat(math.sqrt(self.value * 2**odd), (self.exponent - odd) // 2)

    @property
    def bits(self) -> int:
        """The power of two just above the number; it must not be 0."""
        return math.frexp(self.value)[1] + self.exponent

    @property
    def log(self) -> float:
        """Natural log, -inf for an exact zero."""
        if self.value <= 0:
            return -math.inf
        if not self.exponent:
            return math.log(self.value)
        if -_WHOLE <= self.exponent <= _WHOLE:
            return math.log(self.scaled(0))
        return math.log(self.value) + _LN2 * self.exponent


def _normalise(value: float, exponent: int) -> tuple[float, int]:
    if not value or not math.isfinite(value):
        return value, 0
    mantissa, bits = math.frexp(value)
    exponent += bits
    return (math.ldexp(mantissa, exponent), 0) if -_BITS < exponent <= _BITS else (mantissa, exponent)


ZERO, ONE = ExtendedFloat(0.0), ExtendedFloat(1.0)
