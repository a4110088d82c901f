"""Multilabel: a note, or a question about one, gets any number of the labels, each by a threshold of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from scipy.special import expit
from torch.nn import functional

from dxtune.evaluation.multilabel import fit_thresholds, macro_f1, micro_f1, multi_hot
from dxtune.params import Params
from dxtune.tasks import encoder
from dxtune.tasks.classification import HEAD_C
from dxtune.tasks.encoder import NoteModel, save
from dxtune.tasks.notes import mean_by_note

__all__ = ["answers", "build", "collate", "fit", "fit_head", "load", "measure", "predict", "save", "scorer"]


@dataclass(frozen=True)
class Labels:
    """One note's answer: the labels over their thresholds, and every label's probability."""

    labels: tuple[str, ...]
    probabilities: dict[str, float]

    def __str__(self) -> str:
        """A line a label, likeliest first; a star marks those that the note gets."""
        ranked = sorted(self.probabilities.items(), key=lambda item: -item[1])
        return "\n".join(f"{probability:.4f} {'*' if label in self.labels else ' '} {label}" for label, probability in ranked)


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The sum of the binary cross-entropies of all notes and labels."""
    return functional.binary_cross_entropy_with_logits(logits, labels, reduction="sum")


def build(base: Path, labels: int, hidden_dropout: float, attention_dropout: float) -> NoteModel:
    """The base model in a folder with a fresh head for so many labels."""
    return encoder.build(base, encoder.pooling_of(base), labels, cross_entropy, hidden_dropout, attention_dropout)


def fit_head(model: NoteModel, tokens: pl.DataFrame, pad_id: int, bf16: bool) -> None:
    """Sets the head to a logistic regression for each label on the vectors of the untouched encoder, as classification does.

    The head of a label that all notes have, or none, stays as it is.
    """
    from sklearn.linear_model import LogisticRegression

    vectors = encoder.by_row(model.eval().pool, tokens, pad_id, bf16)
    truth = multi_hot(tokens["label_ids"], len(model.head.bias))
    for index, column in enumerate(truth.T):
        if 0 < column.sum() < len(column):
            probe = LogisticRegression(C=HEAD_C, max_iter=1000).fit(vectors, column)
            with torch.no_grad():
                model.head.weight[index] = torch.from_numpy(probe.coef_[0])
                model.head.bias[index] = float(probe.intercept_[0])
    model.train()


def collate(rows: list[dict[str, Any]], pad_id: int, labels: int) -> dict[str, torch.Tensor]:
    """A batch with `labels` (batch, labels) of 0 and 1."""
    truth = multi_hot([row["label_ids"] for row in rows], labels)
    return encoder.pad(rows, pad_id) | {"labels": torch.from_numpy(truth).float()}


def scorer(validation: pl.DataFrame) -> Callable[[np.ndarray], dict[str, float]]:
    """A function from the logits of validation's rows, in their order, to figures by note, at the best thresholds there."""
    truth_ids = validation.unique("note_id", keep="first", maintain_order=True)["label_ids"]

    def score(logits: np.ndarray) -> dict[str, float]:
        probabilities = expit(mean_by_note(validation["note_id"], logits)[1])
        truth = multi_hot(truth_ids, probabilities.shape[1])
        thresholds = fit_thresholds(truth, probabilities)
        guess = probabilities >= thresholds
        return {"micro_f1": micro_f1(truth, guess), "macro_f1": macro_f1(truth, guess)}

    return score


def fit(model: NoteModel, validation: pl.DataFrame, pad_id: int, bf16: bool) -> dict[str, Any]:
    """`thresholds`: for each label the probability from which a note gets it, that of the best F1 on validation."""
    made = predict(model, validation, {"pad_token_id": pad_id}, bf16)
    probabilities = np.array(made["probabilities"].to_list())
    truth = validation.unique("note_id", keep="first", maintain_order=True)["label_ids"]
    return {"thresholds": fit_thresholds(multi_hot(truth, probabilities.shape[1]), probabilities).tolist()}


def predict(model: NoteModel, tokens: pl.DataFrame, settings: dict[str, Any], bf16: bool) -> pl.DataFrame:
    """One row a note, in the order of `tokens`: note_id and `probabilities` in the order of the labels."""
    notes, means = encoder.by_note(model, tokens, settings["pad_token_id"], bf16)
    return pl.DataFrame([notes, pl.Series("probabilities", expit(means).tolist(), dtype=pl.List(pl.Float64))])


def answers(predictions: pl.DataFrame, notes: pl.DataFrame, labels: Sequence[str], settings: dict[str, Any]) -> list[Labels]:
    """Labels for each row of `predict`."""
    thresholds, made = settings["thresholds"], []
    for row in predictions["probabilities"].to_list():
        given = tuple(name for name, value, least in zip(labels, row, thresholds, strict=True) if value >= least)
        made.append(Labels(given, dict(zip(labels, np.round(row, 6).tolist(), strict=True))))
    return made


def measure(
    notes: dict[str, pl.DataFrame], predictions: pl.DataFrame, labels: list[str], settings: dict[str, Any], params: Params
) -> tuple[dict[str, object], dict[str, pl.DataFrame]]:
    """The content of metrics/evaluate.json, and the tables of metrics/plots by name, from notes and their predictions."""
    from dxtune.evaluation.multilabel_assessment import measure as measured

    return measured(notes, predictions, labels, np.array(settings["thresholds"]), params)


def load(folder: Path) -> tuple[NoteModel, list[str], dict[str, Any]]:
    """The model that `save` wrote, its labels in id order, and its settings with the thresholds."""
    return encoder.load(folder, cross_entropy)
