"""A stack of trials through all layers, forward and back.

The trials go together, so that small networks cost one pass over the layers and not one per trial. Forward keeps
what backward needs; what would take too much memory is drawn or computed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from varprobe.engine.draws import draw_batch
from varprobe.engine.objective import draw_pull
from varprobe.engine.passes import BackwardPass, ForwardPass, Stack, Tick
from varprobe.engine.record import StackStatistics
from varprobe.engine.scaled_array import ScaledArray
from varprobe.engine.streams import Role
from varprobe.network.spec import NetworkSpec, Settings


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
        return _run(Stack(spec, settings, trials, keep_weights=keep_weights, tick=tick), starts)


def _run(stack: Stack, starts: Sequence[int]) -> StackStatistics:
    spec, record, forward = stack.spec, stack.record, ForwardPass(stack)
    signal = draw_batch(spec.input, stack.settings.batch, stack.streams(Role.INPUT, 0), stack.dtype)
    record.write_input(signal)
    if stack.is_ranked[0]:
        record.write_rank(-1, signal)
    segments = list(pairwise((*starts, len(spec.steps))))
    saved: list[tuple[ScaledArray, list[ScaledArray]]] = []
    for start, end in segments:
        saved.append((signal, list(forward.skips)))
        forward.remembering = end == len(spec.steps)
        signal = forward.run(start, end, signal)
    pull = draw_pull(spec.objective, signal, stack.streams(Role.OBJECTIVE, 0))
    gradient = pull.cotangent
    record.initial_loss[:, 0] = pull.loss
    record.log_output_gradient_second_moment[:, 0] = gradient.log_second_moment
    forward.remembering, forward.recording = True, False
    backward = BackwardPass(stack)
    for start, end in reversed(segments):
        signal, forward.skips = saved.pop()
        if end < len(spec.steps):
            forward.run(start, end, signal)
        del signal
        gradient = backward.run(start, end, gradient)
    record.log_input_gradient_second_moment[:, 0] = gradient.log_second_moment
    return record
