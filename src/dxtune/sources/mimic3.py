"""MIMIC-III v1.4: a folder of the official csv or csv.gz files. NOTEEVENTS joined with ADMISSIONS and what the label needs.

Johnson et al., MIMIC-III, a freely accessible critical care database. Scientific Data 2016;3:160035.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from dxtune.params import Collect
from dxtune.sources import mimic, mimic_labels
from dxtune.sources.mimic_tables import need, parse_times, read_table, written
from dxtune.sources.pieces import Piece

CATEGORIES = (
    "Nursing/other", "Radiology", "Nursing", "ECG", "Physician", "Discharge summary", "Echo", "Respiratory", "Nutrition",
    "General", "Rehab Services", "Social Work", "Case Management", "Pharmacy", "Consult",
)  # fmt: skip

# What stands in [** **], by how it begins, and the placeholder of dxtune.deid that says the same. First match wins.
MARKS: tuple[tuple[str, str], ...] = (
    (r"(?:[\d/-]*[/-])?((?:1[89]|2\d)\d\d)(?:[/-][\d/-]*)?", "[DATE-$1]"),  # 2151-7-16, 7/2151, 2151
    (r"[\d/ -]*\d[\d/ -]*", "[DATE]"),  # 7-16
    (r"(?:year|month|day|date|holiday|weekday|season)[^\[\]]*?", "[DATE]"),
    (r"age[^\[\]]*?", "[AGE-90+]"),  # Age over 90
    (r"(?:hospital|clinic|ward|unit name|university|college|school|company|facility)[^\[\]]*?", "[FACILITY]"),
    (r"e-?mail[^\[\]]*?", "[EMAIL]"),
    (r"url[^\[\]]*?", "[URL]"),
    (r"(?:location|street|apartment|address|state|country|county|city|town|po box|p\.?o\.? box|zip)[^\[\]]*?", "[LOCATION]"),
    (r"fax[^\[\]]*?", "[FAX]"),
    (r"(?:telephone|phone|pager)[^\[\]]*?", "[PHONE]"),
    (r"social security[^\[\]]*?", "[SSN]"),
    (r"medical record[^\[\]]*?", "[MRN]"),
    (r"(?:[^\[\]]*?name|initial|dictator|attending|doctor|\w+ initial)[^\[\]]*?", "[NAME]"),
    (r"[^\[\]]*?", "[ID]"),  # Numeric Identifier, MD Number, Job Number, and whatever else
)


def pieces(settings: Collect, task: str) -> Iterator[Piece]:
    """The rows of NOTEEVENTS. Raises DataError where a file or column is missing, or a setting unknown.

    task: params.py has checked that it fits the label.
    """
    return mimic.pieces(settings, LAYOUT)


def facts(settings: Collect) -> dict[str, float | int | str]:
    """What the data card says: mimic.facts."""
    return mimic.facts(settings, LAYOUT)


def placeholders(text: pl.Expr) -> pl.Expr:
    """MIMIC's marks of de-identification as the placeholders of dxtune.deid, which leaves them as they are.

    A year stays, shifted as it is: intervals in years can still be read.

    >>> note = "[**2151-7-16**] Dr. [**Known lastname 1234**] at [**Hospital1 18**] ([**Telephone/Fax (1) 9**]), [**7-16**]"
    >>> pl.select(placeholders(pl.lit(note))).item()
    '[DATE-2151] Dr. [NAME] at [FACILITY] ([PHONE]), [DATE]'
    >>> marks = "[**Hospital Ward Name 8**] [**Name10 (NameIs) 5**] [**5-/2522**] [**Age over 90 **] [**Month (only) 3**]"
    >>> pl.select(placeholders(pl.lit(marks))).item()
    '[FACILITY] [NAME] [DATE-2522] [AGE-90+] [DATE]'
    >>> pl.select(placeholders(pl.lit("[**MD Number(1) 7**] [** **] [**Street Address(2) 3**] 3*4"))).item()
    '[ID] [ID] [LOCATION] 3*4'
    """
    for inside, placeholder in MARKS:
        text = text.str.replace_all(rf"(?i)\[\*\*\s*{inside}\s*\*\*\]", placeholder.replace("$1", "${1}"))
    return text


def _admissions(folder: Path, choice: mimic.Choice) -> pl.DataFrame:
    path = need(folder, "admissions", "each note's admission")
    columns = {
        "hadm_id": "hadm_id", "subject_id": "subject_id", "admittime": "admitted", "dischtime": "discharged",
        "deathtime": "died_at", "hospital_expire_flag": "expired", "admission_type": "admission_type",
        "admission_location": "admission_location",
    }  # fmt: skip
    columns |= {name: name for name in ("ethnicity", "insurance", "language") if name in choice.subgroups}
    admitted = {"admitted": "ADMITTIME", "discharged": "DISCHTIME", "died_at": "DEATHTIME"}
    frame = parse_times(read_table(path, columns), admitted, path.name)
    if {"sex", "age_band"} & set(choice.subgroups):
        path = need(folder, "patients", "the subgroups sex and age_band")
        patients = read_table(path, {"subject_id": "subject_id", "gender": "sex", "dob": "born"})
        patients = parse_times(patients, {"born": "DOB"}, path.name).unique("subject_id", keep="first", maintain_order=True)
        frame = frame.join(patients, on="subject_id", how="left", maintain_order="left")
        before_birthday = _day_of_year("admitted") < _day_of_year("born")
        age = pl.col("admitted").dt.year() - pl.col("born").dt.year() - before_birthday.cast(pl.Int32)
        frame = frame.with_columns(mimic_labels.age_band(age).alias("age_band")).drop("born")
    return mimic_labels.tidy(frame)


def _day_of_year(column: str) -> pl.Expr:
    return pl.col(column).dt.month().cast(pl.Int32) * 100 + pl.col(column).dt.day().cast(pl.Int32)


def _diagnoses(folder: Path) -> pl.DataFrame:
    path = need(folder, "diagnoses_icd", "codes")
    frame = read_table(path, {"hadm_id": "hadm_id", "seq_num": "seq_num", "icd9_code": "code"})
    return frame.with_columns(pl.lit("9").alias("version"))


def _titles(folder: Path) -> pl.DataFrame:
    frame = read_table(need(folder, "d_icd_diagnoses", "titles"), {"icd9_code": "code", "long_title": "title"})
    return frame.with_columns(pl.lit("9").alias("version"))


def _notes(rows: pl.DataFrame) -> pl.DataFrame:
    known = {name.casefold(): name for name in CATEGORIES}
    category = (
        pl.col("category").str.strip_chars().str.to_lowercase().replace_strict(known, default=None, return_dtype=pl.String)
    )
    ids = pl.col("row_id", "subject_id", "hadm_id").str.strip_chars()
    frame = rows.with_columns(ids, category.alias("category")).rename({"row_id": "note_id"})
    return frame.select(
        "row", "note_id", "subject_id", "hadm_id", "category", "text", "problem",
        mimic_labels.day(pl.coalesce("chartdate", "charttime")).alias("note_date"),
        (pl.col("iserror").str.strip_chars() == "1").fill_null(False).alias("error"),
        written(frame["charttime"], frame["storetime"], frame["chartdate"]).alias("written"),
    )  # fmt: skip


LAYOUT = mimic.Layout(
    licence="PhysioNet Credentialed Health Data License 1.5.0",
    note_tables=(("noteevents", CATEGORIES),),
    note_columns=("row_id", "subject_id", "hadm_id", "chartdate", "charttime", "storetime", "category", "iserror", "text"),
    admissions=_admissions,
    diagnoses=_diagnoses,
    titles=_titles,
    notes=_notes,
    text=placeholders,
)
