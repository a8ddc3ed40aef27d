"""The simplest change that makes a network stable both ways, by theory.

Tried are, in this order: one layer's scale, where a single step makes most of the change; the scale of the residual
branches; a scheme with a name for all layers; one factor for all weights; a gain for every layer; the edge of chaos;
branches and gains together. The first that the rule calls stable wins, without a jump. Where none does, the best of
them is what remains.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from varprobe.advice.gains import bias_moment, edge_of_chaos, keeping_gains
from varprobe.advice.predicted_verdict import Bench, PredictedVerdict, bench_for
from varprobe.advice.search import balanced, largest
from varprobe.advice.variants import (
    Recipe,
    Steps,
    fan,
    moved_together,
    shortened,
    std_of,
    tunable,
    with_branches,
    with_recipes,
)
from varprobe.frozen import dataclass, field
from varprobe.network.layers import Dense, Join
from varprobe.network.spec import NetworkSpec, Settings
from varprobe.theory.fixed_point import find_fixed_point
from varprobe.verdict.rule import LN10

WAYS = ("layer", "branch", "scale", "layers", "edge", "both")
# A way that cannot be asked for: it ends as `scale` or `layers`.
_NAME = "name"
# A scheme with a name is taken in place of the best number where |T| stays below this.
_NAMED_IS_FINE = 0.7 * LN10
# Branches are scaled so that the whole depth changes nothing by more than a factor e, as 1/sqrt(blocks) does.
_BRANCH_LIMIT = 1.0
# A factor of all weights below this only switches residual branches off: the skip alone is stable, and learns nothing.
_SWITCHES_OFF = 1e-3
# Copies of a repeated entry that the search looks at, and rows above which it does.
_COPIES, _DEEP = 96, 400
# Why a plan leaves something undone: no change does any good, or the best one does not do enough.
UNMOVED, COMPROMISE = "unmoved", "compromise"
# Name, mode, gain: what a layer's standard deviation is compared with.
NAMED = (("lecun", "fan_in", 1.0), ("xavier", "fan_avg", 1.0), ("he", "fan_in", math.sqrt(2)))


@dataclass(frozen=True)
class Proposal:
    """What to change, and what theory says of it.

    Attributes:
        by: one of `WAYS`; empty where nothing is to be changed.
        recipes: of config entries, by path.
        branches: factor of every residual scale.
        steps: the network so changed.
        reason: why nothing, or not this, makes it stable; empty where it does.
    """

    by: str
    before: PredictedVerdict
    after: PredictedVerdict
    steps: Steps = field(repr=False)
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    branches: float = 1.0
    reason: str = ""

    @property
    def rank(self) -> tuple[bool, tuple[int, int, float]]:
        """Smaller is better."""
        return not self.after.is_sound, self.after.rank


def plan(
    spec: NetworkSpec, settings: Settings, *, by: str | None = None, sb: float | None = None, thorough: bool = True
) -> Proposal:
    """What to change so that both directions are stable.

    Arguments:
        by: only this way, one of `WAYS`.
        sb: standard deviation of the biases at the edge of chaos; by default as the config has them.
        thorough: search on the whole of a deep network too, where its copies in small do not decide.
    """
    bench = bench_for(spec, settings)
    before = bench.outlook(spec.steps)
    if before.is_sound and by is None:
        return Proposal("", before, before, spec.steps)
    if "inconclusive" in (before.forward.label, before.backward.label):
        return Proposal("", before, before, spec.steps, reason=f"theory does not reach it: {before.reason}")
    if before.overall == "degenerate":
        zero = "the signal is exactly zero somewhere, and no factor changes zero"
        return Proposal("", before, before, spec.steps, reason=zero)
    together = moved_together(spec)
    if together:
        reason = f"the weights of {together} have a mean, which moves all units together: take the mean out first"
        return Proposal("", before, before, spec.steps, reason=reason)
    planner = _Planner(bench, before, sb, thorough=thorough)
    best: Proposal | None = None
    for way in (by,) if by else (*WAYS[:2], _NAME, *WAYS[2:]):
        best = min((*planner.plans(way), *([best] if best else [])), key=lambda each: each.rank, default=None)
        if best is not None and best.after.is_sound:
            return best
    if best is None and by is not None:
        return Proposal("", before, before, spec.steps, reason=f"there is nothing to be had here by `{by}`")
    helps = best is not None and (best.after.rank[:2] < before.rank[:2] or best.after.total < 0.8 * before.total)
    if best is None or not helps:
        return Proposal("", before, before, spec.steps, reason=UNMOVED)
    return replace(best, reason=COMPROMISE)


class _Planner:
    """Finds the best variant of each way on a bench that is short where the network is deep."""

    def __init__(self, bench: Bench, before: PredictedVerdict, sb: float | None, *, thorough: bool) -> None:
        self.whole, self.before, self.sb, self.thorough = bench, before, sb, thorough
        spec = bench.spec
        self.paths = tuple(dict.fromkeys(spec.steps[index].path for index in tunable(spec)))
        short = shortened(spec, _COPIES) if len(spec.rows) > _DEEP else spec
        self.bench = bench if short is spec else bench_for(short, bench.settings)
        self.start = before if short is spec else self.bench.outlook(short.steps)

    def plans(self, way: str) -> Iterator[Proposal]:
        ways: dict[str, Callable[[], Iterator[Proposal]]] = {
            "layer": self.by_layer,
            "branch": self.by_branch,
            _NAME: self.by_name,
            "scale": self.by_scale,
            "layers": self.by_layers,
            "edge": self.by_edge,
            "both": self.by_both,
        }
        return ways[way]()

    def by_layer(self) -> Iterator[Proposal]:
        """One entry's factor, where it stands behind the worst step."""
        worst = self.before.worst
        if worst is None:
            return
        rows = self.whole.spec.rows
        path = rows[self.whole.points[worst[0]].row].path
        alone = sum(row.path == path for row in rows) == 1
        if path in self.paths and alone and len(self.paths) > 1:
            yield from self.factors("layer", (path,), 1)

    def by_name(self) -> Iterator[Proposal]:
        """One scheme for all layers, where one is good enough; the chaotic phase only where no other is."""
        likely = [(by, recipes) for by, recipes in self.named() if self.is_likely(recipes)]
        named = [self.plan(by, recipes) for by, recipes in likely]
        fine = [each for each in named if each.after.is_sound and each.after.total <= _NAMED_IS_FINE]
        yield from [each for each in fine if not self.is_chaotic(each)] or fine

    def by_scale(self) -> Iterator[Proposal]:
        """One factor for all weights: that of a scheme with a name where one is good enough."""
        named = [each for each in self.by_name() if each.by == "scale"]
        if self.paths:
            yield from named or self.factors("scale", self.paths, len(self.whole.points))

    def is_chaotic(self, found: Proposal) -> bool:
        """Whether the gradient grows for ever if the layers are repeated, however little it does over this depth."""
        point = find_fixed_point(replace(self.whole.spec, steps=found.steps), 1.0)
        return point is not None and point.regime == "chaotic"

    def is_likely(self, recipes: Mapping[str, Recipe]) -> bool:
        """Whether it is worth trying on the whole of a deep network."""
        short = self.bench
        return short is self.whole or short.outlook(with_recipes(short.spec, recipes)).is_sound

    def named(self) -> Iterator[tuple[str, dict[str, Recipe]]]:
        """One scheme for all layers: by a factor where that is the same for all, else by its own variance."""
        spec = self.whole.spec
        steps = [spec.steps[index] for index in tunable(spec)]
        if not steps:
            return
        factors: list[float] = []
        for _, mode, gain in NAMED:
            ratios = {gain / math.sqrt(fan(mode, step)) / (std_of(step) or 1.0) for step in steps}
            if max(ratios) / min(ratios) >= 1 + 1e-9:
                yield "layers", {path: Recipe(mode=mode, gain=gain) for path in self.paths}
            elif max(ratios) not in factors:
                factors.append(max(ratios))
                yield "scale", {path: Recipe(factor=max(ratios)) for path in self.paths}

    def factors(self, by: str, paths: tuple[str, ...], points: int) -> Iterator[Proposal]:
        def recipes(factor: float) -> dict[str, Recipe]:
            return {path: Recipe(factor=factor) for path in paths}

        yield from self.scanned(by, recipes, points)

    def by_layers(self) -> Iterator[Proposal]:
        """A gain for every entry: as they keep the second moment, times one factor that balances the gradient."""
        base = keeping_gains(self.whole.spec, self.paths)
        if not base:
            return

        def recipes(factor: float) -> dict[str, Recipe]:
            return {path: replace(recipe, gain=recipe.gain * factor) for path, recipe in base.items()}

        exact = self.plan("layers", base)
        if exact.after.is_sound and exact.after.total <= _NAMED_IS_FINE:
            yield exact
            return
        yield from self.scanned("layers", recipes, len(self.whole.points))

    def scanned(self, by: str, recipes: Callable[[float], dict[str, Recipe]], points: int) -> Iterator[Proposal]:
        def attempt(bench: Bench, factor: float) -> PredictedVerdict:
            return bench.outlook(with_recipes(bench.spec, recipes(factor)))

        start = attempt(self.bench, 1.0) if by == "layers" else self.start
        points = min(points, len(self.bench.points))
        found = balanced(lambda factor: attempt(self.bench, factor), start, points)
        if found is None:
            return
        if found[0] < _SWITCHES_OFF and any(step.layer.joins for step in self.whole.spec.steps):
            return
        first = self.plan(by, recipes(found[0]))
        yield first
        if self.bench is self.whole or first.after.is_sound or not self.thorough:
            return
        near = found[0]
        found = balanced(lambda factor: attempt(self.whole, near * factor), first.after, len(self.whole.points))
        if found is not None:
            yield self.plan(by, recipes(near * found[0]))

    def by_branch(self) -> Iterator[Proposal]:
        """The residual scale: 1/sqrt(blocks) where that does, else as large as the depth allows."""
        joins = [step.layer for step in self.whole.spec.steps if isinstance(step.layer, Join) and step.trunk]
        scales = {join.scale for join in joins}
        if not any(scales):
            return
        if len(scales) == 1:
            usual = self.branch_plan(1 / math.sqrt(len(joins)) / abs(joins[0].scale))
            if usual.after.is_sound and usual.after.total <= _NAMED_IS_FINE:
                yield usual
                return
        spec = self.whole.spec
        found = largest(lambda factor: self.whole.outlook(with_branches(spec, factor)), 1.0, _BRANCH_LIMIT)
        if found is not None:
            yield self.branch_plan(found[0])

    def by_edge(self) -> Iterator[Proposal]:
        """Weights at the edge of chaos of each layer's activation, biases as they are or as asked for."""
        recipes: dict[str, Recipe] = {}
        for step in self.whole.spec.steps:
            if step.path not in self.paths or not isinstance(step.layer, Dense) or step.path in recipes:
                continue
            if step.layer.activation.name == "linear":  # a read-out: there is no phase to be on the edge of
                recipes[step.path] = Recipe(mode="fan_in")
                continue
            moment = bias_moment(step.layer.bias) if self.sb is None else self.sb**2
            edge = edge_of_chaos(step.layer.activation, moment)
            if edge is None:
                return
            recipes[step.path] = Recipe(mode="fan_in", gain=edge[0], bias=self.sb)
        if recipes:
            yield self.plan("edge", recipes)

    def by_both(self) -> Iterator[Proposal]:
        """A gain for every layer on branches of scale 1/sqrt(blocks)."""
        joins = [step.layer for step in self.whole.spec.steps if isinstance(step.layer, Join) and step.trunk]
        largest_scale = max((abs(join.scale) for join in joins), default=0.0)
        if not largest_scale or not self.paths:
            return
        factor = 1 / math.sqrt(len(joins)) / largest_scale
        steps = with_branches(self.whole.spec, factor)
        bench = replace(self.whole, spec=replace(self.whole.spec, steps=steps))
        inner = _Planner(bench, bench.outlook(steps), self.sb, thorough=self.thorough)
        for found in inner.by_layers():
            yield replace(found, by="both", before=self.before, branches=factor)

    def plan(self, by: str, recipes: Mapping[str, Recipe]) -> Proposal:
        steps = with_recipes(self.whole.spec, recipes)
        return Proposal(by, self.before, self.whole.outlook(steps), steps, recipes)

    def branch_plan(self, factor: float) -> Proposal:
        steps = with_branches(self.whole.spec, factor)
        return Proposal("branch", self.before, self.whole.outlook(steps), steps, branches=factor)
