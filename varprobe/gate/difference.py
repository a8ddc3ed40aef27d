"""What differs from a baseline apart from what was measured: the config, key by key, the layers, the versions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from difflib import SequenceMatcher
from typing import Any

from varprobe.config.fields import FieldPath, field_name
from varprobe.config.overrides import ENTRY, LAYER_LISTS, SHORTHAND
from varprobe.config.parts import DEFAULT_ACTIVATION, DEFAULT_INIT
from varprobe.config.records import InputModel, Probe
from varprobe.config.rewriting import flow
from varprobe.formatting import shortened
from varprobe.gate.records import Difference, SinceBaseline
from varprobe.network.layer_kinds import LAYER_KINDS
from varprobe.report.records import Report

_LONGEST = 120
# Lists whose lengths multiply to more are compared entry by entry: to align them takes time that grows as this does.
_ALIGNED = 1_000_000


def differ(baseline: Report, report: Report) -> SinceBaseline:
    """What of a network differs from its baseline."""
    names = [Counter(row.name for row in one.layers) for one in (baseline, report)]
    made = [one.provenance for one in (baseline, report)]
    return SinceBaseline(
        config=tuple(differences(baseline.spec, report.spec)),
        removed=tuple((names[0] - names[1]).elements()),
        added=tuple((names[1] - names[0]).elements()),
        versions=tuple(
            Difference(name, old, new)
            for name in ("varprobe", "numpy", "python")
            for old, new in [(getattr(made[0], name), getattr(made[1], name))]
            if old != new
        ),
    )


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    """Key by key what differs between two configs; what is not written counts as its default.

    >>> one = {"layers": [{"dense": 8}, {"dense": 4}]}
    >>> other = {"layers": [{"dense": {"width": 8, "init": "he"}}, {"norm": "layer"}, {"dense": 4}]}
    >>> for each in differences(one, other): print(each.path, each.before, each.after)
    layers[0].dense.init None he
    layers[1] None {norm: layer}
    """
    yield from _differ_mappings((), _filled(before), _filled(after))


def _filled(document: Mapping[str, Any]) -> dict[str, Any]:
    implied = {
        "input": _defaults_of(InputModel),
        "defaults": {"activation": DEFAULT_ACTIVATION, "init": DEFAULT_INIT},
        "probe": {**_defaults_of(Probe), "gradient": "random"},
    }
    written = {key: value for key, value in document.items() if value is not None}
    return {**implied, **written, **{key: {**all_, **(written.get(key) or {})} for key, all_ in implied.items()}}


def _defaults_of(record: type) -> dict[str, Any]:
    return {one.name: one.default for one in fields(record) if one.default not in (MISSING, None)}


def _differ(path: FieldPath, before: Any, after: Any) -> Iterator[Difference]:
    if before == after:
        return
    key = path[-1]
    if isinstance(before, list) and isinstance(after, list) and key in LAYER_LISTS:
        yield from _differ_lists(path, before, after)
        return
    short = SHORTHAND.get(ENTRY if isinstance(key, int) else key)
    old, new = before, after
    if isinstance(before, Mapping) or isinstance(after, Mapping):
        old, new = _widened(before, short), _widened(after, short)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _differ_mappings(path, old, new)
    else:
        yield Difference(field_name(path), _text(before), _text(after))


def _differ_mappings(path: FieldPath, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    for key in dict.fromkeys((*before, *after)):
        default = 1 if key == "repeat" else None
        yield from _differ((*path, key), before.get(key, default), after.get(key, default))


def _differ_lists(path: FieldPath, before: Sequence[Any], after: Sequence[Any]) -> Iterator[Difference]:
    """Entries that stayed as they are come first, then those of one kind; the rest was removed or added."""
    texts = [[json.dumps(entry, sort_keys=True) for entry in entries] for entries in (before, after)]
    for same, old, new in _align(texts[0], texts[1]):
        kinds = [[_kind(before[at]) for at in old], [_kind(after[at]) for at in new]]
        for alike, left, right in () if same else _align(kinds[0], kinds[1]):
            pairs = [(old[i], new[j]) for i, j in zip(left, right, strict=True)] if alike else []
            for i, j in pairs:
                yield from _differ((*path, j), before[i], after[j])
            if not alike:
                yield from (Difference(field_name((*path, old[i])), _text(before[old[i]]), None) for i in left)
                yield from (Difference(field_name((*path, new[j])), None, _text(after[new[j]])) for j in right)


def _align(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[bool, range, range]]:
    """Runs that are equal in both, and runs that are not."""
    if len(before) * len(after) > _ALIGNED:
        for at in range(min(len(before), len(after))):
            yield before[at] == after[at], range(at, at + 1), range(at, at + 1)
        shorter = min(len(before), len(after))
        yield False, range(shorter, len(before)), range(shorter, len(after))
        return
    for tag, i, j, m, n in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        yield tag == "equal", range(i, j), range(m, n)


def _kind(entry: Any) -> str:
    return next((kind for kind in LAYER_KINDS if kind in entry), "") if isinstance(entry, Mapping) else "dense"


def _widened(value: Any, short: str | None) -> Any:
    """The long form of a shorthand; nothing stays nothing."""
    return value if short is None or value is None or isinstance(value, (Mapping, list)) else {short: value}


def _text(value: Any) -> str | None:
    return None if value is None else shortened(flow(value), _LONGEST)
