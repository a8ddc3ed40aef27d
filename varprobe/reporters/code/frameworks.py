"""`FRAMEWORKS`: how each framework says what a remedy changes; a new one is an entry here, and tested by that.

Lines are templates. `{array}` stands for a layer's weights or biases, `{scale}`, `{mean}`, `{factor}` and, with
bounds, `{low}` and `{high}` for numbers; with a fan `{scale}` is over the root of `{fan}`, and `{variance}` its square.

A key of `lines` is a law; with its fan behind it, or `fan` for any; and with the variance that a scheme with a name has
in units of 1/fan, or the value of a constant and the gain of other laws. `truncated_normal` is cut at two standard
deviations, `cut_normal` elsewhere; `leaky` has the gain of a leaky relu of that `{slope}`; `times` multiplies what was
drawn before, where there is no line for the law.

Sources: torch.nn.init; keras.initializers and jax.nn.initializers (which flax.linen hands on), whose named normal
schemes are cut at two standard deviations and corrected for it. Arrays are (fan_out, fan_in) in PyTorch and here, and
(fan_in, fan_out) in Keras and Flax.
"""

from __future__ import annotations

from collections.abc import Mapping

from varprobe.frozen import dataclass
from varprobe.reporters.code.names import FrameworkName
from varprobe.verdict.records import Target


@dataclass(frozen=True)
class Loop:
    """How a framework goes over its layers.

    Attributes:
        variable: what a layer, or its number, is called.
        layers: the list that holds them; empty where `variable` is the number itself.
        made: the line that makes the list, or says what it is to be.
    """

    variable: str
    layers: str
    made: str


@dataclass(frozen=True)
class Framework:
    """How a framework says it.

    Attributes:
        title: its name in words.
        imports: the lines that begin the code.
        loops: by target; what is in none is a line alone.
        arrays: by target, a layer's weights and its biases.
        fans: those of its weights.
        lines: of weights and biases.
        input: `scaled` by numbers, `file` by columns.
        norm, branch: what sets eps, and the scale of a branch.
    """

    title: str
    imports: str
    loops: Mapping[Target, Loop]
    arrays: Mapping[Target, str]
    fans: Mapping[str, str]
    lines: Mapping[str, str]
    input: Mapping[str, str]
    norm: str
    branch: str


def _kaiming(law: str) -> dict[str, str]:
    """The gains that torch.nn.init.calculate_gain has a word for: sqrt 2, 1, 5/3, 3/4, and those of slopes."""
    words = {"2": '"relu"', "1": '"linear"', "25/9": '"tanh"', "9/16": '"selu"'}
    lines: dict[str, str] = {}
    for fan, mode in (("fan_in", ""), ("fan_out", ', mode="fan_out"')):
        call = f"nn.init.kaiming_{law}_({{array}}{mode}"
        lines |= {f"{law} {fan} {variance}": f"{call}, nonlinearity={word})" for variance, word in words.items()}
        lines[f"{law} {fan} leaky"] = f'{call}, a={{slope}}, nonlinearity="leaky_relu")'
    return lines


_TORCH_LAYER = Loop("layer", "dense", "dense = [each for each in model.modules() if isinstance(each, nn.Linear)]")
_TORCH = Framework(
    title="PyTorch",
    imports="import math\n\nimport torch\nfrom torch import nn",
    loops={
        Target.WEIGHTS: _TORCH_LAYER,
        Target.BIAS: _TORCH_LAYER,
        Target.NORM: Loop(
            "norm",
            "norms",
            "norms = [\n    each\n    for each in model.modules()\n"
            "    if isinstance(each, (nn.LayerNorm, nn.BatchNorm1d, nn.RMSNorm))\n]",
        ),
        Target.BRANCH: Loop(
            "block", "blocks", "# blocks: the residual modules; their forward is skip * x + self.scale * branch(x)"
        ),
    },
    arrays={Target.WEIGHTS: "layer.weight", Target.BIAS: "layer.bias"},
    fans={
        "fan_in": "layer.in_features",
        "fan_out": "layer.out_features",
        "fan_avg": "((layer.in_features + layer.out_features) / 2)",
    },
    lines={
        **_kaiming("normal"),
        "normal fan_avg 1": "nn.init.xavier_normal_({array})",
        "normal fan_avg": "nn.init.xavier_normal_({array}, gain={scale})",
        "normal fan": "nn.init.normal_({array}, std={scale} / math.sqrt({fan}))",
        "normal": "nn.init.normal_({array}, mean={mean}, std={scale})",
        **_kaiming("uniform"),
        "uniform fan_avg 1": "nn.init.xavier_uniform_({array})",
        "uniform fan_avg": "nn.init.xavier_uniform_({array}, gain={scale})",
        "uniform fan": "bound = {scale} * math.sqrt(3 / {fan})\nnn.init.uniform_({array}, -bound, bound)",
        "uniform": "nn.init.uniform_({array}, {low}, {high})",
        "truncated_normal fan": "std = {scale} / math.sqrt({fan})  # before the cut\n"
        "nn.init.trunc_normal_({array}, std=std, a=-2 * std, b=2 * std)",
        "truncated_normal": "nn.init.trunc_normal_({array}, mean={mean}, std={scale}, a={low}, b={high})",
        "cut_normal": "nn.init.trunc_normal_({array}, mean={mean}, std={scale}, a={low}, b={high})",
        "constant 0": "nn.init.zeros_({array})",
        "constant": "nn.init.constant_({array}, {scale})",
        "orthogonal 1": "nn.init.orthogonal_({array})",
        "orthogonal": "nn.init.orthogonal_({array}, gain={scale})",
        "identity 1": "nn.init.eye_({array})",
        "times": "with torch.no_grad():\n    {array}.mul_({factor})",
    },
    input={
        "scaled": "x = (x - {mean}) / {scale}",
        "file": "std = x.std(dim=0, correction=0)\nx = (x - x.mean(dim=0)) / torch.where(std > 0, std, 1.0)",
    },
    norm="norm.eps = {scale}",
    branch="block.scale = {scale}",
)


