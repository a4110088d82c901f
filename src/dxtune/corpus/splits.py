"""Which notes train, which choose, which judge: always by patient.

Every rule takes a narrow frame (dxtune.corpus.narrow) and gives it back with a `split`, its rows and their order as they were.
"""

from collections.abc import Collection
from hashlib import blake2b

import polars as pl

from dxtune.errors import DataError


def stratify(notes: pl.DataFrame, validation_share: float, test_share: float, seed: int) -> pl.DataFrame:
    """The notes with a `split`: whole groups of patients, each label in proportion, the same for any order of the notes.

    A group (`group`: patients that near duplicates tie together; most are one patient) belongs to the stratum of its rarest
    label. In each stratum groups are ordered by a hash of their id and the seed, and the first ones go to test and validation;
    what rounding leaves over goes to the next stratum, so that the shares of patients hold over all of them. A new patient
    moves few others.

    >>> notes = pl.DataFrame({"patient_id": [f"p{i}" for i in range(20)], "labels": [["flu"], ["cold"]] * 10})
    >>> result = stratify(notes.with_columns(group="patient_id"), 0.2, 0.2, seed=13).explode("labels")
    >>> result.group_by("labels", "split").len().sort("labels", "split").rows()[:3]
    [('cold', 'test', 2), ('cold', 'train', 6), ('cold', 'validation', 2)]
    """
    some = pl.when(pl.col("labels").list.len() > 0).then("labels").otherwise(pl.lit([""]))  # no label is a stratum, too
    labelled = notes.select("patient_id", "group", some.alias("label")).explode("label")
    labelled = labelled.with_columns(pl.col("patient_id").n_unique().over("label").alias("_common"))
    sizes = notes.group_by("group").agg(pl.col("patient_id").n_unique().alias("_size"))
    groups = labelled.sort("group", "_common", "label").unique("group", keep="first", maintain_order=True)
    groups = groups.with_columns(_hashes(groups["group"], seed)).join(sizes, on="group")
    groups = groups.sort("_common", "label", "_hash", "group")
    splits: list[str] = []
    due_test = due_validation = 0.0
    for (_, _), stratum in groups.select("_common", "label", "_size").group_by("_common", "label", maintain_order=True):
        size = int(stratum["_size"].sum())
        due_test, due_validation = due_test + size * test_share, due_validation + size * validation_share
        test = min(round(due_test), size - 1)  # training comes first: a label that is only tested cannot be learnt
        validation = min(round(due_validation), size - 1 - test)
        due_test, due_validation = due_test - test, due_validation - validation
        for patients in stratum["_size"]:
            if patients <= test:
                splits.append("test")
                test -= patients
            elif patients <= validation:
                splits.append("validation")
                validation -= patients
            else:
                splits.append("train")
        due_test, due_validation = due_test + test, due_validation + validation  # what no group was small enough for
    return _assign(notes, groups.select("group", pl.Series("split", splits, dtype=pl.String)), "group")


def keep_stable(notes: pl.DataFrame, validation_share: float, test_share: float, seed: int) -> pl.DataFrame:
    """The notes with a `split` that depends on the patient's id and the seed alone: no other patient, old or new, moves it.

    Shares hold in the long run, labels are not balanced. Near duplicates do not tie patients together here, because a new note
    could then move an old patient; dxtune.corpus.duplicates.drop_straddling takes the training side's copies out instead.

    >>> notes = pl.DataFrame({"patient_id": ["p1", "p2", "p2"]})
    >>> keep_stable(notes, 0.2, 0.2, seed=13)["split"].to_list() == [
    ...     keep_stable(notes.filter(patient_id=name), 0.2, 0.2, seed=13)["split"][0] for name in notes["patient_id"]]
    True
    """
    patients = notes.select("patient_id").unique().sort("patient_id")
    place = _uniform(patients["patient_id"], seed)
    split = (
        pl.when(place < test_share).then(pl.lit("test")).when(place < test_share + validation_share).then(pl.lit("validation"))
    )
    return _assign(notes, patients.with_columns(split.otherwise(pl.lit("train")).alias("split")), "patient_id")


