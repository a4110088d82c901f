"""Which notes train, which choose, which judge: always by patient, and checked after the fact whoever decided."""

from hashlib import blake2b

import polars as pl

from dxtune.errors import DataError, LeakageError
from dxtune.params import SPLITS

MOST_NAMED = 10  # labels in one message


def stratify(notes: pl.DataFrame, validation_share: float, test_share: float, seed: int) -> pl.DataFrame:
    """The notes with a `split`: whole patients, each label in proportion, the same for any order of the notes.

    A patient belongs to the stratum of its rarest label. In each stratum patients are ordered by a hash of their id and the
    seed, and the first ones go to test and validation; what rounding leaves over goes to the next stratum, so that the
    shares of patients hold over all of them. A new patient moves few others.

    >>> notes = pl.DataFrame({"patient_id": [f"p{i}" for i in range(20)], "label": ["flu", "cold"] * 10})
    >>> stratify(notes, 0.2, 0.2, seed=13).group_by("label", "split").len().sort("label", "split").rows()[:3]
    [('cold', 'test', 2), ('cold', 'train', 6), ('cold', 'validation', 2)]
    """
    label_patients = pl.col("patient_id").n_unique().over("label").alias("_common")
    patients = (
        notes.select("patient_id", "label", label_patients)
        .sort("patient_id", "_common", "label")
        .unique("patient_id", keep="first")
    )
    patients = patients.with_columns(
        pl.col("patient_id").map_elements(lambda name: _hash(name, seed), return_dtype=pl.String).alias("_hash")
    ).sort("_common", "label", "_hash", "patient_id")
    splits: list[str] = []
    due_test = due_validation = 0.0
    for size in patients.group_by("_common", "label", maintain_order=True).len()["len"]:
        due_test, due_validation = due_test + size * test_share, due_validation + size * validation_share
        test = min(round(due_test), size - 1)  # training comes first: a label that is only tested cannot be learnt
        validation = min(round(due_validation), size - 1 - test)
        due_test, due_validation = due_test - test, due_validation - validation
        splits += ["test"] * test + ["validation"] * validation + ["train"] * (size - test - validation)
    patients = patients.select("patient_id", pl.Series("split", splits, dtype=pl.String))
    return notes.drop("split", strict=False).join(patients, on="patient_id", how="left", maintain_order="left")


def _hash(patient_id: str, seed: int) -> str:
    return blake2b(f"{seed}:{patient_id}".encode(), digest_size=8).hexdigest()


def check_splits(notes: pl.DataFrame) -> None:
    """Raises DataError where a note has no known split, or a split no notes."""
    unknown = notes.filter(~pl.col("split").is_in(SPLITS).fill_null(False))
    if unknown.height:
        named = ", ".join(unknown["note_id"].head(5))
        raise DataError(
            f"expected one of {', '.join(SPLITS)} as the split of every note, found another or none for {unknown.height} "
            f"({named}): correct the source, or set preprocess.split to stratified"
        )
    if empty := [split for split in SPLITS if notes.filter(split=split).is_empty()]:
        raise DataError(
            f"expected notes in each split, found none in {' and '.join(empty)}: bring more patients, "
            "raise preprocess.validation_share or test_share (stratified), or correct the source's splits (predefined)"
        )


def check_leakage(notes: pl.DataFrame) -> dict[str, int]:
    """The metrics shared_patients and shared_texts: 0, or else a LeakageError naming up to 5 notes is raised."""
    shared = {}
    for column, name, remedy in (
        ("patient_id", "patients", "put all notes of a patient into one split, or set preprocess.split to stratified"),
        ("text", "texts", "remove the copies from the source"),
    ):
        split_over = notes.filter(pl.col("split").n_unique().over(column) > 1)
        shared[f"shared_{name}"] = split_over[column].n_unique()
        if split_over.height:
            raise LeakageError(
                f"expected no {name} in two splits, found {shared[f'shared_{name}']}, with the notes "
                f"{', '.join(split_over['note_id'].sort().head(5))}{' and others' if split_over.height > 5 else ''}: {remedy}"
            )
    return shared


def map_labels(notes: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """The notes with a `label_id`, and the sorted labels that it counts in: the order of every `posterior`, too.

    Raises DataError where the synthetic source's posterior is over other labels than the notes have.

    >>> map_labels(pl.DataFrame({"label": ["flu", "cold", "flu"]}))[0]["label_id"].to_list()
    [1, 0, 1]
    """
    labels = sorted(notes["label"].unique())
    lengths = notes["posterior"].list.len().unique().sort().to_list() if "posterior" in notes.columns else []
    if lengths and lengths != [len(labels)]:
        raise DataError(
            f"expected a posterior over the notes' {len(labels)} labels, found lengths {lengths}: raise collect.notes"
        )
    return notes.with_columns(
        pl.col("label").replace_strict(labels, range(len(labels)), return_dtype=pl.Int64).alias("label_id")
    ), labels


def count_labels(notes: pl.DataFrame, labels: list[str]) -> dict[str, dict[str, int]]:
    """How many notes each label has in each split.

    >>> count_labels(pl.DataFrame({"label": ["flu"], "split": ["test"]}), ["flu"])
    {'flu': {'train': 0, 'validation': 0, 'test': 1}}
    """
    counts = {label: dict.fromkeys(SPLITS, 0) for label in labels}
    for label, split, count in notes.group_by("label", "split").len().iter_rows():
        counts[label][split] = count
    return counts


def check_labels(counts: dict[str, dict[str, int]], min_notes: int) -> None:
    """Raises DataError naming the labels with fewer than `min_notes` training notes.

    >>> check_labels({"flu": {"train": 2, "validation": 1, "test": 1}}, min_notes=2)
    """
    rare = sorted((splits["train"], label) for label, splits in counts.items() if splits["train"] < min_notes)
    if rare:
        named = ", ".join(f"{label!r} ({count})" for count, label in rare[:MOST_NAMED])
        others = f" and {len(rare) - MOST_NAMED} more" if len(rare) > MOST_NAMED else ""
        raise DataError(
            f"expected at least {min_notes} training notes for each label, found fewer for {named}{others}: bring more "
            "notes, merge or leave out these labels in the source, or lower preprocess.min_notes_per_label (to 1 at the least)"
        )
