"""Checks before anything is measured: no patient on both sides, and a prediction for exactly the notes of a split."""

from collections.abc import Mapping

import polars as pl

from dxtune.errors import DataError, LeakageError, ModelError
from dxtune.records import Schema


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


def as_predictions(tokens: pl.DataFrame, split: str, made: pl.DataFrame, columns: Schema) -> pl.DataFrame:
    """The rows of predictions.parquet (records.predictions) of one split: the notes of `tokens` with what was `made` of them.

    Raises ModelError unless there is one row a note, and each of its numbers is finite.
    """
    notes = tokens.unique("note_id", maintain_order=True)
    if made["note_id"].to_list() != notes["note_id"].to_list():
        raise ModelError(
            f"{split}: expected one prediction for each of {notes.height} notes, found {made.height}: report this bug"
        )
    frame = notes.with_columns(pl.lit(split).alias("split"), *made.drop("note_id").get_columns()).select(list(columns))
    numbers = frame.select("note_id", pl.selectors.float() | pl.selectors.by_dtype(pl.List(pl.Float64)))
    for name in numbers.columns[1:]:
        values = numbers.explode(name) if numbers.schema[name] == pl.List(pl.Float64) else numbers
        wrong = values.filter(~pl.col(name).is_finite().fill_null(False))["note_id"].unique(maintain_order=True)
        if len(wrong):
            raise ModelError(f"{split}: {len(wrong)} notes, the first is {wrong[0]}, have no finite {name}: train again")
    return frame.sort("note_id")


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
    known = [name for name in made.columns if f"{name}_predicted" in joined.columns]
    for column in known:
        other = joined.filter(pl.col(column) != pl.col(f"{column}_predicted"))
        if other.height:
            raise DataError(
                f"{split}: {other.height} notes, the first is {other['note_id'][0]}, have another {column} in data/tokens"
            )
    return joined.drop("split", *(f"{column}_predicted" for column in known))


def check_labels(notes: pl.DataFrame, labels: list[str]) -> None:
    """Raises ModelError unless the model's label names, in id order, are those of the notes. Notes without labels are fine."""
    names, ids = ("labels", "label_ids") if "labels" in notes.columns else ("label", "label_id")
    if ids not in notes.columns:
        return
    pairs = notes.select(names, ids).explode(names, ids) if names == "labels" else notes.select(names, ids)
    if any(not 0 <= index < len(labels) or labels[index] != name for name, index in pairs.drop_nulls().unique().rows()):
        raise ModelError("the labels of the model are not those of data/processed, or in another order: run dvc repro train")
