"""Labels of MIMIC admissions, when each is known, and subgroups: frames in, frames out.

Every label function adds the columns `label` (String) or `labels` (List[String]); `exclude`, why an admission has no label
(null: it has one); and `known_at`, from when on the label is known. A note that is written later can state it: PROBAST, domain
2 (Moons et al., Ann Intern Med 2019;170:W1) asks for predictors that were there before the outcome.
"""

from datetime import timedelta

import polars as pl

from dxtune import records
from dxtune.sources import icd

WINDOW = timedelta(days=30)
PLANNED = ("ELECTIVE", "SURGICAL SAME DAY ADMISSION")  # ADMISSION_TYPE; the second is in MIMIC-IV only
ETHNICITIES = {"WHITE": "White", "BLACK": "Black", "HISPANIC": "Hispanic", "ASIAN": "Asian"}  # by their first letters
UNKNOWN = ("UNKNOWN", "UNABLE", "PATIENT DECLINED")
AGE_BANDS = ((17, "0-17"), (39, "18-39"), (64, "40-64"), (79, "65-79"), (89, "80-89"))  # last year of age; older: 90+


def mortality(admissions: pl.DataFrame) -> pl.DataFrame:
    """Death in hospital (HOSPITAL_EXPIRE_FLAG): died | survived. Known at death or discharge, whichever is first.

    An organ donor's second "admission" begins after the death, so that no note of it is early enough.
    """
    return admissions.with_columns(
        pl.col("expired").replace_strict({"1": "died", "0": "survived"}, default=None).alias("label"),
        pl.when(~pl.col("expired").is_in(["0", "1"]).fill_null(False))
        .then(pl.lit("HOSPITAL_EXPIRE_FLAG is not 0 or 1"))
        .alias("exclude"),
        pl.min_horizontal("died_at", "discharged").alias("known_at"),
    )


def readmission(admissions: pl.DataFrame) -> pl.DataFrame:
    """Unplanned readmission within 30 days of discharge: readmitted | not_readmitted.

    After the CMS hospital-wide measure (Hospital-Wide All-Cause Unplanned Readmission, Yale CORE, 2017): the patient's next
    admission decides; it counts where it begins at most 30 days (to the minute) after discharge and is not planned (PLANNED).
    No index admission: one that ends with death, and one that goes on as another: the next begins on the day of discharge as a
    transfer (ADMISSION_LOCATION), or before discharge. Known at the next admission if it counts, otherwise after 30 days.

    >>> from datetime import datetime as at
    >>> stays = pl.DataFrame({"subject_id": ["1"] * 3, "hadm_id": ["a", "b", "c"], "expired": ["0", "0", "1"],
    ...     "admitted": [at(2150, 1, 1), at(2150, 1, 20), at(2150, 6, 1)], "admission_type": ["URGENT"] * 2 + ["ELECTIVE"],
    ...     "discharged": [at(2150, 1, 5), at(2150, 2, 1), at(2150, 6, 9)], "admission_location": ["CLINIC REFERRAL"] * 3})
    >>> readmission(stays).select("hadm_id", "label", "exclude").rows()  # doctest: +NORMALIZE_WHITESPACE
    [('a', 'readmitted', None), ('b', 'not_readmitted', None),
     ('c', None, 'left out: died in hospital, cannot be readmitted')]
    """
    ordered = admissions.sort("subject_id", "admitted", "hadm_id", nulls_last=True)
    after = ordered.with_columns(
        pl.col("admitted", "admission_type", "admission_location").shift(-1).over("subject_id").name.prefix("next_")
    )
    same_day = pl.col("next_admitted").dt.date() == pl.col("discharged").dt.date()
    transfer = same_day & pl.col("next_admission_location").str.to_uppercase().str.contains("TRANSFER", literal=True)
    counts = ((pl.col("next_admitted") - pl.col("discharged")) <= WINDOW) & ~pl.col(
        "next_admission_type"
    ).str.to_uppercase().is_in(PLANNED).fill_null(False)
    counts = counts.fill_null(False)
    exclude = (
        pl.when(~pl.col("expired").is_in(["0", "1"]).fill_null(False))
        .then(pl.lit("HOSPITAL_EXPIRE_FLAG is not 0 or 1"))
        .when(pl.col("expired") == "1")
        .then(pl.lit(records.LEFT_OUT + "died in hospital, cannot be readmitted"))
        .when(pl.col("discharged").is_null())
        .then(pl.lit("no time of discharge"))
        .when((transfer | (pl.col("next_admitted") < pl.col("discharged"))).fill_null(False))
        .then(pl.lit(records.LEFT_OUT + "goes on as another admission by transfer"))
    )
    return after.with_columns(
        exclude.alias("exclude"),
        pl.when(counts).then(pl.col("next_admitted")).otherwise(pl.col("discharged") + WINDOW).alias("known_at"),
        pl.when(exclude.is_null())
        .then(pl.when(counts).then(pl.lit("readmitted")).otherwise(pl.lit("not_readmitted")))
        .alias("label"),
    ).select(*admissions.columns, "label", "exclude", "known_at")


def primary_group(admissions: pl.DataFrame, diagnoses: pl.DataFrame) -> pl.DataFrame:
    """The ICD chapter of the diagnosis with SEQ_NUM 1, what the stay was mainly for. Known at discharge, when it is coded."""
    first = diagnoses.filter(pl.col("seq_num") == "1").unique("hadm_id", keep="first", maintain_order=True)
    group = first.join(_chapters(first), on=["version", "code"], how="left").select("hadm_id", label="name")
    missing = pl.when(pl.col("label").is_null()).then(pl.lit("no primary diagnosis with an ICD chapter"))
    joined = admissions.join(group, on="hadm_id", how="left", maintain_order="left")
    return joined.with_columns(missing.alias("exclude"), known_at=pl.col("discharged"))


