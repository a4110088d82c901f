"""Question answering: the answer is a span of the note, or there is none."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from scipy.special import log_softmax
from torch.nn import functional

from dxtune.errors import DataError
from dxtune.evaluation.answers import fit_no_answer, overlap
from dxtune.evaluation.unlike import fit_familiar, unlike, warning
from dxtune.tasks import encoder
from dxtune.tasks.encoder import NoteModel, save
from dxtune.tasks.notes import mean_by_note
from dxtune.tasks.spans import UNKNOWN, Best, best_span, one_a_note
from dxtune.training.packed import packed

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

ENDS = 2
"""Outputs for each token: how likely it is the first of the answer, and how likely the last."""


@dataclass(frozen=True)
class Answer:
    """One note's answer, in characters of the de-identified and cleaned note; an empty text where it has none.

    unlike: how unlike the notes of training it is, 0 to 1.
    """

    text: str
    start: int
    end: int
    unlike: float

    def __str__(self) -> str:
        """The answer, or that there is none, and a warning where the note is unlike those of training."""
        return "\n".join([self.text or "(no answer in the note)", *warning(self.unlike)])


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The sum of the cross-entropies of first and last token; logits: (batch, tokens, 2), labels: (batch, 2)."""
    return functional.cross_entropy(
        logits.transpose(1, 2).flatten(0, 1), labels.flatten(), reduction="sum", ignore_index=UNKNOWN
    )


def build(base: Path, labels: int, hidden_dropout: float, attention_dropout: float) -> NoteModel:
    """The base model in a folder with a fresh head for the two ends of an answer. There are no labels."""
    return encoder.build(base, "tokens", ENDS, cross_entropy, hidden_dropout, attention_dropout)


def fit_head(model: NoteModel, tokens: pl.DataFrame, pad_id: int, bf16: bool) -> dict[str, Any]:
    """Nothing: vectors of an encoder that never compared a question with a text do not tell where the answer is."""
    return {}


def collate(rows: list[dict[str, Any]], pad_id: int, labels: int) -> dict[str, torch.Tensor]:
    """A batch with `labels` (batch, 2), the tokens of the answer's ends."""
    return encoder.pad(rows, pad_id) | {"labels": torch.tensor([[row["start_token"], row["end_token"]] for row in rows]).long()}


def scorer(validation: pl.DataFrame) -> Callable[[np.ndarray], dict[str, float]]:
    """A function from the scores of validation's windows, in their order, to figures by note, at the best threshold there."""
    known, gold = gold_of(validation)
    places = list(zip(validation["starts"].to_list(), validation["ends"].to_list(), strict=True))

    def score(scores: np.ndarray) -> dict[str, float]:
        windows = [best_span(each, *where) for each, where in zip(scores, places, strict=True)]
        made = one_a_note(validation["note_id"], windows).filter(known)
        least = fit_no_answer(made, gold)
        found = overlap(made, gold, least)
        return {"span_f1": float(found.mean()), "span_match": float((found == 1).mean())}

    return score


def fit(model: NoteModel, validation: pl.DataFrame, settings: dict[str, Any], bf16: bool) -> dict[str, Any]:
    """What is the best on validation, and what its notes are like.

    `no_answer`: how much likelier none must be than the best span, for a note to have none; `familiar`: of `unlike`.
    """
    known, gold = gold_of(validation)
    made, vectors = _read(model, validation, settings, bf16)
    alike = np.zeros(made.height, dtype=np.int64)  # of one group
    familiar = fit_familiar(vectors, alike, validation, settings["unk_token_id"], model.tokenizer.decode)
    return {"no_answer": fit_no_answer(made.filter(known), gold), "familiar": familiar}


