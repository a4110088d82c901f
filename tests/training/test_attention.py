"""training/attention.py: the same numbers as torch's own attention and norms, and only where one mask row a note is enough."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    ModernBertConfig,
    ModernBertModel,
    MPNetConfig,
    MPNetModel,
    RobertaConfig,
    RobertaModel,
)

from dxtune.training import attention
from dxtune.training.attention import NAME, Norm, dropped, use_fast_bf16
from dxtune.training.mpnet import OneBias, SelfAttention

SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 99}


def mpnet(**settings: float) -> MPNetModel:
    """A small MPNet whose bias by distance is large enough that no other is taken for it."""
    encoder = MPNetModel(MPNetConfig(**SIZE, pad_token_id=1, **settings))
    torch.nn.init.normal_(encoder.encoder.relative_attention_bias.weight)
    return encoder


def assert_same_after_the_switch(encoder: Any, padded: bool, learned: list[torch.nn.Module]) -> None:
    """The outputs, and the gradients of the weights of some modules, are the same before and after `use_fast_bf16`."""
    ids = torch.randint(5, 99, (3, 12))
    mask = torch.ones_like(ids)
    if padded:
        mask[0, 7:] = 0
        mask[2, 3:] = 0
    results = []
    for fast in (False, True):
        if fast:
            use_fast_bf16(encoder)
        encoder.zero_grad()
        output = encoder(input_ids=ids, attention_mask=mask).last_hidden_state * mask.unsqueeze(-1)
        (output.square() + output**3).sum().backward()  # the squares alone add up to the same, whatever a norm normalises
        results.append((output.detach(), *(module.weight.grad.clone() for module in learned)))
    for a, b in zip(*results, strict=True):
        assert a.abs().max() > 1e-3
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("config", "model"), [(BertConfig, BertModel), (RobertaConfig, RobertaModel)])
@pytest.mark.parametrize("padded", [True, False])
def test_same_outputs_and_gradients_as_torch(config: type, model: type, padded: bool) -> None:
    torch.manual_seed(0)
    encoder = model(config(**SIZE, pad_token_id=0)).eval()
    assert_same_after_the_switch(encoder, padded, [encoder.embeddings.word_embeddings])
    assert encoder.config._attn_implementation == NAME


@pytest.mark.parametrize("padded", [True, False])
def test_mpnet_has_the_outputs_and_gradients_of_the_library(padded: bool) -> None:
    torch.manual_seed(0)
    encoder = mpnet().eval()
    layers, bias = encoder.encoder.layer, encoder.encoder.relative_attention_bias
    assert_same_after_the_switch(encoder, padded, [encoder.embeddings.word_embeddings, bias, layers[0].attention.attn.k])
    assert type(encoder.encoder) is OneBias
    assert all(type(layer.attention.attn) is SelfAttention for layer in layers)


def test_the_mask_of_a_note_is_one_row() -> None:
    encoder = BertModel(BertConfig(**SIZE, pad_token_id=0)).eval()
    use_fast_bf16(encoder)
    seen: list[torch.Tensor] = []
    encoder.encoder.layer[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    encoder(input_ids=torch.randint(5, 99, (3, 16)), attention_mask=torch.arange(16) < torch.tensor([[16], [9], [4]]))
    assert seen[0].shape == (3, 1, 1, 16)
    assert (seen[0] == 0).sum((1, 2, 3)).tolist() == [16, 9, 4]


@pytest.mark.parametrize("kind", ["bert", "mpnet"])
@pytest.mark.parametrize("tiles", [False, True])
def test_bf16_is_fp32_up_to_two_roundings(kind: str, tiles: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """tiles: torch's flash kernel, which works without them, too; the batched products otherwise."""
    monkeypatch.setattr(attention, "has_tiles", lambda: tiles)
    torch.manual_seed(0)
    encoder = (mpnet() if kind == "mpnet" else BertModel(BertConfig(**SIZE, pad_token_id=0))).eval()
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


def test_dropout_drops_its_share_and_no_other_gradient_passes() -> None:
    torch.manual_seed(0)
    values = torch.full((1001, 333), 3.0, requires_grad=True)
    state = torch.get_rng_state()
    made = dropped(values, 0.1)
    made.sum().backward()
    zeros = made == 0
    assert abs(zeros.double().mean().item() - 0.1) < 0.002  # four standard deviations
    torch.testing.assert_close(made[~zeros], torch.full_like(made[~zeros], 3 / 0.9), rtol=1e-5, atol=0)
    torch.testing.assert_close(values.grad, made.detach() / 3)
    assert not torch.equal(dropped(values, 0.1) == 0, zeros)  # others are drawn each time
    torch.set_rng_state(state)
    assert torch.equal(dropped(values, 0.1), made)  # so a resumed run goes on with the same


@pytest.mark.parametrize("share", [0.25, 0.9, 1 - 1e-9])
def test_each_element_is_dropped_by_itself(share: float) -> None:
    """Of the four that one random number serves, and of neighbours, both are dropped as often as chance has it."""
    torch.manual_seed(0)
    zeros = (dropped(torch.ones(400_000), share) == 0).double()
    for apart in (1, 2, 3, 4):
        both = (zeros[apart:] * zeros[:-apart]).mean().item()
        assert abs(both - share**2) < 0.002


@pytest.mark.parametrize("model", [mpnet, lambda **settings: BertModel(BertConfig(**SIZE, pad_token_id=0, **settings))])
def test_a_switched_encoder_drops_out_in_training_alone(model: Callable[..., torch.nn.Module]) -> None:
    torch.manual_seed(0)
    ids = torch.randint(5, 99, (2, 16))
    for setting in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        encoder = model(**{"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0} | {setting: 0.5})
        use_fast_bf16(encoder)
        assert not any(type(module) is torch.nn.Dropout for module in encoder.modules())
        states = []
        for training in (True, True, False, False):
            made = encoder.train(training)(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            states.append(made.detach())
        assert not torch.equal(states[0], states[1])
        assert torch.equal(states[2], states[3])


def test_a_model_with_local_attention_keeps_its_own() -> None:
    encoder = ModernBertModel(
        ModernBertConfig(**SIZE, pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2)
    )
    before = encoder.config._attn_implementation
    use_fast_bf16(encoder)
    assert encoder.config._attn_implementation == before != NAME
