"""What a remedy changes, read off the network before it and the one that was judged with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from varprobe.advice.neighbours import fan
from varprobe.frozen import dataclass
from varprobe.network.laws import (
    CUT_STD,
    Constant,
    FromFile,
    Identity,
    Law,
    Normal,
    Orthogonal,
    TruncatedNormal,
    Uniform,
)
from varprobe.network.layers import Dense, Join, Norm
from varprobe.network.spec import InputLaw, NetworkSpec, Step
from varprobe.verdict.records import Amendment, Target

# Two scales that differ by less are one: edits are rounded to six digits.
_SAME = 1e-5
_MODES = ("fan_in", "fan_avg", "fan_out")
# Gains with a name, in the order in which a scheme is sought that has them.
_NAMED = (("fan_in", math.sqrt(2)), ("fan_avg", 1.0), ("fan_in", 1.0))
# The cut that schemes correct for, in standard deviations.
_CUT = (-2.0, 2.0)
_Pair = tuple[int, Step, Step]


@dataclass(frozen=True)
class _Drawn:
    """The new law of one layer's weights or biases.

    Attributes:
        place: of the layer among those of its kind.
        size: standard deviation, or what `Amendment.scale` says of the law.
        before: the same of the old law; None where that is another.
    """

    row: int
    place: int
    step: Step
    law: str
    size: float
    mean: float = 0.0
    low: float | None = None
    high: float | None = None
    before: float | None = None

    @property
    def shape(self) -> tuple[str, float, float | None, float | None]:
        return self.law, self.mean, self.low, self.high


def find_amendments(spec: NetworkSpec, amended: NetworkSpec) -> tuple[Amendment, ...]:
    """What another network of the same steps has that this one has not: input, biases, norms, weights, branches."""
    pairs = [
        (row, *pair)
        for row, pair in enumerate(
            ((old, new) for old, new in zip(spec.steps, amended.steps, strict=True) if old.layer.is_row), 1
        )
    ]
    return (
        *_of_input(spec.input, amended.input),
        *_of_laws(Target.BIAS, _changed_laws(pairs, lambda layer: layer.bias)),
        *_of_numbers(Target.NORM, [pair for pair in pairs if isinstance(pair[1].layer, Norm)], "eps"),
        *_of_laws(Target.WEIGHTS, _changed_laws(pairs, lambda layer: layer.weights)),
        *_of_numbers(Target.BRANCH, [pair for pair in pairs if isinstance(pair[1].layer, Join)], "scale"),
    )


def _of_input(old: InputLaw, new: InputLaw) -> Iterator[Amendment]:
    if old.rows is not None and new.rows is not None:
        if not np.array_equal(old.rows, new.rows):
            yield Amendment(Target.INPUT, (), (), "file")
    elif (old.mean, old.std) != (new.mean, new.std):
        divided = old.mean / new.mean if old.distribution == "constant" else old.std / new.std
        taken = 0.0 if old.distribution == "constant" else old.mean - new.mean * divided
        yield Amendment(Target.INPUT, (), (), old.distribution, scale=divided, mean=taken)


def _of_numbers(target: Target, pairs: Sequence[_Pair], name: str) -> Iterator[Amendment]:
    """Of every new value of a layer's field those that have it."""
    found: dict[float, list[tuple[int, int]]] = {}
    for place, (row, old, new) in enumerate(pairs):
        if getattr(old.layer, name) != getattr(new.layer, name):
            found.setdefault(getattr(new.layer, name), []).append((row, place))
    for value, where in found.items():
        yield Amendment(target, tuple(row for row, _ in where), tuple(place for _, place in where), scale=value)


def _changed_laws(pairs: Sequence[_Pair], law_of: Callable[[Dense], Law]) -> list[_Drawn]:
    dense = [pair for pair in pairs if isinstance(pair[1].layer, Dense)]
    found = []
    for place, (row, old, new) in enumerate(dense):
        assert isinstance(old.layer, Dense)
        assert isinstance(new.layer, Dense)
        before, after = law_of(old.layer), law_of(new.layer)
        if before != after and not isinstance(after, FromFile):
            found.append(_describe(row, place, new, before, after))
    return found


