"""What MIMIC-III and MIMIC-IV share: pieces of notes, joined with the label of their admission and with its timing.

A layout (mimic3.py, mimic4.py) reads its own files into frames with these columns, all String but where a type is said:

    admissions  hadm_id, subject_id, expired, admission_type, admission_location, chosen subgroups;
                admitted, discharged, died_at (Datetime)
    diagnoses   hadm_id, seq_num, version (9 or 10), code
    notes       row (Int64), note_id, subject_id, hadm_id, category (null: unknown), text, note_date, problem (why the row
                cannot be used); error (Boolean); written (Datetime: when the note was last saved)
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from dxtune import records
from dxtune.errors import DataError
from dxtune.params import Collect
from dxtune.sources import icd, mimic_labels
from dxtune.sources.mimic_tables import Table, find, need, parse, segments, sha256
from dxtune.sources.pieces import Batch, Piece, Segment

SUBGROUPS = (
    "sex", "age_band", "ethnicity", "insurance", "language", "admission_type", "note_category", "after_outcome",
)  # fmt: skip
OF_PATIENTS = ("sex", "age_band")
CODED = ("icd_codes", "icd_chapters", "primary_group")  # labels that need DIAGNOSES_ICD
LEAST_ADMISSIONS = 10  # a label of fewer is not written into metrics, which are in git


class Choice(NamedTuple):
    """The settings that decide about records: hashable, so that a process reads the tables once."""

    label: str
    top_k: int
    categories: tuple[str, ...]
    allow_outcome_notes: bool
    subgroups: tuple[str, ...]


class Layout(NamedTuple):
    """What differs between MIMIC-III and MIMIC-IV. All functions are a module's own, so that pieces can be pickled."""

    licence: str
    note_tables: tuple[tuple[str, tuple[str, ...]], ...]  # each table of notes, and its categories
    note_columns: tuple[str, ...]
    admissions: Callable[[Path, Choice], pl.DataFrame]
    diagnoses: Callable[[Path], pl.DataFrame]
    titles: Callable[[Path], pl.DataFrame]  # D_ICD_DIAGNOSES: version, code, title
    notes: Callable[[pl.DataFrame], pl.DataFrame]
    text: Callable[[pl.Expr], pl.Expr]  # notes as the pipeline wants them


def pieces(settings: Collect, layout: Layout) -> Iterator[Piece]:
    """The rows of the chosen tables of notes. Raises DataError where a file or column is missing, or a setting unknown."""
    folder, choice = Path(settings.path), choose(settings, layout)
    tables = hashlib.sha256("".join(sha256(path) for path in joined_tables(folder, choice)).encode())
    stays(layout, folder, choice, tables.hexdigest())  # what is wrong with the tables is said at once
    for path in note_files(folder, choice, layout):
        for segment in segments(path, layout.note_columns):
            key = tables.copy()
            key.update(f"{segment.file.name} {segment.start.rows} {','.join(segment.file.header)}\n".encode())
            key.update(segment.data)
            read = partial(_read, layout, folder, choice, tables.hexdigest(), segment)
            yield Piece(key.hexdigest(), segment.rows, read)


def _read(layout: Layout, folder: Path, choice: Choice, tables: str, segment: Segment[Table]) -> Batch:
    notes = layout.notes(parse(segment, layout.note_columns))
    batch = join(notes, stays(layout, folder, choice, tables), choice, segment.file.name)
    return batch._replace(records=batch.records.with_columns(layout.text(pl.col("text"))))


def choose(settings: Collect, layout: Layout) -> Choice:
    """The choice that the settings make of what a layout has. Raises DataError for a name that it has not."""
    if unknown := [name for name in settings.subgroup_columns if name not in SUBGROUPS]:
        raise DataError(
            f"collect.subgroup_columns: MIMIC has {', '.join(SUBGROUPS)}, found {', '.join(unknown)}: choose among these, or []"
        )
    categories = [name for _, names in layout.note_tables for name in names]
    known = {name.casefold(): name for name in categories}
    if unknown := [name for name in settings.note_categories if name.strip().casefold() not in known]:
        raise DataError(f"collect.note_categories: expected some of {', '.join(categories)}, found {', '.join(unknown)}")
    chosen = {known[name.strip().casefold()] for name in settings.note_categories} or set(categories)
    kept = tuple(name for name in categories if name in chosen)
    late = settings.allow_outcome_notes
    return Choice(settings.mimic_label, settings.mimic_top_k, kept, late, settings.subgroup_columns)


