"""The weights of a PyTorch module, under the names that a reader of the model knows; imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.utils import parametrize

from varprobe.audit.fans import Reading
from varprobe.errors import VarprobeError

# Modules that stand around others: children of these names, and `module` of these kinds, are not part of a name.
_WRAPPED = ("_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module")
_PARALLEL = ("DataParallel", "DistributedDataParallel")
_META = (
    "build it without torch.device('meta'), or end the factory with model.to_empty(device='cpu') and its initialisation"
)


def named_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters by name, tied ones under each of their names; parametrised ones as what the module computes with.

    Names are those inside of wrappers (torch.compile, DataParallel, checkpointing). Of buffers only those that hold nan
    are listed: nobody wrote to them.

    Raises:
        VarprobeError: where a parameter has no values yet, or only a part of them is here.
    """
    with torch.no_grad():
        found = dict(_walk(model, ""))
    for name, values in found.items():
        _check_values(name, values)
    return {name: values for name, values in found.items() if values.is_floating_point()}


def transposed_readings(model: nn.Module) -> tuple[Reading, ...]:
    """Weights that a module stores as (in, out): those of a `Conv1D` with `nf` outputs, as GPT-2 has them."""
    return tuple(
        Reading(f"{name}weight", transposed=True)
        for name, module in _modules(model, "")
        if type(module).__name__ == "Conv1D" and hasattr(module, "nf")
    )


def _modules(module: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    """Every module with the prefix of its parameters, as often as it has names."""
    yield prefix, module
    for name, child in module._modules.items():
        if child is not None and not (name == "parametrizations" and parametrize.is_parametrized(module)):
            hidden = name in _WRAPPED or (name == "module" and type(module).__name__ in _PARALLEL)
            yield from _modules(child, prefix if hidden else f"{prefix}{name}.")


def _walk(model: nn.Module, prefix: str) -> Iterator[tuple[str, torch.Tensor]]:
    for at, module in _modules(model, prefix):
        effective = _effective(module)
        dropped = {f"{name}{end}" for name in effective for end in ("_g", "_v", "_orig")}
        yield from ((f"{at}{name}", values) for name, values in effective.items())
        for name, values in module._parameters.items():
            if values is not None and name not in dropped:
                yield f"{at}{name}", values
        for name, buffer in module._buffers.items():
            if buffer is None or buffer.is_meta or not buffer.is_floating_point():
                continue
            if bool(torch.isnan(buffer).any()):
                yield f"{at}{name}", buffer


def _effective(module: nn.Module) -> dict[str, torch.Tensor]:
    """What parametrisations, and the older hooks of weight_norm and spectral_norm, make of a module's weights."""
    found: dict[str, torch.Tensor] = {}
    if parametrize.is_parametrized(module):
        with _at_rest(module.parametrizations):  # type: ignore[arg-type]  # a ModuleDict
            for name in module.parametrizations:  # type: ignore[union-attr]
                found[name] = getattr(module, name).detach().clone()
    for hook in module._forward_pre_hooks.values():
        if hasattr(hook, "compute_weight") and hasattr(hook, "name"):
            found[hook.name] = getattr(module, hook.name).detach()
    return found


@contextmanager
def _at_rest(module: nn.Module) -> Iterator[None]:
    """Spectral normalisation in training takes a step whenever it is looked at."""
    were = [(one, one.training) for one in module.modules()]
    try:
        module.eval()
        yield
    finally:
        for one, training in were:
            one.training = training


def _check_values(name: str, values: torch.Tensor) -> None:
    if nn.parameter.is_lazy(values):
        raise VarprobeError(
            f"{name} has no shape before the first forward pass", hint="call the model once in the factory"
        )
    if values.is_meta:
        raise VarprobeError(f"{name} is on the meta device and has no values", hint=_META)
    if hasattr(values, "full_tensor"):
        raise VarprobeError(f"{name} is sharded", hint="audit the model before it is sharded, or a checkpoint of it")
