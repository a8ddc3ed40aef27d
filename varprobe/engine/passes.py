"""The operations that layers are made of, on the signals of a stack of trials and on their gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.engine import explicit, matrix_free
from varprobe.engine.blocks import map_blocks, row_sums
from varprobe.engine.costs import MATRIX_FREE, engine_of
from varprobe.engine.draws import draw, draws_zeros
from varprobe.engine.moments import Sums, sums_of_both, weight_gradient_moments
from varprobe.engine.nonlinear import (
    Activated,
    Normalised,
    activate,
    activate_backward,
    normalise,
    normalise_backward,
)
from varprobe.engine.record import StackStatistics
from varprobe.engine.scaled_array import LN2, ScaledArray
from varprobe.engine.streams import Role, Streams
from varprobe.network.head import find_head
from varprobe.network.laws import Constant, Lsuv, Normal, Orthogonal
from varprobe.network.layers import Dense, Dropout, Join, Norm, Pointwise
from varprobe.network.spec import NetworkSpec, Settings, Step

Array = NDArray[np.floating[Any]]
Tick = Callable[[], None]


class Stack:
    """What the ways forward and backward have in common.

    Attributes:
        memories: of every step, what forward has left there for backward.
        row_of: the report's row of every step; that of the step behind it for one that is no row.
        is_free: whether a step's weights are never formed.
        zero_head: the position of the head, if all its weights are zero, so that no gradient gets through; else None.
        is_ranked: by step and at the end, whether forward takes the effective rank of what comes in there. Of what a
            dense layer takes backward does, which has its Gram matrix; of what norms and the like take nobody.
    """

    def __init__(
        self, spec: NetworkSpec, settings: Settings, trials: Sequence[int], *, keep_weights: bool, tick: Tick
    ) -> None:
        self.spec = spec
        self.settings = settings
        self.trials = trials
        self.keep_weights = keep_weights
        self.tick = tick
        self.dtype: np.dtype[Any] = np.dtype(settings.dtype)
        self.record = StackStatistics.empty(len(trials), len(spec.rows))
        self.memories: list[Any] = [None] * len(spec.steps)
        self.row_of = np.cumsum([0, *(step.layer.is_row for step in spec.steps)]).tolist()
        self.is_free = [engine_of(step, settings) == MATRIX_FREE for step in spec.steps]
        head = find_head(spec.steps)
        is_zero = head is not None and _is_zero(spec.steps[head])
        self.zero_head = head if is_zero else None
        self.is_ranked = [
            _is_ranked(spec.steps[position:], first=position == 0) for position in range(len(spec.steps) + 1)
        ]

    def streams(self, role: Role, position: int) -> Streams:
        return Streams(self.settings.seed, self.trials, role, position)


def _is_zero(step: Step) -> bool:
    return step.layer.weights is not None and draws_zeros(step.layer.weights, step.fan_out)


def _is_ranked(behind: Sequence[Step], *, first: bool) -> bool:
    taker = next((step.layer for step in behind if not step.layer.opens), None)
    ends = first or not behind or behind[0].layer.opens
    return ends and (taker is None or taker.weights is None)


class ForwardPass:
    """From the input to the output.

    Attributes:
        recording: off while a segment is computed for the second time, and its statistics are known.
        remembering: off where nothing has to be left for backward.
        position: of the step under way.
        skips: the signals at the residual blocks that are open.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.recording = self.remembering = True
        self.position = 0
        self.skips: list[ScaledArray] = []
        # What the row under way shows as its preactivation, where that is not what came in.
        self.inner: ScaledArray | None = None

    def run(self, start: int, end: int, signal: ScaledArray) -> ScaledArray:
        """Through the steps from start up to end."""
        for self.position in range(start, end):
            layer, source = self.stack.spec.steps[self.position].layer, signal
            signal = layer.through(self, source).settle()
            if layer.is_row:
                if self.recording:
                    row = self.stack.row_of[self.position]
                    self.stack.record.write_preactivation(row, self.inner or source)
                    self.stack.record.write_activation(row, signal, layer.activation, self.stack.spec.saturated_above)
                    if self.stack.is_ranked[self.position + 1]:
                        self.stack.record.write_rank(row, signal)
                self.inner = None
                self.stack.tick()
        return signal

    def remember(self, memory: object) -> None:
        if self.remembering:
            self.stack.memories[self.position] = memory

    def streams(self, role: Role) -> Streams:
        return self.stack.streams(role, self.position)

    def map(self, layer: Dense, signal: ScaledArray) -> ScaledArray:
        """z = W a + b, then the activation."""
        seen, z = self.weights(layer, signal)
        if layer.bias != Constant(0.0):
            drawn = draw(layer.bias, (layer.fan_out,), self.streams(Role.BIAS), self.stack.dtype)
            shape = (len(self.stack.trials), 1, layer.fan_out)
            bias = ScaledArray.plain(np.broadcast_to(drawn.values[:, None], shape)).times(drawn.factor)
            z = z.plus(bias)
        self.inner = z.settle()
        out, activated = activate(layer.activation, self.inner)
        self.remember((signal, seen, activated))
        return out

    def weights(self, layer: Dense, signal: ScaledArray) -> tuple[matrix_free.Seen | explicit.Weights, ScaledArray]:
        """What backward needs of the weights, and W a."""
        law, streams, keep = layer.weights, self.streams(Role.WEIGHTS), self.stack.keep_weights
        if self.stack.is_free[self.position]:
            assert isinstance(law, (Normal, Orthogonal))
            z, seen = matrix_free.forward(law, signal, layer.fan_out, streams)
            return seen, _plus_shared(z, signal, law.mean)
        z, weights, variance = explicit.forward(law, signal, layer.fan_out, streams, keep=keep)
        if isinstance(law, Lsuv):
            z, weights, by = explicit.unit_variance(z, weights, law.gain)
            variance = variance * np.square(by)
        elif not keep:
            weights = weights.forget()
        if self.recording:
            self.stack.record.weight_variance[:, self.stack.row_of[self.position]] = variance
        return weights, z

    def normalise(self, layer: Norm, signal: ScaledArray) -> ScaledArray:
        out, memory = normalise(layer, signal)
        self.remember(memory)
        return out

    def activate(self, layer: Pointwise, signal: ScaledArray) -> ScaledArray:
        out, memory = activate(layer.activation, signal)
        self.remember(memory)
        return out

    def drop(self, layer: Dropout, signal: ScaledArray) -> ScaledArray:
        keep = 1 - layer.dropped_share
        mask = self.streams(Role.DROPOUT).uniform(np.empty_like(signal.values))
        np.less(mask, keep, out=mask)
        shift = None
        if layer.is_alpha:
            shift = mask * mask.dtype.type(layer.kept_shift - layer.dropped_value)
            shift += mask.dtype.type(layer.dropped_value)
            mask *= mask.dtype.type(layer.kept_factor)
        else:
            mask /= keep
        self.remember(mask)
        out = ScaledArray(map_blocks(np.multiply, signal.values, mask), signal.exponent)
        return out if shift is None else out.plus(ScaledArray.plain(shift))

    def open(self, signal: ScaledArray) -> ScaledArray:
        self.skips.append(signal)
        return signal

    def join(self, layer: Join, signal: ScaledArray) -> ScaledArray:
        branch = signal.times(layer.scale)
        if self.recording:
            self.stack.record.zero_branch[:, self.stack.row_of[self.position]] = branch.moments.second_moment == 0
        self.inner = self.skips.pop()
        return (self.inner if layer.skip == 1.0 else self.inner.times(layer.skip)).plus(branch)


