"""Small networks of which every number is given by files, and the arrays in those files.

The arrays come from NumPy's `RandomState`, whose streams are frozen: the same on every version and machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from varprobe.engine.streams import Role, Streams

Entry = dict[str, Any]
Arrays = dict[str, NDArray[np.floating[Any]]]

# What rounding leaves of a true zero, in units of the entries it is made of: some dozens of operations of half an
# eps each, for sums over at most 6 x 12 entries in networks of at most 13 rows.
ROUNDING = 64 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Network:
    """A network of the reference.

    Attributes:
        scale: weights are N(0, scale^2 / fan_in).
        gradient: the objective; `file` is a given cotangent.
        dtype, order: of the weights and biases in their files.
    """

    name: str
    features: int
    batch: int
    layers: tuple[Entry, ...]
    scale: float = 1.4
    gradient: str = "file"
    dtype: str = "float64"
    order: str = "C"

    @property
    def width(self) -> int:
        """Units of the last layer."""
        return _width(self.layers, self.features)

    def config(self) -> dict[str, Any]:
        """What a YAML file would say."""
        given = {"name": "file", "path": "cotangent.npy"}
        return {
            "input": {"features": self.features, "distribution": "file", "path": "batch.npy"},
            "layers": list(self.layers),
            "probe": {
                # Random targets differ between trials, and the reference has those of the first.
                "trials": 2 if self.gradient == "file" else 1,
                "dtype": "float64",
                "gradient": given if self.gradient == "file" else self.gradient,
            },
        }

    def arrays(self) -> Arrays:
        """What the files hold, by key, or by stem for files of one array."""
        random = np.random.RandomState(crc32(self.name.encode()))
        found: Arrays = {"batch": random.standard_normal((self.batch, self.features))}
        width = self.features
        for entry in _flat(self.layers):
            if dense := entry.get("dense"):
                fan_in, width = width, dense["width"]
                weights = random.standard_normal((width, fan_in)) * (self.scale / math.sqrt(fan_in))
                self._add(found, dense["init"], weights)
                self._add(found, dense.get("bias"), 0.3 * random.standard_normal(width))
            elif isinstance(norm := entry.get("norm"), dict):
                self._add(found, norm.get("gamma"), 1 + 0.3 * random.standard_normal(width))
                self._add(found, norm.get("beta"), 0.3 * random.standard_normal(width))
        found["cotangent"] = random.standard_normal((self.batch, width))
        return found

    def _add(self, found: Arrays, file: Any, values: NDArray[np.float64]) -> None:
        if isinstance(file, dict):
            found[array_name(file)] = np.asarray(values, dtype=self.dtype, order=self.order)

    def targets(self) -> NDArray[Any]:
        """The first trial's targets: N(0, 1) for mse, uniform labels for cross_entropy."""
        stream = Streams(0, [0], Role.OBJECTIVE, 0).generators()[0]
        if self.gradient == "mse":
            return stream.standard_normal((self.batch, self.width))
        return stream.integers(self.width, size=self.batch)


def array_name(file: dict[str, str]) -> str:
    """The name of a file's array: its key in an archive, else the stem."""
    return file.get("key") or file["path"].removesuffix(".npy")


def _flat(layers: Any) -> Iterator[Entry]:
    for entry in layers:
        inner = entry.get("block") or entry.get("residual", {}).get("layers")
        if inner:
            yield from _flat(inner)
        else:
            yield entry


def _width(layers: Any, features: int) -> int:
    widths = [entry["dense"]["width"] for entry in _flat(layers) if "dense" in entry]
    return widths[-1] if widths else features


def _file(key: str, *, archive: bool = True) -> dict[str, str]:
    return {"path": "arrays.npz", "key": key} if archive else {"path": f"{key}.npy"}


def _dense(number: int, width: int, activation: Any = "linear", *, bias: bool = True, archive: bool = True) -> Entry:
    given = {"bias": _file(f"b{number}", archive=archive)} if bias else {}
    weights = {"name": "file", **_file(f"W{number}", archive=archive)}
    return {"dense": {"width": width, "activation": activation, "init": weights, **given}}


