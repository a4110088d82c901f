"""One note for each text: a text that is read twice counts twice, and one that is in two splits leaks."""

import polars as pl

KEPT_FIRST = {"test": 0, "validation": 1, "train": 2}


def drop_duplicates(notes: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The first note of each text, and the dropped ones with `note_id`, `kept_id` and whether the labels are `conflicting`.

    Across predefined splits the note of the test is kept over that of validation, and that over training: what is dropped
    is dropped on the training side. The order of notes stays.

    >>> notes = pl.DataFrame({"note_id": ["a", "b", "c"], "text": ["x", "y", "x"], "label": ["flu", "flu", "cold"],
    ...                       "split": ["train", "train", "test"]})
    >>> kept, dropped = drop_duplicates(notes)
    >>> kept["note_id"].to_list(), dropped.rows()
    (['b', 'c'], [('a', 'c', True)])
    """
    rank = pl.col("split").replace_strict(KEPT_FIRST, default=len(KEPT_FIRST), return_dtype=pl.Int64)
    ranked = notes.with_row_index("_at").sort(rank, "_at")
    ranked = ranked.with_columns(
        pl.first("note_id").over("text").alias("kept_id"),
        (pl.col("label") != pl.first("label").over("text")).alias("conflicting"),
        pl.int_range(pl.len()).over("text").alias("_copy"),
    ).sort("_at")
    kept = ranked.filter(pl.col("_copy") == 0).select(notes.columns)
    return kept, ranked.filter(pl.col("_copy") > 0).select("note_id", "kept_id", "conflicting")
