"""MIMIC-IV v2 and v3 with MIMIC-IV-Note v2.2: a folder with hosp/ and note/ (or all files flat), csv or csv.gz.

Johnson et al., MIMIC-IV, a freely accessible electronic health record dataset. Scientific Data 2023;10:1. Note types: DS
discharge summary, AD addendum to one, RR radiology report, AR addendum to one. Its mark of de-identification, ___, stays: it
does not say what stood there, and dxtune.deid leaves it as it is.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from dxtune.params import Collect
from dxtune.sources import mimic, mimic_labels
from dxtune.sources.mimic_tables import need, parse_times, read_table, written
from dxtune.sources.pieces import Piece

NOTE_TABLES = (("discharge", ("DS", "AD")), ("radiology", ("RR", "AR")))


def pieces(settings: Collect, task: str) -> Iterator[Piece]:
    """The rows of discharge and radiology, as chosen. Raises DataError where a file or column is missing, or a setting unknown.

    task: params.py has checked that it fits the label.
    """
    return mimic.pieces(settings, LAYOUT)


def facts(settings: Collect) -> dict[str, float | int | str]:
    """What the data card says: mimic.facts."""
    return mimic.facts(settings, LAYOUT)


def _admissions(folder: Path, choice: mimic.Choice) -> pl.DataFrame:
    path = need(folder, "admissions", "each note's admission")
    columns = {
        "hadm_id": "hadm_id", "subject_id": "subject_id", "admittime": "admitted", "dischtime": "discharged",
        "deathtime": "died_at", "hospital_expire_flag": "expired", "admission_type": "admission_type",
        "admission_location": "admission_location",
    }  # fmt: skip
    named = {"ethnicity": "race", "insurance": "insurance", "language": "language"}
    columns |= {official: name for name, official in named.items() if name in choice.subgroups}
    admitted = {"admitted": "ADMITTIME", "discharged": "DISCHTIME", "died_at": "DEATHTIME"}
    frame = parse_times(read_table(path, columns), admitted, path.name)
    if {"sex", "age_band"} & set(choice.subgroups):
        path = need(folder, "patients", "the subgroups sex and age_band")
        anchors = {"subject_id": "subject_id", "gender": "sex", "anchor_age": "anchor_age", "anchor_year": "anchor_year"}
        patients = read_table(path, anchors).unique("subject_id", keep="first", maintain_order=True)
        frame = frame.join(patients, on="subject_id", how="left", maintain_order="left")
        at_anchor = pl.col("anchor_age").cast(pl.Int64, strict=False)
        age = at_anchor + pl.col("admitted").dt.year() - pl.col("anchor_year").cast(pl.Int64, strict=False)
        age = pl.when(at_anchor > 89).then(at_anchor).otherwise(age)  # all ages over 89 are written as 91
        frame = frame.with_columns(mimic_labels.age_band(age).alias("age_band")).drop("anchor_age", "anchor_year")
    return mimic_labels.tidy(frame)


def _diagnoses(folder: Path) -> pl.DataFrame:
    path = need(folder, "diagnoses_icd", "codes")
    return read_table(path, {"hadm_id": "hadm_id", "seq_num": "seq_num", "icd_code": "code", "icd_version": "version"})


def _titles(folder: Path) -> pl.DataFrame:
    path = need(folder, "d_icd_diagnoses", "titles")
    return read_table(path, {"icd_code": "code", "icd_version": "version", "long_title": "title"})


def _notes(rows: pl.DataFrame) -> pl.DataFrame:
    known = [name for _, names in NOTE_TABLES for name in names]
    kind = pl.col("note_type").str.strip_chars().str.to_uppercase()
    nothing = pl.Series([None] * rows.height, dtype=pl.String)
    return rows.select(
        "row",
        pl.col("note_id", "subject_id", "hadm_id").str.strip_chars(),
        pl.when(kind.is_in(known)).then(kind).alias("category"),
        "text",
        "problem",
        mimic_labels.day(pl.col("charttime")).alias("note_date"),
        pl.lit(False).alias("error"),
        written(rows["charttime"], rows["storetime"], nothing).alias("written"),
    )


def _as_it_is(text: pl.Expr) -> pl.Expr:
    return text


LAYOUT = mimic.Layout(
    licence="PhysioNet Credentialed Health Data License 1.5.0",
    note_tables=NOTE_TABLES,
    note_columns=("note_id", "subject_id", "hadm_id", "note_type", "charttime", "storetime", "text"),
    admissions=_admissions,
    diagnoses=_diagnoses,
    titles=_titles,
    notes=_notes,
    text=_as_it_is,
)