def _assigned(initializers: Mapping[str, str]) -> dict[str, str]:
    """Each made anew for each layer: in Keras one that has no seed draws the same values at every call."""
    return {key: f"{{array}}.assign(keras.initializers.{each}({{array}}.shape))" for key, each in initializers.items()}


def _scaled(name: str, normal: str) -> dict[str, str]:
    """`name(scale, mode, distribution)` for every law and fan; `normal` is what a law without a cut is called."""
    distributions = {"normal": normal, "uniform": "uniform", "truncated_normal": "truncated_normal"}
    return {
        f"{law} {fan}": f'{name}({{variance}}, "{fan}", "{distribution}")'
        for law, distribution in distributions.items()
        for fan in ("fan_in", "fan_avg", "fan_out")
    }


_KERAS_LAYER = Loop("layer", "dense", "dense = [each for each in model.layers if isinstance(each, keras.layers.Dense)]")
_KERAS = Framework(
    title="Keras",
    imports="import keras",
    loops={
        Target.WEIGHTS: _KERAS_LAYER,
        Target.BIAS: _KERAS_LAYER,
        Target.NORM: Loop("norm", "norms", 'norms = [each for each in model.layers if hasattr(each, "epsilon")]'),
    },
    arrays={Target.WEIGHTS: "layer.kernel", Target.BIAS: "layer.bias"},
    fans={},
    lines={
        **_assigned(
            {
                "truncated_normal fan_in 2": "HeNormal()",
                "truncated_normal fan_in 1": "LecunNormal()",
                "truncated_normal fan_avg 1": "GlorotNormal()",
                "uniform fan_in 2": "HeUniform()",
                "uniform fan_in 1": "LecunUniform()",
                "uniform fan_avg 1": "GlorotUniform()",
                **_scaled("VarianceScaling", normal="untruncated_normal"),
                "normal": "RandomNormal(mean={mean}, stddev={scale})",
                "uniform": "RandomUniform(minval={low}, maxval={high})",
                "truncated_normal": "TruncatedNormal(mean={mean}, stddev={scale})",
                "constant 0": "Zeros()",
                "constant": "Constant({scale})",
                "orthogonal": "Orthogonal(gain={scale})",
                "identity": "Identity(gain={scale})",
            }
        ),
        "times": "{array}.assign({array} * {factor})",
    },
    input={
        "scaled": "x = (x - {mean}) / {scale}",
        "file": "standardise = keras.layers.Normalization(axis=-1)\nstandardise.adapt(x)\nx = standardise(x)",
    },
    norm="norm.epsilon = {scale}",
    branch="# where the block is made: keras.layers.Add()([x, keras.layers.Rescaling({scale})(branch)])",
)


def _drawn(initializers: Mapping[str, str]) -> dict[str, str]:
    """With a key of its own for each layer."""
    return {
        key: f"key, own = jax.random.split(key)\n{{array}} = {each}(own, {{array}}.shape)"
        for key, each in initializers.items()
    }


