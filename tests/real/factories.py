"""Models of the real packages, small enough to be built in a second."""

from __future__ import annotations

from typing import Any


def gpt2(n_layer: int = 12, n_embd: int = 256) -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(n_layer=n_layer, n_embd=n_embd, n_head=4, vocab_size=1000, n_positions=128))