def _norm(number: int, kind: str, eps: float) -> Entry:
    return {"norm": {"kind": kind, "eps": eps, "gamma": _file(f"gamma{number}"), "beta": _file(f"beta{number}")}}


def _residual(*layers: Entry, scale: float = 1.0, **more: Any) -> Entry:
    return {"residual": {"scale": scale, "layers": list(layers)}, **more}


_LEAKY = {"name": "leaky_relu", "slope": 0.2}

NETWORKS = (
    Network("dense-relu", 5, 4, (_dense(1, 8, "relu"), _dense(2, 7, "relu"), _dense(3, 3))),
    Network("dense-no-bias", 4, 3, (_dense(1, 6, "relu", bias=False), _dense(2, 5, "tanh", bias=False))),
    Network("leaky-relu", 6, 5, (_dense(1, 9, _LEAKY), _dense(2, 9, "leaky_relu"), _dense(3, 4, "prelu"))),
    Network("gelu-silu-mish", 6, 4, (_dense(1, 8, "gelu"), _dense(2, 8, "silu"), _dense(3, 6, "mish"), _dense(4, 3))),
    Network("other-gelus", 5, 4, (_dense(1, 7, "gelu_tanh"), _dense(2, 7, "quick_gelu"), _dense(3, 5, "squareplus"))),
    Network("tanh-saturated", 5, 6, (_dense(1, 10, "tanh"), _dense(2, 8, "tanh"), _dense(3, 4, "tanh")), scale=5.0),
    Network(
        "exponential-units",
        7,
        5,
        (
            _dense(1, 8, "selu"),
            _dense(2, 8, {"name": "elu", "alpha": 0.7}),
            _dense(3, 5, {"name": "celu", "alpha": 2.0}),
        ),
    ),
    Network(
        "sigmoids",
        4,
        6,
        (_dense(1, 9, "sigmoid"), _dense(2, 7, "softplus"), _dense(3, 6, "log_sigmoid"), _dense(4, 5, "softsign")),
        scale=4.0,
    ),
    Network(
        "piecewise-linear",
        6,
        6,
        (_dense(1, 10, "hard_swish"), _dense(2, 9, "hard_tanh"), _dense(3, 8, "relu6"), _dense(4, 6, "hard_sigmoid")),
        scale=4.0,
    ),
    Network(
        "shrinks-and-waves",
        6,
        4,
        (
            _dense(1, 8, {"name": "soft_shrink", "threshold": 0.3}),
            _dense(2, 8, "tanh_shrink"),
            _dense(3, 7, {"name": "sin", "frequency": 1.5}),
            _dense(4, 6, "cos"),
        ),
    ),
    Network(
        "bell-and-bounded",
        6,
        4,
        (
            _dense(1, 8, "gaussian"),
            _dense(2, 8, "erf"),
            _dense(3, 7, "arctan"),
            _dense(4, 6, "relu_squared"),
            _dense(5, 5, "abs"),
        ),
        scale=2.5,
    ),
    Network(
        "layer-norm",
        6,
        4,
        (_dense(1, 8), {"norm": "layer"}, {"activation": "relu"}, _dense(2, 7), _norm(2, "layer", 1e-3), _dense(3, 3)),
    ),
    Network(
        "batch-norm",
        6,
        6,
        (_dense(1, 8), {"norm": "batch"}, {"activation": "tanh"}, _dense(2, 7), _norm(2, "batch", 1e-2), _dense(3, 3)),
    ),
    Network(
        "rms-norm",
        6,
        4,
        (
            {"norm": "rms"},
            _dense(1, 8),
            {"norm": {"kind": "rms", "eps": 1e-3}},
            _dense(2, 7, "silu"),
            _norm(2, "rms", 1e-2),
        ),
    ),
    Network(
        "activation-rows",
        5,
        3,
        ({"activation": _LEAKY}, _dense(1, 7), {"activation": "sigmoid"}, _dense(2, 6), {"activation": "linear"}),
    ),
    Network(
        "dropout-none",
        5,
        3,
        (_dense(1, 7, "relu"), {"dropout": 0.0}, _dense(2, 4)),
    ),
    Network(
        "residual",
        6,
        4,
        (
            _residual(_dense(1, 9, "relu"), _dense(2, 6), scale=0.5),
            {"activation": "tanh"},
            _residual({"norm": "layer"}, _dense(3, 6, "gelu"), scale=-1.25),
            _dense(4, 4),
        ),
    ),
    Network(
        "residual-silent-branch",
        5,
        3,
        (_dense(1, 5, "relu"), _residual(_dense(2, 5, "tanh"), scale=0.0), _dense(3, 3)),
    ),
    Network(
        "residual-nested",
        6,
        5,
        (
            _residual(
                _residual(_dense(1, 6, "relu"), scale=0.7),
                _residual({"norm": "rms"}, _residual(_dense(2, 6, "tanh"), {"dropout": 0.0}), scale=0.3),
                scale=0.9,
            ),
            _dense(3, 3),
        ),
    ),
    Network(
        "repeats",
        6,
        4,
        (
            {**_dense(1, 6, "tanh"), "repeat": 3},
            {"block": [_dense(2, 6), {"norm": "layer"}, {"activation": "relu"}], "repeat": 2},
            _residual(_dense(3, 6, "gelu"), scale=0.5, repeat=2),
        ),
    ),
    Network("batch-one", 5, 1, (_dense(1, 8, "relu"), {"norm": "layer"}, _dense(2, 7, "tanh"), _dense(3, 3))),
    Network(
        # A large eps: over one feature the norm is x / sqrt(x^2 + eps), which else is a sign.
        "width-one",
        1,
        3,
        (_dense(1, 1, "tanh"), _dense(2, 1, "gelu"), {"norm": {"kind": "rms", "eps": 0.5}}, _dense(3, 1)),
    ),
    Network("one-number", 1, 1, (_dense(1, 1, "silu"), _dense(2, 1, "linear"))),
    Network(
        "float32-fortran",
        7,
        4,
        (_dense(1, 9, "relu"), _dense(2, 8, "tanh"), _norm(2, "layer", 1e-5), _dense(3, 3)),
        dtype="float32",
        order="F",
    ),
    Network(
        "fortran-single-files",
        7,
        4,
        (_dense(1, 9, "elu", archive=False), _dense(2, 4, archive=False)),
        order="F",
    ),
    Network(
        # Below 2^-80, so that the engine carries an exponent; the sums of squares still fit a double.
        "tiny-weights",
        5,
        4,
        (
            _dense(1, 7, "relu", bias=False),
            _dense(2, 7, "tanh", bias=False),
            {"norm": "layer"},
            _dense(3, 5, "gelu", bias=False),
        ),
        scale=1e-26,
    ),
    Network(
        "huge-weights",
        5,
        4,
        (
            _dense(1, 7, "relu", bias=False),
            _dense(2, 7, "softplus", bias=False),
            {"norm": "layer"},
            _dense(3, 5, "silu", bias=False),
        ),
        scale=1e26,
    ),
    Network("mse", 5, 4, (_dense(1, 7, "tanh"), _dense(2, 6, "relu"), _dense(3, 3)), gradient="mse"),
    Network("cross-entropy", 5, 6, (_dense(1, 7, "relu"), _dense(2, 4)), gradient="cross_entropy"),
    Network("cross-entropy-batch-one", 5, 1, (_dense(1, 7, "gelu"), _dense(2, 4)), gradient="cross_entropy"),
)

# Every kink of the table (0, +-0.5, +-1, +-3, 6), their neighbours, and far tails.
GRID = (
    *(-30.0, -10.0, -6.0, -3.5, -3.0, -2.0, -1.0, -0.7, -0.5, -0.1, -1e-3, -1e-8),
    *(0.0, 1e-8, 1e-3, 0.1, 0.35, 0.5, 0.7, 1.0, 2.0, 3.0, 3.5, 6.0, 10.0, 30.0),
)
