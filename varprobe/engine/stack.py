"""A stack of trials through all layers, forward and back.

The trials go together, so that small networks cost one pass over the layers and not one per trial. Forward keeps
what backward needs; what would take too much memory is drawn or computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from varprobe.engine import explicit, matrix_free
from varprobe.engine.blocks import mapped, row_sums
from varprobe.engine.choice import MATRIX_FREE, engine_of
from varprobe.engine.draws import draw
from varprobe.engine.nonlinear import (
    Activated,
    Normalised,
    activate,
    activate_backward,
    normalise,
    normalise_backward,
)
from varprobe.engine.objective import given_signal, objective_gradient
from varprobe.engine.record import StackStatistics
from varprobe.engine.scaled_array import ScaledArray, log_square
from varprobe.engine.streams import Role, Streams
from varprobe.engine.weight_gradient import Sums, weight_gradient_moments
from varprobe.network.activations import Activation
from varprobe.network.laws import Constant, Lsuv, Normal, Orthogonal
from varprobe.network.layers import Dense, Dropout, Join, Norm, Open, Pointwise
from varprobe.network.spec import NetworkSpec, Settings

Array = NDArray[np.floating[Any]]
T = TypeVar("T")
Tick = Callable[[], None]


def run_stack(
    spec: NetworkSpec,
    settings: Settings,
    trials: Sequence[int],
    *,
    keep_weights: bool,
    tick: Tick,
    starts: Sequence[int] = (0,),
) -> StackStatistics:
    """Forward and backward of those trials; the same trial gives the same numbers in any stack.

    Arguments:
        trials: their numbers, from 0.
        keep_weights: hold all weights until backward has used them, in place of drawing them twice.
        tick: called once per layer and pass; may raise to stop.
        starts: the steps at which segments begin. Of all but the last, forward keeps nothing but where they start,
            and backward computes them again.
    """
    with np.errstate(all="ignore"):  # what overflows or underflows is found in the statistics
        return _Stack(spec, settings, trials, keep_weights=keep_weights, tick=tick).run(starts)


class _Stack:
    """The state of one stack between forward and backward."""

    def __init__(
        self, spec: NetworkSpec, settings: Settings, trials: Sequence[int], *, keep_weights: bool, tick: Tick
    ) -> None:
        self.spec = spec
        self.settings = settings
        self.trials = trials
        self.dtype: np.dtype[Any] = np.dtype(settings.dtype)
        self.keep_weights = keep_weights
        self.tick = tick
        self.record = StackStatistics.empty(len(trials), len(spec.rows))
        self.memories: list[Any] = [None] * len(spec.steps)
        self.row_of = _rows(spec)
        self.is_free = [engine_of(step, settings) == MATRIX_FREE for step in spec.steps]
        # Skips that are open: forward their signals, backward their gradients with the row of their join.
        self.skips: list[ScaledArray] = []
        self.pulled: list[tuple[ScaledArray, int]] = []
        # Off while a segment is computed for the second time, and its statistics are known.
        self.recording = True
        # Off where nothing has to be left for backward.
        self.remembering = True

    def run(self, starts: Sequence[int]) -> StackStatistics:
        signal = self.batch()
        self.record.log_input_second_moment[:, 0] = signal.log_second_moment
        self.record.log_input_sample_variance[:, 0] = log_square(signal.moments.sample_variance, signal.exponent)
        segments = list(pairwise((*starts, len(self.spec.steps))))
        saved: list[tuple[ScaledArray, list[ScaledArray]]] = []
        for start, end in segments:
            saved.append((signal, list(self.skips)))
            self.remembering = end == len(self.spec.steps)
            signal = self.forward(start, end, signal)
        gradient = self.cotangent(signal)
        self.remembering, self.recording = True, False
        for start, end in reversed(segments):
            signal, self.skips = saved.pop()
            if end < len(self.spec.steps):
                self.forward(start, end, signal)
            del signal
            gradient = self.backward(start, end, gradient)
        self.record.log_input_gradient_second_moment[:, 0] = gradient.log_second_moment
        return self.record

    # forward

    def forward(self, start: int, end: int, signal: ScaledArray) -> ScaledArray:
        """The steps from start up to end."""
        for position in range(start, end):
            layer, source = self.spec.steps[position].layer, signal
            match layer:
                case Open():
                    self.skips.append(signal)
                    continue
                case Dense():
                    signal = self.dense(position, layer, signal)
                    continue
                case Norm():
                    signal, memory = normalise(layer, signal)
                    self.remember(position, memory)
                case Pointwise():
                    signal, activated = activate(layer.activation, signal)
                    self.remember(position, activated)
                case Dropout():
                    signal, mask = self.dropout(position, layer, signal)
                    self.remember(position, mask)
                case Join():
                    branch = signal.times(layer.scale)
                    if self.recording:
                        self.record.zero_branch[:, self.row_of[position]] = branch.moments.second_moment == 0
                    source = self.skips.pop()
                    signal = source.plus(branch)
            signal = signal.settled()
            self.passed(position, source, signal, layer.activation if isinstance(layer, Pointwise) else None)
        return signal

    def remember(self, position: int, memory: object) -> None:
        if self.remembering:
            self.memories[position] = memory

    def passed(self, position: int, source: ScaledArray, signal: ScaledArray, activation: Activation | None) -> None:
        """A layer's preactivation and activation are there."""
        if self.recording:
            self.record.write_preactivation(self.row_of[position], source)
            self.record.write_activation(self.row_of[position], signal, activation)
        self.tick()

    def dense(self, position: int, layer: Dense, source: ScaledArray) -> ScaledArray:
        law, fan_out, streams = layer.weights, self.spec.steps[position].fan_out, self.streams(Role.WEIGHTS, position)
        if self.is_free[position]:
            assert isinstance(law, (Normal, Orthogonal))
            z, seen = matrix_free.forward(law, source, fan_out, streams)
            return self.past_map(position, layer, source, seen, _plus_shared(z, source, law.mean))
        z, weights, variance = explicit.forward(law, source, fan_out, streams, keep=self.keep_weights)
        if isinstance(law, Lsuv):
            z, weights, by = explicit.unit_variance(z, weights, law.gain)
            variance = variance * np.square(by)
        elif not self.keep_weights:
            weights = weights.forgotten()
        if self.recording:
            self.record.weight_variance[:, self.row_of[position]] = variance
        return self.past_map(position, layer, source, weights, z)

    def past_map(self, position: int, layer: Dense, source: ScaledArray, seen: Any, z: ScaledArray) -> ScaledArray:
        """Bias and activation; remembers what backward needs."""
        if layer.bias != Constant(0.0):
            z = self.plus_bias(position, layer, z)
        z = z.settled()
        signal, activated = activate(layer.activation, z)
        signal = signal.settled()
        self.remember(position, (source, seen, activated))
        self.passed(position, z, signal, layer.activation)
        return signal

    def plus_bias(self, position: int, layer: Dense, z: ScaledArray) -> ScaledArray:
        width = self.spec.steps[position].fan_out
        drawn = draw(layer.bias, (width,), self.streams(Role.BIAS, position), self.dtype)
        shape = (len(self.trials), 1, width)
        return z.plus(ScaledArray.plain(np.broadcast_to(drawn.values[:, None], shape)).times(drawn.factor))

    def dropout(self, position: int, layer: Dropout, signal: ScaledArray) -> tuple[ScaledArray, Array]:
        keep = 1 - layer.dropped_share
        mask = self.streams(Role.DROPOUT, position).uniform(np.empty_like(signal.values))
        np.less(mask, keep, out=mask)
        mask /= keep
        return ScaledArray(mapped(np.multiply, signal.values, mask), signal.exponent), mask

    def batch(self) -> ScaledArray:
        law, shape = self.spec.input, (self.settings.batch, self.spec.input.features)
        if law.rows is not None:
            return given_signal(law.rows, len(self.trials), self.dtype)
        full = (len(self.trials), *shape)
        mean = ScaledArray.plain(np.broadcast_to(self.dtype.type(np.sign(law.mean)), full))
        if law.distribution == "constant":
            return mean.times(abs(law.mean)).settled()
        values = np.empty(full, self.dtype)
        if law.distribution == "normal":
            self.streams(Role.INPUT, 0).normal(values)
        else:
            self.streams(Role.INPUT, 0).uniform(values)
            values -= 0.5
            values *= np.sqrt(12.0)
        signal = ScaledArray.plain(values).times(law.std)
        return (signal.plus(mean.times(abs(law.mean))) if law.mean else signal).settled()

    def streams(self, role: Role, position: int) -> Streams:
        return Streams(self.settings.seed, self.trials, role, position)

    def cotangent(self, output: ScaledArray) -> ScaledArray:
        """dObjective/d(output)."""
        gradient = objective_gradient(self.spec.objective, output, self.streams(Role.OBJECTIVE, 0))
        self.record.log_output_gradient_second_moment[:, 0] = gradient.log_second_moment
        return gradient

    # backward

    def backward(self, start: int, end: int, gradient: ScaledArray) -> ScaledArray:
        """The steps from the one before end down to start."""
        for position in range(end - 1, start - 1, -1):
            layer, row, memory = self.spec.steps[position].layer, self.row_of[position], self.memories[position]
            self.memories[position] = None
            if isinstance(layer, Open):
                skip, join_row = self.pulled.pop()
                gradient = gradient.plus(skip).settled()
                self.record.write_gradient(join_row, gradient)
                continue
            self.record.write_activation_gradient(row, gradient)
            match layer:
                case Join():
                    self.pulled.append((gradient, row))
                    gradient = gradient.times(layer.scale)
                case Dense():
                    gradient = self.dense_backward(position, layer, memory, gradient)
                case Norm():
                    gradient = normalise_backward(_expect(memory, Normalised), gradient).settled()
                    self.record.write_gradient(row, gradient)
                case Pointwise():
                    gradient = activate_backward(_expect(memory, Activated), gradient).settled()
                    self.record.write_gradient(row, gradient)
                case Dropout():
                    gradient = ScaledArray(mapped(np.multiply, gradient.values, memory), gradient.exponent)
                    self.record.write_gradient(row, gradient)
            self.tick()
        return gradient

    def dense_backward(self, position: int, layer: Dense, memory: Any, gradient: ScaledArray) -> ScaledArray:
        source, seen, activated = memory
        delta = activate_backward(activated, gradient).settled()
        known = None
        if isinstance(seen, matrix_free.Seen):
            known = Sums.of(delta.values, np.dtype(np.float64)), seen.source
        self.write_gradients(self.row_of[position], delta, source, known)
        if known is None:
            return explicit.backward(seen, delta).settled()
        law, streams = layer.weights, self.streams(Role.RETURN, position)
        assert isinstance(law, (Normal, Orthogonal))
        returned = matrix_free.backward(law, seen, source.values, delta, known[0], streams)
        return _plus_shared(returned, delta, law.mean).settled()

    def write_gradients(
        self, row: int, delta: ScaledArray, source: ScaledArray, known: tuple[Sums, Sums] | None
    ) -> None:
        """Of a dense layer: dObjective/dz, and that of the weights from it and the layer's input."""
        self.record.write_gradient(row, delta)
        second, mean = weight_gradient_moments(delta.values, source.values, known)
        exponent = delta.exponent + source.exponent
        self.record.log_weight_gradient_second_moment[:, row] = log_square(second, exponent)
        self.record.log_weight_gradient_variance[:, row] = log_square(np.maximum(second - mean**2, 0), exponent)


def _plus_shared(product: ScaledArray, signal: ScaledArray, mean: float) -> ScaledArray:
    """A product with weights of mean zero, plus what their mean adds: the same for every unit."""
    if not mean:
        return product
    shared = row_sums(signal.values)[:, :, None].astype(signal.values.dtype)
    return product.plus(ScaledArray(np.broadcast_to(shared, product.values.shape), signal.exponent).times(mean))


def _expect(memory: object, kind: type[T]) -> T:
    assert isinstance(memory, kind)
    return memory


def _rows(spec: NetworkSpec) -> list[int]:
    """The report's row of every step; an Open has that of the step after it, and is not a row."""
    rows, row = [], 0
    for step in spec.steps:
        rows.append(row)
        row += not isinstance(step.layer, Open)
    return rows
