"""What MIMIC-III and MIMIC-IV share: the tables of admissions, and the join of notes with labels and their timing.

A layout (mimic3.py, mimic4.py) reads its own files into frames with these columns, all String but where a type is said:

    admissions  hadm_id, subject_id, expired, admission_type, admission_location, chosen subgroups;
                admitted, discharged, died_at (Datetime)
    diagnoses   hadm_id, seq_num, version (9 or 10), code
    notes       row (Int64), note_id, subject_id, hadm_id, category, text, problem (why the row cannot be used);
                written (Datetime: when the note was last saved; a day without a time counts to its end), note_date
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import polars as pl

from dxtune import records
from dxtune.errors import DataError
from dxtune.params import Collect
from dxtune.sources import icd, mimic_labels
from dxtune.sources.pieces import Batch

SUBGROUPS = (
    "sex", "age_band", "ethnicity", "insurance", "language", "admission_type", "note_category", "after_outcome",
)  # fmt: skip
CODED = ("icd_codes", "icd_chapters", "primary_group")  # labels that need DIAGNOSES_ICD
TIME, DAY = "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"


class Choice(NamedTuple):
    """The settings that decide about records: hashable, so that a process reads the tables once."""

    label: str
    top_k: int
    categories: tuple[str, ...]
    allow_outcome_notes: bool
    subgroups: tuple[str, ...]


def choose(settings: Collect, categories: tuple[str, ...]) -> Choice:
    """The choice that the settings make among all `categories` of a source. Raises DataError for a name that it has not."""
    if unknown := [name for name in settings.subgroup_columns if name not in SUBGROUPS]:
        raise DataError(
            f"collect.subgroup_columns: MIMIC has {', '.join(SUBGROUPS)}, found {', '.join(unknown)}: choose among these, or []"
        )
    known = {name.casefold(): name for name in categories}
    if unknown := [name for name in settings.note_categories if name.strip().casefold() not in known]:
        raise DataError(f"collect.note_categories: expected some of {', '.join(categories)}, found {', '.join(unknown)}")
    chosen = {known[name.strip().casefold()] for name in settings.note_categories} or set(categories)
    return Choice(
        settings.mimic_label,
        settings.mimic_top_k,
        tuple(name for name in categories if name in chosen),
        settings.allow_outcome_notes,
        settings.subgroup_columns,
    )


# ---- tables ----


def find(folder: Path, table: str) -> Path | None:
    """The file of an official table: TABLE.csv or TABLE.csv.gz in any case, in the folder or up to two below (hosp/, note/)."""
    names = {f"{table}.csv", f"{table}.csv.gz"}
    found = sorted(path for depth in ("*", "*/*", "*/*/*") for path in folder.glob(depth) if path.name.lower() in names)
    if len(found) > 1:
        both = ", ".join(path.relative_to(folder).as_posix() for path in found)
        raise DataError(f"collect.path: expected one file of the table {table}, found {both}: take the others away")
    return found[0] if found else None


def need(folder: Path, table: str, what_for: str) -> Path:
    """The same; raises DataError where there is none."""
    if not folder.is_dir():
        raise DataError(f"collect.path = {folder.as_posix()!r}: expected the folder with MIMIC's files, found none: correct it")
    if (path := find(folder, table)) is None:
        raise DataError(
            f"collect.path: expected {table}.csv or {table}.csv.gz there ({what_for}), found neither: put the official file there"
        )
    return path


def read_table(path: Path, columns: Mapping[str, str]) -> pl.DataFrame:
    """Some columns of an official file, as strings without blanks around them (null: empty), under new names.

    columns: name in the file (in any case) -> new name. Raises DataError naming file and column.
    """
    try:
        header = pl.read_csv(path, n_rows=0, infer_schema=False).columns
        found = {name.strip().lower(): name for name in header}
        if missing := [name for name in columns if name not in found]:
            raise DataError(
                f"{path.name}: expected the column {missing[0].upper()}, found {', '.join(header)}: take the official file"
            )
        frame = pl.read_csv(path, columns=[found[name] for name in columns], infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{path.name}: expected MIMIC's csv or csv.gz, found another or a cut file ({type(error).__name__}): copy it again"
        ) from None
    clean = frame.select(pl.col(found[name]).str.strip_chars().alias(new) for name, new in columns.items())
    return clean.with_columns(pl.when(pl.all() != "").then(pl.all()))


def parse_times(frame: pl.DataFrame, columns: Mapping[str, str], file: str) -> pl.DataFrame:
    """The frame with the columns (-> their names in the file) as Datetime. MIMIC shifts years to 2100 and later: any will do.

    Raises DataError at the first value that is no time.
    """
    for name, official in columns.items():
        parsed = time_of(frame[name])
        wrong = (parsed.is_null() & frame[name].is_not_null()).arg_true()
        if len(wrong):
            raise DataError(
                f"{file}, row {wrong[0] + 1}, column {official}: expected a time such as 2150-01-31 09:30:00, found another "
                "form, as a spreadsheet writes it: take the official file, not one that was saved again"
            )
        frame = frame.with_columns(parsed)
    return frame


def time_of(values: pl.Series) -> pl.Series:
    """Datetimes of strings; null where there is none, or where it has not the form 2150-01-31 09:30:00."""
    return values.str.to_datetime(TIME, strict=False, time_unit="us")


def written(charttime: pl.Series, storetime: pl.Series, chartdate: pl.Series) -> pl.Series:
    """When a note was last saved: the later of both times; a date alone counts to the end of its day (when is not known).

    >>> one = lambda value: pl.Series([value], dtype=pl.String)
    >>> str(written(one("2150-01-31 09:30:00"), one("2150-01-31 11:00:00"), one(None))[0])
    '2150-01-31 11:00:00'
    >>> str(written(one(None), one(None), one("2150-01-31"))[0])
    '2150-01-31 23:59:59'
    """
    day = chartdate.str.slice(0, 10).str.to_datetime(DAY, strict=False, time_unit="us")
    frame = pl.DataFrame({"chart": time_of(charttime), "store": time_of(storetime), "day": day})
    end = pl.col("day") + pl.duration(hours=23, minutes=59, seconds=59)
    return frame.select(pl.coalesce(pl.max_horizontal("chart", "store"), end)).to_series()


# ---- labels ----


def label(admissions: pl.DataFrame, diagnoses: pl.DataFrame | None, choice: Choice) -> pl.DataFrame:
    """Admissions with `label` or `labels`, `exclude` and `known_at`. diagnoses: None where the label needs none."""
    if diagnoses is not None:
        diagnoses = diagnoses.with_columns(icd.normal(pl.col("code"))).drop_nulls(["hadm_id", "code"])
    if choice.label == "mortality":
        return mimic_labels.mortality(admissions)
    if choice.label == "readmission_30d":
        return mimic_labels.readmission(admissions)
    assert diagnoses is not None
    if choice.label == "primary_group":
        return mimic_labels.primary_group(admissions, diagnoses)
    if choice.label == "icd_chapters":
        return mimic_labels.icd_chapters(admissions, diagnoses)
    return mimic_labels.icd_codes(admissions, diagnoses, choice.top_k)


def check_admissions(admissions: pl.DataFrame, file: str) -> None:
    """Raises DataError where the id of an admission is missing or there twice: labels are joined by it."""
    for wrong, what in ((admissions["hadm_id"].is_null(), "no id"), (~admissions["hadm_id"].is_first_distinct(), "an id again")):
        if len(rows := wrong.arg_true()):
            raise DataError(f"{file}, row {rows[0] + 1}, column HADM_ID: expected an id of its own, found {what}: copy it again")


# ---- the join ----


def join(notes: pl.DataFrame, stays: pl.DataFrame, choice: Choice, file: str, flags: pl.Expr | None = None) -> Batch:
    """Records of the notes that have a label in time, and the quarantine of all others: rows in = records + quarantine.

    Notes of categories that were not chosen, and of stays that the label's definition leaves out, stand in the quarantine with
    reasons that begin with records.LEFT_OUT.
    """
    joined = with_reasons(notes, stays, choice)
    bad = joined.filter(pl.col("reason").is_not_null())
    quarantine = bad.select(pl.lit(file).alias("file"), "row", "note_id", "reason")
    target = "labels" if "labels" in stays.columns else "label"
    columns = [target if name == "label" else name for name in records.RAW]
    good = joined.filter(pl.col("reason").is_null()).with_columns(
        pl.col("subject_id").alias("patient_id"), pl.lit(None, pl.String).alias("split")
    )
    return Batch(good.select(*columns, *choice.subgroups), records.check(quarantine, records.QUARANTINE, file))


def with_reasons(notes: pl.DataFrame, stays: pl.DataFrame, choice: Choice) -> pl.DataFrame:
    """Notes with what their stays say, `after_outcome` (yes | no; null: not known) and `reason` (null: usable)."""
    renamed = stays.rename({"subject_id": "stay_subject"}).with_columns(pl.lit(True).alias("has_stay"))
    joined = notes.join(renamed, on="hadm_id", how="left", maintain_order="left")
    late = pl.col("written") > pl.col("known_at")
    joined = joined.with_columns(
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
