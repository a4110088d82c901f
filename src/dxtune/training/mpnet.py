"""MPNet's attention, quick in bf16 on a CPU, as training/attention.py has it for BERT's kind.

Its scores start from a bias that the distance of two tokens gives, the same for all notes and layers. The library copies it for
each note of a batch, in fp32, and each layer adds up a gradient of that size. Here there is one for all notes, from which the
product starts that makes the scores.
"""

from typing import Any

import torch
from torch import nn
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder, MPNetSelfAttention

from dxtune.training.attention import dropped, is_quick_in_flash


class OneBias(MPNetEncoder):
    """The stack of layers, whose bias by distance is made once for all notes."""

    def compute_position_bias(self, x: torch.Tensor, position_ids: Any = None, num_buckets: int = 32) -> torch.Tensor:
        """The bias, (1, heads, length, length), for vectors of (batch, length, size)."""
        bias: torch.Tensor = super().compute_position_bias(x[:1], position_ids, num_buckets)  # type: ignore[no-untyped-call]
        return bias


class SelfAttention(MPNetSelfAttention):
    """One layer's attention, its products in the type of the linear maps before them."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_bias: Any = None,
        output_attentions: bool = False,
        **_: Any,
    ) -> tuple[torch.Tensor]:
        """What each token takes from the others, (batch, length, size).

        attention_mask: additive, (batch, 1, length, length), its rows alike; position_bias: as of `OneBias`, always.
        """
        batch, length, size = hidden_states.shape
        heads, depth = self.num_attention_heads, self.attention_head_size
        query, key, value = (
            linear(hidden_states).view(batch, length, heads, depth).transpose(1, 2) for linear in (self.q, self.k, self.v)
        )
        with torch.autocast(query.device.type, enabled=False):
            bias = position_bias.to(query.dtype)
            if attention_mask is not None:
                bias = bias + attention_mask[:, :, :1].to(query.dtype)
            bias = bias.expand(batch, heads, length, length)
            dropout = self.dropout.p if self.training else 0.0
            if is_quick_in_flash(query) and not bias.requires_grad:
                seen = nn.functional.scaled_dot_product_attention(query, key, value, bias, dropout)
            else:
                query, key, value, bias = (each.reshape(batch * heads, length, -1) for each in (query, key, value, bias))
                scores = torch.baddbmm(bias, query, key.transpose(1, 2), alpha=depth**-0.5)
                seen = torch.bmm(dropped(scores.softmax(-1), dropout), value).view(batch, heads, length, depth)
        return (self.o(seen.transpose(1, 2).reshape(batch, length, size)),)


def use_one_bias(encoder: Any) -> None:
    """Switches an MPNet encoder to `OneBias` and `SelfAttention`."""
    for module in encoder.modules():
        if type(module) is MPNetEncoder:
            module.__class__ = OneBias
        elif type(module) is MPNetSelfAttention:
            module.__class__ = SelfAttention
