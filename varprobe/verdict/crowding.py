"""Depth over width: how far draws of a network must differ where theory does not know it.

A layer of n units lets ln of the size of one draw vary by about 5/n (He relu). It counts less where a norm follows,
and in a residual branch by the branch's share of what the block hands on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from varprobe.verdict.labels import Direction

if TYPE_CHECKING:
    from varprobe.network.description import LayerDescription
    from varprobe.verdict.case import Case

# What a layer that a norm follows counts: the variance over draws of ln of the gradient's change, of relu, gelu and
# tanh, 16 to 64 wide and 10 to 50 deep, is at most 0.8 times depth/width behind batch norm, and 2.3 times it behind
# layer and rms norm up to a variance of 1; 1.2 times it where a function that is odd and bounded follows them.
_NORMED = {"batch": 0.15, "layer": 0.5, "rms": 0.5}
_NORMED_ODD = 0.25
ODD = ("tanh", "hard_tanh", "softsign", "erf", "arctan", "sin")


def measure_crowding(case: Case, way: Direction) -> float:
    """The sum over the layers of the body of what each counts over its width, forward or backward."""
    shares, total = _branch_shares(case), 0.0
    norms = [row for row, layer in enumerate(case.layers) if layer.kind == "norm" and layer.trunk]
    # What a norm hands on has one size, whatever came before.
    first = norms[-1] + 1 if norms and way is Direction.FORWARD else 0
    for row, layer in enumerate(case.layers):
        if row >= first and layer.expected_std and not layer.is_head:
            total += shares.get(row, 1.0) * _count_layer(case.layers, row) / layer.fan_out
    return total


def _count_layer(layers: tuple[LayerDescription, ...], row: int) -> float:
    """What a dense layer counts by the norm that follows before anything but an activation or dropout does."""
    behind = layers[row + 1 :]
    ends = next((at for at, layer in enumerate(behind) if layer.kind not in ("activation", "dropout")), None)
    norm = behind[ends].variant if ends is not None else None
    if ends is None or norm is None:
        return 1.0
    after = behind[ends + 1].activation if len(behind) > ends + 1 and behind[ends + 1].kind == "activation" else None
    is_odd = after in ODD and ends == 0 and not layers[row].curved
    return min(_NORMED[norm], _NORMED_ODD) if is_odd else _NORMED[norm]


def _branch_shares(case: Case) -> dict[int, float]:
    """Of every row of a residual branch the branch's share of the block's second moment, where theory knows it."""
    if case.agreement is None:
        return {}
    prediction = case.agreement.prediction
    outputs = [prediction.input, *(row.output for row in prediction.rows)]  # shifted by one: what comes into a row
    found, start = dict[int, float](), 0
    for row, layer in enumerate(case.layers):
        if not layer.trunk:
            continue
        before, after = outputs[start], outputs[row + 1]
        if layer.kind == "residual" and before is not None and after is not None and after.second_moment:
            kept = layer.skip**2 * float(before.second_moment / after.second_moment)
            found |= dict.fromkeys(range(start, row), min(max(1 - kept, 0.0), 1.0))
        start = row + 1
    return found
