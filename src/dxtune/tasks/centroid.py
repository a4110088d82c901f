"""The base model as it was, without any tuning, as a rival: the class whose mean training note is nearest, and of several
labels each that the nearer mean has: of the training notes with it, or without it.

The means are made where training begins, which looks at every note with the untouched base model anyway.
"""

from typing import Any

import numpy as np
import polars as pl
from sklearn.preprocessing import normalize

from dxtune.evaluation.multilabel import multi_hot
from dxtune.params import Params
from dxtune.tasks import encoder
from dxtune.tasks.notes import encode, mean_by_note
from dxtune.tasks.prompts import task_tokenizer
from dxtune.training.attention import use_fast_bf16
from dxtune.training.base_model import find_base_model, is_causal, pad_token_id
from dxtune.training.machine import resolve_precision
from dxtune.training.method import shorten

DIGITS = 6


def fit_centroids(tokens: pl.DataFrame, vectors: np.ndarray) -> dict[str, Any]:
    """The `classes` of the training notes and the `means` of their vectors, each of length 1 before, as plain lists.

    tokens: a note or a window of one a row, with `label_id`; vectors: of the untouched base model, row by row.
    """
    labels, notes = _by_note(tokens, vectors, "label_id")
    classes = np.unique(labels)
    return {"classes": classes.tolist(), "means": [_mean(notes[labels == label]) for label in classes]}


def fit_pairs(tokens: pl.DataFrame, vectors: np.ndarray, labels: int) -> dict[str, Any]:
    """The `pairs` of means: of each label that of the notes without it, and that of those with it; None where there are none.

    tokens: as for `fit_centroids`, with `label_ids`.
    """
    ids, notes = _by_note(tokens, vectors, "label_ids")
    has = multi_hot(ids.tolist(), labels).T.astype(bool)
    return {"pairs": [[_mean(notes[~label]), _mean(notes[label])] for label in has]}


def nearest_centroid(test: pl.DataFrame, classes: int, settings: dict[str, Any], params: Params) -> np.ndarray:
    """1 for the class of each test note whose mean is nearest, else 0; (notes, classes), in the order of note_id.

    Notes are read as the model reads them. settings: of the model, with what `fit_centroids` gave as `untuned`.
    """
    vectors, means = vectors_of(test.sort("note_id"), settings, params), np.array(settings["untuned"]["means"])
    nearest = np.stack([np.linalg.norm(vectors - mean, axis=1) for mean in means]).argmin(axis=0)
    guess: np.ndarray = np.eye(classes)[np.array(settings["untuned"]["classes"])[nearest]]
    return guess


def nearer_of_pairs(test: pl.DataFrame, settings: dict[str, Any], params: Params) -> np.ndarray:
    """1 for each label of which the mean of the training notes that have it is nearer than that of the others; (notes, labels).

    As for `nearest_centroid`. A label that all training notes have, or none, every test note has, or none.
    """
    vectors = vectors_of(test.sort("note_id"), settings, params)
    return np.stack([_nearer(vectors, *pair) for pair in settings["untuned"]["pairs"]], axis=1).astype(np.int64)


def _nearer(vectors: np.ndarray, without: list[float] | None, having: list[float] | None) -> np.ndarray:
    """Whether each vector is nearer to the second mean than to the first."""
    if without is None or having is None:
        return np.full(len(vectors), without is None)
    far, near = (np.linalg.norm(vectors - np.array(mean), axis=1) for mean in (without, having))
    return np.asarray(near < far)


def _by_note(tokens: pl.DataFrame, vectors: np.ndarray, truth: str) -> tuple[np.ndarray, np.ndarray]:
    """Of each note what a column says of it, and its vector, of length 1."""
    said = tokens.unique("note_id", keep="first", maintain_order=True)[truth].to_numpy()
    return said, normalize(mean_by_note(tokens["note_id"], vectors)[1])


def _mean(vectors: np.ndarray) -> list[float] | None:
    """The mean of some vectors, None of none."""
    means: list[float] | None = np.round(vectors.mean(axis=0), DIGITS).tolist() if len(vectors) else None
    return means


def vectors_of(notes: pl.DataFrame, settings: dict[str, Any], params: Params) -> np.ndarray:
    """The untuned base model's vector of each note, of length 1, in the order of `notes`."""
    folder = find_base_model(params.model)
    bf16, pad_id = resolve_precision(params.train.precision) == "bf16", pad_token_id(folder)
    model = encoder.build(folder, encoder.pooling_of(folder), 1, lambda logits, _: logits.sum(), 0.0, 0.0).eval()
    shorten(model.encoder, params.model, is_causal(folder))
    if bf16:
        use_fast_bf16(model.encoder)
    how = (settings["max_tokens"], settings["long_notes"], settings["stride"])
    tokens = encode(task_tokenizer(params, folder).to_str(), *how, notes).tables["tokens"]
    vectors = mean_by_note(tokens["note_id"], encoder.by_row(model.pool, tokens, pad_id, bf16))[1]
    return np.asarray(normalize(vectors))
