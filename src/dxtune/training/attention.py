"""Attention as plain bf16 matrix products: on a CPU without matrix tiles twice as fast as torch's flash kernel.

torch's CPU flash attention multiplies small tiles one by one, and its backward pass takes more than a quarter of a MiniLM
step. A clinical note is short (L <= 512), so the whole L x L matrix fits and batched products are faster.
benchmarks/training_speed.py measures it.
"""

from typing import Any

import torch

NAME = "dxtune_matmul"
PADDING_MASK_ONLY = frozenset({"bert", "camembert", "electra", "roberta", "xlm-roberta"})
"""Model types in which every query sees every key but the padding: only then is one mask row a note enough."""


def matmul_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float = 1.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """softmax(query key^T * scaling + mask) value, of shape (batch, length, heads, head size).

    query, key, value: (batch, heads, length, head size); attention_mask: additive, (batch, 1, length, length), its rows alike.
    """
    batch, heads, length, size = query.shape
    with torch.autocast(query.device.type, enabled=False):
        q = (query * scaling).reshape(batch * heads, length, size)
        k, v = key.reshape(batch * heads, length, size), value.reshape(batch * heads, length, size)
        if attention_mask is None:
            scores = torch.bmm(q, k.transpose(1, 2))
        else:
            row = attention_mask[:, :, :1].to(q.dtype).expand(batch, heads, 1, length).reshape(batch * heads, 1, length)
            scores = torch.baddbmm(row, q, k.transpose(1, 2))
        weights = torch.nn.functional.dropout(scores.softmax(-1), dropout) if dropout else scores.softmax(-1)
        return torch.bmm(weights, v).view(batch, heads, length, size).transpose(1, 2), None


def use_fast_attention(encoder: Any) -> None:
    """Switches an encoder to `matmul_attention` where that is right and faster: bf16 on CPU, padding masks only."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    if encoder.device.type == "cpu" and encoder.config.model_type in PADDING_MASK_ONLY:
        AttentionInterface.register(NAME, matmul_attention)
        AttentionMaskInterface.register(NAME, eager_mask)
        encoder.set_attn_implementation(NAME)
