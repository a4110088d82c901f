"""training/packed.py: packed layers say what the layers say, in inference mode alone, and only in encoders of BERT's kind."""

import copy

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from transformers import (
    BertConfig,
    BertModel,
    CamembertConfig,
    CamembertModel,
    ElectraConfig,
    ElectraModel,
    ModernBertConfig,
    ModernBertModel,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from dxtune.tasks.encoder import hold_in_bf16
from dxtune.training import attention
from dxtune.training import packed as packing
from dxtune.training.attention import use_fast_bf16
from dxtune.training.packed import MAPS, Packed, can_pack, pack, packed

SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 99}
KINDS = [(BertConfig, BertModel), (CamembertConfig, CamembertModel), (ElectraConfig, ElectraModel)]
KINDS += [(RobertaConfig, RobertaModel), (XLMRobertaConfig, XLMRobertaModel)]
needs_bf16 = pytest.mark.skipif(not can_pack(), reason="oneDNN has no products in bf16 for this processor")


def exact_and_fast(config: type, model: type, **changes: object) -> tuple[torch.nn.Module, torch.nn.Module]:
    """An encoder in fp32, and the same in bf16 after `pack`."""
    torch.manual_seed(0)
    exact = model(config(**SIZE | {"pad_token_id": 0} | changes)).eval()
    with torch.no_grad():
        for each in exact.parameters():
            each.normal_(std=0.2)  # biases, too, so that one which is left out is seen
    fast = copy.deepcopy(exact)
    use_fast_bf16(fast)
    hold_in_bf16(fast)
    pack(fast)
    return exact, fast


@needs_bf16
@pytest.mark.parametrize("tiles", [False, True])
@pytest.mark.parametrize(("config", "model"), KINDS)
def test_it_is_fp32_up_to_roundings(config: type, model: type, tiles: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """tiles: torch's flash kernel, which works without them, too; the batched products otherwise."""
    monkeypatch.setattr(attention, "has_tiles", lambda: tiles)
    exact, fast = exact_and_fast(config, model)
    ids, mask = torch.randint(5, 99, (3, 16)), torch.ones(3, 16, dtype=torch.long)
    mask[1, 9:] = 0
    assert all(isinstance(layer, Packed) for layer in fast.encoder.layer)
    with torch.inference_mode():
        expected = exact(input_ids=ids, attention_mask=mask).last_hidden_state[mask.bool()]
        with torch.autocast("cpu", torch.bfloat16):
            made = fast(input_ids=ids, attention_mask=mask).last_hidden_state[mask.bool()]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        usual = fast(input_ids=ids, attention_mask=mask).last_hidden_state[mask.bool()]
    assert made.dtype == torch.bfloat16
    assert (made - expected).norm() < 1.5 * (usual - expected).norm(), "no farther from it than the layers themselves"
    assert (usual - expected).norm() < 0.03 * expected.norm()


@needs_bf16
def test_gradients_and_copies_are_of_the_layers_themselves() -> None:
    _, fast = exact_and_fast(BertConfig, BertModel)
    ids = torch.randint(5, 99, (3, 16))
    with torch.autocast("cpu", torch.bfloat16):
        fast(input_ids=ids).last_hidden_state.float().square().sum().backward()
    assert all(each.grad is not None for name, each in fast.named_parameters() if "pooler" not in name)
    other = copy.deepcopy(fast)
    assert not [each for each in other.modules() if isinstance(each, Packed)]
    with torch.no_grad():
        for each in other.encoder.layer[0].parameters():
            each.zero_()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert not torch.equal(other(input_ids=ids).last_hidden_state, fast(input_ids=ids).last_hidden_state)


@needs_bf16
def test_for_a_while_it_gives_the_same_numbers_and_then_the_layers_are_back() -> None:
    _, fast = exact_and_fast(BertConfig, BertModel)
    other, ids = copy.deepcopy(fast), torch.randint(5, 99, (3, 16))
    layers = list(other.encoder.layer)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        with pytest.raises(ZeroDivisionError), packed(other):
            assert torch.equal(other(input_ids=ids).last_hidden_state, fast(input_ids=ids).last_hidden_state)
            raise ZeroDivisionError
        assert list(other.encoder.layer) == layers
        with packed(fast):
            pass
    assert all(isinstance(layer, Packed) for layer in fast.encoder.layer), "for good"


@needs_bf16
@pytest.mark.parametrize("name", MAPS)
def test_a_layer_with_additions_of_lora_stays_itself(name: str) -> None:
    """Its product is more than that of its weight."""
    _, fast = exact_and_fast(BertConfig, BertModel)
    other = copy.deepcopy(fast)
    inject_adapter_in_model(LoraConfig(target_modules=rf"encoder\.layer\.0\.{name}"), other)
    pack(other)
    assert [isinstance(each, Packed) for each in other.encoder.layer] == [False, True]


def test_where_onednn_has_no_bf16_layers_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "can_pack", lambda: False)
    _, fast = exact_and_fast(BertConfig, BertModel)
    assert not [each for each in fast.modules() if isinstance(each, Packed)]


def test_others_stay_as_they_are() -> None:
    ids = {"bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
    for config, model, changes in ((ModernBertConfig, ModernBertModel, ids), (BertConfig, BertModel, {"hidden_act": "relu"})):
        _, fast = exact_and_fast(config, model, **changes)
        assert not [each for each in fast.modules() if isinstance(each, Packed)]
