"""A tiny Llama of random weights with a byte-level tokenizer and a chat template, as a folder in Hub layout."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from tests.conftest import ROOT

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] }}"
    "{{ '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
SPECIAL = ["<s>", "<|im_start|>", "<|im_end|>", "<pad>"]


def build_tiny_llama(folder: Path, template: str | None = TEMPLATE, **changes: Any) -> Path:
    """The folder, with a model of 2 layers and under a thousand words."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    folder.mkdir(parents=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=800, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    knowledge = (ROOT / "src/dxtune/sources/synthetic.yaml").read_text(encoding="utf-8")
    tokenizer.train_from_iterator(knowledge.splitlines(), trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings: dict[str, Any] = {"bos_token": "<s>", "eos_token": "<|im_end|>", "pad_token": "<pad>"}
    settings |= {"chat_template": template} if template else {}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    ids = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 3}
    config = AutoConfig.for_model(
        "llama", vocab_size=tokenizer.get_vocab_size(), intermediate_size=64, **ids, **(size | changes)
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    GenerationConfig(do_sample=True, temperature=0.6, repetition_penalty=9.0, **ids).save_pretrained(folder)
    return folder


def pairs(number: int) -> pl.DataFrame:
    """Prompts with short responses that can be learned, one a patient."""
    findings = ["cough", "fever", "rash", "wheeze"]
    rows = [
        {
            "note_id": f"n{row:03}",
            "patient_id": f"p{row:03}",
            "text": f"Case {row}: what helps against {findings[row % 4]}?",
            "response": f"Rest helps against {findings[row % 4]}" + " and time" * (row % 3) + ".",
        }
        for row in range(number)
    ]
    return pl.DataFrame(rows)
