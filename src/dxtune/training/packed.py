"""Layers of BERT's kind whose weights are packed once for oneDNN's products: inference in bf16. benchmarks/inference_speed.py.

A product of torch packs its weight anew for every batch. Here query, key and value are one product, and what follows a product
(GELU, the residual sum) is done within it, before its result goes to memory.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import nn

from dxtune.training.attention import NAME, attention
from dxtune.training.method import stack

ROWS = 4096
"""For how many tokens at a time weights are packed; with others the products are right, too."""
BENT = "gelu"
"""The activation of the layers that are packed."""
READ = ("attention.self.query", "attention.self.key", "attention.self.value")
MAPS = (*READ, "attention.output.dense", "intermediate.dense", "output.dense")
"""The linear maps of a layer."""


class Packed(nn.Module):
    """A layer that uses its packed weights in inference mode, where nothing can change them; elsewhere it is itself."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer
        self.heads, self.scaling = layer.attention.self.num_attention_heads, layer.attention.self.scaling
        read, maps = ([layer.get_submodule(name) for name in names] for names in (READ, MAPS[3:]))
        self.read, (self.gather, self.widen, self.narrow) = _pack(*read), map(_pack, maps)

    def forward(self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None, *args: Any, **kwargs: Any) -> Any:
        """What the layer makes of (batch, length, size), in bf16."""
        if not torch.is_inference_mode_enabled():
            return self.layer(hidden_states, attention_mask, *args, **kwargs)
        product = torch.ops.mkldnn._linear_pointwise
        with torch.autocast("cpu", enabled=False):
            batch, length, size = hidden_states.shape
            vectors = hidden_states.bfloat16()
            parts = product(vectors, *self.read, "none", [], "").view(batch, length, 3, self.heads, size // self.heads)
            query, key, value = parts.permute(2, 0, 3, 1, 4)
            seen = attention(self, query, key, value, attention_mask, scaling=self.scaling)[0].reshape(batch, length, size)
            vectors = _norm(self.layer.attention.output, product.binary(seen, vectors, *self.gather, "add"))
            wide = product(vectors, *self.widen, BENT, [], "none")
            return _norm(self.layer.output, product.binary(wide, vectors, *self.narrow, "add"))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """The layer alone: a copy may get other weights."""
        return copy.deepcopy(self.layer, memo)


@cache
def can_pack() -> bool:
    """Whether oneDNN is there, on a processor for which it has products in bf16."""
    there = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool(there and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def pack(encoder: Any) -> list[tuple[nn.ModuleList, int, nn.Module]]:
    """Packs the layers of an encoder that `use_fast_bf16` switched, if their activation is GELU: such as BERT's have.

    Gives the places of those that were not packed before, and the layers themselves. Where oneDNN has no bf16: none.
    """
    config, done = encoder.config, []
    if can_pack() and config._attn_implementation == NAME and config.hidden_act == BENT and not encoder.training:
        _, layers = stack(encoder)
        for number, layer in enumerate(layers):
            parts = dict(layer.named_modules())
            if all(type(parts.get(name)) is nn.Linear for name in MAPS):  # not LoRA's
                layers[number] = Packed(layer)
                done.append((layers, number, layer))
    return done


@contextmanager
def packed(encoder: Any) -> Iterator[None]:
    """Packs an encoder's layers for a while: the numbers are those of one that is packed for good."""
    done = pack(encoder)
    try:
        yield
    finally:
        for layers, number, layer in done:
            layers[number] = layer


def _pack(*maps: nn.Linear) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias of linear maps of the same input as of one."""
    with torch.no_grad():
        weight, bias = (torch.cat([getattr(each, name) for each in maps]).bfloat16() for name in ("weight", "bias"))
        return torch.ops.mkldnn._reorder_linear_weight(weight, ROWS), bias


def _norm(part: Any, vectors: torch.Tensor) -> torch.Tensor:
    norm = part.LayerNorm
    return nn.functional.layer_norm(vectors, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