def gold_of(validation: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    """Which notes have an answer that stands in them, or none, in order of appearance; and where that is.

    The second is a table of answer_start and answer_end, null where there is none. Raises DataError if there is no such note.
    """
    notes = validation.unique("note_id", keep="first", maintain_order=True)
    known = notes["start_token"] != UNKNOWN
    if not known.any():
        raise DataError(
            f"validation: expected notes that hold their answers, or have none, found none of {notes.height}: an answer must "
            "be a piece of collect.text_column, letter by letter; see collect.label_column and preprocess.drop_sections"
        )
    return known, notes.filter(known).select("answer_start", "answer_end")


def predict(model: NoteModel, tokens: pl.DataFrame, settings: dict[str, Any], bf16: bool) -> pl.DataFrame:
    """One row a note, in the order of `tokens`: note_id, `start`, `end`, `no_answer` and `unlike`."""
    made, vectors = _read(model, tokens, settings, bf16)
    score = unlike(settings["familiar"], vectors, tokens, settings["unk_token_id"], model.tokenizer.decode)
    return made.with_columns(pl.Series("unlike", score))


def _read(model: NoteModel, tokens: pl.DataFrame, settings: dict[str, Any], bf16: bool) -> tuple[pl.DataFrame, np.ndarray]:
    """Of each note what `one_a_note` gives, and the mean of its tokens' vectors, (notes, size)."""
    windows: list[Best] = [Best(0, 0, 0.0, 0.0)] * tokens.height
    means = np.zeros((tokens.height, model.head.in_features))
    starts, ends = tokens["starts"].to_list(), tokens["ends"].to_list()

    def both(**batch: torch.Tensor) -> torch.Tensor:
        vectors = model.pool(**batch)
        return torch.cat([model.answer(vectors), vectors.float()], dim=-1)

    with packed(model.encoder):
        for numbers, values in encoder.in_batches(both, tokens, settings["pad_token_id"], bf16):
            for number, each in zip(numbers, values, strict=True):
                own = each[: len(starts[number])]  # the rest is padding
                windows[number] = best_span(own[:, :ENDS], starts[number], ends[number])
                means[number] = own[:, ENDS:].mean(axis=0)
    return one_a_note(tokens["note_id"], windows), mean_by_note(tokens["note_id"], means)[1]


def losses(model: NoteModel, tokens: pl.DataFrame, settings: dict[str, Any], bf16: bool) -> pl.DataFrame:
    """One row a note that holds its answer, or has none: note_id, and the cross-entropy of both ends in nats, as `loss`.

    Of several windows their mean.
    """
    values, ends = np.zeros((tokens.height, 1)), tokens.select("start_token", "end_token").to_numpy()
    for numbers, each in _scores(model, tokens, settings, bf16):
        for number, window in zip(numbers, log_softmax(each, axis=1), strict=True):
            if ends[number, 0] != UNKNOWN:
                values[number] = -window[ends[number], [0, 1]].sum()
    known = ends[:, 0] != UNKNOWN
    names, means = mean_by_note(tokens["note_id"].filter(pl.Series(known)), values[known])
    return pl.DataFrame([names, pl.Series("loss", means[:, 0])])


def _scores(
    model: NoteModel, tokens: pl.DataFrame, settings: dict[str, Any], bf16: bool
) -> Iterator[tuple[list[int], np.ndarray]]:
    """Numbers of windows, and how likely each of their tokens is an end of the answer, (windows, tokens, 2)."""

    def logits(**batch: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = model(**batch)["logits"]
        return made

    with packed(model.encoder):
        yield from encoder.in_batches(logits, tokens, settings["pad_token_id"], bf16)


def answers(predictions: pl.DataFrame, notes: pl.DataFrame, labels: Sequence[str], settings: dict[str, Any]) -> list[Answer]:
    """An Answer for each row of `predict`, from the texts of `notes` in the same order."""
    made = []
    for text, row in zip(notes["text"], predictions.iter_rows(named=True), strict=True):
        start, end = (0, 0) if row["no_answer"] > settings["no_answer"] else (row["start"], row["end"])
        made.append(Answer(text[start:end], start, end, round(row["unlike"], 6)))
    return made


def load(folder: Path) -> tuple[NoteModel, list[str], dict[str, Any]]:
    """The model that `save` wrote, no labels, and its settings."""
    return encoder.load(folder, cross_entropy, ENDS)
