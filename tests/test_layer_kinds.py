"""A kind of layer is added in one place: a class, and its entry in the table of kinds."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from varprobe.api import measure, predict
from varprobe.frozen import dataclass
from varprobe.network.layer_kinds import LAYER_KINDS, LayerKind
from varprobe.network.layers import Kept, Layer, S, Stage
from varprobe.network.parameters import Number

DEPTH, FACTOR = 12, 0.5


@dataclass(frozen=True)
class Scale(Layer):
    """A constant times what comes in."""

    factor: float
    kind = "scale"
    uncovered = ""
    kept = Kept.NOTHING

    def through(self, stage: Stage[S], signal: S) -> S:
        return signal.times(self.factor)

    @property
    def likeness(self) -> str:
        return f"scale {self.factor}"


@pytest.fixture(autouse=True)
def _scale(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = LayerKind("factor * x", "scale: 0.5", Number(), lambda site, factor: Scale(factor))
    monkeypatch.setitem(LAYER_KINDS, "scale", kind)


def config(**probe: Any) -> dict[str, Any]:
    block = [{"dense": 256}, {"scale": FACTOR}]
    return {
        "input": {"features": 256},
        "defaults": {"init": "he", "activation": "relu"},
        "layers": [{"block": block, "repeat": DEPTH}, {"dense": {"width": 256, "activation": "linear"}}],
        "probe": {"batch": 32, "trials": 30, **probe},
    }


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "scaled.yaml"
    path.write_text(json.dumps(config()))
    return str(path)


ENGINES = pytest.mark.parametrize("engine", ["explicit", "matrix-free"])


@ENGINES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_its_row_takes_the_square_of_the_factor_from_signal_and_gradient(engine: str, dtype: str) -> None:
    measured = measure(config(engine=engine, dtype=dtype))
    rows = [row for row, layer in enumerate(measured.layers) if layer.kind == "scale"]
    assert len(rows) == DEPTH
    assert [measured.layers[row].name for row in rows[:2]] == ["scale1", "scale2"]
    s = measured.statistics
    signal = s.log_activation_second_moment - s.log_preactivation_second_moment
    gradient = s.log_gradient_second_moment - s.log_activation_gradient_second_moment
    for change in (signal, gradient):
        np.testing.assert_allclose(change[:, rows], 2 * math.log(FACTOR), rtol=1e-5)


def test_theory_goes_through_it_forward_and_back() -> None:
    prediction = predict(config())
    step = math.log(FACTOR**2)
    first = prediction.rows[0].source
    assert first is not None
    for copy in range(DEPTH):
        dense, scale = prediction.rows[2 * copy : 2 * copy + 2]
        assert dense.source is not None and scale.source is not None and scale.output is not None
        assert dense.source.log_second_moment == pytest.approx(first.log_second_moment + copy * step)
        assert scale.output.log_second_moment == pytest.approx(scale.source.log_second_moment + step)
        assert scale.output.log_spread == pytest.approx(scale.source.log_spread + step)
        assert scale.log_gradient == pytest.approx((DEPTH - copy) * step + math.log(2))
        assert scale.log_gradient == pytest.approx(scale.log_output_gradient + step)
        assert scale.width.source is not None and scale.width.gradient is not None
