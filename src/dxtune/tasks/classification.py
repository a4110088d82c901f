"""Classification: a note, or a question about one, gets one of the labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch.nn import functional

from dxtune.evaluation.metrics import accuracy, macro_f1, softmax
from dxtune.params import Params
from dxtune.tasks import encoder
from dxtune.tasks.encoder import NoteModel, save
from dxtune.tasks.notes import mean_by_note

__all__ = ["answers", "build", "collate", "fit", "fit_head", "load", "measure", "predict", "save", "scorer"]

HEAD_C = 0.1
"""Inverse strength of the head's L2 penalty: little enough that fine-tuning still has something to learn from."""


@dataclass(frozen=True)
class Prediction:
    """One note's answer: the likeliest label and every label's probability."""

    label: str
    probabilities: dict[str, float]

    def __str__(self) -> str:
        """A line a label, likeliest first."""
        ranked = sorted(self.probabilities.items(), key=lambda item: -item[1])
        return "\n".join(f"{probability:.4f}  {label}" for label, probability in ranked)


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The sum of the notes' cross-entropies."""
    return functional.cross_entropy(logits, labels, reduction="sum")


def build(base: Path, labels: int, hidden_dropout: float, attention_dropout: float) -> NoteModel:
    """The base model in a folder with a fresh head for so many labels."""
    return encoder.build(base, encoder.pooling_of(base), labels, cross_entropy, hidden_dropout, attention_dropout)


def fit_head(model: NoteModel, tokens: pl.DataFrame, pad_id: int, bf16: bool) -> None:
    """Sets the head to the logistic regression on the vectors of the untouched encoder.

    Fine-tuning from a random head first bends the encoder towards noise; from a fitted one it keeps what it knew, and needs
    fewer epochs. Source: Kumar et al., Fine-Tuning can Distort Pretrained Features (ICLR 2022), linear probing first.
    """
    from sklearn.linear_model import LogisticRegression

    vectors = encoder.by_row(model.eval().pool, tokens, pad_id, bf16)
    probe = LogisticRegression(C=HEAD_C, max_iter=1000).fit(vectors, tokens["label_id"].to_numpy())
    if len(probe.classes_) == len(model.head.bias) > 2:
        with torch.no_grad():
            model.head.weight.copy_(torch.from_numpy(probe.coef_))
            model.head.bias.copy_(torch.from_numpy(probe.intercept_))
    model.train()


def collate(rows: list[dict[str, Any]], pad_id: int, labels: int) -> dict[str, torch.Tensor]:
    """A batch with `labels` (batch,), the ids."""
    return encoder.pad(rows, pad_id) | {"labels": torch.tensor([row["label_id"] for row in rows])}


def scorer(validation: pl.DataFrame) -> Callable[[np.ndarray], dict[str, float]]:
    """A function from the logits of validation's rows, in their order, to figures by note."""
    truth = validation.unique("note_id", keep="first", maintain_order=True)["label_id"].to_numpy()

    def score(logits: np.ndarray) -> dict[str, float]:
        probabilities = softmax(mean_by_note(validation["note_id"], logits)[1])
        return {"macro_f1": macro_f1(truth, probabilities), "accuracy": accuracy(truth, probabilities)}

    return score


def fit(model: NoteModel, validation: pl.DataFrame, pad_id: int, bf16: bool) -> dict[str, Any]:
    """Nothing: the likeliest label needs no threshold."""
    return {}


def predict(model: NoteModel, tokens: pl.DataFrame, settings: dict[str, Any], bf16: bool) -> pl.DataFrame:
    """One row a note, in the order of `tokens`: note_id and `probabilities` in the order of the labels."""
    notes, means = encoder.by_note(model, tokens, settings["pad_token_id"], bf16)
    probabilities = pl.Series("probabilities", softmax(means).tolist(), dtype=pl.List(pl.Float64))
    return pl.DataFrame([notes, probabilities])


def answers(
    predictions: pl.DataFrame, notes: pl.DataFrame, labels: Sequence[str], settings: dict[str, Any]
) -> list[Prediction]:
    """A Prediction for each row of `predict`."""
    return [
        Prediction(labels[int(np.argmax(row))], dict(zip(labels, np.round(row, 6).tolist(), strict=True)))
        for row in predictions["probabilities"].to_list()
    ]


def measure(
    notes: dict[str, pl.DataFrame], predictions: pl.DataFrame, labels: list[str], settings: dict[str, Any], params: Params
) -> tuple[dict[str, object], dict[str, pl.DataFrame]]:
    """The content of metrics/evaluate.json, and the tables of metrics/plots by name, from notes and their predictions."""
    from dxtune.evaluation.assessment import measure as measured

    return measured(notes, predictions, labels, params)


def load(folder: Path) -> tuple[NoteModel, list[str], dict[str, Any]]:
    """The model that `save` wrote, its labels in id order, and its settings."""
    return encoder.load(folder, cross_entropy)
