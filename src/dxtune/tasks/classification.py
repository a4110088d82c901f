"""Classification: a note, or a question about one, gets one of the labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from scipy.special import log_softmax
from torch.nn import functional

from dxtune.evaluation.metrics import accuracy, macro_f1, softmax
from dxtune.evaluation.temperature import fit_temperature
from dxtune.evaluation.unlike import fit_familiar, unlike, warning
from dxtune.tasks import encoder
from dxtune.tasks.centroid import fit_centroids
from dxtune.tasks.encoder import NoteModel, save
from dxtune.tasks.notes import mean_by_note
from dxtune.tasks.prompts import without_prompt

__all__ = [
    "answers",
    "build",
    "collate",
    "fit",
    "fit_head",
    "load",
    "losses",
    "predict",
    "save",
    "scorer",
]

HEAD_C = {"mean": 0.1, "pooler": 0.1, "last": 0.001}
"""Inverse strength of the head's L2 penalty by pooling: little enough that fine-tuning still has something to learn from. The
vectors of a large causal model are longer, and more numbers each."""


@dataclass(frozen=True)
class Prediction:
    """One note's answer: the likeliest label, every label's probability, and how unlike the notes of training it is, 0 to 1."""

    label: str
    probabilities: dict[str, float]
    unlike: float

    def __str__(self) -> str:
        """A line a label, likeliest first, and a warning where the note is unlike those of training."""
        ranked = sorted(self.probabilities.items(), key=lambda item: -item[1])
        return "\n".join([f"{probability:.4f}  {label}" for label, probability in ranked] + warning(self.unlike))


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The sum of the notes' cross-entropies."""
    return functional.cross_entropy(logits, labels, reduction="sum")


def build(base: Path, labels: int, hidden_dropout: float, attention_dropout: float) -> NoteModel:
    """The base model in a folder with a fresh head for so many labels."""
    return encoder.build(base, encoder.pooling_of(base), labels, cross_entropy, hidden_dropout, attention_dropout)


def fit_head(model: NoteModel, tokens: pl.DataFrame, pad_id: int, bf16: bool) -> dict[str, Any]:
    """Sets the head to the logistic regression on the vectors of the untouched encoder; `untuned`: the classes' means of these.

    Fine-tuning from a random head first bends the encoder towards noise; from a fitted one it keeps what it knew, and needs
    fewer epochs. Source: Kumar et al., Fine-Tuning can Distort Pretrained Features (ICLR 2022), linear probing first. Where the
    vectors do not tell the labels, a regression learns by heart, and the head stays as it is.
    """
    from sklearn.linear_model import LogisticRegression

    vectors = encoder.by_row(model.eval().pool, tokens, pad_id, bf16)
    labels = tokens["label_id"].to_numpy()
    probe = LogisticRegression(C=HEAD_C[model.pooling], max_iter=1000)
    if len(np.unique(labels)) == len(model.head.bias) > 2 and _tells(probe, vectors, labels, tokens["patient_id"].to_numpy()):
        probe.fit(vectors, labels)
        with torch.no_grad():
            model.head.weight.copy_(torch.from_numpy(probe.coef_))
            model.head.bias.copy_(torch.from_numpy(probe.intercept_))
    model.train()
    return {"untuned": fit_centroids(tokens, vectors)}


def _tells(probe: Any, vectors: np.ndarray, labels: np.ndarray, patients: np.ndarray) -> bool:
    """Whether classifiers fitted on every other patient are right about the rest more often than the commonest label is."""
    half, right = np.isin(patients, np.unique(patients)[::2]), 0
    for part in (half, ~half):
        if len(np.unique(labels[part])) < 2:
            return False
        right += (probe.fit(vectors[part], labels[part]).predict(vectors[~part]) == labels[~part]).sum()
    return bool(right > np.bincount(labels).max())


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


def fit(model: NoteModel, validation: pl.DataFrame, settings: dict[str, Any], bf16: bool) -> dict[str, Any]:
    """`temperature`: what logits are divided by, the best on validation; `familiar`: what its notes are like."""
    truth = validation.unique("note_id", keep="first", maintain_order=True)["label_id"].to_numpy()
    _, logits, vectors = encoder.by_note(model, validation, settings, bf16)
    familiar = fit_familiar(
        vectors, logits.argmax(axis=1), validation, settings["unk_token_id"], without_prompt(model.tokenizer)
    )
    return {"temperature": fit_temperature(truth, logits), "familiar": familiar}


def predict(model: NoteModel, tokens: pl.DataFrame, settings: dict[str, Any], bf16: bool) -> pl.DataFrame:
    """One row a note, in the order of `tokens`: note_id, `probabilities` in the order of the labels, and `unlike`."""
    names, logits, vectors = encoder.by_note(model, tokens, settings, bf16)
    probabilities = pl.Series("probabilities", softmax(logits / settings["temperature"]).tolist(), pl.List(pl.Float64))
    score = unlike(settings["familiar"], vectors, tokens, settings["unk_token_id"], without_prompt(model.tokenizer))
    return pl.DataFrame([names, probabilities, pl.Series("unlike", score)])


def losses(model: NoteModel, tokens: pl.DataFrame, settings: dict[str, Any], bf16: bool) -> pl.DataFrame:
    """One row a note, in the order of `tokens`: note_id, and the cross-entropy of its label in nats, as `loss`."""
    names, logits, _ = encoder.by_note(model, tokens, settings, bf16)
    truth = tokens.unique("note_id", keep="first", maintain_order=True)["label_id"].to_numpy()
    values = -log_softmax(logits, axis=1)[np.arange(len(truth)), truth]
    return pl.DataFrame([names, pl.Series("loss", values)])


def answers(
    predictions: pl.DataFrame, notes: pl.DataFrame, labels: Sequence[str], settings: dict[str, Any]
) -> list[Prediction]:
    """A Prediction for each row of `predict`."""
    return [
        Prediction(labels[int(np.argmax(row))], dict(zip(labels, np.round(row, 6).tolist(), strict=True)), round(score, 6))
        for row, score in predictions.select("probabilities", "unlike").iter_rows()
    ]


def load(folder: Path) -> tuple[NoteModel, list[str], dict[str, Any]]:
    """The model that `save` wrote, its labels in id order, and its settings."""
    return encoder.load(folder, cross_entropy)
