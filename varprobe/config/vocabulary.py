"""What users of other libraries write, and how it is written here: literal tables for the hints of messages."""

from __future__ import annotations

import re
from collections.abc import Collection

from varprobe.errors import nearest
from varprobe.network.activations import ACTIVATIONS
from varprobe.network.layer_kinds import LAYER_KINDS

# A word of others (without case, `_` and `-`) -> what may be meant by it, of which the first legal one is named.
MEANT = {
    **dict.fromkeys(("units", "outfeatures", "outputdim", "hiddensize", "hiddendim", "neurons", "nodes"), ("width",)),
    **dict.fromkeys(("size", "dim", "channels"), ("width", "features")),
    **dict.fromkeys(("infeatures", "inputdim", "inputsize", "nfeatures", "shape", "inputs"), ("features", "input")),
    **dict.fromkeys(("inputshape", "data", "dataset", "x"), ("input",)),
    **dict.fromkeys(
        ("kernelinitializer", "weightinit", "weightinitializer", "weights", "initializer", "initialization"), ("init",)
    ),
    **dict.fromkeys(("biasinitializer", "biasinit", "usebias", "b"), ("bias",)),
    **dict.fromkeys(("negativeslope", "alpha", "leak"), ("slope",)),
    **dict.fromkeys(("stddev", "sigma", "sd"), ("std",)),
    **dict.fromkeys(("p", "prob", "probability", "droprate", "dropprob"), ("rate",)),
    **dict.fromkeys(("mu", "loc"), ("mean",)),
    **dict.fromkeys(("act", "nonlinearity", "activationfunction"), ("activation",)),
    **dict.fromkeys(("linear", "fc", "fullyconnected", "lin", "mlp"), ("dense",)),
    **dict.fromkeys(
        ("batchnorm", "batchnorm1d", "layernorm", "rmsnorm", "normalization", "batchnormalization"),
        ("norm", "batch"),
    ),
    **dict.fromkeys(("resblock", "skipconnection", "shortcut"), ("residual",)),
    **dict.fromkeys(("sequential", "group"), ("block",)),
    **dict.fromkeys(("nlayers", "numlayers", "depth", "times", "count", "n"), ("repeat",)),
    **dict.fromkeys(("hiddenlayers", "hidden", "model", "network", "architecture"), ("layers",)),
    **dict.fromkeys(("samples", "draws", "runs", "nsamples"), ("trials",)),
    **dict.fromkeys(("loss", "objective", "lossfunction", "criterion"), ("gradient",)),
    **dict.fromkeys(("randomstate", "randomseed", "rng"), ("seed",)),
    **dict.fromkeys(("precision", "datatype"), ("dtype",)),
    **dict.fromkeys(("gradients", "gradient"), ("gradient", "backward")),
    **dict.fromkeys(("activations", "activation"), ("activation", "forward")),
    **dict.fromkeys(("gaussian", "gauss", "randn"), ("normal",)),
    **dict.fromkeys(("healthy", "ok", "good", "fine"), ("stable",)),
    **dict.fromkeys(("fp16", "half"), ("float16",)),
    **dict.fromkeys(("fp32", "single", "float"), ("float32",)),
    **dict.fromkeys(("fp64", "double"), ("float64",)),
    "bf16": ("bfloat16",),
    **dict.fromkeys(("type", "kind", "class", "classname"), ("kind", "name")),
    **dict.fromkeys(("crossentropyloss", "nll", "ce"), ("cross_entropy",)),
    **dict.fromkeys(("mseloss", "l2"), ("mse",)),
}
_TRAINS = "leave it out: nothing is trained here"
_ENTRY = "write it as an entry of its own, as in `- {}`"
# A key or word of others that has no counterpart here -> what to do.
WITHOUT = {
    **dict.fromkeys(("optimizer", "lr", "learningrate", "epochs", "scheduler", "weightdecay"), _TRAINS),
    **dict.fromkeys(("device", "cuda"), "leave it out: the processor computes; --threads says how many of its cores"),
    **dict.fromkeys(("infeatures", "inputdim", "inputsize"), "leave it out: it is the width of what stands before"),
    **dict.fromkeys(("conv", "conv1d", "conv2d", "attention", "lstm"), "layers here are dense, as in `- dense: 256`"),
    **dict.fromkeys(("flatten", "input"), "leave it out: the batch has rows of `input.features` numbers"),
    "softmax": "write linear, and probe.gradient: cross_entropy, whose loss has the softmax",
    "dropout": _ENTRY.format("dropout: 0.1"),
    "norm": _ENTRY.format("norm: layer"),
    "batchnorm": _ENTRY.format("norm: batch"),
    "layernorm": _ENTRY.format("norm: layer"),
    **dict.fromkeys(
        ("float16", "fp16", "half", "bfloat16", "bf16"),
        "measure in float32; expect.safe_in says whether draws fit a narrower format",
    ),
}
# What says of which kind something is; the kind of a layer is a key.
_KIND_WORDS = ("type", "kind", "class", "classname")
# The last step of a field's path -> how it is written.
EXAMPLES = {
    "input": "input: {features: 784}",
    "features": "features: 784",
    "defaults": "defaults: {activation: relu, init: he}",
    "layers": "layers: [{dense: 256, repeat: 4}, {dense: 10}]",
    "dense": "dense: {width: 256, init: he}",
    "width": "width: 256",
    "repeat": "repeat: 10",
    "block": "block: [{dense: 256}, {norm: layer}]",
    "residual": "residual: {layers: [{dense: 256}]}",
    "norm": "norm: layer",
    "dropout": "dropout: 0.1",
    "bias": "bias: 0",
    "probe": "probe: {batch: 128, trials: 20}",
    "batch": "batch: 128",
    "trials": "trials: 20",
    "seed": "seed: 0",
    "std": "std: 0.02",
    "mean": "mean: 0.5",
    "scale": "scale: 0.5",
    "skip": "skip: 1",
    "path": "path: weights.npz",
    "expect": "expect: {forward: stable, backward: stable}",
    "rate": "rate: {forward: [0.95, 1.05]}",
    "total_log10": "total_log10: {backward: [-1, 1]}",
    "head": "head: {scale: [null, 1]}",
    "saturated": "saturated: 0.1",
    "dead": "dead: 0.5",
    "constants": "constants: {width: 128}",
    "columns": "columns: [age, income]",
    "standardize": "standardize: true",
}
# Of an entry of `layers`.
KINDS = {
    "dense": "- dense: 256",
    "norm": "- norm: batch",
    "activation": "- activation: relu",
    "dropout": "- dropout: 0.1",
}


