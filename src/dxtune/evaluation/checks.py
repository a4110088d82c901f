"""Checks before anything is measured: no patient on both sides, and a prediction for exactly the notes of a split."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from dxtune.errors import DataError, LeakageError, ModelError
from dxtune.evaluation.metrics import Floats
from dxtune.records import PREDICTIONS


def check_leakage(splits: Mapping[str, pl.DataFrame]) -> None:
    """Raises LeakageError if a patient or a note of the test split is also in train or validation."""
    for split in ("train", "validation"):
        for column in ("note_id", "patient_id"):
            shared = set(splits["test"][column]) & set(splits[split][column])
            if shared:
                raise LeakageError(
                    f"{len(shared)} {column}s of the test split are also in {split}, the first is {min(shared)}: "
                    "split by patient (preprocess.split: stratified), or correct the predefined split"
                )


def as_predictions(tokens: pl.DataFrame, split: str, probabilities: Floats) -> pl.DataFrame:
    """The rows of predictions.parquet (records.PREDICTIONS) of one split: row i of `probabilities` is row i of `tokens`.

    Raises ModelError unless there is a row of finite numbers from 0 to 1 with the sum 1 for each note.
    """
    if probabilities.ndim != 2 or len(probabilities) != tokens.height:
        raise ModelError(
            f"{split}: expected a row of probabilities for each of {tokens.height} notes, found {probabilities.shape}"
        )
    exact = probabilities.astype(np.float64)
    good = np.isfinite(exact).all(axis=1) & (exact >= 0).all(axis=1) & np.isclose(exact.sum(axis=1), 1, atol=1e-3)
    if not good.all():
        wrong = tokens["note_id"][int(np.argmin(good))]
        raise ModelError(
            f"{split}: {(~good).sum()} notes, the first is {wrong}, have no probabilities that add to 1: train again"
        )
    ids = tokens.select("note_id", "patient_id", pl.lit(split).alias("split"), "label_id")
    frame = ids.with_columns(pl.Series("probabilities", exact.tolist(), dtype=pl.List(pl.Float64)))
    return frame.select(list(PREDICTIONS)).sort("note_id")


def join_predictions(notes: pl.DataFrame, predictions: pl.DataFrame, split: str) -> pl.DataFrame:
    """The processed notes of one split with their `probabilities`, by note_id and in its order.

    Raises DataError unless the predictions cover exactly the notes, each once, with the same patient and label.
    """
    made = predictions.filter(pl.col("split") == split)
    missing, unknown = set(notes["note_id"]) - set(made["note_id"]), set(made["note_id"]) - set(notes["note_id"])
    if missing or unknown or made.height != notes.height or made["note_id"].n_unique() != made.height:
        raise DataError(
            f"{split}: expected one prediction for each of {notes.height} notes, found {made.height}: {len(missing)} notes "
            f"without one, {len(unknown)} of no known note: data/tokens and data/processed differ, run dvc repro"
        )
    joined = notes.join(made, on="note_id", suffix="_predicted", validate="1:1").sort("note_id")
    for column in ("patient_id", "label_id"):
        other = joined.filter(pl.col(column) != pl.col(f"{column}_predicted"))
        if other.height:
            raise DataError(
                f"{split}: {other.height} notes, the first is {other['note_id'][0]}, have another {column} in data/tokens"
            )
    return joined.drop("split", "patient_id_predicted", "label_id_predicted")


def check_labels(notes: pl.DataFrame, labels: list[str]) -> None:
    """Raises ModelError unless the model's label names, in id order, are those of the notes."""
    pairs = notes.select("label", "label_id").unique().rows()
    if any(not 0 <= index < len(labels) or labels[index] != name for name, index in pairs):
        raise ModelError("the labels of the model are not those of data/processed, or in another order: run dvc repro train")
