"""Attention, norms and dropout that are quick in bf16 on a CPU. benchmarks/training_speed.py and inference_speed.py measure it.

torch's CPU flash attention multiplies small blocks one by one, and its backward pass takes more than a quarter of a MiniLM
step. A clinical note is short (L <= 512), so the whole L x L matrix fits and batched products are faster: in training
always, without gradients on a processor without matrix tiles (AMX). Where it has them, the flash kernel's forward pass is the
quicker one, if lengths are multiples of 16 (tasks/encoder.py pads to such): at others it takes half as long again.

Under autocast a norm gives fp32, which every linear map after it turns into bf16 again; here it gives bf16, computed in fp32.

torch's dropout draws a random number for each element. Here each has 16 bits of one: a mask takes a third of the time.
"""

from functools import cache
from typing import Any

import torch
from torch import nn

NAME = "dxtune"
PADDING_MASK_ONLY = frozenset({"bert", "camembert", "electra", "roberta", "xlm-roberta"})
"""Model types in which every query sees every key but the padding: only then is one mask row a note enough.

All of them normalise after each residual sum, so what stays in bf16 between layers is small numbers.
"""


def attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float = 1.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """softmax(query key^T * scaling + mask) value, of shape (batch, length, heads, head size).

    query, key, value: (batch, heads, length, head size); attention_mask: additive, (batch, 1, 1, length).
    """
    batch, heads, length, size = query.shape
    row = None if attention_mask is None else attention_mask.to(query.dtype)
    with torch.autocast(query.device.type, enabled=False):
        if is_quick_in_flash(query):
            flash = nn.functional.scaled_dot_product_attention(query, key, value, row, dropout, scale=scaling)
            return flash.transpose(1, 2), None
        q = (query * scaling).reshape(batch * heads, length, size)
        k, v = key.reshape(batch * heads, length, size), value.reshape(batch * heads, length, size)
        if row is None:
            scores = torch.bmm(q, k.transpose(1, 2))
        else:
            scores = torch.baddbmm(row.expand(batch, heads, 1, length).reshape(-1, 1, length), q, k.transpose(1, 2))
        return torch.bmm(dropped(scores.softmax(-1), dropout), v).view(batch, heads, length, size).transpose(1, 2), None


def padding_mask(q_length: int, **how: Any) -> torch.Tensor | None:
    """transformers' additive mask, of one query, (batch, 1, 1, length): it is the same for all."""
    from transformers.masking_utils import eager_mask

    return eager_mask(q_length=1, **how)


def is_quick_in_flash(query: torch.Tensor) -> bool:
    """Whether torch's flash kernel is the quickest for these queries."""
    return query.dtype == torch.bfloat16 and not query.requires_grad and has_tiles()


@cache
def has_tiles() -> bool:
    """Whether the processor multiplies bf16 in tiles (AMX)."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


def dropped(values: torch.Tensor, share: float) -> torch.Tensor:
    """The values, of which a share is 0, drawn from torch's generator; the others are larger by as much.

    share: 0..1, in steps of 1 / 65,536.

    >>> _ = torch.manual_seed(0)
    >>> dropped(torch.ones(6), 0.5), dropped(torch.ones(1), 0)
    (tensor([0., 0., 2., 0., 0., 0.]), tensor([1.]))
    """
    steps = min(round(share * 65536), 65535)
    if not steps:
        return values
    four = torch.empty(-(-values.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    kept = four.view(torch.int16)[: values.numel()].view(values.shape) >= steps - 32768
    return values * kept.to(values.dtype).mul_(65536 / (65536 - steps))


class Dropout(nn.Dropout):
    """A Dropout by `dropped`."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """The values, of which `p` are 0 in training."""
        return dropped(input, self.p) if self.training else input


class Norm(nn.LayerNorm):
    """A LayerNorm whose output is bf16 under autocast; mean and variance are of fp32."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """The normalised vectors, of the shape of `input`."""
        if not torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return nn.functional.layer_norm(input.bfloat16(), self.normalized_shape, self.weight, self.bias, self.eps)


def use_fast_bf16(encoder: Any) -> None:
    """Switches an encoder on a CPU to `Dropout`, and to `attention` and `Norm` where these are right: padding masks only.

    MPNet's attention is training/mpnet.py's.
    """
    if encoder.device.type != "cpu":
        return
    kind = encoder.config.model_type
    if kind == "mpnet":
        from dxtune.training.mpnet import use_one_bias

        use_one_bias(encoder)
    elif kind in PADDING_MASK_ONLY:
        from transformers import AttentionInterface, AttentionMaskInterface

        AttentionInterface.register(NAME, attention)
        AttentionMaskInterface.register(NAME, padding_mask)
        encoder.set_attn_implementation(NAME)
    for module in encoder.modules():
        if type(module) is nn.Dropout:
            module.__class__ = Dropout
        elif type(module) is nn.LayerNorm and kind in {*PADDING_MASK_ONLY, "mpnet"}:
            module.__class__ = Norm
