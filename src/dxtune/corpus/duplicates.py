"""One note for each text: a text that is read twice counts twice, and one that is in two splits leaks.

Everything here works on a narrow frame (dxtune.corpus.narrow): hashes of texts, never texts.
"""

from typing import Literal

import polars as pl

KEPT_FIRST = {"test": 0, "validation": 1, "train": 2}
DROPPED = {"note_id": pl.String, "kept_id": pl.String, "reason": pl.String, "conflicting": pl.Boolean}


def drop_duplicates(
    notes: pl.DataFrame, conflicts: Literal["first", "majority", "drop"] = "first"
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One note of each text, and the dropped ones (DROPPED): `kept_id`, and whether their labels are `conflicting`.

    Of copies with one answer the first is kept; across predefined splits the note of the test before that of validation
    before that of training. Of copies with several answers (`conflicts`): the first all the same; the first with the answer
    that most copies have (of equals, the first); or none. The order of notes stays.

    >>> notes = pl.DataFrame({"note_id": ["a", "b", "c"], "text_hash": ["x", "y", "x"], "answer": ["flu", "flu", "cold"],
    ...                       "split": ["train", "train", "test"]})
    >>> kept, dropped = drop_duplicates(notes)
    >>> kept["note_id"].to_list(), dropped.rows()
    (['b', 'c'], [('a', 'c', 'copy of another note', True)])
    """
    best = [_rank().alias("_rank"), pl.col("_at")]
    ranked = notes.with_row_index("_at").with_columns(pl.col("answer").n_unique().over("text_hash").alias("_answers"))
    if conflicts == "majority":
        ranked = ranked.with_columns(pl.len().over("text_hash", "answer").alias("_votes"))
        best = [-pl.col("_votes").cast(pl.Int64), *best]
    ranked = ranked.sort(best)
    ranked = ranked.with_columns(
        pl.first("note_id").over("text_hash").alias("kept_id"),
        (pl.col("answer") != pl.first("answer").over("text_hash")).alias("conflicting"),
        pl.int_range(pl.len()).over("text_hash").alias("_copy"),
    ).sort("_at")
    drop, reason = pl.col("_copy") > 0, pl.lit("copy of another note")
    if conflicts == "drop":
        both = pl.col("_answers") > 1
        drop, reason = drop | both, pl.when(both).then(pl.lit("copies with several labels")).otherwise(reason)
        ranked = ranked.with_columns(
            pl.when(both).then(None).otherwise("kept_id").alias("kept_id"), (both | pl.col("conflicting")).alias("conflicting")
        )
    dropped = ranked.filter(drop).select("note_id", "kept_id", reason.alias("reason"), "conflicting")
    return ranked.filter(~drop).select(notes.columns), dropped.cast(DROPPED)  # type: ignore[arg-type]


def drop_straddling(notes: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The notes whose near duplicates are all in their own split, and the dropped ones (DROPPED): those on the training side.

    A cluster that is in the test keeps only its notes there; one that is in validation and training, those of validation.

    >>> notes = pl.DataFrame({"note_id": ["a", "b", "c"], "cluster": [0, 0, 2], "split": ["train", "test", "train"],
    ...                       "answer": ["flu", "flu", "flu"]})
    >>> kept, dropped = drop_straddling(notes)
    >>> kept["note_id"].to_list(), dropped.rows()
    (['b', 'c'], [('a', 'b', 'near duplicate in another split', False)])
    """
    ranked = notes.with_columns(_rank().alias("_rank"))
    first = ranked.sort("_rank", "note_id").unique("cluster", keep="first", maintain_order=True)
    first = first.select("cluster", kept_id="note_id", _best="_rank", _answer="answer")
    ranked = ranked.join(first, on="cluster", how="left", maintain_order="left")
    dropped = ranked.filter(pl.col("_rank") > pl.col("_best")).select(
        "note_id",
        "kept_id",
        pl.lit("near duplicate in another split").alias("reason"),
        (pl.col("answer") != pl.col("_answer")).alias("conflicting"),
    )
    return ranked.filter(pl.col("_rank") <= pl.col("_best")).select(notes.columns), dropped.cast(DROPPED)  # type: ignore[arg-type]


def group_patients(notes: pl.DataFrame) -> pl.DataFrame:
    """Each patient's `group`: the smallest id of the patients that near duplicates tie together, directly or through others.

    >>> notes = pl.DataFrame({"patient_id": ["p3", "p1", "p2", "p2"], "cluster": [0, 0, 1, 2]})
    >>> group_patients(notes).rows()
    [('p1', 'p1'), ('p2', 'p2'), ('p3', 'p1')]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    patients = notes.select("patient_id").unique().sort("patient_id").with_row_index("_patient")
    pairs = notes.select("patient_id", "cluster").unique()
    pairs = pairs.filter(pl.len().over("cluster") > 1).join(patients, on="patient_id")
    links = pairs.with_columns(pl.col("_patient").min().over("cluster").alias("_first"))
    ends = (links["_patient"].to_numpy(), links["_first"].to_numpy())
    graph = coo_array(([1] * links.height, ends), shape=(patients.height, patients.height))
    _, component = connected_components(graph, directed=False)
    grouped = patients.with_columns(pl.Series("_component", component))
    return grouped.select("patient_id", pl.col("patient_id").min().over("_component").alias("group"))


def _rank() -> pl.Expr:
    return pl.col("split").replace_strict(KEPT_FIRST, default=len(KEPT_FIRST), return_dtype=pl.Int64)
