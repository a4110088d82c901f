"""The base model as it was, without any tuning, as a rival: the class whose mean training note is nearest."""

from typing import Any

import numpy as np
import polars as pl
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize

from dxtune.params import Params
from dxtune.tasks import encoder
from dxtune.tasks.notes import encode, mean_by_note
from dxtune.training.attention import use_fast_attention
from dxtune.training.base_model import find_base_model, load_tokenizer, pad_token_id
from dxtune.training.machine import resolve_precision

EACH = 100
"""Training notes of a class, at the most, the first by id: each takes its time, and the mean of more is hardly another."""


def nearest_centroid(
    train: pl.DataFrame, test: pl.DataFrame, classes: int, settings: dict[str, Any], params: Params
) -> np.ndarray:
    """1 for the class of each test note whose centroid is nearest, by vectors of length 1, else 0; (notes, classes).

    Notes are read as the model reads them, and stand in the order of note_id. settings: of the model.
    """
    known = train.sort("note_id").group_by("label_id", maintain_order=True).head(EACH)
    read = [name for name in ("note_id", "question", "text") if name in test.columns]
    notes = pl.concat([known.select(read), test.sort("note_id").select(read)])
    vectors = vectors_of(notes, settings, params)
    model = NearestCentroid().fit(vectors[: known.height], known["label_id"].to_numpy())
    guess: np.ndarray = np.eye(classes)[model.predict(vectors[known.height :])]
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
