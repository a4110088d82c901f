"""How alike two texts are in meaning: the best match of each token among the other text's, as BERTScore has it.

Source: Zhang et al., BERTScore (ICLR 2020): F1 of greedy matches of contextual vectors, without weights of rare words and not
rescaled. The vectors are of the small encoder that comes as a package, so figures compare with each other, not with others'.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from transformers import AutoModel

from dxtune.tasks import encoder
from dxtune.tasks.notes import list_column
from dxtune.training.base_model import load_tokenizer, pad_token_id

MAX_TOKENS = 256
"""What the encoder was trained on; of a longer text the beginning is compared."""
AT_ONCE = 256
"""Texts whose vectors are held at the same time: up to 100 MB."""


def overlap(answers: Sequence[str], references: Sequence[str], folder: Path) -> np.ndarray:
    """The F1 of each answer with its reference, (texts,) float64: 1 for the same text, 0 where one is empty.

    folder: of the encoder.
    """
    model = AutoModel.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False, use_safetensors=True).eval()
    tokenizer = load_tokenizer(folder)
    tokenizer.enable_truncation(MAX_TOKENS)
    pad_id, scores = pad_token_id(folder), []
    texts = [text for pair in zip(answers, references, strict=True) for text in pair]
    for start in range(0, len(texts), AT_ONCE):
        vectors = _vectors(texts[start : start + AT_ONCE], model, tokenizer, pad_id)
        scores += [_f1(*vectors[at : at + 2]) for at in range(0, len(vectors), 2)]
    return np.array(scores)


def _vectors(texts: list[str], model: Any, tokenizer: Any, pad_id: int) -> list[np.ndarray]:
    """For each text the vectors of its tokens, of length 1, without those of [CLS] and [SEP]."""
    ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]
    made: list[np.ndarray] = [np.empty(0)] * len(ids)
    tokens = pl.DataFrame([list_column("input_ids", ids)])
    for rows, hidden in encoder.in_batches(lambda **batch: model(**batch).last_hidden_state, tokens, pad_id, bf16=False):
        for row, each in zip(rows, hidden, strict=True):
            inner = each[1 : len(ids[row]) - 1]
            made[row] = inner / np.linalg.norm(inner, axis=1, keepdims=True)
    return made


def _f1(ours: np.ndarray, theirs: np.ndarray) -> float:
    if not len(ours) or not len(theirs):
        return 0.0
    likeness = ours @ theirs.T
    precision, recall = likeness.max(1).mean(), likeness.max(0).mean()
    return float(2 * precision * recall / (precision + recall))