def _describe(row: int, place: int, step: Step, before: Law, after: Law) -> _Drawn:
    word, size, mean, low, high = _read(after)
    other = _read(before)
    same = (word, mean, low, high) == (other[0], *other[2:])
    return _Drawn(row, place, step, word, size, mean, low, high, other[1] if same and other[1] else None)


def _read(law: Law) -> tuple[str, float, float, float | None, float | None]:
    """Its name, its size, its mean, and where it is cut; of what no framework draws the size in its own unit."""
    match law:
        case Normal():
            return "normal", law.std, law.mean, None, None
        case Uniform():
            return "uniform", (law.high - law.low) / math.sqrt(12), law.mean, None, None
        case TruncatedNormal():
            low, high = (round((edge - law.centre) / law.std, 9) for edge in (law.low, law.high))
            return "truncated_normal", law.std, law.centre, low, high
        case Constant(value):
            return "constant", value, 0.0, None, None
        case Identity(gain):
            return "identity", gain, 0.0, None, None
        case Orthogonal(gain):
            return "orthogonal", gain, 0.0, None, None
    return "", (law.variance(1000, 1000) or 0.0) ** 0.5, 0.0, None, None


def _of_laws(target: Target, found: Sequence[_Drawn]) -> Iterator[Amendment]:
    """Layers that one line can say, together; else those of an entry; else those of one size."""
    groups: dict[tuple[str, float, float | None, float | None], list[_Drawn]] = {}
    for each in found:
        groups.setdefault(each.shape, []).append(each)
    for group in groups.values():
        for part in _split(group, by_fan=target is not Target.BIAS):
            fan_mode, scale = ("", _round(part[0].size)) if target is Target.BIAS else _express(part)
            factors = [each.size / each.before for each in part if each.before]
            alike = len(factors) == len(part) and max(factors) - min(factors) <= _SAME * abs(factors[0])
            yield Amendment(
                target,
                tuple(each.row for each in part),
                tuple(each.place for each in part),
                part[0].law,
                fan_mode,
                scale,
                part[0].mean,
                part[0].low,
                part[0].high,
                factors[0] if alike else None,
            )


def _split(group: list[_Drawn], *, by_fan: bool) -> Iterator[list[_Drawn]]:
    if by_fan and _scales(group):
        yield group
        return
    by_entry = _part(group, lambda each: each.step.path)
    alike = by_fan and all(map(_scales, by_entry))
    yield from by_entry if alike else _part(group, lambda each: f"{each.size:.6g}")


def _part(group: Sequence[_Drawn], key: Callable[[_Drawn], str]) -> list[list[_Drawn]]:
    parts: dict[str, list[_Drawn]] = {}
    for each in group:
        parts.setdefault(key(each), []).append(each)
    return list(parts.values())


def _scales(part: Sequence[_Drawn]) -> dict[str, float]:
    """By fan, and empty for none, the scale that all layers of the part have."""
    modes = ("", *_MODES) if part[0].law in ("normal", "uniform", "truncated_normal") and not part[0].mean else ("",)
    found = {}
    for mode in modes:
        sizes = [each.size * (math.sqrt(fan(mode, each.step)) if mode else 1.0) for each in part]
        if max(sizes) - min(sizes) <= _SAME * max(map(abs, sizes)):
            found[mode] = sizes[0]
    return found


def _express(part: Sequence[_Drawn]) -> tuple[str, float]:
    """The fan, and the scale in its units: a gain with a name first, then by the fan of the old scheme."""
    known, first = _scales(part), part[0]
    cut = CUT_STD if (first.low, first.high) == _CUT else 1.0
    for mode, gain in _NAMED:
        if mode in known and abs(known[mode] * cut / gain - 1) < _SAME:
            return mode, gain / cut
    if first.before:
        for mode, gain in _NAMED:
            old = first.before * math.sqrt(fan(mode, first.step)) * cut
            if mode in known and abs(old / gain - 1) < _SAME:
                return mode, _round(known[mode])
    mode = next(mode for mode in ("fan_avg", "fan_in", "fan_out", "") if mode in known)
    return mode, _round(known[mode])


def _round(value: float) -> float:
    return float(f"{value:.8g}")
