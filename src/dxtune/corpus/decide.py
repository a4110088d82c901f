"""Every decision about the corpus, from its narrow frame: which notes stay, in which split, with which label."""

from typing import Any, NamedTuple

import polars as pl

from dxtune.corpus import checks, splits
from dxtune.corpus.duplicates import drop_duplicates, drop_straddling, group_patients
from dxtune.params import Preprocess


class Decisions(NamedTuple):
    """The notes that stay, with `split`, `cluster` and final `labels`; those that do not, and why; labels; what was counted."""

    notes: pl.DataFrame
    dropped: pl.DataFrame
    unplaced: pl.DataFrame
    labels: list[str]
    facts: dict[str, Any]


def decide(narrow: pl.DataFrame, settings: Preprocess) -> Decisions:
    """The decisions for a narrow frame (dxtune.corpus.narrow) with `cluster`. Raises DataError or LeakageError where no sound
    split comes out.

    Exact copies are dropped first. Near duplicates stay, in one split: the stratified split moves the patients that they tie
    together as one; by the other rules no patient depends on another, so the copies on the training side are dropped.
    """
    notes, copies = drop_duplicates(narrow, settings.conflicts)
    del narrow
    notes = notes.join(group_patients(notes), on="patient_id", how="left", maintain_order="left")
    facts: dict[str, Any] = describe_clusters(notes)
    labels = checks.list_labels(notes)
    notes, unplaced = split(notes, settings)
    checks.check_splits(notes)
    notes, straddling = drop_straddling(notes)
    checks.check_splits(notes)
    facts |= checks.check_leakage(notes)
    if settings.rare_labels == "other":
        notes, rare = checks.merge_rare(notes, settings.min_notes_per_label)
        facts["merged_labels"] = len(rare)
        labels = checks.list_labels(notes)
    facts["labels"] = checks.count_labels(notes, labels)
    checks.check_labels(facts["labels"], settings.min_notes_per_label)
    dropped = pl.concat([copies, straddling])
    facts |= {
        "duplicates": dropped.height,
        "duplicates_exact": copies.height,
        "duplicates_near_in_another_split": straddling.height,
        "conflicting_duplicates": int(copies["conflicting"].sum()),
    }
    return Decisions(notes, dropped, unplaced, labels, facts)


def split(notes: pl.DataFrame, settings: Preprocess) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The notes with a `split`, by the rule of the settings, and the notes that the rule has no place for."""
    shares = (settings.validation_share, settings.test_share, settings.seed)
    match settings.split:
        case "site":
            ((column, sites),) = settings.test_sites.items()
            return splits.by_site(notes, column, sites, settings.validation_share, settings.seed)
        case "stratified":
            placed = splits.stratify(notes, *shares)
        case "stable":
            placed = splits.keep_stable(notes, *shares)
        case "temporal":
            placed = splits.by_time(notes, *shares)
        case "predefined":
            placed = notes
    return placed, notes.clear()


def describe_clusters(notes: pl.DataFrame) -> dict[str, int]:
    """How many clusters of near duplicates there are, with several patients or labels, and how many patients they tie at most.

    >>> describe_clusters(pl.DataFrame({"cluster": [0, 0, 2], "patient_id": ["p", "q", "r"], "answer": [b"a", b"b", b"a"],
    ...                                 "group": ["p", "p", "r"]}))["near_duplicate_clusters_across_patients"]
    1
    """
    members = notes.group_by("cluster").agg(pl.len().alias("notes"), pl.col("patient_id", "answer").n_unique())
    members = members.filter(pl.col("notes") > 1)
    groups = notes.group_by("group").agg(pl.col("patient_id").n_unique())
    return {
        "near_duplicate_clusters": members.height,
        "near_duplicate_notes": int(members["notes"].sum()),
        "near_duplicate_clusters_across_patients": members.filter(pl.col("patient_id") > 1).height,
        "near_duplicate_clusters_conflicting": members.filter(pl.col("answer") > 1).height,
        "largest_patient_group": int(groups["patient_id"].max() or 0),  # type: ignore[arg-type]
    }
