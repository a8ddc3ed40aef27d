"""Weights that were drawn, held to what was meant."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from varprobe.audit.records import ALPHA, TOLERANCE, Audit
from varprobe.errors import Place, VarprobeError

if TYPE_CHECKING:
    from varprobe.audit.drawn import DrawnFrom
    from varprobe.audit.fans import Layout, Reading
    from varprobe.models.weights import ModelWeights

_SUFFIXES = (".yaml", ".yml")


def audit(
    what: str | os.PathLike[str] | Mapping[str, Any] | Any,
    expect: Mapping[str, str] | None = None,
    *,
    complete: bool = False,
    constants: Mapping[str, float] | None = None,
    layout: str | None = None,
    transposed: Sequence[str] = (),
    packed: Mapping[str, int] | None = None,
    groups: Mapping[str, int] | None = None,
    alpha: float = ALPHA,
    tolerance: float = TOLERANCE,
    baseline: Audit | str | os.PathLike[str] | None = None,
    name: str = "",
) -> Audit:
    """Looks at weights: which laws they fit, whether they are what was meant, and what they show by themselves.

    Arguments:
        what: a file of arrays, a mapping of names to arrays of any framework, a model of PyTorch,
            Keras or Flax NNX, something else with a `state_dict()`, or a
            YAML config, which says all but `baseline` itself.
        expect: pattern of names -> law that was meant, such as `{"*.proj.weight": "normal(0.02/sqrt(2*depth))"}`; the
            first that matches counts.
        complete: every tensor must have a law.
        constants: names that laws may use beside fan_in and fan_out.
        layout: `torch`, `keras` or `flax`; by default that of a model's framework, and torch elsewhere.
        transposed: patterns of matrices that are the other way round.
        packed, groups: pattern -> how many matrices stand side by side along the outputs, groups of a convolution.
        alpha: the chance that any tensor of a model that is as meant is called otherwise.
        tolerance: what is off by less never counts.
        baseline: a stored audit, or its file, from which nothing may have drifted.

    Raises:
        VarprobeError: for what cannot be read, patterns that match nothing, and texts that are no law.

    >>> import numpy as np
    >>> weights = {"w": np.random.default_rng(0).normal(0, 0.02, (60, 80))}
    >>> audit(weights, {"w": "normal(0.01)"}).tensors[0].intended.instead
    'the standard deviation is 1.99 times what was meant'
    """
    from varprobe.audit.audit import AuditSettings, audit_tensors
    from varprobe.audit.config import load_audit, run_audit
    from varprobe.audit.intent import read_intent

    if isinstance(what, (str, os.PathLike)) and str(what).lower().endswith(_SUFFIXES):
        if expect or complete or constants or transposed or packed or groups:
            raise VarprobeError("a config says what was meant and how tensors are read", hint="change the config")
        return _hold(run_audit(load_audit(Path(what)), alpha), baseline)
    _check_share("alpha", alpha)
    if not 0 <= tolerance < 1:
        raise VarprobeError(f"tolerance must be from 0 to 1, given {tolerance:g}", hint="the usual one is 0.02")
    meant = {**(expect or {}), **({"other": "error"} if complete else {})}
    model, stem, source = _weights(what)
    settings = AuditSettings(
        _layout(layout) if layout else model.layout,
        (*_readings(transposed, packed or {}, groups or {}), *model.readings),
        read_intent(meant, constants),
        alpha,
        tolerance,
    )
    return _hold(audit_tensors([model.tensors], settings, name or stem, source), baseline)


def draws_from(
    what: Callable[[int], Any] | Any,
    law: str,
    *,
    alpha: float = 1e-6,
    tolerance: float = 0.01,
    most: int = 10_000,
    layout: str = "torch",
    constants: Mapping[str, float] | None = None,
) -> DrawnFrom:
    """Whether an initialiser draws from a law: true, or false with what is off, for `assert` in a test.

    Arguments:
        what: a function of a seed that gives an array, which is called as often as it takes; or one array.
        law: as in `audit`.
        alpha: the chance that a true law is called off, and that an error as large as the tolerance is missed.
        tolerance: of the standard deviation, and of the mean in standard deviations; ten times it for the kurtosis.
        most: draw no more; what is undecided then is false.

    Raises:
        VarprobeError: for a text that is no law, and draws of several shapes.

    >>> import numpy as np
    >>> def draw(seed):
    ...     return np.random.default_rng(seed).normal(0, np.sqrt(2 / 300), (200, 300))
    >>> bool(draws_from(draw, "he"))
    True
    >>> draws_from(draw, "he(mode=fan_out)").outcome
    'off'
    """
    from varprobe.audit.drawn import judge_array, judge_draws

    _check_share("alpha", alpha)
    _check_share("tolerance", tolerance)
    if most < 1:
        raise VarprobeError(f"most must be at least 1, given {most}", hint="the usual one is 10000")
    if callable(what):
        return judge_draws(what, law, alpha, tolerance, most, _layout(layout), constants or {})
    return judge_array(what, law, alpha, _layout(layout), constants or {})


def _weights(what: Any) -> tuple[ModelWeights, str, str]:
    """The tensors, and what they are called by themselves."""
    from varprobe.audit.files import tensors_of
    from varprobe.models.weights import ModelWeights, is_model, weights_of_model

    if isinstance(what, (str, os.PathLike)):
        return ModelWeights(tuple(tensors_of(Path(what)))), Path(what).stem, str(what)
    kind = type(what).__name__
    if isinstance(what, Mapping):
        return weights_of_model(what), "arrays", "arrays"
    if is_model(what):
        return weights_of_model(what), kind, kind
    if callable(getattr(what, "state_dict", None)):
        from varprobe.audit.torch_tensors import tensors_of_state

        return ModelWeights(tuple(tensors_of_state(what.state_dict()))), kind, kind
    hint = "give a path, a model, or a mapping of names to arrays"
    raise VarprobeError(f"a value of type {kind} cannot be audited", hint=hint)


def _layout(name: str) -> Layout:
    from varprobe.audit.fans import Layout

    if name not in tuple(Layout):
        raise VarprobeError(f"unknown layout '{name}'", hint=f"there are {', '.join(Layout)}", place=Place("layout"))
    return Layout(name)


def _readings(transposed: Sequence[str], packed: Mapping[str, int], groups: Mapping[str, int]) -> tuple[Reading, ...]:
    from varprobe.audit.fans import Reading

    found = {pattern: Reading(pattern, transposed=True) for pattern in transposed}
    for pattern, number in (*packed.items(), *groups.items()):
        if number < 1:
            raise VarprobeError(f"must be at least 1, given {number}", hint="leave it out", field=pattern)
    for pattern, number in packed.items():
        found[pattern] = replace(found.get(pattern, Reading(pattern)), packed=number)
    for pattern, number in groups.items():
        found[pattern] = replace(found.get(pattern, Reading(pattern)), groups=number)
    return tuple(found.values())


def _hold(found: Audit, baseline: Audit | str | os.PathLike[str] | None) -> Audit:
    if baseline is None:
        return found
    from varprobe.audit.drift import hold_to_baseline
    from varprobe.results.store import load_result

    if isinstance(baseline, Audit):
        return hold_to_baseline(found, baseline, baseline.name)
    return hold_to_baseline(found, load_result(Path(baseline), "audit"), str(baseline))


def _check_share(name: str, given: float) -> None:
    if not 0 < given < 1:
        raise VarprobeError(f"{name} must be between 0 and 1, given {given:g}", hint="a small share, such as 0.001")
