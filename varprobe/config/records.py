"""The config as records: what each mapping of it holds once it is checked. `config_schema` checks, `build` reads."""

from __future__ import annotations

from typing import Any, Literal

from varprobe.config.parts import Part
from varprobe.frozen import dataclass
from varprobe.network.spec import SATURATED_ABOVE


@dataclass(frozen=True)
class File:
    """An array in a .npy file, or under `key` in a .npz or .safetensors file; paths count from the config's folder."""

    path: str
    key: str | None = None


@dataclass(frozen=True)
class Bias:
    """A constant, `{std: s}` for N(0, s^2), or `{path, key}` for given values; exactly one of them."""

    value: float | None = None
    std: float | None = None
    path: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class Entry:
    """One entry of `layers`: exactly one kind of layer, how often it is repeated, and its name.

    Attributes:
        kind: its key in `LAYER_KINDS`.
        value: what that takes; of `Fields` the values by name.
        role: of a layer with weights: of the body, or the head; None where the network tells.
    """

    kind: str
    value: Any
    repeat: int
    name: str | None
    role: Literal["body", "head"] | None


@dataclass(frozen=True)
class InputModel:
    """The batch: independent entries of one law, a constant (every entry is `mean`), or the rows of a file.

    Attributes:
        density: the share of entries of a sparse input that are not 0.
        key: of a .npz or .safetensors file.
        columns: of a .csv file, by name or by number from 0.
        label: the objective's target: a column, another key of the file, or a file of its own.
        standardize: give each column of the file mean 0 and standard deviation 1.
    """

    features: int
    distribution: Any = "normal"
    mean: float = 0.0
    std: float = 1.0
    density: float | None = None
    path: str | None = None
    key: str | None = None
    columns: list[str | int] | None = None
    label: str | int | File | None = None
    standardize: bool = False


@dataclass(frozen=True)
class Defaults:
    """What a dense layer takes when it does not say."""

    activation: Part
    init: Part
    bias: Bias | None = None


@dataclass(frozen=True)
class Gradient:
    """The probe's objective: what is propagated backward."""

    name: Any = "random"
    path: str | None = None


@dataclass(frozen=True)
class Probe:
    """How the network is measured. The batch is 128, or the rows of the input file."""

    batch: int | None = None
    trials: int = 20
    seed: int = 0
    dtype: Any = "float32"
    engine: Any = "auto"
    gradient: Gradient = Gradient()


@dataclass(frozen=True)
class Sides:
    """Ranges `[low, high]` by direction; null leaves a side of a range open."""

    forward: list[float | None] | None = None
    backward: list[float | None] | None = None
    signal: list[float | None] | None = None


@dataclass(frozen=True)
class HeadRanges:
    """What is expected of the head; `scale` is the second moment of its output over that of the body's."""

    scale: list[float | None] | None = None


@dataclass(frozen=True)
class SaturationLimit:
    """The largest share of values at an activation's limits: `above` is where they begin.

    Beyond it a value counts as saturated; it is the share of the range between the limits about its middle, so that
    0.99 is +-0.99 of tanh, and 0.005 and 0.995 of sigmoid.
    """

    share: float
    above: float = SATURATED_ABOVE


@dataclass(frozen=True)
class Expect:
    """What `varprobe check` holds the network to. Labels: one, or a list of which one must hold.

    `layers` has ranges by a layer's index (from 1), its name or `all`, and by the report's own keys.
    """

    forward: list[str] | None = None
    backward: list[str] | None = None
    overall: list[str] | None = None
    signal: list[str] | None = None
    rate: Sides | None = None
    total_log10: Sides | None = None
    layers: dict[str, dict[str, list[float | None]]] | None = None
    head: HeadRanges | None = None
    initial_loss: list[float | None] | None = None
    effective_rank: list[float | None] | None = None
    saturated: SaturationLimit | None = None
    dead: float | None = None
    safe_in: list[str] | None = None
    theory: str | None = None
    allow: list[str] | None = None


@dataclass(frozen=True)
class Config:
    """A whole config file. `constants` are names for numbers, which arithmetic elsewhere may use."""

    input: InputModel
    layers: list[Entry]
    defaults: Defaults
    name: str | None = None
    probe: Probe = Probe()
    expect: Expect | None = None
    constants: dict[str, float] | None = None
