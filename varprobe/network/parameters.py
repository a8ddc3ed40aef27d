"""What the arguments of activations, initialisers and layers may be, and what they are where nobody says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from varprobe.frozen import dataclass

# No number of a config is larger.
LARGEST = 1e30


@dataclass(frozen=True)
class Number:
    """A finite number from low to high, both included; but low where it must be `above`, and high where `below`."""

    low: float = -LARGEST
    high: float = LARGEST
    above: bool = False
    below: bool = False


@dataclass(frozen=True)
class Whole:
    """A whole number from low to high."""

    low: int
    high: int


@dataclass(frozen=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class Text:
    """Text that is not empty."""


@dataclass(frozen=True)
class Gain:
    """A number from 0, or `auto`: the exact gain of the activation before."""


@dataclass(frozen=True)
class Defined:
    """What every config defines by this name: activation, initializer, bias, file or layers."""

    name: str


Domain = Number | Whole | Choice | Text | Gain | Defined


@dataclass(frozen=True)
class Parameter:
    """One argument; `...` as default means that it must be given, None that it may stay away."""

    domain: Domain
    default: Any


Parameters = Mapping[str, Parameter]


def real(default: float | None) -> Parameter:
    """Any number."""
    return Parameter(Number(), default)


def not_negative(default: float) -> Parameter:
    """A number from 0."""
    return Parameter(Number(low=0.0), default)


def positive(default: float) -> Parameter:
    """A number above 0."""
    return Parameter(Number(low=0.0, above=True), default)


def choice(default: str, words: tuple[str, ...]) -> Parameter:
    """One of some words."""
    return Parameter(Choice(words), default)
