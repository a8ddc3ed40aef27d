"""`--vary path=values`: what a sweep changes, and to what."""

from __future__ import annotations

import math
import re

from varprobe.config.overrides import Override, parse_assignment
from varprobe.config.yaml_tree import scalar
from varprobe.errors import ConfigError, Place
from varprobe.formatting import shortened
from varprobe.sweeps.records import Axis

MOST_AXES, MOST_POINTS = 2, 100_000
# Settings that are whole numbers: a range over one of them is rounded.
_WHOLE = ("dense", "width", "features", "repeat", "batch", "trials", "seed")
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER}):({_NUMBER}):(\d{{1,6}})(?::(log|linear))?", re.ASCII)
# What begins as a range does: two numbers with a colon or dots between them.
_NEARLY = re.compile(rf"{_NUMBER}\s*(?::|\.\.)\s*[-+.\w]", re.ASCII)
_EXAMPLE = "write path=low:high:count, path=low:high:count:log or path=a,b,c; for example layers.0.repeat=5,10,20"


def parse_axis(text: str) -> Axis:
    """An axis from `path=values`.

    Values are a range `low:high:count`, with `:log` in equal ratios, or a list `a,b,c` of numbers, names or mappings.

    >>> parse_axis("defaults.init.gain=0.5:2:4").values
    ('0.5', '1', '1.5', '2')
    >>> parse_axis("layers.0.repeat=1:100:3:log").values
    ('1', '10', '100')
    >>> parse_axis("defaults.init=small,{name: he, gain: 2}").values
    ('small', '{name: he, gain: 2}')

    Raises:
        ConfigError: where the text is no axis.
    """
    override = parse_assignment(text, "--vary", _EXAMPLE)
    found = _RANGE.fullmatch(override.text.strip())
    if not found and _NEARLY.match(override.text.strip()):
        message = f"'{shortened(override.text.strip(), 60)}' is no range: a range is low:high:count, as in 0.5:2:31"
        raise _refuse(override, f"{message}, and :log behind it makes equal ratios")
    values = _space(override, *found.groups()) if found else _split(override)
    return Axis(override.path, tuple(dict.fromkeys(values)), bool(found and found[4] == "log"))


def _space(override: Override, low: str, high: str, count: str, scale: str | None) -> list[str]:
    first, last, amount = float(low), float(high), int(count)
    if amount < 2 or first == last:
        raise _refuse(override, f"a range needs two ends that differ and at least 2 values, given {override.text}")
    if not (math.isfinite(first) and math.isfinite(last)):
        raise _refuse(override, f"the ends of a range must be finite, given {override.text}")
    if amount > MOST_POINTS:
        raise _refuse(override, f"has {amount:,} values, at most {MOST_POINTS:,} are possible")
    shares = [i / (amount - 1) for i in range(amount)]
    if scale == "log":
        if min(first, last) <= 0:
            raise _refuse(override, f"a logarithmic range needs ends above 0, given {override.text}")
        values = [math.exp(math.log(first) + share * math.log(last / first)) for share in shares]
    else:
        values = [first + share * (last - first) for share in shares]
    return [f"{round(value)}" if is_whole(override.path) else f"{value:.10g}" for value in values]


def _split(override: Override) -> list[str]:
    """The values between commas that stand outside brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for character in override.text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        else:
            depth += (character in "{[") - (character in "}]")
        if character == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += character
    values = [part.strip() for part in parts]
    if not all(values):
        raise _refuse(override, f"has an empty value in '{override.text}'")
    return values


def _refuse(override: Override, message: str) -> ConfigError:
    return ConfigError(message, hint=_EXAMPLE, place=Place("--vary"), field=override.path)


def is_whole(path: str) -> bool:
    """Whether a setting is a whole number, by the last name of its path.

    >>> is_whole("layers[0].repeat"), is_whole("defaults.init.gain")
    (True, False)
    """
    return path.split(".")[-1] in _WHOLE


def numbers(axis: Axis) -> tuple[float, ...] | None:
    """The values as numbers; None where one is not."""
    found = [scalar(value) for value in axis.values]
    if any(isinstance(value, bool) or not isinstance(value, (int, float)) for value in found):
        return None
    return tuple(map(float, found))


def check_axes(axes: tuple[Axis, ...]) -> None:
    """Refuses too many axes, the same one twice, and more points than anybody waits for.

    Raises:
        ConfigError: with what to do.
    """
    place = Place("--vary")
    if not 1 <= len(axes) <= MOST_AXES:
        hint = "a sweep has one or two; set other values by --set"
        raise ConfigError(f"{len(axes)} axes are given", hint=hint, place=place)
    if len({axis.path for axis in axes}) < len(axes):
        raise ConfigError("both axes are the same", hint="put all values in one of them", place=place)
    points = math.prod(len(axis.values) for axis in axes)
    if points > MOST_POINTS:
        hint = f"at most {MOST_POINTS:,} are possible; use coarser ranges"
        raise ConfigError(f"that makes {points:,} points", hint=hint, place=place)
