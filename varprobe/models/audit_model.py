"""The audit of a factory: built under several seeds, its draws pooled, and what only several builds can show."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from statistics import median
from typing import Any

import numpy as np

from varprobe.audit.audit import AuditSettings, audit_tensors
from varprobe.audit.compatible import group_of
from varprobe.audit.config import DRAWS
from varprobe.audit.findings import make_finding
from varprobe.audit.moments import Moments
from varprobe.audit.records import Audit, AuditFinding, AuditOutcome, TensorAudit
from varprobe.audit.survey import survey
from varprobe.audit.tensor_checks import Remark
from varprobe.audit.tensors import Tensor
from varprobe.errors import VarprobeError
from varprobe.formatting import count
from varprobe.frozen import dataclass
from varprobe.models.factory import SEED, STREAMS, Factory, Varied, check_arguments, numbers_of, parameters_of
from varprobe.models.raised import told_as_mistake
from varprobe.models.seeding import Fill, seeded
from varprobe.models.weights import ModelWeights, weights_of_model
from varprobe.verdict.labels import Severity

# Weights below which a tensor says too little of itself.
_ENOUGH = 16
# A standard deviation answers to an argument from so many standard errors and this share on; one that is within as many
# and half of that share does not answer where the others' answer is so many times larger.
_ERRORS, _NEAR, _CLEARLY = 5.0, 0.02, 2.0


@dataclass(frozen=True)
class Building:
    """A factory with its arguments, and how often it is called.

    Attributes:
        name: `pkg.mod:function`, for messages.
        seed: of the seeds of all draws.
        full: print the whole traceback of what the factory raises.
    """

    factory: Factory
    name: str
    args: Mapping[str, Any]
    draws: int = DRAWS
    seed: int = 0
    full: bool = False

    def seeds(self) -> list[int]:
        """One for each draw, from one `SeedSequence`."""
        return [int(one.generate_state(1)[0]) for one in np.random.SeedSequence(self.seed).spawn(self.draws)]

    def build(self, seed: int, fill: Fill = Fill.NAN) -> ModelWeights:
        """One draw; the state of the process is afterwards what it was.

        Raises:
            VarprobeError: where the factory raises anything.
        """
        loaded = "torch" in sys.modules
        found = self._call(seed, fill)
        if "torch" in sys.modules and not loaded:  # by the factory itself, with a seed of its own
            found = self._call(seed, fill)
        return found

    def _call(self, seed: int, fill: Fill) -> ModelWeights:
        asked = self._seeds_asked_for(seed)
        with seeded(seed, fill):
            with told_as_mistake(self.name, full=self.full):
                model = self.factory(**self.args, **asked)
            return weights_of_model(model)

    def _seeds_asked_for(self, seed: int) -> dict[str, Any]:
        """The seed under the names by which a factory may ask for it."""
        asked: dict[str, Any] = {}
        free = {name for name in parameters_of(self.factory) if name not in self.args}
        if SEED in free:
            asked[SEED] = seed
        if STREAMS in free and "flax.nnx" in sys.modules:
            asked[STREAMS] = sys.modules["flax.nnx"].Rngs(seed)
        return asked


def audit_factory(building: Building, settings: AuditSettings, name: str, vary: Varied | None = None) -> Audit:
    """The audit over several draws of a model.

    Draws are built one after another and only the first is kept. Names in laws that are meant may be those of the
    factory's arguments that are numbers.

    Arguments:
        vary: the audited model has the first value; one more is built with the second, under the first seed.

    Raises:
        VarprobeError: where the factory takes other arguments, or its draws have other tensors than each other.
    """
    if vary:
        building = replace(building, args={**building.args, vary.name: vary.values[0]})
    check_arguments(building.factory, building.name, building.args)
    first, *seeds = building.seeds()
    model = building.build(first)
    draws = _Draws(building, model, seeds)
    names = numbers_of(building.factory, building.args)
    settings = replace(
        settings,
        layout=settings.layout or model.layout,
        readings=(*settings.readings, *model.readings),
        intent=replace(settings.intent, names={**names, **(settings.intent.names or {})}),
    )
    audit = audit_tensors(chain([model.tensors], draws.others()), settings, name, building.name)
    findings = [*_find_unwritten(audit, model, building), *draws.find_same(audit)]
    if vary:
        findings += find_silent(audit, model, building, vary)
    errors = any(one.severity is Severity.ERROR for one in findings)
    return replace(audit, findings=tuple(findings), outcome=AuditOutcome.FAILED if errors else audit.outcome)


class _Draws:
    """The draws behind the first, and which tensors are the same in all of them."""

    def __init__(self, building: Building, first: ModelWeights, seeds: Sequence[int]) -> None:
        self.building, self.first, self.seeds = building, first, seeds
        self.same = {one.name for one in first.tensors} if seeds else set()

    def others(self) -> Iterator[list[Tensor]]:
        """Of each further draw the tensors that are not those of the first: only these say anything new."""
        known = {one.name: one for one in self.first.tensors}
        for seed in self.seeds:
            model = self.building.build(seed)
            _check_alike(self.building.name, self.first, model, "another seed", whole=True)
            changed = [one for one in model.tensors if not _is_same(one, known[one.name])]
            self.same -= {one.name for one in changed}
            yield changed

    def find_same(self, audit: Audit) -> Iterator[AuditFinding]:
        """Random tensors that no seed changes. Of those that are not trained, as tables of sines, only if all are."""
        random = [one.name for one in audit.tensors if _is_random(one)]
        same = [name for name in random if name in self.same]
        if len(same) < len(random):
            same = [name for name in same if name not in self.first.frozen]
        if same:
            everything = len(same) == len(random)
            which = "every random tensor" if everything else count(len(same), "tensor")
            verb = "is" if everything or len(same) == 1 else "are"
            text = f"{which} of {self.building.name} {verb} the same under {count(self.building.draws, 'seed')}"
            seen = Remark(tuple(same), text, float(len(same)), 0.0)
            yield make_finding("same-in-every-trial", seen)


def _check_alike(name: str, first: ModelWeights, other: ModelWeights, when: str, *, whole: bool) -> None:
    shapes, others = ({one.name: one.shape for one in each.tensors} for each in (first, other))
    for key in [*shapes, *others]:
        if (whole or (key in shapes and key in others)) and shapes.get(key) != others.get(key):
            raise VarprobeError(
                f"{name} gives {key} another shape under {when}: "
                f"{shapes.get(key) or 'none'}, then {others.get(key) or 'none'}",
                hint="give arguments that fix every shape",
            )


def _is_same(one: Tensor, other: Tensor) -> bool:
    pairs = zip(one.blocks(), other.blocks(), strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def _is_random(one: TensorAudit) -> bool:
    return bool(one.std) and one.count > _ENOUGH and one.pattern != "identity"


def _find_unwritten(audit: Audit, model: ModelWeights, building: Building) -> Iterator[AuditFinding]:
    """The audit's findings, where tensors are told apart that nobody wrote to from those with a nan of their own.

    Memory held nan while the model was built. Built again with zeros in its place, what was nan from there is no more.
    """
    suspects = {one.name: nan for one in model.tensors if (nan := _count_nan(one))}
    written: dict[str, int] = {}
    if suspects:
        again = building.build(building.seeds()[0], Fill.ZERO)
        written = {one.name: _count_nan(one) for one in again.tensors}
    gaps = {name: nan - written.get(name, 0) for name, nan in suspects.items() if nan > written.get(name, 0)}
    for group in _grouped(one for one in audit.tensors if one.name in gaps):
        missing, size = sum(gaps[one.name] for one in group), sum(math.prod(one.shape) for one in group)
        message = f"{missing:,} of {size:,} weights are what was in memory"
        yield make_finding("uninitialised", Remark(tuple(one.name for one in group), message, float(missing), 0.0))
    for finding in audit.findings:
        rest = tuple(name for name in finding.tensors if name not in gaps)
        if finding.code != "non-finite":
            yield finding
        elif rest:
            yield replace(finding, tensors=rest, count=finding.count - len(finding.tensors) + len(rest))


def _count_nan(tensor: Tensor) -> int:
    return sum(int(np.count_nonzero(np.isnan(block))) for block in tensor.blocks())


def find_silent(audit: Audit, model: ModelWeights, building: Building, vary: Varied) -> list[AuditFinding]:
    """Tensors that stay as they are when an argument changes that scales others.

    Raises:
        VarprobeError: where no tensor answers, or shapes do.
    """
    low, high = vary.values
    other = replace(building, args={**building.args, vary.name: high}).build(building.seeds()[0])
    _check_alike(building.name, model, other, f"{vary.name}={high:g}", whole=False)
    known, there = {one.name: one for one in model.tensors}, {one.name: one for one in other.tensors}
    answers: dict[str, float] = {}
    silent: dict[str, float] = {}
    for one in (each for each in audit.tensors if each.name in there):
        if _is_same(known[one.name], there[one.name]):
            if _is_random(one):
                silent[one.name] = 0.0
            continue
        change, error = _change(one, survey(there[one.name]).moments)
        if abs(change) > max(_ERRORS * error, _NEAR):
            answers[one.name] = abs(change)
        elif _is_random(one):
            silent[one.name] = max(_ERRORS * error, _NEAR)
    if not answers:
        raise VarprobeError(
            f"no tensor of {building.name} answers to {vary.name} = {low:g}, {high:g}",
            hint="look at whether the factory uses it; or name an argument that scales weights",
        )
    middle = median(answers.values())
    times = math.exp(middle)
    found = []
    for group in _grouped(each for each in audit.tensors if silent.get(each.name, math.inf) * _CLEARLY <= middle):
        message = (
            f"its standard deviation stays at {group[0].std:.3g} when {vary.name} goes from {low:g} to {high:g}, which "
            f"changes that of {count(len(answers), 'other tensor')}, as a rule {times:.3g}-fold"
        )
        names = tuple(one.name for one in group)
        found.append(make_finding("ignores-argument", Remark(names, message, 1.0, times)))
    return found


def _change(one: TensorAudit, moments: Moments) -> tuple[float, float]:
    """Of the logarithm of a standard deviation, with its standard error; of a constant, which has none, infinity."""
    if not one.std or not moments.std or not math.isfinite(moments.std):
        return math.inf, 0.0
    kurtosis = max(one.kurtosis or 3.0, moments.kurtosis, 1.1)
    return math.log(moments.std / one.std), math.sqrt((kurtosis - 1) * (1 / one.count + 1 / moments.count)) / 2


def _grouped(tensors: Iterable[TensorAudit]) -> list[list[TensorAudit]]:
    groups: dict[object, list[TensorAudit]] = {}
    for one in tensors:
        groups.setdefault((group_of(one.name), one.shape), []).append(one)
    return list(groups.values())
