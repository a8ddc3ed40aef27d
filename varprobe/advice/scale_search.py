"""The ways to change the scales of a network: branches, one layer, all layers, a scheme, gains, the edge of chaos."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property

from varprobe.advice.gains import bias_moment, edge_of_chaos, find_gains
from varprobe.advice.neighbours import fan
from varprobe.advice.predicted_verdict import Bench, PredictedVerdict, TheoryBench, bench_for
from varprobe.advice.proposal import Proposal
from varprobe.advice.search import balance, find_largest
from varprobe.advice.variants import Recipe, Variation, find_tunable, shorten, std_of, vary
from varprobe.advice.ways import By
from varprobe.network.layers import Dense, Join
from varprobe.network.spec import NetworkSpec
from varprobe.theory.fixed_point import find_fixed_point

# Branches are scaled so that the whole depth changes nothing by more than a factor e, as 1/sqrt(blocks) does.
_BRANCH_LIMIT = 1.0
# A factor of all weights below this only switches residual branches off: the skip alone is stable, and learns nothing.
_SWITCHES_OFF = 1e-3
# Copies of a repeated entry that the search looks at, and rows above which it does.
_COPIES, _DEEP = 96, 400
# Name, mode, gain: what a layer's standard deviation is compared with.
NAMED = (("lecun", "fan_in", 1.0), ("xavier", "fan_avg", 1.0), ("he", "fan_in", math.sqrt(2)))


class ScaleSearch:
    """Finds the best variants of each way, on a bench that is short where the network is deep.

    Arguments:
        whole: judges variants of the network.
        spec: the network with what has been mended already, `base`.
        before: the outlook of the network as it is.
    """

    def __init__(
        self,
        whole: Bench,
        spec: NetworkSpec,
        base: Variation,
        before: PredictedVerdict,
        sb: float | None,
        *,
        thorough: bool,
    ) -> None:
        self.whole, self.spec, self.base, self.before, self.sb = whole, spec, base, before, sb
        self.thorough = thorough
        self.tunable = [spec.steps[index] for index in find_tunable(spec)]
        self.paths = tuple(dict.fromkeys(step.path for step in self.tunable))
        self.joins = [step.layer for step in spec.steps if isinstance(step.layer, Join) and step.trunk]
        deep = isinstance(whole, TheoryBench) and len(spec.rows) > _DEEP
        self.short = shorten(spec, _COPIES) if deep else spec
        self.bench = whole if self.short is spec else bench_for(self.short, whole.settings)
        self._likely: tuple[Proposal, ...] | None = None

    @cached_property
    def now(self) -> PredictedVerdict:
        """The outlook of the network with what has been mended already."""
        return self.before if self.base == Variation() else self.whole.outlook(self.spec)

    @cached_property
    def start(self) -> PredictedVerdict:
        return self.now if self.bench is self.whole else self.bench.outlook(self.short)

    def run(self, by: By | None) -> Iterator[Proposal]:
        """By the way that is asked for, or by all in their order; a scheme with a name cannot be asked for."""
        ways: dict[By | None, Callable[[], Iterator[Proposal]]] = {
            By.BRANCH: self.scale_branches,
            By.LAYER: self.scale_layer,
            By.SCALE: self.scale_all,
            None: self.name_scheme,
            By.LAYERS: self.give_gains,
            By.EDGE: self.go_to_edge,
            By.BOTH: self.give_gains_and_scale_branches,
        }
        for way in ways.values() if by is None else [ways[by]] if by in ways else []:
            yield from way()

    def scale_layer(self) -> Iterator[Proposal]:
        """One entry's factor, where it stands behind the worst step."""
        if self.now.worst is None:
            return
        rows = self.spec.rows
        path = rows[self.whole.points[self.now.worst].row].path
        alone = sum(row.path == path for row in rows) == 1
        if path in self.paths and alone and len(self.paths) > 1:
            yield from self.scan(By.LAYER, {path: Recipe()}, 1)

    def scale_all(self) -> Iterator[Proposal]:
        """One factor for all weights: those of schemes with a name, and the best where none of them is good enough."""
        named = [found for found in self.likely_schemes() if found.by is By.SCALE]
        yield from named
        if self.paths and not any(found.is_fine for found in named):
            yield from self.scan(By.SCALE, dict.fromkeys(self.paths, Recipe()), len(self.whole.points))

    def name_scheme(self) -> Iterator[Proposal]:
        """Another scheme for all layers, where one is good enough."""
        yield from (found for found in self.likely_schemes() if found.by is By.LAYERS)

    def likely_schemes(self) -> tuple[Proposal, ...]:
        """The schemes that are good enough for all layers; the chaotic phase only where no other is."""
        if self._likely is None:
            likely = [self.attempt(by, recipes) for by, recipes in self.schemes() if self.is_likely(recipes)]
            sound = [each for each in likely if each.after.is_sound]
            calm = [each for each in sound if each.is_calm and not self.is_chaotic(each)]
            calm.sort(key=lambda each: not each.is_fine)
            self._likely = tuple(calm or [each for each in sound if each.is_fine])
        return self._likely

    def is_chaotic(self, found: Proposal) -> bool:
        """Whether the gradient grows for ever if the layers are repeated, however little it does over this depth."""
        point = find_fixed_point(vary(self.whole.spec, found.change), 1.0)
        return point is not None and point.regime in ("chaotic", "exploding")

    def is_likely(self, recipes: Mapping[str, Recipe]) -> bool:
        """Whether it is worth trying on the whole of a deep network."""
        return self.bench is self.whole or self.bench.outlook(self.with_recipes(self.short, recipes)).is_sound

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

        def outlook(factor: float) -> PredictedVerdict:
            return self.bench.outlook(self.with_recipes(self.short, recipes(factor)))

        start = outlook(1.0) if by is By.LAYERS else self.start
        near = balance(outlook, start, min(points, len(self.bench.points)))
        if near is None:
            return
        if near < _SWITCHES_OFF and any(step.layer.joins for step in self.spec.steps):
            return
        first = self.attempt(by, recipes(near))
        yield first
        if self.bench is self.whole or first.after.is_sound or not self.thorough:
            return
        more = balance(
            lambda factor: self.attempt(by, recipes(near * factor)).after, first.after, len(self.whole.points)
        )
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
        most = find_largest(lambda factor: self.attempt_branches(factor).after, _BRANCH_LIMIT)
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
        base = replace(self.base, branches=factor)
        variant = vary(self.whole.spec, base)
        inner = ScaleSearch(self.whole, variant, base, self.before, self.sb, thorough=self.thorough)
        for found in inner.give_gains():
            yield replace(found, by=By.BOTH)

    def with_recipes(self, spec: NetworkSpec, recipes: Mapping[str, Recipe]) -> NetworkSpec:
        """The network, mended so far, with recipes."""
        return vary(spec, Variation(recipes=recipes))

    def attempt(self, by: By, recipes: Mapping[str, Recipe]) -> Proposal:
        change = replace(self.base, recipes=recipes)
        return Proposal(self.before, self.whole.outlook(self.with_recipes(self.spec, recipes)), by, change)

    def attempt_branches(self, factor: float) -> Proposal:
        outlook = self.whole.outlook(vary(self.spec, Variation(branches=factor)))
        return Proposal(self.before, outlook, By.BRANCH, replace(self.base, branches=factor))
