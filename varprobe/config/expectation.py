"""What `varprobe check` holds a network to."""

from __future__ import annotations

from varprobe.frozen import dataclass, field

Labels = tuple[str, ...] | None


@dataclass(frozen=True)
class Range:
    """From low to high, both included; None where a side is open."""

    low: float | None
    high: float | None


@dataclass(frozen=True)
class SideRange:
    """A range of a rate or a total: `side` is forward, backward or signal."""

    side: str
    range: Range


@dataclass(frozen=True)
class LayerBound:
    """A range of a statistic, for the mean over trials at each of some layers.

    Attributes:
        key: as it is written below `expect.layers`: an index, a name, or `all`.
        rows: of the report, from 1.
        statistic: the report's own key, such as `activation.variance`.
    """

    key: str
    rows: tuple[int, ...]
    statistic: str
    range: Range


@dataclass(frozen=True)
class Expectation:
    """What a config expects; None or empty where it expects nothing.

    Attributes:
        forward, backward, overall, signal: the labels that are allowed.
        rate, total_log10: ranges of the factor per layer, and of log10 of the change over the depth.
        saturated, dead: the largest share of any layer.
        safe_in: number formats whose range draws must not leave.
        theory: whether the measurement must agree with it.
        allow: codes of error-level findings that do not count.
        lines: from a path below `expect` to its line in the config.
    """

    forward: Labels = None
    backward: Labels = None
    overall: Labels = None
    signal: Labels = None
    rate: tuple[SideRange, ...] = ()
    total_log10: tuple[SideRange, ...] = ()
    layers: tuple[LayerBound, ...] = ()
    saturated: float | None = None
    dead: float | None = None
    safe_in: tuple[str, ...] = ()
    theory: bool = False
    allow: tuple[str, ...] = ()
    lines: dict[str, int | None] = field(default_factory=dict, compare=False)


# Where a config says nothing.
HEALTHY = Expectation(forward=("stable",), backward=("stable",))