# ---- which files ----


def joined_tables(folder: Path, choice: Choice) -> list[Path]:
    """The tables that the choice needs besides the notes."""
    paths = [need(folder, "admissions", "each note's admission")]
    if any(name in OF_PATIENTS for name in choice.subgroups):
        paths.append(need(folder, "patients", "the subgroups sex and age_band"))
    if choice.label in CODED:
        paths.append(need(folder, "diagnoses_icd", f"collect.mimic_label: {choice.label}"))
    return paths


def note_files(folder: Path, choice: Choice, layout: Layout) -> list[Path]:
    """The tables of notes that hold chosen categories. Where all were chosen, those of them that are there, at least one."""
    wanted = {table: names for table, names in layout.note_tables if set(names) & set(choice.categories)}
    every = len(choice.categories) == sum(len(names) for _, names in layout.note_tables)
    there = [path for table in wanted if (path := find(folder, table))]
    if every and there:
        return there
    return [need(folder, table, f"notes of the categories {', '.join(names)}") for table, names in wanted.items()]


# ---- labels ----


@lru_cache(maxsize=1)
def stays(layout: Layout, folder: Path, choice: Choice, tables: str) -> pl.DataFrame:
    """Admissions with `label` or `labels`, `exclude`, `known_at` (mimic_labels.py) and subgroups. `tables`: their hash."""
    admissions = layout.admissions(folder, choice)
    for wrong, what in ((admissions["hadm_id"].is_null(), "none"), (~admissions["hadm_id"].is_first_distinct(), "one again")):
        if len(rows := wrong.arg_true()):
            raise DataError(
                f"admissions, row {rows[0] + 1}, column HADM_ID: expected an id of its own, found {what}: copy it again"
            )
    if choice.label == "mortality":
        return mimic_labels.mortality(admissions)
    if choice.label == "readmission_30d":
        return mimic_labels.readmission(admissions)
    diagnoses = layout.diagnoses(folder).with_columns(icd.normal(pl.col("code"))).drop_nulls(["hadm_id", "version", "code"])
    if choice.label == "primary_group":
        return mimic_labels.primary_group(admissions, diagnoses)
    if choice.label == "icd_chapters":
        return mimic_labels.icd_chapters(admissions, diagnoses)
    return mimic_labels.icd_codes(admissions, diagnoses, choice.top_k)


# ---- the join ----


def join(notes: pl.DataFrame, stays: pl.DataFrame, choice: Choice, file: str) -> Batch:
    """Records of the notes that have a label and were written in time; all others in the quarantine, with a reason.

    Reasons that begin with records.LEFT_OUT are choices: a category that was not chosen, a stay that the label's definition
    leaves out. Rows in = records + quarantine.
    """
    joined = with_reasons(notes, stays, choice)
    bad = joined.filter(pl.col("reason").is_not_null())
    good = joined.filter(pl.col("reason").is_null()).rename({"subject_id": "patient_id"})
    good = good.with_columns(pl.lit(None, pl.String).alias("split"))
    quarantine = bad.select(pl.lit(file).alias("file"), "row", "note_id", "reason")
    task = "multilabel" if "labels" in stays.columns else "classification"
    return Batch(good.select(*records.columns(task), *choice.subgroups), quarantine)


