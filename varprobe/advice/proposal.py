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
from functools import cached_property

from varprobe.advice.gains import bias_moment, edge_of_chaos, find_gains
from varprobe.advice.predicted_verdict import Bench, PredictedVerdict, bench_for
from varprobe.advice.search import balance, find_largest
from varprobe.advice.variants import (
    Recipe,
    Steps,
    fan,
    find_shared_mean,
    find_tunable,
    shorten,
    std_of,
    with_branches,
    with_recipes,
)
from varprobe.advice.ways import By, ProposalOutcome
from varprobe.frozen import dataclass, field
from varprobe.network.layers import Dense, Join
from varprobe.network.spec import NetworkSpec, Settings
from varprobe.theory.fixed_point import find_fixed_point
from varprobe.verdict.rule import LN10

# A scheme with a name is taken in place of the best number where |T| stays below this.
_NAMED_IS_FINE = 0.7 * LN10
# Branches are scaled so that the whole depth changes nothing by more than a factor e, as 1/sqrt(blocks) does.
_BRANCH_LIMIT = 1.0
# A factor of all weights below this only switches residual branches off: the skip alone is stable, and learns nothing.
_SWITCHES_OFF = 1e-3
# Copies of a repeated entry that the search looks at, and rows above which it does.
_COPIES, _DEEP = 96, 400
# Name, mode, gain: what a layer's standard deviation is compared with.
NAMED = (("lecun", "fan_in", 1.0), ("xavier", "fan_avg", 1.0), ("he", "fan_in", math.sqrt(2)))


@dataclass(frozen=True)
class Proposal:
    """What to change, and what theory says of it.

    Attributes:
        before, after: without and with the change.
        steps: the network so changed.
        by: what is changed; None where nothing is.
        recipes: of config entries, by path.
        branches: factor of every residual scale.
        outcome: whether that makes it stable, else why nothing or not this does.
        asked: the only way that was allowed; None for all.
    """

    before: PredictedVerdict
    after: PredictedVerdict
    steps: Steps = field(repr=False)
    by: By | None = None
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    branches: float = 1.0
    outcome: ProposalOutcome = ProposalOutcome.SOUND
    asked: By | None = None

    @property
    def is_fine(self) -> bool:
        """As good as the best number, or nearly so."""
        return self.after.is_sound and self.after.total <= _NAMED_IS_FINE

    @property
    def rank(self) -> tuple[bool, tuple[int, int, float]]:
        """Smaller is better."""
        return not self.after.is_sound, self.after.rank


def propose(
    spec: NetworkSpec, settings: Settings, *, by: By | None = None, sb: float | None = None, thorough: bool = True
) -> Proposal:
    """What to change so that both directions are stable.

    Arguments:
        by: only this way.
        sb: standard deviation of the biases at the edge of chaos; by default as the config has them.
        thorough: search on the whole of a deep network too, where its copies in small do not decide.
    """
    bench = bench_for(spec, settings)
    before = bench.outlook(spec.steps)
    nothing = Proposal(before, before, spec.steps, asked=by)
    if before.is_sound and by is None:
        return nothing
    if "inconclusive" in (before.forward.label, before.backward.label):
        return replace(nothing, outcome=ProposalOutcome.UNREACHED)
    if before.overall == "degenerate":
        return replace(nothing, outcome=ProposalOutcome.DEGENERATE)
    if find_shared_mean(spec):
        return replace(nothing, outcome=ProposalOutcome.SHARED_MEAN)
    best: Proposal | None = None
    for change in _Search(bench, before, sb, thorough=thorough).ways(by):
        best = min((*change(), *([best] if best else [])), key=lambda each: each.rank, default=None)
        if best is not None and best.after.is_sound:
            return best
    if best is None and by is not None:
        return replace(nothing, outcome=ProposalOutcome.NO_WAY)
    if best is not None and (best.after.rank[:2] < before.rank[:2] or best.after.total < 0.8 * before.total):
        return replace(best, outcome=ProposalOutcome.COMPROMISE)
    return replace(nothing, outcome=ProposalOutcome.UNMOVED)