def icd_chapters(admissions: pl.DataFrame, diagnoses: pl.DataFrame) -> pl.DataFrame:
    """All ICD chapters in which the stay has a diagnosis, sorted. Known at discharge."""
    return _lists(admissions, _named(admissions, diagnoses, _chapters(diagnoses)), diagnoses)


def icd_codes(admissions: pl.DataFrame, diagnoses: pl.DataFrame, top_k: int) -> pl.DataFrame:
    """Those of the `top_k` codes of most admissions (ties: by code) that the stay has, sorted; maybe none. Known at discharge.

    As the "top 50" of Mullenbach et al. (CAML, NAACL 2018), the list is counted over all admissions.
    """
    names = diagnoses.select("version", "code").unique().with_columns(name=pl.format("icd{}_{}", "version", "code"))
    named = _named(admissions, diagnoses, names)
    top = named.group_by("name").len("n").sort(["n", "name"], descending=[True, False]).head(top_k)
    return _lists(admissions, named.join(top, on="name", how="semi", maintain_order="left"), diagnoses)


def _chapters(diagnoses: pl.DataFrame) -> pl.DataFrame:
    """Each version and code that has a chapter, and its `name`; looked up once a code, of which there are few."""
    codes = diagnoses.select("version", "code").unique()
    return codes.with_columns(name=icd.chapter(pl.col("code"), pl.col("version"))).drop_nulls("name")


def _named(admissions: pl.DataFrame, diagnoses: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """Each admission (`stay`: its row) with each name of its diagnoses, once, sorted. Numbers, as MIMIC-IV has 6 million."""
    kind = pl.Enum(names["name"].unique().sort())
    stays = admissions.select("hadm_id").with_row_index("stay")
    coded = diagnoses.lazy().select("hadm_id", "version", "code").join(stays.lazy(), on="hadm_id").drop("hadm_id")
    named = coded.join(names.lazy().with_columns(pl.col("name").cast(kind)), on=["version", "code"])
    return named.select("stay", "name").unique().sort("stay", "name").collect(engine="streaming")


def _lists(admissions: pl.DataFrame, named: pl.DataFrame, diagnoses: pl.DataFrame) -> pl.DataFrame:
    lists = named.group_by("stay", maintain_order=True).agg(pl.col("name").cast(pl.String).alias("labels"))
    joined = admissions.with_row_index("stay").join(lists, on="stay", how="left", maintain_order="left").drop("stay")
    coded = pl.col("hadm_id").is_in(diagnoses["hadm_id"].unique().implode())
    uncoded = pl.when(~coded).then(pl.lit("no coded diagnosis"))  # unknown, which is not the same as none
    labels = pl.col("labels").fill_null(pl.lit([], dtype=pl.List(pl.String)))
    return joined.with_columns(labels, uncoded.alias("exclude"), known_at=pl.col("discharged"))


# ---- subgroups ----


def age_band(age: pl.Expr) -> pl.Expr:
    """The band of an age in years. MIMIC-III makes ages over 89 about 300, MIMIC-IV 91: both are 90+.

    >>> pl.DataFrame({"age": [0, 40, 89, 91, 300, None]}).select(age_band(pl.col("age"))).to_series().to_list()
    ['0-17', '40-64', '80-89', '90+', '90+', None]
    """
    bands = pl.coalesce([pl.when(age <= last).then(pl.lit(band)) for last, band in AGE_BANDS] + [pl.lit("90+")])
    return pl.when(age >= 0).then(bands)


def ethnicity(value: pl.Expr) -> pl.Expr:
    """ETHNICITY (race in MIMIC-IV), some 40 values, in the five groups of which there are enough; null where not said.

    >>> said = ["WHITE - RUSSIAN", "BLACK/CAPE VERDEAN", "PORTUGUESE", "UNABLE TO OBTAIN", None]
    >>> pl.DataFrame({"said": said}).select(ethnicity(pl.col("said"))).to_series().to_list()
    ['White', 'Black', 'Other', None, None]
    """
    upper = value.str.to_uppercase()
    groups = [pl.when(upper.str.starts_with(start)).then(pl.lit(group)) for start, group in ETHNICITIES.items()]
    said = ~pl.any_horizontal(upper.str.starts_with(start) for start in UNKNOWN)
    return pl.when(said).then(pl.coalesce([*groups, pl.lit("Other")]))


def language(value: pl.Expr) -> pl.Expr:
    """LANGUAGE as English or Other: MIMIC-III says ENGL, MIMIC-IV ENGLISH or English; null (or ?) where not said.

    >>> pl.DataFrame({"said": ["ENGL", "SPAN", "?", None]}).select(language(pl.col("said"))).to_series().to_list()
    ['English', 'Other', None, None]
    """
    english = value.str.to_uppercase().str.starts_with("ENGL")
    return pl.when(value != "?").then(pl.when(english).then(pl.lit("English")).otherwise(pl.lit("Other")))


def tidy(admissions: pl.DataFrame) -> pl.DataFrame:
    """Admissions with those of the columns ethnicity and language that are there in few groups."""
    groups = {"ethnicity": ethnicity, "language": language}
    return admissions.with_columns(
        group(pl.col(name)).alias(name) for name, group in groups.items() if name in admissions.columns
    )


def day(value: pl.Expr) -> pl.Expr:
    """The day of a date or time; null where there is none.

    >>> pl.DataFrame({"at": ["2151-07-16 10:00:00", "7/16/51", None]}).select(day(pl.col("at"))).to_series().to_list()
    ['2151-07-16', None, None]
    """
    return value.str.extract(r"^(\d{4}-\d{2}-\d{2})", 1)
