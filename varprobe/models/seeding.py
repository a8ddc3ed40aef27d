"""The global state that a factory may use: set before it is called, and put back behind it."""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import Enum
from typing import Any

import numpy as np


class Fill(Enum):
    """What memory holds that is allocated and not written to: nan, or zero."""

    NAN = "nan"
    ZERO = "zero"


@contextmanager
def seeded(seed: int, fill: Fill = Fill.NAN) -> Iterator[None]:
    """Random states of Python, numpy, PyTorch and Keras from one seed; everything global is as before behind it.

    PyTorch's default type and device, its threads and deterministic flags are put back too, and the working folder.

    Arguments:
        seed: below 2^32.
        fill: of memory that PyTorch allocates; in bytes of integers, its largest number stands for nan.
    """
    with ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())
        stack.callback(os.chdir, os.getcwd())
        random.seed(seed)
        np.random.seed(seed)
        if "torch" in sys.modules:
            _seed_torch(stack, seed, fill)
        if "keras" in sys.modules:
            sys.modules["keras"].utils.set_random_seed(seed)
        yield


def _seed_torch(stack: ExitStack, seed: int, fill: Fill) -> None:
    import torch
    from torch.utils import deterministic

    memory: Any = deterministic  # its module declares no types
    cuda: Any = torch.cuda
    devices = range(cuda.device_count()) if cuda.is_initialized() else []
    stack.enter_context(torch.random.fork_rng(devices))
    stack.callback(torch.set_default_dtype, torch.get_default_dtype())
    stack.callback(torch.set_default_device, torch.get_default_device() if _has_default_device() else None)
    stack.callback(torch.set_num_threads, torch.get_num_threads())
    stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())
    stack.callback(
        torch.use_deterministic_algorithms,
        torch.are_deterministic_algorithms_enabled(),
        warn_only=torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    stack.callback(setattr, memory, "fill_uninitialized_memory", memory.fill_uninitialized_memory)
    stack.callback(setattr, torch.backends.cudnn, "deterministic", torch.backends.cudnn.deterministic)
    stack.callback(setattr, torch.backends.cudnn, "benchmark", torch.backends.cudnn.benchmark)
    torch.manual_seed(seed)
    if fill is Fill.NAN:
        torch.use_deterministic_algorithms(True, warn_only=True)
        memory.fill_uninitialized_memory = True
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation.*")
    elif fill is Fill.ZERO:
        torch.use_deterministic_algorithms(False)
        stack.enter_context(_zero_filling())


def _has_default_device() -> bool:
    import torch

    return getattr(getattr(torch, "_GLOBAL_DEVICE_CONTEXT", None), "device_context", None) is not None


def _zero_filling() -> Any:
    """A mode in which what PyTorch's `empty` and its kin give is zero."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    names = ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided")

    class ZeroFilling(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = function(*args, **(kwargs or {}))
            if function.overloadpacket.__name__ in names and isinstance(made, torch.Tensor) and not made.is_meta:
                made.zero_()
            return made

    return ZeroFilling()  # type: ignore[no-untyped-call]
