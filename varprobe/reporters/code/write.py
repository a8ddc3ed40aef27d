"""What remedies change -> the lines of a framework that change it, and a comment where it has none."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from varprobe.formatting import printable
from varprobe.frozen import dataclass
from varprobe.network.laws import CUT_STD
from varprobe.reporters.code.frameworks import FRAMEWORKS, Framework
from varprobe.reporters.code.names import FrameworkName
from varprobe.verdict.labels import Severity
from varprobe.verdict.records import Amendment, Target

if TYPE_CHECKING:
    from varprobe.report.records import Report
    from varprobe.tuning import Tuning

_WIDTH = 78
# Relative difference up to which two variances are one; a gain has six digits.
_SAME = 3e-5


@dataclass(frozen=True)
class CodedRemedy:
    """A remedy to be written as code.

    Attributes:
        title: what it is of.
        text: what it says.
    """

    title: str
    text: str
    changes: tuple[Amendment, ...]


def code_of_report(report: Report, framework: FrameworkName) -> str:
    """The remedies of a report as code, each cause once; what they only follow from has none of its own."""
    found = [
        CodedRemedy(finding.code, finding.remedy, finding.changes)
        for finding in report.verdict.findings
        if finding.remedy and not finding.cause and (finding.changes or finding.severity != Severity.INFO)
    ]
    return write_code(report.name, found, framework)


render_torch = partial(code_of_report, framework=FrameworkName.TORCH)
render_keras = partial(code_of_report, framework=FrameworkName.KERAS)
render_flax = partial(code_of_report, framework=FrameworkName.FLAX)
render_numpy = partial(code_of_report, framework=FrameworkName.NUMPY)


def code_of_tuning(tuning: Tuning, framework: FrameworkName) -> str:
    """What tuning has changed, as code."""
    edits = " ".join(f"{edit.path}={edit.text}" for edit in tuning.edits)
    found = [CodedRemedy("tuned", edits or tuning.reason, tuning.amendments)] if edits or tuning.reason else []
    return write_code(tuning.network.name, found, framework)


def code_of_changes(changes: Sequence[Amendment], framework: FrameworkName) -> str:
    """The code of one remedy by itself, as a page shows it; empty where nothing is changed."""
    says = FRAMEWORKS[framework]
    parts = [line for change in changes for line in write_change(change, says)]
    return "\n\n".join(_with_head(["\n".join(parts)], changes, says)) if parts else ""


def write_code(name: str, remedies: Sequence[CodedRemedy], framework: FrameworkName) -> str:
    """Python that makes the changes of remedies in a model that exists, with its imports.

    Arguments:
        name: the network's.
    """
    says = FRAMEWORKS[framework]
    if not remedies:
        return f"# {printable(name)}: nothing to change\n"
    changes = [change for remedy in remedies for change in remedy.changes]
    title = f"# {printable(name)}: remedies in lines of {says.title}"
    code = _with_head(["\n".join(_write_remedy(remedy, says)) for remedy in remedies], changes, says)
    return "\n\n".join([title, *code]) + "\n"


def _with_head(code: list[str], changes: Sequence[Amendment], says: Framework) -> list[str]:
    """Code behind the imports and lists that it needs."""
    targets = [Target(change.target) for change in changes]
    loops = dict.fromkeys(says.loops[target].made for target in targets if target in says.loops)
    parts = [*(["\n".join(loops)] if loops else []), *code]
    return [head, *parts] if targets and (head := _keep_used(says.imports, "\n".join(parts))) else parts


def _keep_used(imports: str, code: str) -> str:
    """The imports whose name the code has; lines between them stay."""
    lines = imports.splitlines()
    others = "\n".join([code, *(line for line in lines if not line.startswith(("import ", "from ")))])
    kept = [line for line in lines if not line.startswith(("import ", "from ")) or f"{line.split()[-1]}." in others]
    return "\n".join(kept).strip()


def _write_remedy(remedy: CodedRemedy, says: Framework) -> Iterator[str]:
    none = "" if remedy.changes else f"no line of {says.title} does it: "
    text = printable(f"{remedy.title}: {none}{remedy.text}")
    yield from textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    for change in remedy.changes:
        yield from write_change(change, says)


def write_change(change: Amendment, says: Framework) -> Iterator[str]:
    """The lines of one change."""
    lines = find_lines(change, says)
    if change.layers:
        yield f"# {_list_layers(change.layers)}"
    if not lines:
        yield f"# no line of {says.title} draws {change.law.replace('_', ' ') or 'this law'} as it is to be here"
        return
    loop = says.loops.get(Target(change.target))
    if loop is None or not change.places:
        yield from lines
    elif len(change.places) == 1:
        at = str(change.places[0])
        yield f"{loop.variable} = {f'{loop.layers}[{at}]' if loop.layers else at}"
        yield from lines
    else:
        yield f"for {loop.variable} in {_list_places(change.places, loop.layers)}:"
        yield from (f"    {line}" for line in lines)


def find_lines(change: Amendment, says: Framework) -> list[str]:
    """The lines for one layer; none where the framework has none."""
    match Target(change.target):
        case Target.INPUT:
            if change.law == "sparse" and change.mean:  # its zeros would not stay zero
                return []
            template = says.input["file" if change.law == "file" else "scaled"]
        case Target.NORM:
            template = says.norm
        case Target.BRANCH:
            template = says.branch
        case _:
            template = _find_template(change, says.lines)
    return template.format_map(_values(change, says)).splitlines()


def _find_template(change: Amendment, lines: Mapping[str, str]) -> str:
    """The most particular of those that hold."""
    law = _law_of(change)
    own = _variance(change) if change.fan else change.scale
    begin = f"{law} {change.fan} " if change.fan else f"{law} "
    for key, template in lines.items():
        value = key.removeprefix(begin)
        if key.startswith(begin) and value[0].isdigit() and math.isclose(own, float(Fraction(value)), rel_tol=_SAME):
            return template
    keys = [f"{law} {change.fan}", f"{law} fan"] if change.fan else [law]
    if _slope(change) is not None:
        keys = [f"{law} {change.fan} leaky", *keys]
    if change.factor is not None:
        keys.append("times")
    return next((lines[key] for key in keys if key in lines), "")


def _law_of(change: Amendment) -> str:
    if change.law == "truncated_normal" and (change.low, change.high) != (-2.0, 2.0):
        return "cut_normal"
    return change.law


def _variance(change: Amendment) -> float:
    """That of what is drawn."""
    return (change.scale * (CUT_STD if _law_of(change) == "truncated_normal" else 1.0)) ** 2


def _slope(change: Amendment) -> float | None:
    """The slope of the leaky relu with that gain, if it is a short number."""
    square = change.scale**2
    if change.fan not in ("fan_in", "fan_out") or not 0 < square < 2:
        return None
    slope = float(f"{math.sqrt(2 / square - 1):.3g}")
    return slope if math.isclose(2 / (1 + slope * slope), square, rel_tol=_SAME) else None


def _values(change: Amendment, says: Framework) -> dict[str, str]:
    """What templates name."""
    target, scale = Target(change.target), change.scale
    edges = (change.low, change.high) if change.law == "truncated_normal" else (-math.sqrt(3), math.sqrt(3))
    low, high = (edge if edge is not None else 0.0 for edge in edges)
    return {
        "array": says.arrays.get(target, ""),
        "fan": says.fans.get(change.fan, ""),
        "scale": _number(scale),
        "variance": _number(_variance(change)),
        "mean": _number(change.mean),
        "low": _number(change.mean + low * scale),
        "high": _number(change.mean + high * scale),
        "below": _number(low),
        "above": _number(high),
        "factor": _number(change.factor or 1.0),
        "slope": _number(_slope(change) or 0.0),
    }


def _number(value: float) -> str:
    return repr(float(f"{value:.8g}"))


def _list_layers(layers: Sequence[int]) -> str:
    """`layers 1 to 6`, or each."""
    if len(layers) == 1:
        return f"layer {layers[0]}"
    whole = layers[-1] - layers[0] == len(layers) - 1
    if whole or len(layers) > 12:
        return f"{'' if whole else f'{len(layers)} of '}layers {layers[0]} to {layers[-1]}"
    return f"layers {', '.join(map(str, layers))}"


def _list_places(places: Sequence[int], layers: str) -> str:
    """Some of a list, or their numbers: a slice where they are evenly apart."""
    step = places[1] - places[0]
    if all(b - a == step for a, b in pairwise(places)):
        stop, by = places[-1] + 1, "" if step == 1 else f":{step}"
        return f"{layers}[{places[0]}:{stop}{by}]" if layers else f"range({places[0]}, {stop}{by.replace(':', ', ')})"
    numbers = f"({', '.join(map(str, places))})"
    return f"[{layers}[i] for i in {numbers}]" if layers else numbers