def with_reasons(notes: pl.DataFrame, stays: pl.DataFrame, choice: Choice) -> pl.DataFrame:
    """Notes with their stay's columns, `after_outcome` (yes | no; null: not known) and `reason` (null: usable)."""
    renamed = stays.rename({"subject_id": "stay_subject"}).with_columns(pl.lit(True).alias("has_stay"))
    late = pl.col("written") > pl.col("known_at")
    joined = notes.join(renamed, on="hadm_id", how="left", maintain_order="left").with_columns(
        pl.when(late).then(pl.lit("yes")).when(~late).then(pl.lit("no")).alias("after_outcome"),
        pl.col("category").alias("note_category"),
    )
    reasons: list[tuple[pl.Expr, pl.Expr | str]] = [
        (pl.col("problem").is_not_null(), pl.col("problem")),
        (pl.col("category").is_null(), "unknown category"),
        (~pl.col("category").is_in(choice.categories), pl.format(records.LEFT_OUT + "category {}", "category")),
        (pl.col("error"), "marked as an error (ISERROR)"),
        (~pl.col("text").str.contains(r"\S").fill_null(False), "missing text"),
        (pl.col("text").str.contains("\0", literal=True), "NUL byte"),
        (pl.col("note_id").is_null(), "missing note id"),
        (~pl.col("note_id").is_first_distinct(), "note id again"),
        (pl.col("subject_id").is_null(), "missing SUBJECT_ID"),
        (pl.col("hadm_id").is_null(), "missing HADM_ID"),
        (pl.col("has_stay").is_null(), "HADM_ID is not in ADMISSIONS"),
        (pl.col("stay_subject").ne_missing(pl.col("subject_id")), "SUBJECT_ID is not that of the admission"),
        (pl.col("exclude").is_not_null(), pl.col("exclude")),
    ]
    if not choice.allow_outcome_notes:
        reasons += [
            (pl.col("after_outcome").is_null(), "not known whether written before the outcome"),
            (pl.col("after_outcome") == "yes", "written after the outcome"),
        ]
    cases = [pl.when(wrong).then(pl.lit(why) if isinstance(why, str) else why) for wrong, why in reasons]
    return joined.with_columns(pl.coalesce(cases).alias("reason"))


# ---- facts ----


def facts(settings: Collect, layout: Layout) -> dict[str, float | int | str]:
    """For the data card: files and their sha256, licence, shifted years, notes by category and after the outcome, labels.

    `prevalence_...`: share of the admissions with a label; labels of fewer than LEAST_ADMISSIONS are not named.
    """
    folder, choice = Path(settings.path), choose(settings, layout)
    tables, files = joined_tables(folder, choice), note_files(folder, choice, layout)
    hashes = {f"sha256_{path.name.lower().split('.')[0]}": sha256(path) for path in (*tables, *files)}
    known = stays(layout, folder, choice, hashlib.sha256("".join(sha256(path) for path in tables).encode()).hexdigest())
    found: dict[str, float | int | str] = {"files": len(hashes), "licence": layout.licence, **hashes, "years_shifted": "yes"}
    years = known["admitted"].dt.year().drop_nulls().sort().to_list()
    found |= {"first_year": years[0], "last_year": years[-1]} if years else {}
    found |= _count_notes(files, known, choice, layout) | prevalence(known)
    if choice.label == "icd_codes" and find(folder, "d_icd_diagnoses"):
        names = [key.removeprefix("prevalence_") for key in found if key.startswith("prevalence_icd")]
        titles = layout.titles(folder).select(pl.format("icd{}_{}", "version", icd.normal(pl.col("code"))), "title")
        found |= {f"title_{name}": title for name, title in titles.iter_rows() if name in names and title}
    return found


def _count_notes(files: list[Path], known: pl.DataFrame, choice: Choice, layout: Layout) -> dict[str, float | int | str]:
    """Rows by category, and those of chosen categories and labelled stays that were written after the outcome."""
    counts: Counter[str] = Counter(notes_after_outcome=0)
    for path in files:
        for segment in segments(path, layout.note_columns):
            notes = with_reasons(layout.notes(parse(segment, layout.note_columns)), known, choice)
            for category, rows in notes.group_by("category").len().iter_rows():
                counts["notes_" + re.sub(r"\W+", "_", (category or "unknown").lower())] += rows
            usable = pl.col("reason").is_null() | (pl.col("reason") == "written after the outcome")
            counts["notes_after_outcome"] += notes.filter(usable & (pl.col("after_outcome") == "yes")).height
    return dict(counts)


def prevalence(known: pl.DataFrame) -> dict[str, float | int | str]:
    """Admissions that have a label, and each label's share of them.

    >>> stays = pl.DataFrame({"label": ["died"] * 10 + ["survived"] * 30 + [None], "exclude": [None] * 40 + ["no flag"]})
    >>> prevalence(stays)
    {'admissions': 40, 'prevalence_died': 0.25, 'prevalence_survived': 0.75}
    """
    labelled = known.filter(pl.col("exclude").is_null())
    values = labelled["labels"].explode() if "labels" in known.columns else labelled["label"]
    counts = values.drop_nulls().value_counts(name="n").filter(pl.col("n") >= LEAST_ADMISSIONS).sort(values.name)
    shares = {f"prevalence_{name}": round(n / labelled.height, 6) for name, n in counts.iter_rows()}
    return {"admissions": labelled.height, **shares}
