"""Which layers of a base model are used; and which weights learn: all, the head alone, the last layers, or LoRA.

The same for every architecture that Auto classes load: a model is found to be a stack of layers, whatever their names.
"""

from typing import Any

from torch import nn

from dxtune.errors import ModelError
from dxtune.params import Model

MIDDLE = 0.7
"""Of the layers of a causal model. Chosen with Qwen2.5-Coder-1.5B on the questions of PubMedQA that are not for its test."""
AFTER_THE_LAYERS = ("pooler", "final_norm", "norm", "ln_f")
"""Modules that see the last layer alone."""


def adapt(model: Any, settings: Model) -> Any:
    """`model` with the weights set to learn that `model.method` says; LoRA puts a PeftModel around it.

    model: a transformers model without a head of its own, or a causal LM. Seed torch before: LoRA starts from random numbers.
    Raises ModelError where it has fewer layers than model.last_layers.
    """
    if settings.method == "lora":
        try:
            from peft import get_peft_model
        except ImportError:
            raise ModelError("model.method = lora needs peft: pip install 'dxtune[lora]', or set another method") from None
        return get_peft_model(model, lora_config(model, settings))
    if settings.method != "full":
        model.requires_grad_(False)
    if settings.method == "last_n_layers":
        name, layers = stack(model)
        if settings.last_layers > len(layers):
            raise ModelError(f"model.last_layers = {settings.last_layers}: expected at most {len(layers)}, the model's layers")
        trained = [*layers[-settings.last_layers :], *_after(model, name)]
        for module in trained:
            module.requires_grad_(True)
    return model


def shorten(model: Any, settings: Model, causal: bool) -> None:
    """Leaves a causal model of which nothing learns but the head the first of its layers, MIDDLE of them; all others stay.

    A norm that follows the last layer then follows the last of these. Layers in the middle tell more about a text than the
    last ones, which are about the next word. Source: Skean et al., Layer by Layer: Uncovering Hidden Representations in
    Language Models (ICML 2025).
    """
    if not causal or settings.method != "head":
        return
    name, own = stack(model)
    layers = round(MIDDLE * len(own))
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, own[:layers])
    model.config.num_hidden_layers = layers
    if getattr(model.config, "layer_types", None):
        model.config.layer_types = model.config.layer_types[:layers]


def merge(model: Any) -> Any:
    """The model as it was before `adapt`, with what LoRA learned added to its weights."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model


def lora_config(model: Any, settings: Model) -> Any:
    """peft's LoraConfig for a model: every linear map inside the layers, attention and feed-forward alike.

    The scale of what is added, alpha / rank, is 2, the usual one, whatever the rank.
    Source: Dettmers et al., QLoRA (NeurIPS 2023): adapters in all linear layers are needed to match full fine-tuning.
    """
    from peft import LoraConfig

    name, layers = stack(model)
    targets = [f"{name}.{inner}" for inner, module in layers.named_modules() if isinstance(module, nn.Linear)]
    if not targets:
        raise ModelError("model.method = lora: expected nn.Linear in the model's layers, found none: set model.method: full")
    return LoraConfig(r=settings.lora_rank, lora_alpha=2 * settings.lora_rank, target_modules=targets, bias="none")


def stack(model: Any) -> tuple[str, nn.ModuleList]:
    """The name and the modules of a transformer's layers: its longest list of modules."""
    lists = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    if not lists:
        raise ModelError(f"{type(model).__name__}: expected a stack of layers, found none: set model.method: full")
    return max(lists, key=lambda item: len(item[1]))


def _after(model: Any, layers: str) -> list[nn.Module]:
    parents = ("", layers.rpartition(".")[0])
    return [
        module
        for name, module in model.named_modules()
        if name.rpartition(".")[2] in AFTER_THE_LAYERS and name.rpartition(".")[0] in parents
    ]
