"""What many tests need: the repository's root, settings with changes, and a tiny BERT built in memory."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dxtune.params import Params, load_params

ROOT = Path(__file__).parents[1]
os.environ["HF_HUB_OFFLINE"] = "1"  # no test may reach a hub
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # copies of the source hold what the source holds, and nothing of a run


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in Hub layout with a two-layer BERT of random weights and a WordPiece tokenizer."""
    return build_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


def build_tiny_model(folder: Path) -> Path:
    import torch
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertModel

    folder.mkdir(parents=True)
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=2000, special_tokens=special, show_progress=False)
    knowledge = (ROOT / "src/dxtune/sources/synthetic.yaml").read_text(encoding="utf-8")
    tokenizer.train_from_iterator(knowledge.splitlines(), trainer)
    ids = [(name, tokenizer.token_to_id(name)) for name in ("[SEP]", "[CLS]")]
    tokenizer.post_processor = processors.BertProcessing(*ids)
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = BertConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=512, pad_token_id=0, **size)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def params_with() -> Callable[..., Params]:
    """A function: the project's own params.yaml with changes such as train={"epochs": 1}, task="multilabel"."""

    def change(**sections: Any) -> Params:
        values = load_params(ROOT / "params.yaml").model_dump()
        for section, changes in sections.items():
            values[section] = values[section] | changes if isinstance(changes, dict) else changes
        return Params.model_validate(values)

    return change
