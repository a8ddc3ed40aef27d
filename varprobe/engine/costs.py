"""What a layer costs: the time by engine, and so which engine it takes; the memory, before anything is drawn."""

from __future__ import annotations

from itertools import pairwise

from varprobe.engine.blocks import BLOCK
from varprobe.engine.draws import is_drawn_by_parts
from varprobe.engine.matrix_free import has_symmetry
from varprobe.engine.streams import PART
from varprobe.errors import ConfigError
from varprobe.frozen import dataclass
from varprobe.network.laws import Constant, FromFile, Identity, Law, Lsuv, Orthogonal
from varprobe.network.layers import Kept
from varprobe.network.spec import NetworkSpec, Settings, Step

EXPLICIT, MATRIX_FREE = "explicit", "matrix-free"


@dataclass(frozen=True)
class Cost:
    """Nanoseconds of a layer in one trial beyond its statistics, forward and backward, by what is counted.

    Measured by `tests/benchmarks/engines.py` on two cores from 64 to 2,048 units and 1 to 512 rows, and fitted; where
    the engines differ by more than a third the fit names the quicker one.

    Attributes:
        weight: for each weight: drawing it, and its part of a QR decomposition's overhead.
        product: for each weight and row of the batch.
        decomposition: for each weight and unit of the narrower side.
        layer: for each layer, however small: the decompositions' overhead.
        value: for each value of input and output: the normals drawn for them.
        pair: for each value and row of the batch: Gram matrices, and products with matrices of the batch's size.
        cube: for each three rows of the batch: the decompositions of those matrices.
    """

    weight: float
    product: float
    decomposition: float
    layer: float
    value: float
    pair: float
    cube: float

    def explicit(self, fan_in: int, fan_out: int, batch: int) -> float:
        weights = fan_in * fan_out
        return weights * (self.weight + self.product * batch + self.decomposition * min(fan_in, fan_out))

    def matrix_free(self, fan_in: int, fan_out: int, batch: int) -> float:
        values = batch * (fan_in + fan_out)
        return self.layer + values * (self.value + self.pair * batch) + self.cube * batch**3


GAUSSIAN = Cost(weight=4.1, product=0.035, decomposition=0.0, layer=45_000, value=8.5, pair=0.076, cube=0.26)
ORTHOGONAL = Cost(weight=85, product=0.035, decomposition=0.08, layer=45_000, value=30, pair=0.29, cube=0.36)


def engine_of(step: Step, settings: Settings) -> str | None:
    """The engine of a layer's weights, by their law, its widths and the batch alone; None where it has none."""
    weights = step.layer.weights
    if weights is None:
        return None
    if settings.engine == "explicit" or not has_symmetry(weights):
        return EXPLICIT
    if settings.engine == MATRIX_FREE:
        return MATRIX_FREE
    cost = ORTHOGONAL if isinstance(weights, Orthogonal) else GAUSSIAN
    layer = step.fan_in, step.fan_out, settings.batch
    return MATRIX_FREE if cost.matrix_free(*layer) < cost.explicit(*layer) else EXPLICIT


def check_engine(spec: NetworkSpec, settings: Settings) -> None:
    """Refuses `matrix-free` where a law has no symmetry.

    Raises:
        ConfigError: naming the first such layer.
    """
    if settings.engine != MATRIX_FREE:
        return
    for step in spec.steps:
        if step.layer.weights and not has_symmetry(step.layer.weights):
            message = f"{step.name} has {step.layer.init_label} weights, which cannot be sampled without forming them"
            hint = "use engine: auto, or normal or orthogonal weights"
            raise ConfigError(message, hint=hint, place=spec.place, field="probe.engine")


# Objects of a step that are no large arrays: records, moments per trial, streams.
_SMALL = 4_096
# Bytes of a pass beside its input and output, for each value of a block: a copy in double precision, and integers.
_PASS = 14
# Per unit and trial: the moments of a unit, twice while they are put together.
_UNIT = 3 * 8
# float64 tables per trial and row, and what is made from them when a run ends.
_TABLE = 26 * 8 * 3
# Of a row of theory and of the report, whatever the trials.
_ROW = 9_000


