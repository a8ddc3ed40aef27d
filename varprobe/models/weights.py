"""The tensors of a model in memory: PyTorch modules, Keras 3 and Flax NNX models, and mappings of arrays.

Keras and Flax are met through their public surface alone (`model.weights` with `path`; `nnx.state` and
`nnx.to_pure_dict`), so nothing is imported that the model has not imported before.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from varprobe.audit.fans import Layout, Reading
from varprobe.audit.files import tensors_of_arrays
from varprobe.audit.tensors import FLOATS, Tensor
from varprobe.errors import VarprobeError
from varprobe.frozen import dataclass


@dataclass(frozen=True)
class ModelWeights:
    """The tensors of a model.

    Attributes:
        layout: the order of axes in its framework.
        readings: tensors that are read otherwise, as the modules say that hold them.
        frozen: names of tensors that are not trained.
    """

    tensors: tuple[Tensor, ...]
    layout: Layout = Layout.TORCH
    readings: tuple[Reading, ...] = ()
    frozen: frozenset[str] = frozenset()


def tensors_of_model(model: Any) -> list[Tensor]:
    """The floating tensors of a model, tied ones once with their other names as aliases; the model is not changed.

    Raises:
        VarprobeError: where it is no model that is known, or has no weights yet.
    """
    return list(weights_of_model(model).tensors)


def weights_of_model(model: Any) -> ModelWeights:
    """The tensors of a model and how they are to be read.

    Raises:
        VarprobeError: where it is no model that is known, or has no weights yet.
    """
    if _is_nnx(model):
        found = ModelWeights(tuple(_floating(dict(_nnx_arrays(model)))), Layout.FLAX)
    elif _is_keras(model):  # on PyTorch it is a module too
        found = _of_keras(model)
    elif _is_torch(model):
        found = _of_torch(model)
    elif isinstance(model, Mapping):
        found = ModelWeights(tuple(tensors_of_arrays(model)))
    else:
        raise VarprobeError(
            f"{_article(type(model).__name__)} is no model that is known",
            hint="PyTorch modules, Keras and Flax NNX models, and mappings of names to arrays are",
        )
    if not found.tensors:
        raise VarprobeError(f"the {type(model).__name__} has no floating parameters", hint="build it with its layers")
    return found


def is_model(found: object) -> bool:
    """Whether it is a model of a framework that is known."""
    return _is_nnx(found) or _is_keras(found) or _is_torch(found)


def _is_torch(model: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def _is_keras(model: object) -> bool:
    return hasattr(model, "weights") and hasattr(model, "trainable_weights")


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _of_torch(model: Any) -> ModelWeights:
    from varprobe.audit.torch_tensors import tensors_of_state
    from varprobe.models.torch_models import named_weights, transposed_readings

    named = named_weights(model)
    frozen = frozenset(name for name, values in named.items() if not values.requires_grad)
    return ModelWeights(tuple(tensors_of_state(named)), readings=transposed_readings(model), frozen=frozen)


def _of_keras(model: Any) -> ModelWeights:
    """Keras 3: variables name themselves by their path; a model without shapes has none yet."""
    if not model.weights:
        raise VarprobeError(
            f"the {type(model).__name__} has no weights before it knows the shape of its input",
            hint="give it a keras.Input, or call model.build(shape) in the factory",
        )
    trained = {id(one) for one in model.trainable_weights}
    arrays = {one.path: _plain(one.numpy() if hasattr(one, "numpy") else one) for one in model.weights}
    frozen = frozenset(one.path for one in model.weights if id(one) not in trained)
    return ModelWeights(tuple(_floating(arrays)), Layout.KERAS, frozen=frozen)


def _is_nnx(model: Any) -> bool:
    nnx = sys.modules.get("flax.nnx")
    return nnx is not None and isinstance(model, nnx.Module)


def _nnx_arrays(model: Any) -> Iterator[tuple[str, Any]]:
    """The `Param`s of a Flax NNX model, by their path with slashes; other variables are no weights."""
    nnx: Any = sys.modules["flax.nnx"]
    yield from _leaves(nnx.to_pure_dict(nnx.state(model, nnx.Param)), ())


def _leaves(tree: Mapping[Any, Any], path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, str(key)))
        else:
            yield "/".join((*path, str(key))), _plain(value)


def _plain(values: Any) -> Any:
    """A numpy array, of whatever an array library has; bfloat16, which numpy does not know, in float32."""
    array = np.asarray(values)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def _floating(arrays: Mapping[str, Any]) -> list[Tensor]:
    floating = {name: values for name, values in arrays.items() if values.dtype.name in FLOATS and values.size}
    return tensors_of_arrays(floating) if floating else []
