"""PyTorch's tensors as tensors of an audit; imports torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from varprobe.audit.tensors import FLOATS, Array, Tensor


def tensor_of(name: str, values: torch.Tensor, aliases: tuple[str, ...] = ()) -> Tensor:
    """A tensor on any device; blocks of it are brought to memory as they are read."""
    flat = values.detach().contiguous().reshape(-1)
    dtype = str(values.dtype).removeprefix("torch.")

    def read(start: int, count: int) -> Array:
        part = flat[start : start + count].cpu()
        if part.dtype == torch.bfloat16:
            return part.view(torch.int16).numpy().view(np.uint16)
        return part.numpy()

    return Tensor(name, tuple(values.shape), dtype, read, aliases)


def tensors_of_state(state: Mapping[str, Any]) -> Iterator[Tensor]:
    """The floating tensors of a state dict; of names for one memory the first counts, the others are its aliases."""
    names: dict[tuple[int, tuple[int, ...]], list[str]] = {}
    for name, values in state.items():
        if isinstance(values, torch.Tensor) and values.numel() and str(values.dtype).removeprefix("torch.") in FLOATS:
            names.setdefault((values.data_ptr(), tuple(values.shape)), []).append(name)
    for first, *others in names.values():
        yield tensor_of(first, state[first], tuple(others))