@dataclass(frozen=True)
class Footprint:
    """Bytes of a stack, by step of the network.

    Attributes:
        kept: what each step leaves for the backward pass.
        passing: what each step takes beside that while it runs, the larger of forward and backward.
        restart: what it takes to start again before each step: its input, and the skips that are open there.
    """

    kept: tuple[int, ...]
    passing: tuple[int, ...]
    restart: tuple[int, ...]

    def peak(self, starts: tuple[int, ...] = (0,)) -> int:
        """The most that is held at once where only one segment at a time is kept for the backward pass.

        The segments before it are computed again, each from its start.
        """
        most = saved = 0
        for start, end in pairwise((*starts, len(self.kept))):
            saved += self.restart[start] if start else 0
            held = saved
            for kept, passing in zip(self.kept[start:end], self.passing[start:end], strict=True):
                held += kept
                most = max(most, held + passing)
        return most

    def segments(self, budget: int) -> tuple[int, ...]:
        """Starts of as few segments as fit into the budget, or of those that take least."""
        found: list[tuple[int, ...]] = [(0,)]
        whole, count = sum(self.kept), 1
        while count <= 2 * len(self.kept):
            found.append(self._cut(max(1, whole // count)))
            if self.peak(found[-1]) <= budget:
                return found[-1]
            count *= 2
        return min(found, key=self.peak)

    def _cut(self, most: int) -> tuple[int, ...]:
        starts, held = [0], 0
        for position, kept in enumerate(self.kept):
            if held and held + kept > most:
                starts.append(position)
                held = 0
            held += kept
        return tuple(starts)


def footprint_of(spec: NetworkSpec, settings: Settings, trials: int, threads: int, *, keep_weights: bool) -> Footprint:
    """The memory of a stack of so many trials, on so many threads."""
    sizes = _Sizes(settings, value_bytes(settings), trials, threads, keep_weights)
    kept: list[int] = []
    passing: list[int] = []
    restart: list[int] = []
    skips: list[int] = []
    shared = False
    for step in spec.steps:
        source = sizes.signal(step.fan_in)
        restart.append(source + sum(skips))
        kept.append(sizes.kept(step, shared=shared) + _SMALL)
        passing.append(sizes.passing(step) + sum(skips))
        if step.layer.opens:
            skips.append(source)
            continue
        if step.layer.joins:
            skips.pop()
        shared = Kept.OUTPUT_ITSELF in step.layer.kept
    return Footprint(tuple(kept), tuple(passing), tuple(restart))


def table_bytes(spec: NetworkSpec, settings: Settings) -> int:
    """What the statistics of all trials take."""
    return (_TABLE * settings.trials + _ROW) * len(spec.rows)


def value_bytes(settings: Settings) -> int:
    """Bytes of a number in the working precision."""
    return 4 if settings.dtype == "float32" else 8


def weight_bytes(spec: NetworkSpec, settings: Settings) -> list[int]:
    """Of every layer that has some, in one trial; 0 for those that do without."""
    size = value_bytes(settings)
    maps = [step for step in spec.steps if step.layer.weights]
    return [0 if engine_of(step, settings) == MATRIX_FREE else size * step.fan_in * step.fan_out for step in maps]


@dataclass(frozen=True)
class _Sizes:
    settings: Settings
    size: int
    trials: int
    threads: int
    keep_weights: bool

    def signal(self, width: int) -> int:
        return self.trials * self.settings.batch * width * self.size

    def kept(self, step: Step, *, shared: bool) -> int:
        """Its input, unless that is `shared` with the step before, and what its own backward pass needs."""
        kept = step.layer.kept
        source = self.signal(step.fan_in) if Kept.SOURCE in kept and not shared else 0
        out = self.signal(step.fan_out) if Kept.OUTPUT in kept else 0
        return source + out + self._seen(step)

    def _seen(self, step: Step) -> int:
        """What a layer knows of its weights."""
        engine = engine_of(step, self.settings)
        if engine == MATRIX_FREE:
            rank = min(self.settings.batch, step.fan_in)
            return self.signal(step.fan_out) * rank // self.settings.batch + 8 * self.trials * self._square(rank)
        if engine is None or not (self.keep_weights or isinstance(step.layer.weights, Lsuv)):
            return 0
        return step.fan_in * step.fan_out * self.size * self.trials

    def _square(self, rank: int) -> int:
        return self.settings.batch * (self.settings.batch + 1) + self.settings.batch * rank

    def passing(self, step: Step) -> int:
        """Gradients before and after, the blocks under way, and what weights need of their own."""
        widest = max(step.fan_in, step.fan_out)
        block = min(max(BLOCK, 16 * self.settings.batch), self.trials * self.settings.batch * widest)
        blocks = self.threads * block * (_PASS + 2 * self.size)
        units = self.trials * widest * _UNIT
        signals = 2 * self.signal(step.fan_out) + self.signal(step.fan_in)
        law = step.layer.weights
        if law is None:
            return 2 * self.signal(step.fan_out) + blocks + units
        if engine_of(step, self.settings) == MATRIX_FREE:
            lanes = max(1, min(16, self.signal(widest) // (BLOCK * self.size)))
            squares = self.trials * self._square(self.settings.batch) * (4 + lanes)
            return signals + self.signal(step.fan_in) + 8 * squares + blocks + units
        drawing = self._drawing(step, law)
        if is_drawn_by_parts(law):  # some rows at a time, and no pass beside it
            return signals + max(drawing, blocks) + units
        return signals + drawing + blocks + units

    def _drawing(self, step: Step, law: Law) -> int:
        entries = step.fan_in * step.fan_out * self.trials
        match law:
            case FromFile() | Constant() | Identity():
                return 2 * self.size * entries // self.trials
            case Orthogonal() | Lsuv():
                one = 8 * entries // self.trials
                return self.size * entries + 3 * one + self.size * entries * isinstance(law, Lsuv)
            case _ if is_drawn_by_parts(law):
                part = min(entries, max(PART, step.fan_in)) * self.size
                lanes = min(8, -(-entries // PART)) + self.trials
                again = self.threads * part + lanes * self.signal(step.fan_in) // self.trials
                return 0 if self.keep_weights else again
            case _:
                return self.size * entries + 16 * entries // self.trials
