"""training/attention.py: the same numbers as torch's own attention and norms, and only where one mask row a note is enough."""

import pytest
import torch
from transformers import BertConfig, BertModel, ModernBertConfig, ModernBertModel, RobertaConfig, RobertaModel

from dxtune.training import attention
from dxtune.training.attention import NAME, Norm, use_fast_bf16

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
            use_fast_bf16(encoder)
            assert encoder.config._attn_implementation == NAME
        encoder.zero_grad()
        output = encoder(input_ids=ids, attention_mask=mask).last_hidden_state * mask.unsqueeze(-1)
        output.square().sum().backward()
        results.append((output.detach(), encoder.embeddings.word_embeddings.weight.grad.clone()))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tiles", [False, True])
def test_bf16_is_fp32_up_to_two_roundings(tiles: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """tiles: torch's flash kernel, which works without them, too; the batched products otherwise."""
    monkeypatch.setattr(attention, "has_tiles", lambda: tiles)
    torch.manual_seed(0)
    encoder = BertModel(BertConfig(**SIZE, pad_token_id=0)).eval()
    ids, mask = torch.randint(5, 99, (3, 16)), torch.ones(3, 16, dtype=torch.long)
    mask[1, 9:] = 0

    def states(bf16: bool) -> torch.Tensor:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            made: torch.Tensor = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return made[mask.bool()]

    exact = states(False)
    use_fast_bf16(encoder)
    ours = states(True)
    assert ours.dtype == torch.bfloat16
    assert (ours - exact).norm() < 2 * torch.finfo(torch.bfloat16).eps * exact.norm()
    torch.testing.assert_close(states(False), exact)


def test_a_norm_gives_bf16_under_autocast_alone_and_its_gradient() -> None:
    torch.manual_seed(0)
    usual, ours, start, pull = torch.nn.LayerNorm(32), Norm(32), torch.randn(3, 32), torch.randn(3, 32)
    made = []
    for norm, bf16 in ((usual, False), (ours, False), (ours, True)):
        norm.zero_grad()
        vectors = start.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            output = norm(vectors)
        assert output.dtype == (torch.bfloat16 if bf16 else torch.float32)
        (output.float() * pull).sum().backward()
        made.append([output.detach().float(), vectors.grad, norm.weight.grad, norm.bias.grad])
    for a, b, c in zip(*made, strict=True):
        torch.testing.assert_close(a, b)
        torch.testing.assert_close(a, c, rtol=0.02, atol=0.02 * float(a.abs().max()))


def test_a_model_with_local_attention_keeps_its_own() -> None:
    encoder = ModernBertModel(
        ModernBertConfig(**SIZE, pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2)
    )
    before = encoder.config._attn_implementation
    use_fast_bf16(encoder)
    assert encoder.config._attn_implementation == before != NAME
