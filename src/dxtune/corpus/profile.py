"""What a reader must know of the notes: the table of participants for each split, and who was left out and why.

TRIPOD+AI (Collins et al. 2024, doi:10.1136/bmj-2023-078378), items 20a to 20c. Cells of fewer than ten patients are not shown.
"""

from collections.abc import Callable, Iterable

import polars as pl

from dxtune.params import SPLITS

SMALLEST = 10
SUPPRESSED = f"<{SMALLEST}"
TABLE = {"variable": pl.String, "value": pl.String, **dict.fromkeys(SPLITS, pl.String)}
FLOW = {"reason": pl.String, "notes": pl.Int64, "patients": pl.String}


def describe(notes: pl.DataFrame) -> dict[str, float]:
    """The size of one split: notes, patients, mean characters of a note.

    >>> describe(pl.DataFrame({"patient_id": ["p", "p"], "characters": [2, 4]}))
    {'notes': 2, 'patients': 1, 'mean_characters': 3.0}
    """
    characters = int(notes["characters"].sum())
    return {
        "notes": notes.height,
        "patients": notes["patient_id"].n_unique(),
        "mean_characters": round(characters / notes.height, 1),
    }


def count_labels(notes: pl.DataFrame, labels: Iterable[str]) -> dict[str, dict[str, int | str]]:
    """How many notes each label has in each split, `<10` where they are of one to nine patients.

    >>> notes = pl.DataFrame({"patient_id": [f"p{i}" for i in range(12)], "split": ["train"] * 11 + ["test"],
    ...     "labels": [["flu"]] * 12})
    >>> count_labels(notes, ["flu"])
    {'flu': {'train': 11, 'validation': 0, 'test': '<10'}}
    """
    counts: dict[str, dict[str, int | str]] = {label: dict.fromkeys(SPLITS, 0) for label in labels}
    every = notes.explode("labels").drop_nulls("labels").group_by("labels", "split")
    found = every.agg(pl.len(), pl.col("patient_id").n_unique().alias("patients"))
    for label, split, number, patients in found.iter_rows():
        counts[label][split] = number if patients >= SMALLEST else SUPPRESSED
    return counts


def table_one(notes: pl.DataFrame, subgroups: tuple[str, ...]) -> pl.DataFrame:
    """The participants of each split (TABLE): patients, notes, lengths, years, labels and subgroups.

    A count is of patients, with its share of the split's patients in per cent; fewer than ten are shown as `<10`, without one.

    >>> notes = pl.DataFrame({"patient_id": [f"p{i}" for i in range(12)], "split": ["train"] * 12, "labels": [["flu"]] * 12,
    ...     "characters": [100] * 12, "note_year": ["2019"] * 12, "sex": ["f"] * 10 + ["m"] * 2})
    >>> table_one(notes, ("sex",)).filter(variable="sex").select("value", "train").rows()
    [('f', '10 (83.3)'), ('m', '<10')]
    """
    rows = [("patients", "", *_each(notes, lambda part: _count(part["patient_id"].n_unique())))]
    rows += [("notes", "", *_each(notes, lambda part: str(part.height)))]
    rows += [("characters of a note", "median (quartiles)", *_each(notes, _quartiles))]
    rows += [("years of the notes", "", *_each(notes, _years))]
    every = dict(notes.group_by("split").agg(pl.col("patient_id").n_unique()).iter_rows())
    for variable in ("labels", *subgroups):
        value = pl.col(variable).fill_null("unknown")
        if variable == "labels":
            value = pl.when(pl.col("labels").list.len() > 0).then("labels").otherwise(pl.lit(["none"]))
        named = notes.select("patient_id", "split", value.alias("value"))
        named = named.explode("value") if variable == "labels" else named
        counted = named.group_by("value", "split").agg(pl.col("patient_id").n_unique())
        found = {(name, split): patients for name, split, patients in counted.iter_rows()}
        for name in sorted(named["value"].unique()):
            cells = [_share(found.get((name, split), 0), every.get(split, 0)) for split in SPLITS]
            rows.append(("label" if variable == "labels" else variable, name, *cells))
    return pl.DataFrame(rows, schema=TABLE, orient="row")


def exclusions(quarantine: pl.DataFrame, dropped: pl.DataFrame, patients: pl.DataFrame) -> pl.DataFrame:
    """Who was left out (FLOW): each reason with its notes, and its patients where they are ten or more.

    `quarantine` and `dropped`: `note_id`, `reason`; `patients`: `note_id` and `patient_id` of every note found.
    """
    lost = pl.concat([part.select("note_id", "reason") for part in (quarantine, dropped)])
    by_reason = lost.join(patients, on="note_id", how="left").group_by("reason")
    counts = by_reason.agg(pl.len().cast(pl.Int64).alias("notes"), pl.col("patient_id").n_unique().alias("patients"))
    counts = counts.sort("reason")
    shown = [_count(number) for number in counts["patients"]]
    return counts.with_columns(pl.Series("patients", shown, dtype=pl.String))


def _each(notes: pl.DataFrame, cell: Callable[[pl.DataFrame], str]) -> list[str]:
    parts = (notes.filter(split=split) for split in SPLITS)
    return [cell(part) if part.height else "0" for part in parts]


def _share(patients: int, every: int) -> str:
    return _count(patients) if patients < SMALLEST else f"{patients} ({100 * patients / every:.1f})"


def _count(patients: int) -> str:
    return SUPPRESSED if 0 < patients < SMALLEST else str(patients)


def _quartiles(part: pl.DataFrame) -> str:
    low, middle, high = (part["characters"].quantile(q, "nearest") for q in (0.25, 0.5, 0.75))
    return f"{middle:.0f} ({low:.0f} to {high:.0f})"


def _years(part: pl.DataFrame) -> str:
    first, last = part["note_year"].min(), part["note_year"].max()
    return "unknown" if first is None else f"{first!s} to {last!s}"
