"""The shards between the two halves of preprocess: narrow frames read together, decisions written beside each shard."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from dxtune import records, shards
from dxtune.corpus import minhash
from dxtune.params import SPLITS
from dxtune.shards.corpus import write_manifest


def read_narrow(folder: Path) -> pl.DataFrame:
    """The narrow frames of all shards, with the name of each note's `shard`."""
    return pl.concat([frame.with_columns(pl.lit(name).alias("shard")) for name, frame in shards.iter_shards(folder)])


def read_clusters(narrow: Path, signatures: Path, workers: int) -> pl.Series:
    """The `cluster` of each row of the narrow frames: the same for near duplicates (dxtune.corpus.minhash)."""
    ids = shards.read_columns(narrow, ["note_id"])["note_id"]
    signed = minhash.unpack((frame for _, frame in shards.iter_shards(signatures)), ids.len())
    return minhash.cluster(signed, ids, minhash.SIMILARITY, workers)


def read_quarantine(folder: Path, rows: Mapping[str, int]) -> pl.DataFrame:
    """The quarantine of all shards with `patient_id`; `row` counts from 1 in the corpus. rows: of each shard found."""
    parts, before = [], 0
    for name, frame in shards.iter_shards(folder):
        parts.append(frame.with_columns(pl.lit("data/deidentified").alias("file"), pl.col("row") + before))
        before += rows[name]
    return pl.concat(parts).select(*records.QUARANTINE, "patient_id")


def quarantine_unplaced(unplaced: pl.DataFrame, rows: Mapping[str, int]) -> pl.DataFrame:
    """The quarantine of notes that the site split has no place for, with `patient_id`."""
    before, starts = 0, {}
    for name, count in rows.items():
        starts[name] = before
        before += count
    start = pl.col("shard").replace_strict(starts, return_dtype=pl.Int64)
    return unplaced.select(
        pl.lit("data/deidentified").alias("file"),
        pl.col("row") + start,
        "note_id",
        pl.lit("of a test site's patient, written at another site").alias("reason"),
        "patient_id",
    )


def write_beside(frame: pl.DataFrame, shard: pl.Series, source: Path, folder: Path) -> None:
    """Writes rows as a corpus with the shards of `source`: each row to the one that `shard` names for it."""
    parts = frame.with_columns(shard.alias("_shard")).partition_by("_shard", as_dict=True, include_key=False)
    rows = {}
    for name in shards.shards_of(source):
        part = parts.get((name,), frame.clear())
        shards.write_parquet(part, folder / name)
        rows[name] = part.height
    write_manifest(rows, folder)


def written_columns(source: Path, expected: records.Schema, subgroups: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of data/processed: those of the task, a question and a posterior where the notes have one, the subgroups."""
    name, rows = next(iter(shards.shards_of(source).items()))
    there = shards.read_shard(source, name, rows).columns
    extra = [name for name in ("question", *subgroups, "posterior") if name in there and name not in expected]
    return (*expected, *extra)


def number_labels(notes: pl.DataFrame, labels: list[str], task: str) -> pl.DataFrame:
    """What `divide` needs of the notes: `note_id`, `split`, and by task the label(s) with their ids.

    >>> notes = pl.DataFrame({"note_id": ["a"], "split": ["test"], "labels": [["flu"]]})
    >>> number_labels(notes, ["cold", "flu"], "classification").rows()
    [('a', 'test', 'flu', 1)]
    """
    ids = pl.element().replace_strict(labels, range(len(labels)), return_dtype=pl.Int64)
    kept = notes.select("note_id", "split", "labels", pl.col("labels").list.eval(ids).alias("label_ids"))
    if task == "multilabel":
        return kept
    if task == "classification":
        one = {"label": pl.col("labels").list.first(), "label_id": pl.col("label_ids").list.first()}
        return kept.select("note_id", "split", **one)
    return kept.select("note_id", "split")


def divide(columns: tuple[str, ...], notes: pl.DataFrame, decided: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """One shard's notes by split, with these columns; `decided`: `note_id`, `split` and the final labels with their ids.

    >>> notes = pl.DataFrame({"note_id": ["a", "b", "c"], "label": ["flu", "scurvy", "flu"]})
    >>> decided = pl.DataFrame({"note_id": ["a", "b"], "split": ["test", "train"], "label": ["flu", "other"]})
    >>> {split: part.rows() for split, part in divide(("note_id", "label"), notes, decided).items()}
    {'train': [('b', 'other')], 'validation': [], 'test': [('a', 'flu')]}
    """
    own = notes.drop([name for name in decided.columns if name != "note_id"], strict=False)
    placed = own.join(decided, on="note_id", how="inner", maintain_order="left")
    return {name: placed.filter(split=name).select(columns) for name in SPLITS}


def divide_shard(columns: tuple[str, ...], notes: pl.DataFrame, decided: pl.DataFrame) -> shards.Result:
    """`divide` as a function of shards: a table for each split."""
    return shards.Result(divide(columns, notes, decided), {})