_FLAX_LAYER = Loop(
    "name",
    "dense",
    'dense = sorted(\n    (each for each in params if each.startswith("Dense_")), key=lambda each: int(each[6:])\n)',
)
_FLAX = Framework(
    title="Flax",
    imports='import jax\nfrom flax import linen as nn\n\nkey = jax.random.key(0)\nparams = variables["params"]',
    loops={Target.WEIGHTS: _FLAX_LAYER, Target.BIAS: _FLAX_LAYER},
    arrays={Target.WEIGHTS: 'params[name]["kernel"]', Target.BIAS: 'params[name]["bias"]'},
    fans={},
    lines={
        **_drawn(
            {
                "truncated_normal fan_in 2": "nn.initializers.he_normal()",
                "truncated_normal fan_in 1": "nn.initializers.lecun_normal()",
                "truncated_normal fan_avg 1": "nn.initializers.glorot_normal()",
                "uniform fan_in 2": "nn.initializers.he_uniform()",
                "uniform fan_in 1": "nn.initializers.lecun_uniform()",
                "uniform fan_avg 1": "nn.initializers.glorot_uniform()",
                **_scaled("nn.initializers.variance_scaling", normal="normal"),
                "constant 0": "nn.initializers.zeros",
                "constant": "nn.initializers.constant({scale})",
                "orthogonal": "nn.initializers.orthogonal({scale})",
            }
        ),
        "normal": "key, own = jax.random.split(key)\n"
        "{array} = {mean} + nn.initializers.normal({scale})(own, {array}.shape)",
        "truncated_normal": "key, own = jax.random.split(key)\n"
        "{array} = {mean} + nn.initializers.truncated_normal({scale})(own, {array}.shape)",
        "uniform": "key, own = jax.random.split(key)\n"
        "{array} = jax.random.uniform(own, {array}.shape, minval={low}, maxval={high})",
        "identity": "{array} = {scale} * jax.numpy.eye(*{array}.shape)",
        "times": "{array} = {array} * {factor}",
    },
    input={
        "scaled": "x = (x - {mean}) / {scale}",
        "file": "std = x.std(axis=0)\nx = (x - x.mean(axis=0)) / jax.numpy.where(std > 0, std, 1.0)",
    },
    norm="# where the norm is made: nn.LayerNorm(epsilon={scale}), and so nn.BatchNorm and nn.RMSNorm",
    branch="# in the block's __call__: return skip * x + {scale} * branch(x)",
)

_WEIGHTS = Loop("i", "", "# weights: arrays (fan_out, fan_in) in forward order; biases: (fan_out,)")
_CUT = (
    "std = {std}\ndrawn = rng.normal(0.0, std, {array}.shape)\n"
    "while (far := (drawn < {below} * std) | (drawn > {above} * std)).any():\n"
    "    drawn[far] = rng.normal(0.0, std, far.sum())\n"
    "{array}[:] = {mean} + drawn"
)
_NUMPY = Framework(
    title="NumPy",
    imports="import math\n\nimport numpy as np\n\nrng = np.random.default_rng()",
    loops={
        Target.WEIGHTS: _WEIGHTS,
        Target.BIAS: _WEIGHTS,
        Target.NORM: Loop("i", "", "# eps: a list of the norms' eps"),
        Target.BRANCH: Loop("i", "", "# scales: a list of the scales of the residual branches"),
    },
    arrays={Target.WEIGHTS: "weights[i]", Target.BIAS: "biases[i]"},
    fans={
        "fan_in": "weights[i].shape[1]",
        "fan_out": "weights[i].shape[0]",
        "fan_avg": "(sum(weights[i].shape) / 2)",
    },
    lines={
        "normal fan": "{array}[:] = rng.normal(0.0, {scale} / math.sqrt({fan}), {array}.shape)",
        "normal": "{array}[:] = rng.normal({mean}, {scale}, {array}.shape)",
        "uniform fan": "bound = {scale} * math.sqrt(3 / {fan})\n{array}[:] = rng.uniform(-bound, bound, {array}.shape)",
        "uniform": "{array}[:] = rng.uniform({low}, {high}, {array}.shape)",
        "truncated_normal fan": _CUT.replace("{std}", "{scale} / math.sqrt({fan})"),
        "truncated_normal": _CUT.replace("{std}", "{scale}"),
        "cut_normal fan": _CUT.replace("{std}", "{scale} / math.sqrt({fan})"),
        "cut_normal": _CUT.replace("{std}", "{scale}"),
        "constant": "{array}[:] = {scale}",
        "orthogonal": "q, r = np.linalg.qr(rng.normal(size=sorted({array}.shape, reverse=True)))\n"
        "q *= np.sign(np.diag(r))\n"
        "{array}[:] = {scale} * (q if q.shape == {array}.shape else q.T)",
        "identity": "{array}[:] = {scale} * np.eye(*{array}.shape)",
        "times": "{array}[:] *= {factor}",
    },
    input={
        "scaled": "x = (x - {mean}) / {scale}",
        "file": "std = x.std(axis=0)\nx = (x - x.mean(axis=0)) / np.where(std > 0, std, 1.0)",
    },
    norm="eps[i] = {scale}",
    branch="scales[i] = {scale}",
)

FRAMEWORKS: Mapping[FrameworkName, Framework] = {
    FrameworkName.TORCH: _TORCH,
    FrameworkName.KERAS: _KERAS,
    FrameworkName.FLAX: _FLAX,
    FrameworkName.NUMPY: _NUMPY,
}