def by_time(notes: pl.DataFrame, validation_share: float, test_share: float, seed: int) -> pl.DataFrame:
    """The notes with a `split`: the latest patients test, those before them validate, the others train.

    A patient's time is the year of its last note, so that nothing is trained on that was written after a test patient's last
    note; of patients of one year a hash of the id decides. Raises DataError where a patient has no year.

    >>> notes = pl.DataFrame({"patient_id": ["a", "b", "c", "d"], "note_year": ["2019", "2022", "2021", "2018"]})
    >>> by_time(notes, 0.25, 0.25, seed=13)["split"].to_list()
    ['train', 'test', 'validation', 'train']
    """
    patients = notes.group_by("patient_id").agg(pl.col("note_year").max().alias("_year"))
    if missing := patients["_year"].null_count():
        raise DataError(
            f"expected a year for every patient (preprocess.split: temporal), found none for {missing} of {patients.height}: "
            "bring the date of each note, or set preprocess.split to stratified or stable"
        )
    patients = patients.with_columns(_hashes(patients["patient_id"], seed))
    patients = patients.sort("_year", "_hash", "patient_id", descending=[True, False, False])
    test, validation = (round(share * patients.height) for share in (test_share, validation_share))
    at = pl.int_range(pl.len())
    split = pl.when(at < test).then(pl.lit("test")).when(at < test + validation).then(pl.lit("validation"))
    return _assign(notes, patients.select("patient_id", split.otherwise(pl.lit("train")).alias("split")), "patient_id")


def by_site(
    notes: pl.DataFrame, column: str, test_sites: Collection[str], validation_share: float, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The notes with a `split`, and the notes that fit in none: all notes of `test_sites` test, the other sites' do not.

    A patient who was at a held-out site and at another tests with the notes of the held-out site; the notes from the other
    site fit in no split. Of the other patients a share validates, by a hash of the id. Raises DataError for an unknown site.

    >>> notes = pl.DataFrame({"patient_id": ["a", "b", "b"], "site": ["north", "south", "north"]})
    >>> kept, left_over = by_site(notes, "site", ["south"], 0.0, seed=13)
    >>> kept.rows(), left_over.rows()
    ([('a', 'north', 'train'), ('b', 'south', 'test')], [('b', 'north')])
    """
    known = set(notes[column].drop_nulls().unique())
    if unknown := sorted(set(test_sites) - known):
        raise DataError(
            f"expected the sites of preprocess.test_sites in the column {column!r}, found no note of {', '.join(unknown)}: "
            f"known there: {', '.join(sorted(known)[:20])}"
        )
    held_out = pl.col(column).is_in(sorted(test_sites)).fill_null(False)
    there = held_out.any().over("patient_id")
    kept, left_over = notes.filter(held_out | ~there), notes.filter(~held_out & there)
    stable = keep_stable(kept, validation_share, 0.0, seed)
    return stable.with_columns(pl.when(held_out).then(pl.lit("test")).otherwise("split").alias("split")), left_over


def _assign(notes: pl.DataFrame, splits: pl.DataFrame, key: str) -> pl.DataFrame:
    return notes.drop("split", strict=False).join(splits, on=key, how="left", maintain_order="left")


def _digest(name: str, seed: int) -> bytes:
    return blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()


def _hashes(names: pl.Series, seed: int) -> pl.Series:
    return pl.Series("_hash", [_digest(name, seed).hex() for name in names], dtype=pl.String)


def _uniform(names: pl.Series, seed: int) -> pl.Series:
    """A number in [0, 1) for each name, from its hash."""
    return pl.Series([int.from_bytes(_digest(name, seed), "big") / 2**64 for name in names], dtype=pl.Float64)
