"""Everything needed to use a fine-tuned model, from one folder: `Predictor(folder)`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from dxtune.evaluation.metrics import softmax
from dxtune.training.base_model import load_tokenizer
from dxtune.training.machine import keep_memory, resolve_precision


@dataclass(frozen=True)
class Prediction:
    """One note's answer: the likeliest label and every label's probability."""

    label: str
    probabilities: dict[str, float]


class Predictor:
    """A fine-tuned model that treats a raw note as the pipeline did: de-identify, clean, tokenize, predict.

    folder: what `dxtune train` wrote (models/final). threads: of torch. precision: auto, bf16 or fp32.
    Raises ModelError where files are missing or do not fit each other.
    """

    def __init__(self, folder: Path, threads: int = 1, precision: Literal["auto", "bf16", "fp32"] = "auto") -> None:
        keep_memory()
        import torch

        from dxtune.tasks import classification
        from dxtune.training.attention import use_fast_attention

        torch.set_num_threads(threads)
        self.model, self.labels, self.settings = classification.load(folder)
        self.tokenizer = load_tokenizer(folder)
        self.bf16 = resolve_precision(precision) == "bf16"
        if self.bf16:
            use_fast_attention(self.model.encoder)

    def predict(self, texts: list[str]) -> list[Prediction]:
        """One Prediction a note, in the order of `texts` (raw notes: they are de-identified first)."""
        from dxtune.corpus.clean import clean
        from dxtune.deid import Deidentifier

        # Placeholders do not depend on the key; only pseudonyms of ids do, and there are none here.
        masked = Deidentifier(key=b"predict: placeholders only").deidentify(texts)
        cleaned = clean(pl.DataFrame({"text": masked}))["text"]
        self.tokenizer.enable_truncation(max_length=self.settings["max_tokens"])
        ids = [encoding.ids for encoding in self.tokenizer.encode_batch(cleaned.to_list())]
        probabilities = self.probabilities(pl.DataFrame({"input_ids": ids}, schema={"input_ids": pl.List(pl.Int32)}))
        return [
            Prediction(self.labels[int(row.argmax())], dict(zip(self.labels, row.round(6).tolist(), strict=True)))
            for row in probabilities
        ]

    def probabilities(self, tokens: pl.DataFrame) -> np.ndarray:
        """(notes, labels) float64, in the order of `tokens` (a table with `input_ids`). Batched by length: little padding."""
        from dxtune.tasks import classification

        def logits(input_ids: Any, attention_mask: Any) -> Any:
            return self.model(input_ids, attention_mask)["logits"]

        scores = classification.in_batches(logits, tokens["input_ids"].to_list(), self.settings["pad_token_id"], self.bf16)
        return softmax(scores)
