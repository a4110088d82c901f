"""training/method.py: which weights learn, on every architecture, and that what LoRA learned is merged."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel

from dxtune.errors import ModelError
from dxtune.params import Model, load_params
from dxtune.training.base_model import find_base_model
from dxtune.training.method import adapt, merge, shorten, stack
from tests.conftest import ROOT
from tests.training.architectures import CONFIGS, LAYERS, build


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("architectures")
    return {name: build(name, tiny_model, root / name) for name in CONFIGS}


def settings(**changes: Any) -> Model:
    values = load_params(ROOT / "params.yaml").model.model_dump()
    return Model.model_validate(values | {"sha256": None, "lora_rank": 4} | changes)


def step(model: Any) -> None:
    """One step of AdamW on three notes."""
    ids = torch.randint(5, 2000, (3, 9), generator=torch.Generator().manual_seed(1))
    output = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    output.square().mean().backward()
    torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=1e-2).step()


def changed(before: dict[str, torch.Tensor], model: Any) -> set[str]:
    return {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


@pytest.mark.parametrize("name", CONFIGS)
def test_only_the_chosen_weights_learn(name: str, folders: dict[str, Path]) -> None:
    folder = find_base_model(settings(name=str(folders[name])))
    load = lambda: AutoModel.from_pretrained(folder, dtype=torch.float32, use_safetensors=True).train()  # noqa: E731
    model = load()
    layers, modules = stack(model)
    assert len(modules) == LAYERS, "the stack of layers, not another list"
    before = {key: value.clone() for key, value in model.state_dict().items()}

    assert not [each for each in adapt(load(), settings(method="head")).parameters() if each.requires_grad]

    last = adapt(load(), settings(method="last_n_layers", last_layers=1))
    step(last)
    top = f"{layers}.{LAYERS - 1}."
    names = changed(before, last)
    assert any(key.startswith(top) for key in names)
    assert not [key for key in names if not key.startswith(top) and not any(part in key for part in ("norm", "pooler"))]

    full = adapt(load(), settings(method="full"))
    step(full)
    assert any("embed" in key for key in changed(before, full))


@pytest.mark.parametrize("name", CONFIGS)
def test_lora_is_in_every_linear_map_of_the_layers_and_merged(name: str, folders: dict[str, Path]) -> None:
    model = AutoModel.from_pretrained(folders[name], dtype=torch.float32).eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    layers, modules = stack(model)
    linear = [f"{layers}.{key}" for key, each in modules.named_modules() if isinstance(each, torch.nn.Linear)]
    torch.manual_seed(0)
    adapted = adapt(model, settings(method="lora"))
    assert len([key for key, _ in adapted.named_parameters() if "lora_A" in key]) == len(linear) >= 4 * LAYERS
    for _ in range(2):  # B starts at zero: A learns from the second step on
        step(adapted)
    ids = torch.randint(5, 2000, (2, 7))
    with torch.inference_mode():
        learned = adapted(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        merged = merge(adapted)
        torch.testing.assert_close(
            merged(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state, learned, rtol=1e-4, atol=1e-4
        )
    assert merged.state_dict().keys() == before.keys(), "saved, it is a model like any other"
    assert changed(before, merged) == {f"{key}.weight" for key in linear}
    assert merge(merged) is merged


def test_more_layers_than_there_are_is_an_error(folders: dict[str, Path]) -> None:
    model = AutoModel.from_pretrained(folders["bert"])
    with pytest.raises(ModelError, match=f"at most {LAYERS}"):
        adapt(model, settings(method="last_n_layers", last_layers=LAYERS + 1))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_first_layers_say_what_they_said_below_the_others(name: str, folders: dict[str, Path], tmp_path: Path) -> None:
    ids = torch.randint(5, 2000, (3, 9), generator=torch.Generator().manual_seed(1))
    model = AutoModel.from_pretrained(folders[name], dtype=torch.float32, use_safetensors=True).eval()
    with torch.inference_mode():
        between = model(input_ids=ids, output_hidden_states=True).hidden_states[2]
        for norm in ("norm", "final_norm"):  # which follows the last layer of some, whichever that is
            between = getattr(model, norm, lambda same: same)(between)
    for method, causal in (("head", False), ("lora", True), ("full", True), ("last_n_layers", True)):
        shorten(model, settings(method=method), causal)
        assert len(stack(model)[1]) == LAYERS
    shorten(model, settings(method="head"), causal=True)
    model.save_pretrained(tmp_path)
    for each in (model, AutoModel.from_pretrained(tmp_path, dtype=torch.float32, use_safetensors=True).eval()):
        assert len(stack(each)[1]) == 2
        with torch.inference_mode():
            torch.testing.assert_close(each(input_ids=ids).last_hidden_state, between)
