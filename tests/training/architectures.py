"""One tiny model of random weights for each architecture that clinical models come in, as a folder in Hub layout."""

import shutil
from pathlib import Path
from typing import Any

LAYERS = 3
SIZE = {"hidden_size": 32, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 2000}
SPECIAL = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertConfig", SIZE | {"pad_token_id": 0}),  # BioBERT, Bio_ClinicalBERT, PubMedBERT, MiniLM
    "roberta": ("RobertaConfig", SIZE | {"pad_token_id": 1, "max_position_embeddings": 514}),
    "mpnet": ("MPNetConfig", SIZE | {"pad_token_id": 1, "max_position_embeddings": 514}),  # all-mpnet-base-v2
    "distilbert": (
        "DistilBertConfig",
        {"dim": 32, "hidden_dim": 64, "n_layers": LAYERS, "n_heads": 2, "vocab_size": 2000, "pad_token_id": 0},
    ),
    "electra": ("ElectraConfig", SIZE | {"embedding_size": 32, "pad_token_id": 0}),
    "deberta-v2": (  # and v3, which has the same architecture
        "DebertaV2Config",
        SIZE
        | {"pad_token_id": 0, "relative_attention": True, "position_buckets": 8, "pos_att_type": ["p2c", "c2p"]}
        | {"norm_rel_ebd": "layer_norm", "share_att_key": True, "position_biased_input": False, "type_vocab_size": 0},
    ),
    "modernbert": ("ModernBertConfig", SIZE | SPECIAL | {"global_attn_every_n_layers": 2, "local_attention": 8}),
    "gemma3": (  # EmbeddingGemma: it sees both ways, most layers not far, and scales its embeddings
        "Gemma3TextConfig",
        SIZE | SPECIAL | {"num_key_value_heads": 1, "head_dim": 16, "use_bidirectional_attention": True, "sliding_window": 8},
    ),
    "llama": ("LlamaConfig", SIZE | {"num_key_value_heads": 1, "bos_token_id": 2, "eos_token_id": 3}),
    "qwen2": ("Qwen2Config", SIZE | {"num_key_value_heads": 1, "bos_token_id": 2, "eos_token_id": 3}),
    "qwen3": ("Qwen3Config", SIZE | {"num_key_value_heads": 1, "head_dim": 16, "bos_token_id": 2, "eos_token_id": 3}),
}


def build(name: str, tokenizer_of: Path, folder: Path) -> Path:
    """The folder of a model of that architecture, with the tokenizer of another folder."""
    import torch
    import transformers

    torch.manual_seed(0)
    kind, values = CONFIGS[name]
    transformers.AutoModel.from_config(getattr(transformers, kind)(**values)).save_pretrained(folder)
    shutil.copy(tokenizer_of / "tokenizer.json", folder)
    return folder