def find_meant(word: str, legal: Collection[str]) -> str | None:
    """The legal word that a word of another library, or a misspelt one, most likely meant.

    >>> find_meant("units", ["width", "init"]), find_meant("batchsize", ["batch"]), find_meant("conv2d", ["dense"])
    ('width', 'batch', None)
    """
    bare = _bare(word)
    if bare in _KIND_WORDS and "dense" in legal:
        return None
    known = next((one for one in MEANT.get(bare, ()) if one in legal), None)
    if known or bare in WITHOUT:
        return known
    return nearest(word, legal)


def find_way_out(word: str, legal: Collection[str] = ()) -> str:
    """What to do about a word that has no counterpart; empty where none is known."""
    bare = _bare(word)
    if bare in _KIND_WORDS and "dense" in legal:
        return "the kind is the key, as in `- dense: 256`"
    return WITHOUT.get(bare, "")


def find_layer(word: str) -> str:
    """How the layer is written that a word in place of one may mean; empty where none is known.

    >>> find_layer("batchnorm"), find_layer("relu")
    ('did you mean `- norm: batch`?', 'did you mean `- activation: relu`?')
    """
    kind = "activation" if word.lower() in ACTIVATIONS else find_meant(word, LAYER_KINDS)
    return f"did you mean `{KINDS[kind]}`?" if kind in KINDS else find_way_out(word)


def _bare(word: str) -> str:
    """As the tables have it.

    >>> _bare("nn.BatchNorm1d()"), _bare("batch_size")
    ('batchnorm1d', 'batchsize')
    """
    return re.sub(r"^(torch\.)?nn\.|[_\-\s]|\(.*\)$", "", word.lower())
