"""What theory says of a typical draw, row by row: the geometric mean over draws, not the mean."""

from __future__ import annotations

from varprobe.frozen import dataclass
from varprobe.theory.records import Prediction

Logs = tuple[float | None, ...]


@dataclass(frozen=True)
class Typical:
    """Natural logs per row of the report; None where theory ends.

    Attributes:
        forward: of the second moment of the row's output, in a typical draw: its expected ln.
        backward: of the second moment of the gradient with respect to that output, divided by that at the network's
            output.
        is_known_forward, is_known_backward: whether finite width is in them; where it is not known for every row, all
            are as at infinite width.
        forward_variance, backward_variance: of those over draws, at first order in 1/width; None where not known.
        is_walk: nothing forgets a fluctuation, so that the variance of the difference of two rows is the difference of
            their variances.
        death: chance that the signal of one sample is exactly zero by the last layer.
    """

    forward: Logs
    backward: Logs
    is_known_forward: bool
    is_known_backward: bool
    forward_variance: Logs
    backward_variance: Logs
    is_walk: bool
    death: float


def typical_logs(prediction: Prediction) -> Typical:
    """The typical draw of a network.

    >>> from varprobe.config.loading import load
    >>> from varprobe.theory.predict import predict
    >>> layers = [{"dense": {"width": 64, "activation": "linear", "init": "lecun"}, "repeat": 32}]
    >>> config = {"input": {"features": 64}, "layers": layers, "probe": {"batch": 1}}
    >>> typical = typical_logs(predict(load(config).network))
    >>> typical.is_known_forward, round(typical.forward[-1], 2)  # 1/64 and a little more a layer, and for the input
    (True, -0.52)
    """
    rows = prediction.rows
    forward = [row.output.second_moment.log if row.output else None for row in rows]
    backward = [row.log_output_gradient for row in rows]
    ahead, back = [row.width.output for row in rows], [row.width.output_gradient for row in rows]
    known_ahead, known_back = (
        [each.drift for each in side if each and each.drift is not None] for side in (ahead, back)
    )
    is_known_ahead, is_known_back = len(known_ahead) == len(rows), len(known_back) == len(rows)
    return Typical(
        tuple(map(_move, forward, known_ahead)) if is_known_ahead else tuple(forward),
        tuple(map(_move, backward, known_back)) if is_known_back else tuple(backward),
        is_known_ahead,
        is_known_back,
        tuple(None if each is None else each.of_batch for each in ahead),
        tuple(None if each is None else each.of_batch for each in back),
        prediction.is_walk,
        prediction.death,
    )


def _move(log: float | None, drift: float) -> float | None:
    return None if log is None else log + drift