class BackwardPass:
    """From the output to the input.

    Attributes:
        position: of the step under way.
        pulled: the gradients at the residual joins whose blocks are open, with their rows.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.position = 0
        self.pulled: list[tuple[ScaledArray, int]] = []
        # The row under way, and what it shows as its gradient where that is not what comes out before it.
        self.row = 0
        self.inner: ScaledArray | None = None

    def run(self, start: int, end: int, gradient: ScaledArray) -> ScaledArray:
        """Back through the steps from the one before end down to start."""
        for self.position in range(end - 1, start - 1, -1):
            layer, self.row = self.stack.spec.steps[self.position].layer, self.stack.row_of[self.position]
            if layer.is_row:
                self.stack.record.write_activation_gradient(self.row, gradient)
            gradient = layer.through(self, gradient)
            if not layer.joins:  # its gradient is known where its block begins
                gradient = gradient.settle()
                self.stack.record.write_gradient(self.row, self.inner or gradient)
                self.inner = None
            if self.position == self.stack.zero_head:
                gradient = self.put_cotangent(gradient)
            if layer.is_row:
                self.stack.tick()
        return gradient

    def put_cotangent(self, gradient: ScaledArray) -> ScaledArray:
        """N(0, 1) with the root mean square of dObjective/d(output), where a head of zeros lets nothing through.

        To rounding, not on average: so that all gradients are those of the body alone under a random cotangent, divided
        by the second moment of that.
        """
        unit = self.stack.record.log_output_gradient_second_moment[:, 0] / (2 * LN2)
        exponent = np.where(np.isfinite(unit), np.round(np.where(np.isfinite(unit), unit, 0.0)), 0)
        # No step but this one draws from the objective's streams, beside the objective at 0.
        normal = self.stack.streams(Role.OBJECTIVE, self.position + 1).normal(np.empty_like(gradient.values))
        drawn = ScaledArray.plain(normal)
        size = np.exp2(unit - exponent) / np.sqrt(drawn.moments.second_moment)
        normal *= size.astype(normal.dtype).reshape(-1, 1, 1)
        return ScaledArray(normal, exponent.astype(np.int64)).settle()

    def recall(self) -> Any:
        """What forward has left here, which is then forgotten."""
        memory, self.stack.memories[self.position] = self.stack.memories[self.position], None
        return memory

    def map(self, layer: Dense, gradient: ScaledArray) -> ScaledArray:
        source, seen, activated = self.recall()
        self.inner = delta = activate_backward(activated, gradient).settle()
        if isinstance(seen, explicit.Weights):
            known = sums_of_both(delta.values, source.values)
            self.write_weights(delta, source, known)
            self.stack.record.write_rank(self.row - 1, source, None if known is None else known[1].gram)
            return explicit.backward(seen, delta)
        sums = Sums.of(delta.values, np.dtype(np.float64))
        self.write_weights(delta, source, (sums, seen.source))
        self.stack.record.write_rank(self.row - 1, source, seen.source.gram)
        law, streams = layer.weights, self.stack.streams(Role.RETURN, self.position)
        assert isinstance(law, (Normal, Orthogonal))
        returned = matrix_free.backward(law, seen, source.values, delta, sums, streams)
        return _plus_shared(returned, delta, law.mean)

    def write_weights(self, delta: ScaledArray, source: ScaledArray, known: tuple[Sums, Sums] | None) -> None:
        """The gradient of the weights, from that at z and from what came in."""
        moments = weight_gradient_moments(delta.values, source.values, known)
        self.stack.record.write_weight_gradient(self.row, *moments, delta.exponent + source.exponent)

    def normalise(self, layer: Norm, gradient: ScaledArray) -> ScaledArray:
        memory: Normalised = self.recall()
        return normalise_backward(memory, gradient)

    def activate(self, layer: Pointwise, gradient: ScaledArray) -> ScaledArray:
        memory: Activated = self.recall()
        return activate_backward(memory, gradient)

    def drop(self, layer: Dropout, gradient: ScaledArray) -> ScaledArray:
        return ScaledArray(map_blocks(np.multiply, gradient.values, self.recall()), gradient.exponent)

    def open(self, gradient: ScaledArray) -> ScaledArray:
        skip, self.row = self.pulled.pop()
        return gradient.plus(skip)

    def join(self, layer: Join, gradient: ScaledArray) -> ScaledArray:
        self.pulled.append((gradient if layer.skip == 1.0 else gradient.times(layer.skip), self.row))
        return gradient.times(layer.scale)


def _plus_shared(product: ScaledArray, signal: ScaledArray, mean: float) -> ScaledArray:
    """A product with weights of mean zero, plus what their mean adds: the same for every unit."""
    if not mean:
        return product
    shared = row_sums(signal.values)[:, :, None].astype(signal.values.dtype)
    return product.plus(ScaledArray(np.broadcast_to(shared, product.values.shape), signal.exponent).times(mean))
