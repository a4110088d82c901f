"""The base model as it was, without any tuning, as a rival: the class whose mean training note is nearest.

The means are made where training begins, which looks at every note with the untouched base model anyway.
"""

from typing import Any

import numpy as np
import polars as pl
from sklearn.preprocessing import normalize

from dxtune.params import Params
from dxtune.tasks import encoder
from dxtune.tasks.notes import encode, mean_by_note
from dxtune.training.attention import use_fast_attention
from dxtune.training.base_model import find_base_model, load_tokenizer, pad_token_id
from dxtune.training.machine import resolve_precision

DIGITS = 6


def fit_centroids(tokens: pl.DataFrame, vectors: np.ndarray) -> dict[str, Any]:
    """The `classes` of the training notes and the `means` of their vectors, each of length 1 before, as plain lists.

    tokens: a note or a window of one a row, with `label_id`; vectors: of the untouched base model, row by row.
    """
    labels = tokens.unique("note_id", keep="first", maintain_order=True)["label_id"].to_numpy()
    notes = normalize(mean_by_note(tokens["note_id"], vectors)[1])
    classes = np.unique(labels)
    means = np.stack([notes[labels == label].mean(axis=0) for label in classes])
    return {"classes": classes.tolist(), "means": np.round(means, DIGITS).tolist()}


def nearest_centroid(test: pl.DataFrame, classes: int, settings: dict[str, Any], params: Params) -> np.ndarray:
    """1 for the class of each test note whose mean is nearest, else 0; (notes, classes), in the order of note_id.

    Notes are read as the model reads them. settings: of the model, with what `fit_centroids` gave as `untuned`.
    """
    vectors, means = vectors_of(test.sort("note_id"), settings, params), np.array(settings["untuned"]["means"])
    nearest = np.stack([np.linalg.norm(vectors - mean, axis=1) for mean in means]).argmin(axis=0)
    guess: np.ndarray = np.eye(classes)[np.array(settings["untuned"]["classes"])[nearest]]
    return guess


def vectors_of(notes: pl.DataFrame, settings: dict[str, Any], params: Params) -> np.ndarray:
    """The untuned base model's vector of each note, of length 1, in the order of `notes`."""
    folder = find_base_model(params.model)
    bf16, pad_id = resolve_precision(params.train.precision) == "bf16", pad_token_id(folder)
    model = encoder.build(folder, encoder.pooling_of(folder), 1, lambda logits, _: logits.sum(), 0.0, 0.0).eval()
    if bf16:
        use_fast_attention(model.encoder)
    how = (settings["max_tokens"], settings["long_notes"], settings["stride"])
    tokens = encode(load_tokenizer(folder).to_str(), *how, notes).tables["tokens"]
    vectors = mean_by_note(tokens["note_id"], encoder.by_row(model.pool, tokens, pad_id, bf16))[1]
    return np.asarray(normalize(vectors))
