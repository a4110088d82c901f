"""Clean the de-identified notes, remove duplicates, map labels, and split by patient.

    dxtune preprocess

Rows in = notes in the three splits + quarantined + duplicates.
"""

import polars as pl

from dxtune import records, shards
from dxtune.corpus.clean import clean, drop_short
from dxtune.corpus.duplicates import drop_duplicates
from dxtune.corpus.splits import check_labels, check_leakage, check_splits, count_labels, map_labels, stratify
from dxtune.errors import DataError
from dxtune.params import SPLITS, Params
from dxtune.paths import Paths


def run(params: Params, paths: Paths) -> None:
    """Writes data/processed and metrics/preprocess.json. Raises DataError or LeakageError where the splits are not sound."""
    settings = params.preprocess
    subgroups = dict.fromkeys(params.collect.subgroup_columns, pl.String)
    found = records.check(shards.read_corpus(paths.deidentified), {**records.DEIDENTIFIED, **subgroups}, "data/deidentified")

    notes, quarantine = drop_short(clean(found), settings.min_characters)
    notes, duplicates = drop_duplicates(notes)
    notes, labels = map_labels(notes)
    if settings.split == "stratified":
        notes = stratify(notes, settings.validation_share, settings.test_share, settings.seed)
    check_splits(notes)
    shared = check_leakage(notes)
    counts = count_labels(notes, labels)
    check_labels(counts, settings.min_notes_per_label)

    splits = {split: notes.filter(split=split) for split in SPLITS}
    rows_out = sum(part.height for part in splits.values()) + quarantine.height + duplicates.height
    if found.height != rows_out:
        raise DataError(
            f"expected {found.height} rows out (splits, quarantined, duplicates), found {rows_out}: report this bug"
        )
    columns = [*records.PROCESSED, *subgroups, *(["posterior"] if "posterior" in notes.columns else [])]
    for split, part in splits.items():
        shards.write_corpus(part.select(columns), paths.processed / split)
    shards.write_parquet(quarantine, paths.processed / "quarantine.parquet")
    shards.write_json(labels, paths.processed / "labels.json")
    metrics = {
        "rows": found.height,
        "quarantined": quarantine.height,
        "duplicates": duplicates.height,
        "conflicting_duplicates": int(duplicates["conflicting"].sum()),
        "labels": counts,
        **{split: describe(part) for split, part in splits.items()},
        **shared,
    }
    shards.write_json(metrics, paths.metrics / "preprocess.json")


def describe(notes: pl.DataFrame) -> dict[str, float]:
    """The size of one split: notes, patients, mean characters of a note.

    >>> describe(pl.DataFrame({"patient_id": ["p", "p"], "text": ["ab", "abcd"]}))
    {'notes': 2, 'patients': 1, 'mean_characters': 3.0}
    """
    characters = int(notes["text"].str.len_chars().sum())
    return {
        "notes": notes.height,
        "patients": notes["patient_id"].n_unique(),
        "mean_characters": round(characters / notes.height, 1),
    }