class _Search:
    """Finds the best variants of each way, on a bench that is short where the network is deep."""

    def __init__(self, bench: Bench, before: PredictedVerdict, sb: float | None, *, thorough: bool) -> None:
        self.whole, self.spec, self.before, self.sb, self.thorough = bench, bench.spec, before, sb, thorough
        self.tunable = [self.spec.steps[index] for index in find_tunable(self.spec)]
        self.paths = tuple(dict.fromkeys(step.path for step in self.tunable))
        self.joins = [step.layer for step in self.spec.steps if isinstance(step.layer, Join) and step.trunk]
        short = shorten(self.spec, _COPIES) if len(self.spec.rows) > _DEEP else self.spec
        self.bench = bench if short is self.spec else bench_for(short, bench.settings)

    @cached_property
    def start(self) -> PredictedVerdict:
        return self.before if self.bench is self.whole else self.bench.outlook(self.bench.spec.steps)

    def ways(self, by: By | None) -> tuple[Callable[[], Iterator[Proposal]], ...]:
        """The one that is asked for, or all in their order; a scheme with a name cannot be asked for."""
        ways = {
            By.LAYER: self.scale_layer,
            By.BRANCH: self.scale_branches,
            None: self.name_scheme,
            By.SCALE: self.scale_all,
            By.LAYERS: self.give_gains,
            By.EDGE: self.go_to_edge,
            By.BOTH: self.give_gains_and_scale_branches,
        }
        return tuple(ways.values()) if by is None else (ways[by],)

    def scale_layer(self) -> Iterator[Proposal]:
        """One entry's factor, where it stands behind the worst step."""
        if self.before.worst is None:
            return
        rows = self.spec.rows
        path = rows[self.whole.points[self.before.worst].row].path
        alone = sum(row.path == path for row in rows) == 1
        if path in self.paths and alone and len(self.paths) > 1:
            yield from self.scan(By.LAYER, {path: Recipe()}, 1)

    def name_scheme(self) -> Iterator[Proposal]:
        """One scheme for all layers, where one is good enough; the chaotic phase only where no other is."""
        likely = [(by, recipes) for by, recipes in self.schemes() if self.is_likely(recipes)]
        fine = [each for each in (self.attempt(by, recipes) for by, recipes in likely) if each.is_fine]
        yield from [each for each in fine if not self.is_chaotic(each)] or fine

    def scale_all(self) -> Iterator[Proposal]:
        """One factor for all weights: that of a scheme with a name where one is good enough."""
        named = [each for each in self.name_scheme() if each.by is By.SCALE]
        if self.paths:
            yield from named or self.scan(By.SCALE, dict.fromkeys(self.paths, Recipe()), len(self.whole.points))

    def is_chaotic(self, found: Proposal) -> bool:
        """Whether the gradient grows for ever if the layers are repeated, however little it does over this depth."""
        point = find_fixed_point(replace(self.spec, steps=found.steps), 1.0)
        return point is not None and point.regime == "chaotic"

    def is_likely(self, recipes: Mapping[str, Recipe]) -> bool:
        """Whether it is worth trying on the whole of a deep network."""
        short = self.bench
        return short is self.whole or short.outlook(with_recipes(short.spec, recipes)).is_sound

    def schemes(self) -> Iterator[tuple[By, dict[str, Recipe]]]:
        """One scheme for all layers: by a factor where that is the same for all, else by its own variance."""
        factors: list[float] = []
        for _, mode, gain in NAMED if self.tunable else ():
            ratios = {gain / math.sqrt(fan(mode, step)) / (std_of(step) or 1.0) for step in self.tunable}
            if max(ratios) / min(ratios) >= 1 + 1e-9:
                yield By.LAYERS, dict.fromkeys(self.paths, Recipe(mode=mode, gain=gain))
            elif max(ratios) not in factors:
                factors.append(max(ratios))
                yield By.SCALE, dict.fromkeys(self.paths, Recipe(factor=max(ratios)))

    def give_gains(self) -> Iterator[Proposal]:
        """A gain for every entry: as they keep the second moment, times one factor that balances the gradient."""
        base = find_gains(self.spec, self.paths)
        if not base:
            return
        exact = self.attempt(By.LAYERS, base)
        if exact.is_fine:
            yield exact
        else:
            yield from self.scan(By.LAYERS, base, len(self.whole.points))

    def scan(self, by: By, base: Mapping[str, Recipe], points: int) -> Iterator[Proposal]:
        """The recipes times the factor that balances both directions: on the short bench, then on the whole."""

        def recipes(factor: float) -> dict[str, Recipe]:
            return {path: recipe.times(factor) for path, recipe in base.items()}

        def outlook(bench: Bench, factor: float) -> PredictedVerdict:
            return bench.outlook(with_recipes(bench.spec, recipes(factor)))

        start = outlook(self.bench, 1.0) if by is By.LAYERS else self.start
        near = balance(lambda factor: outlook(self.bench, factor), start, min(points, len(self.bench.points)))
        if near is None:
            return
        if near < _SWITCHES_OFF and any(step.layer.joins for step in self.spec.steps):
            return
        first = self.attempt(by, recipes(near))
        yield first
        if self.bench is self.whole or first.after.is_sound or not self.thorough:
            return
        more = balance(lambda factor: outlook(self.whole, near * factor), first.after, len(self.whole.points))
        if more is not None:
            yield self.attempt(by, recipes(near * more))

    def scale_branches(self) -> Iterator[Proposal]:
        """The residual scale: 1/sqrt(blocks) where that does, else as large as the depth allows."""
        scales = {join.scale for join in self.joins}
        if not any(scales):
            return
        if len(scales) == 1:
            usual = self.attempt_branches(1 / math.sqrt(len(self.joins)) / abs(self.joins[0].scale))
            if usual.is_fine:
                yield usual
                return
        most = find_largest(lambda factor: self.whole.outlook(with_branches(self.spec, factor)), _BRANCH_LIMIT)
        if most is not None:
            yield self.attempt_branches(most)

    def go_to_edge(self) -> Iterator[Proposal]:
        """Weights at the edge of chaos of each layer's activation, biases as they are or as asked for."""
        recipes: dict[str, Recipe] = {}
        for step in self.spec.steps:
            if step.path not in self.paths or not isinstance(step.layer, Dense) or step.path in recipes:
                continue
            if step.layer.activation.is_linear:  # a read-out: there is no phase to be on the edge of
                recipes[step.path] = Recipe(mode="fan_in")
                continue
            moment = bias_moment(step.layer.bias) if self.sb is None else self.sb**2
            edge = edge_of_chaos(step.layer.activation, moment)
            if edge is None:
                return
            recipes[step.path] = Recipe(mode="fan_in", gain=edge[0], bias=self.sb)
        if recipes:
            yield self.attempt(By.EDGE, recipes)

    def give_gains_and_scale_branches(self) -> Iterator[Proposal]:
        """A gain for every layer on branches of scale 1/sqrt(blocks)."""
        largest = max((abs(join.scale) for join in self.joins), default=0.0)
        if not largest or not self.paths:
            return
        factor = 1 / math.sqrt(len(self.joins)) / largest
        steps = with_branches(self.spec, factor)
        bench = replace(self.whole, spec=replace(self.spec, steps=steps))
        inner = _Search(bench, bench.outlook(steps), self.sb, thorough=self.thorough)
        for found in inner.give_gains():
            yield replace(found, by=By.BOTH, before=self.before, branches=factor)

    def attempt(self, by: By, recipes: Mapping[str, Recipe]) -> Proposal:
        steps = with_recipes(self.spec, recipes)
        return Proposal(self.before, self.whole.outlook(steps), steps, by, recipes)

    def attempt_branches(self, factor: float) -> Proposal:
        steps = with_branches(self.spec, factor)
        return Proposal(self.before, self.whole.outlook(steps), steps, By.BRANCH, branches=factor)
