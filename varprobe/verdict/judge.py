"""Measurement -> Verdict."""

from __future__ import annotations

import math

import numpy as np

from varprobe.probe.measurement import Measurement
from varprobe.verdict.case import Case
from varprobe.verdict.checks import all_findings
from varprobe.verdict.judged import judged_points, stretches
from varprobe.verdict.records import Verdict
from varprobe.verdict.rule import judge_direction, judge_signal, quantities, worse


def judge(measurement: Measurement) -> Verdict:
    """Labels, rates and findings by the rule of `varprobe.verdict.rule`."""
    s = measurement.statistics
    points = judged_points(measurement.layers)
    cut = stretches(points)
    forward_logs, backward_logs, signal_logs = quantities(measurement, points)
    with np.errstate(invalid="ignore"):
        forward_total = forward_logs[:, -1] - s.log_input_second_moment[:, 0]
        end, start = math.log(measurement.layers[-1].fan_out), math.log(measurement.features)
        backward_total = s.log_input_gradient_second_moment[:, 0] + start - end
        at_input = s.log_input_sample_variance[:, 0] - s.log_input_second_moment[:, 0]
    # Finite weights that lead to no finite values have overflowed; given ones may hold nan themselves.
    overflow = bool(np.isfinite(s.weight_variance[:, _dense(measurement)]).all())
    forward = judge_direction(forward_logs, cut, forward_total, backward=False, overflow=overflow)
    backward = judge_direction(backward_logs, cut, backward_total, backward=True, overflow=False)
    eps = float(np.finfo(measurement.dtype).eps)
    signal, lost, needed = judge_signal(signal_logs, points, at_input, batch=measurement.batch, eps=eps)
    case = Case(measurement, points, forward, backward, signal, lost, needed)
    overall = worse(forward.direction.label, backward.direction.label)
    return Verdict(overall, forward.direction, backward.direction, signal, all_findings(case))


def _dense(measurement: Measurement) -> list[int]:
    return [row for row, layer in enumerate(measurement.layers) if layer.kind == "dense"]
