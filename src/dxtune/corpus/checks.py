"""What must hold of splits, whoever made them, and what is counted to prove it."""

import polars as pl

from dxtune.errors import DataError, LeakageError
from dxtune.params import SPLITS

MOST_NAMED = 10  # labels in one message
OTHER = "other"  # the label that rare labels are merged into


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
    """The metrics shared_patients, shared_texts and shared_near_duplicates: 0, or else a LeakageError names up to 5 notes."""
    shared = {}
    for column, name, remedy in (
        ("patient_id", "patients", "put all notes of a patient into one split, or set preprocess.split to stratified"),
        ("text_hash", "texts", "remove the copies from the source"),
        ("cluster", "near_duplicates", "remove the copies from the source, or set preprocess.split to stratified"),
    ):
        split_over = notes.filter(pl.col("split").n_unique().over(column) > 1)
        shared[f"shared_{name}"] = split_over[column].n_unique()
        if split_over.height:
            raise LeakageError(
                f"expected no {name.replace('_', ' ')} in two splits, found {shared[f'shared_{name}']}, with the notes "
                f"{', '.join(split_over['note_id'].sort().head(5))}{' and others' if split_over.height > 5 else ''}: {remedy}"
            )
    return shared


def list_labels(notes: pl.DataFrame) -> list[str]:
    """The sorted labels of a narrow frame: a label's place is its id, and the order of every `posterior`, too.

    Raises DataError where the synthetic source's posterior is over other labels than the notes have.

    >>> list_labels(pl.DataFrame({"labels": [["flu"], ["cold", "flu"]], "posterior_length": [0, 0]}))
    ['cold', 'flu']
    """
    labels = sorted(notes["labels"].explode().drop_nulls().unique())
    lengths = notes["posterior_length"].unique().sort().to_list()
    if lengths not in ([0], [len(labels)], []):
        raise DataError(
            f"expected a posterior over the notes' {len(labels)} labels, found lengths {lengths}: raise collect.notes"
        )
    return labels


def count_labels(notes: pl.DataFrame, labels: list[str]) -> dict[str, dict[str, int]]:
    """How many notes each label has in each split.

    >>> count_labels(pl.DataFrame({"labels": [["flu"]], "split": ["test"]}), ["flu"])
    {'flu': {'train': 0, 'validation': 0, 'test': 1}}
    """
    counts = {label: dict.fromkeys(SPLITS, 0) for label in labels}
    for label, split, count in notes.explode("labels").drop_nulls("labels").group_by("labels", "split").len().iter_rows():
        counts[label][split] = count
    return counts


def merge_rare(notes: pl.DataFrame, min_notes: int) -> tuple[pl.DataFrame, list[str]]:
    """The notes with every label of fewer than `min_notes` training notes as `other`, and the sorted labels so merged.

    >>> notes = pl.DataFrame({"labels": [["flu"], ["flu"], ["scurvy"]], "split": ["train", "train", "train"]})
    >>> merged, rare = merge_rare(notes, 2)
    >>> merged["labels"].to_list(), rare
    ([['flu'], ['flu'], ['other']], ['scurvy'])
    """
    training = pl.col("labels").filter(pl.col("split") == "train")
    counts = dict(notes.select(training.explode().value_counts().struct.unnest()).iter_rows())
    labels = notes["labels"].explode().drop_nulls().unique()
    rare = sorted(label for label in labels if label != OTHER and counts.get(label, 0) < min_notes)
    if not rare:
        return notes, rare
    renamed = pl.col("labels").list.eval(pl.element().replace(rare, [OTHER] * len(rare)).unique().sort())
    return notes.with_columns(renamed), rare


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
            "notes, set preprocess.rare_labels to other, merge or leave out these labels in the source, or lower "
            "preprocess.min_notes_per_label (to 1 at the least)"
        )
