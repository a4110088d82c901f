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
from dxtune.evaluation.temperature import fit_temperature
from dxtune.evaluation.unlike import fit_familiar, unlike, warning
from dxtune.tasks import encoder
from dxtune.tasks.centroid import fit_pairs
from dxtune.tasks.classification import HEAD_C
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


@dataclass(frozen=True)
class Labels:
    """One note's answer: the labels over their thresholds, every label's probability, and how unlike training the note is."""

    labels: tuple[str, ...]
    probabilities: dict[str, float]
    unlike: float

    def __str__(self) -> str:
        """A line a label, likeliest first; a star marks those that the note gets."""
        ranked = sorted(self.probabilities.items(), key=lambda item: -item[1])
        lines = [f"{probability:.4f} {'*' if label in self.labels else ' '} {label}" for label, probability in ranked]
        return "\n".join(lines + warning(self.unlike))


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The sum of the binary cross-entropies of all notes and labels."""
    return functional.binary_cross_entropy_with_logits(logits, labels, reduction="sum")


def build(base: Path, labels: int, hidden_dropout: float, attention_dropout: float) -> NoteModel:
    """The base model in a folder with a fresh head for so many labels."""
    return encoder.build(base, encoder.pooling_of(base), labels, cross_entropy, hidden_dropout, attention_dropout)


def fit_head(model: NoteModel, tokens: pl.DataFrame, pad_id: int, bf16: bool) -> dict[str, Any]:
    """Sets the head to a logistic regression for each label on the vectors of the untouched encoder, as classification does;
    `untuned`: the means of these with each label and without it.

    The head of a label that all notes have, or none, stays as it is.
    """
    from sklearn.linear_model import LogisticRegression

    vectors = encoder.by_row(model.eval().pool, tokens, pad_id, bf16)
    truth = multi_hot(tokens["label_ids"], len(model.head.bias))
    for index, column in enumerate(truth.T):
        if 0 < column.sum() < len(column):
            probe = LogisticRegression(C=HEAD_C[model.pooling], max_iter=1000).fit(vectors, column)
            with torch.no_grad():
                model.head.weight[index] = torch.from_numpy(probe.coef_[0])
                model.head.bias[index] = float(probe.intercept_[0])
    model.train()
    return {"untuned": fit_pairs(tokens, vectors, len(model.head.bias))}


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


def fit(model: NoteModel, validation: pl.DataFrame, settings: dict[str, Any], bf16: bool) -> dict[str, Any]:
    """`temperature`, what logits are divided by; `thresholds`: the probability from which a note gets a label; `familiar`.

    The first two are the best on validation, by the likelihood and by the F1 of each label; the third says what its notes are
    like.
    """
    ids = validation.unique("note_id", keep="first", maintain_order=True)["label_ids"]
    _, logits, vectors = encoder.by_note(model, validation, settings, bf16)
    truth = multi_hot(ids, logits.shape[1])
    temperature = fit_temperature(truth, logits)
    thresholds = fit_thresholds(truth, expit(logits / temperature)).tolist()
    familiar = fit_familiar(
        vectors, logits.argmax(axis=1), validation, settings["unk_token_id"], without_prompt(model.tokenizer)
    )
    return {"temperature": temperature, "thresholds": thresholds, "familiar": familiar}


def predict(model: NoteModel, tokens: pl.DataFrame, settings: dict[str, Any], bf16: bool) -> pl.DataFrame:
    """One row a note, in the order of `tokens`: note_id, `probabilities` in the order of the labels, and `unlike`."""
    names, logits, vectors = encoder.by_note(model, tokens, settings, bf16)
    probabilities = pl.Series("probabilities", expit(logits / settings["temperature"]).tolist(), pl.List(pl.Float64))
    score = unlike(settings["familiar"], vectors, tokens, settings["unk_token_id"], without_prompt(model.tokenizer))
    return pl.DataFrame([names, probabilities, pl.Series("unlike", score)])


def losses(model: NoteModel, tokens: pl.DataFrame, settings: dict[str, Any], bf16: bool) -> pl.DataFrame:
    """One row a note, in the order of `tokens`: note_id, and the mean binary cross-entropy of its labels in nats, as `loss`."""
    names, logits, _ = encoder.by_note(model, tokens, settings, bf16)
    truth = multi_hot(tokens.unique("note_id", keep="first", maintain_order=True)["label_ids"], logits.shape[1])
    values = np.logaddexp(0, np.where(truth == 1, -logits, logits)).mean(axis=1)
    return pl.DataFrame([names, pl.Series("loss", values)])


def answers(predictions: pl.DataFrame, notes: pl.DataFrame, labels: Sequence[str], settings: dict[str, Any]) -> list[Labels]:
    """Labels for each row of `predict`."""
    thresholds, made = settings["thresholds"], []
    for row, score in predictions.select("probabilities", "unlike").iter_rows():
        given = tuple(name for name, value, least in zip(labels, row, thresholds, strict=True) if value >= least)
        made.append(Labels(given, dict(zip(labels, np.round(row, 6).tolist(), strict=True)), round(score, 6)))
    return made


def load(folder: Path) -> tuple[NoteModel, list[str], dict[str, Any]]:
    """The model that `save` wrote, its labels in id order, and its settings with the thresholds."""
    return encoder.load(folder, cross_entropy)
