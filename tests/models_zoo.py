"""Small models with a switch for each fault that was found in the field; needs PyTorch."""

from __future__ import annotations

import math
import os
import random
import time
from typing import Any

import torch
from torch import nn

STD = 0.02


class Attention(nn.Module):
    """Query, key and value in one matrix."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)


class Mlp(nn.Module):
    """Four times as wide in between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)


class Block(nn.Module):
    """Of a transformer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(width), Attention(width)
        self.ln_2, self.mlp = nn.LayerNorm(width), Mlp(width)


class Gpt(nn.Module):
    """The weights of a small GPT-2.

    Arguments:
        scaled: projections on the stream are divided by sqrt(2 n_layer), as the paper has them.
        tied: the head is the embedding.
        std: of every matrix but those that `forgets` names.
        forgets: matrices whose name ends so stay as PyTorch draws them.
    """

    def __init__(
        self,
        n_layer: int = 12,
        width: int = 48,
        vocabulary: int = 200,
        std: float = STD,
        *,
        scaled: bool = True,
        tied: bool = True,
        forgets: str = "",
    ) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(64, width)
        self.h = nn.ModuleList([Block(width) for _ in range(n_layer)])
        self.ln_f, self.lm_head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)
        for name, values in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(values)
            elif values.dim() > 1 and not (forgets and name.endswith(forgets)):
                divisor = math.sqrt(2 * n_layer) if scaled and name.endswith("c_proj.weight") else 1
                nn.init.normal_(values, std=std / divisor)
        if tied:
            self.lm_head.weight = self.wte.weight


def cut_normal(values: torch.Tensor, std: float, bound: float = 2.0) -> None:
    """A normal law by the inverse of its distribution function, cut where the values, not the scores, reach a bound.

    A uniform number that half precision rounds to the end of its interval becomes infinite, and is put at the bound:
    `bound / std` standard deviations away.
    """
    low, high = (0.5 * (1 + math.erf(end / std / math.sqrt(2))) for end in (-bound, bound))
    with torch.no_grad():
        values.uniform_(2 * low - 1, 2 * high - 1)
        values.erfinv_()
        values.mul_(std * math.sqrt(2))
        values.clamp_(-bound, bound)


def gpt(**arguments: Any) -> nn.Module:
    return Gpt(**arguments)


def vision(blocks: int = 3, width: int = 64, dtype: str = "float32") -> nn.Module:
    """Matrices that `cut_normal` draws in the type that they are kept in."""
    model = nn.Sequential(*[nn.Linear(width, 4 * width) for _ in range(blocks)]).to(getattr(torch, dtype))
    for layer in model:
        cut_normal(layer.weight, STD)  # type: ignore[arg-type]
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return model


def encoder(layers: int = 12, width: int = 32, *, redrawn: bool = False) -> nn.Module:
    """PyTorch's encoder, whose layers are copies of one; `redrawn` draws the matrices anew, and nothing else."""
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(width, 4, 2 * width), layers, enable_nested_tensor=False)
    if redrawn:
        for values in model.parameters():
            if values.dim() > 1:
                nn.init.xavier_uniform_(values)
    return model


def unwritten(part: bool = False) -> nn.Module:
    """A table that nobody writes to, or only half of, beside one whose nan is its own."""
    model = nn.Sequential(nn.Linear(20, 30))
    model.register_parameter("table", nn.Parameter(torch.empty(10, 30)))
    model.register_parameter("undefined", nn.Parameter(torch.full((3, 3), math.nan)))
    if part:
        with torch.no_grad():
            model.table[:5] = torch.randn(5, 30)  # type: ignore[index,operator]
    return model


def mean_for_std(width: int = 64, std: float = STD) -> nn.Module:
    """`normal_(w, std)` sets the mean."""
    model = nn.Sequential(nn.Linear(width, width), nn.Linear(width, width))
    nn.init.normal_(model[0].weight, std)  # type: ignore[arg-type]
    nn.init.normal_(model[1].weight, std=std)  # type: ignore[arg-type]
    return model


def wrong_fan(inputs: int = 200, outputs: int = 50) -> nn.Module:
    """shape[0] where shape[1] was meant."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=math.sqrt(2 / layer.weight.shape[0]))
    return layer


def reseeds() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(30, 40)


def fixed_table() -> nn.Module:
    """A table of sines that is not trained, beside a layer that is drawn."""
    model = nn.Sequential(nn.Linear(30, 40))
    table = torch.sin(torch.arange(300.0)).reshape(10, 30)
    model.register_parameter("table", nn.Parameter(table, requires_grad=False))
    return model


def asks_for_seed(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Linear(30, 40)


def careless() -> nn.Module:
    """Leaves everything global changed."""
    random.seed(1)
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(2)
    torch.set_grad_enabled(False)
    torch.use_deterministic_algorithms(False)
    os.chdir("/")
    return nn.Linear(30, 40)


def wrapped(kind: str = "compile") -> nn.Module:
    inner = nn.Sequential(nn.Linear(20, 20), nn.ReLU())
    if kind == "compile":
        inner[0] = torch.compile(inner[0], backend="eager")
        return torch.compile(inner, backend="eager")
    return nn.DataParallel(inner)


def parametrised(kind: str = "weight_norm") -> nn.Module:
    layer = nn.Linear(40, 30)
    with torch.no_grad():
        layer.weight.mul_(7)
    norm = getattr(nn.utils.parametrizations, kind)
    return nn.Sequential(norm(layer), nn.Linear(30, 30))


def on_meta() -> nn.Module:
    with torch.device("meta"):
        return nn.Linear(30, 40)


def lazy() -> nn.Module:
    return nn.Sequential(nn.LazyLinear(30))


def prints() -> nn.Module:
    print("from Python")
    os.write(1, b"from C\n")
    return nn.Linear(30, 40)


def raises() -> nn.Module:
    raise LookupError("there is no such\ncheckpoint")


def deep_in_torch() -> nn.Module:
    return nn.Linear(-1, 30)


def exits() -> nn.Module:
    raise SystemExit(0)


def crashes() -> nn.Module:
    os.abort()


def hangs() -> nn.Module:
    time.sleep(600)
    return nn.Linear(30, 40)


def returns_a_list() -> list[int]:
    return [1]


def changes_shape() -> nn.Module:
    return nn.Linear(20, 20 + int(torch.randint(1000, ())))


model = nn.Linear(3, 3)


class Holder:
    """A dotted way to a factory."""

    @staticmethod
    def build(width: int = 30) -> nn.Module:
        return nn.Linear(width, width)
