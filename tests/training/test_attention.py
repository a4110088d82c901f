"""training/attention.py: the same numbers as torch's own attention, and only where one mask row a note is enough."""

import pytest
import torch
from transformers import BertConfig, BertModel, ModernBertConfig, ModernBertModel, RobertaConfig, RobertaModel

from dxtune.training.attention import NAME, use_fast_attention

SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 99}


@pytest.mark.parametrize(("config", "model"), [(BertConfig, BertModel), (RobertaConfig, RobertaModel)])
@pytest.mark.parametrize("padded", [True, False])
def test_same_outputs_and_gradients_as_torch(config: type, model: type, padded: bool) -> None:
    torch.manual_seed(0)
    encoder = model(config(**SIZE, pad_token_id=0)).eval()
    ids = torch.randint(5, 99, (3, 12))
    mask = torch.ones_like(ids)
    if padded:
        mask[0, 7:] = 0
        mask[2, 3:] = 0
    results = []
    for fast in (False, True):
        if fast:
            use_fast_attention(encoder)
            assert encoder.config._attn_implementation == NAME
        encoder.zero_grad()
        output = encoder(input_ids=ids, attention_mask=mask).last_hidden_state * mask.unsqueeze(-1)
        output.square().sum().backward()
        results.append((output.detach(), encoder.embeddings.word_embeddings.weight.grad.clone()))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_a_model_with_local_attention_keeps_its_own() -> None:
    encoder = ModernBertModel(
        ModernBertConfig(**SIZE, pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2)
    )
    before = encoder.config._attn_implementation
    use_fast_attention(encoder)
    assert encoder.config._attn_implementation == before != NAME
