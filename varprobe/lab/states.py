"""Which configs the page can show, and the address that shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from urllib.parse import urlencode

from varprobe.errors import ConfigError
from varprobe.lab.tables import FREE, SCHEMES
from varprobe.network.activations import ACTIVATIONS, Activation, make_activation
from varprobe.network.initializers import INITIALIZERS, Context
from varprobe.network.laws import Constant, Law, Normal, Orthogonal, Uniform
from varprobe.network.layers import Dense, Dropout, Join, Layer, Norm, Open, Pointwise
from varprobe.network.spec import NetworkSpec, Step

WIDTHS, DEPTHS, BATCHES = range(8, 513), range(1, 101), range(2, 513)
EPS = 1e-5
_HINT = "`varprobe run` measures it; `varprobe lab` alone writes a page to begin with"


def address_of(spec: NetworkSpec) -> str:
    """The part of the page's address behind `#` at which it shows this network.

    Raises:
        ConfigError: where it is none of the page's kind, with the reason.
    """
    reason = _refuse_frame(spec)
    if reason:
        raise _refusal(spec, reason)
    width, blocks = spec.input.features, _cut(spec)
    first = _describe(spec, blocks[0], width)
    for block in blocks[1:]:
        if _describe(spec, block, width) != first:
            step = block[0]
            raise _refusal(spec, f"{step.path} is unlike the layers before it, and the page has one kind of layer")
    settings = spec.settings
    said = {**first, "depth": len(blocks), "width": width, "batch": settings.batch, "seed": settings.seed}
    return urlencode({key: f"{value!r}" if isinstance(value, float) else value for key, value in said.items()})


def _refusal(spec: NetworkSpec, reason: str) -> ConfigError:
    return ConfigError(f"is not a network of the lab's kind: {reason}", hint=_HINT, place=spec.place)


def _refuse_frame(spec: NetworkSpec) -> str:
    """Why the page cannot show what is around the layers; empty where it can."""
    source, settings = spec.input, spec.settings
    if source.distribution != "normal" or (source.mean, source.std) != (0.0, 1.0):
        return "the page's input is N(0, 1)"
    if source.features not in WIDTHS or source.features % 4:
        return f"the page has widths of 8 to 512 in fours, the input has {source.features} features"
    if spec.objective.kind != "random":
        return f"the page sends back a random gradient, this is {spec.objective.kind}"
    if settings.batch not in BATCHES or settings.batch % 2:
        return f"the page has even batches of 2 to 512, this is {settings.batch}"
    return ""


def _cut(spec: NetworkSpec) -> list[list[Step]]:
    """The steps, block by block: each a dense layer with what follows it, or a residual block."""
    blocks: list[list[Step]] = []
    is_open = False
    for step in spec.steps:
        begins = step.layer.opens or (isinstance(step.layer, Dense) and not is_open)
        if begins or not blocks:
            blocks.append([])
        blocks[-1].append(step)
        is_open = step.layer.opens or (is_open and not step.layer.joins)
    if len(blocks) not in DEPTHS:
        raise _refusal(spec, f"the page has 1 to 100 layers, this has {len(blocks)}")
    return blocks


def _describe(spec: NetworkSpec, block: Sequence[Step], width: int) -> dict[str, str | float]:
    """What one layer of the page is, of one block."""
    layers = [step.layer for step in block]
    name = block[0].path
    wrong = next((step for step in block if isinstance(step.layer, Dropout)), None)
    if wrong is not None:
        raise _refusal(spec, f"{wrong.path} is dropout, which the page has not")
    is_residual = layers[0].opens
    inner: list[Layer] = layers[1:-1] if is_residual else layers
    dense = [layer for layer in inner if isinstance(layer, Dense)]
    norms = [layer for layer in inner if isinstance(layer, Norm)]
    bends = [layer for layer in inner if isinstance(layer, Pointwise)]
    order = [type(layer) for layer in inner]
    orders = [[Pointwise, Dense], [Norm, Pointwise, Dense]] if is_residual else [[Dense, Norm, Pointwise], [Dense]]
    if order not in orders:
        form = "activation, dense" if is_residual else "dense"
        also = "norm, activation, dense" if is_residual else "dense, norm, activation"
        raise _refusal(spec, f"at {name} the page has {form}, or {also}, in this order")
    if dense[0].fan_out != width:
        raise _refusal(spec, f"{name} has {dense[0].fan_out} units and the input {width}, the page one width for all")
    if bends and not dense[0].activation.is_linear:
        raise _refusal(spec, f"at {name} the page has one activation, this has two")
    said: dict[str, str | float] = {**_activation(spec, name, bends[0].activation if bends else dense[0].activation)}
    said |= _weights(spec, name, dense[0], width)
    for norm in norms:
        if norm.variant == "rms" or norm.eps != EPS or norm.gamma or norm.beta:
            raise _refusal(spec, f"at {name} the page has layer or batch norm with eps 1e-5 and nothing learned")
        said["norm"] = str(norm.variant)
    if is_residual:
        join = layers[-1]
        if not isinstance(join, Join) or join.skip != 1 or not join.scale > 0 or not isinstance(layers[0], Open):
            raise _refusal(spec, f"at {name} the page has x + scale * branch with a positive scale")
        said["residual"] = join.scale
    return said


def _activation(spec: NetworkSpec, name: str, activation: Activation) -> dict[str, str | float]:
    if activation.name not in ACTIVATIONS:
        raise _refusal(spec, f"at {name} the page does not have {activation.label}")
    given = dict(activation.arguments)
    usual = dict(make_activation(activation.name).arguments)
    slope = given.pop(FREE, None)
    if given != {key: value for key, value in usual.items() if key != FREE}:
        raise _refusal(spec, f"at {name} the page has {activation.name} with its usual arguments")
    return {"activation": activation.name, **({} if slope is None else {"slope": float(slope)})}


def _weights(spec: NetworkSpec, name: str, dense: Dense, width: int) -> dict[str, str | float]:
    """A scheme of the page with that law, the gain that it needs, and the biases."""
    law, bias = dense.weights, dense.bias
    scheme = dense.init_label.partition("(")[0]
    if not isinstance(law, (Normal, Uniform, Orthogonal)) or law.mean != 0:
        raise _refusal(spec, f"at {name} the page draws normal, uniform or orthogonal weights without a mean")
    if scheme not in SCHEMES or type(_usual(scheme, width)) is not type(law):
        scheme = {Normal: "lecun", Uniform: "torch.linear_default", Orthogonal: "orthogonal"}[type(law)]
    usual, own = _usual(scheme, width), law.variance(width, width)
    gain = math.sqrt((own or 0.0) / (usual.variance(width, width) or 1.0))
    if not gain > 0:
        raise _refusal(spec, f"at {name} all weights are zero")
    said: dict[str, str | float] = {"scheme": scheme, **({} if abs(gain - 1) < 1e-12 else {"gain": gain})}
    kind = INITIALIZERS[scheme]
    if kind.bias is not None and bias == kind.bias(Context(width, width), gain=None):
        return said
    if isinstance(bias, Constant) and bias.value == 0:
        return said | ({} if kind.bias is None else {"bias": 0.0})
    if isinstance(bias, Normal) and bias.mean == 0:
        return said | {"bias": bias.std}
    raise _refusal(spec, f"at {name} the page draws normal biases without a mean")


def _usual(scheme: str, width: int) -> Law:
    kind = INITIALIZERS[scheme]
    arguments = {key: parameter.default for key, parameter in kind.parameters.items()}
    return kind.build(Context(width, width), **arguments)
