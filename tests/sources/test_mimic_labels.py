"""Labels of MIMIC admissions: each definition at its edges, and when each outcome is known."""

from datetime import datetime as at
from datetime import timedelta
from itertools import pairwise

import polars as pl
import pytest

from dxtune.sources import icd, mimic_labels

DAY = timedelta(days=1)
TIMES = {name: pl.Datetime("us") for name in ("admitted", "discharged", "died_at")}
COLUMNS = {**dict.fromkeys(("subject_id", "hadm_id", "expired", "admission_type", "admission_location"), pl.String), **TIMES}


def stays(*rows: dict[str, object]) -> pl.DataFrame:
    standard = {"subject_id": "1", "expired": "0", "admission_type": "EMERGENCY", "admission_location": "CLINIC REFERRAL"}
    return pl.DataFrame([{**standard, **row} for row in rows], schema=COLUMNS)


def index_and(**following: object) -> pl.DataFrame:
    """An admission that ends on 2150-01-10 12:00, and the patient's next."""
    first = {"hadm_id": "a", "admitted": at(2150, 1, 1), "discharged": at(2150, 1, 10, 12)}
    return stays({"discharged": at(2150, 6, 1), "hadm_id": "b", **following}, first)  # in no order


def row(frame: pl.DataFrame, hadm: str = "a") -> dict[str, object]:
    return frame.row(by_predicate=pl.col("hadm_id") == hadm, named=True)


def test_mortality_is_known_at_death_or_discharge_whichever_is_first() -> None:
    found = mimic_labels.mortality(
        stays(
            {"hadm_id": "a", "discharged": at(2150, 1, 5)},
            {"hadm_id": "b", "discharged": at(2150, 1, 5), "died_at": at(2150, 1, 4), "expired": "1"},
            {
                "hadm_id": "donor",
                "admitted": at(2150, 1, 6),
                "discharged": at(2150, 1, 7),
                "died_at": at(2150, 1, 4),
                "expired": "1",
            },
            {"hadm_id": "c", "expired": None},
        )
    )
    assert found["label"].to_list() == ["survived", "died", "died", None]
    assert found["known_at"].to_list() == [at(2150, 1, 5), at(2150, 1, 4), at(2150, 1, 4), None]
    assert found["exclude"].to_list() == [None, None, None, "HOSPITAL_EXPIRE_FLAG is not 0 or 1"]


@pytest.mark.parametrize(
    ("gap", "label"), [(30 * DAY, "readmitted"), (30 * DAY + timedelta(minutes=1), "not_readmitted"), (DAY, "readmitted")]
)
def test_readmission_counts_to_the_minute(gap: timedelta, label: str) -> None:
    following = at(2150, 1, 10, 12) + gap
    found = row(mimic_labels.readmission(index_and(admitted=following)))
    assert (found["label"], found["exclude"]) == (label, None)
    assert found["known_at"] == (following if label == "readmitted" else at(2150, 1, 10, 12) + 30 * DAY)


@pytest.mark.parametrize("kind", ["ELECTIVE", "elective", "SURGICAL SAME DAY ADMISSION"])
def test_a_planned_readmission_does_not_count(kind: str) -> None:
    found = mimic_labels.readmission(index_and(admitted=at(2150, 1, 20), admission_type=kind))
    assert row(found)["label"] == "not_readmitted"


def test_the_next_admission_decides_even_if_it_is_planned() -> None:
    third = {"hadm_id": "c", "admitted": at(2150, 1, 25), "discharged": at(2150, 2, 1)}
    planned = {"hadm_id": "b", "admitted": at(2150, 1, 15), "discharged": at(2150, 1, 16), "admission_type": "ELECTIVE"}
    first = {"hadm_id": "a", "admitted": at(2150, 1, 1), "discharged": at(2150, 1, 10, 12)}
    found = mimic_labels.readmission(stays(first, planned, third))
    assert [row(found, hadm)["label"] for hadm in "abc"] == ["not_readmitted", "readmitted", "not_readmitted"]


@pytest.mark.parametrize(
    ("hour", "location", "excluded"),
    [
        (14, "TRANSFER FROM HOSP/EXTRAM", True),  # the same day, as a transfer: one stay goes on
        (11, "EMERGENCY ROOM ADMIT", True),  # begins before the first ends
        (14, "EMERGENCY ROOM ADMIT", False),  # the same day, but from home
        (14 + 24, "TRANSFER FROM HOSP/EXTRAM", False),  # a transfer, but on the next day
    ],
)
def test_a_stay_that_goes_on_as_another_is_no_index(hour: int, location: str, excluded: bool) -> None:
    following = at(2150, 1, 10) + timedelta(hours=hour)
    found = row(mimic_labels.readmission(index_and(admitted=following, admission_location=location)))
    assert found["exclude"] == ("left out: goes on as another admission by transfer" if excluded else None)
    assert found["label"] == (None if excluded else "readmitted")


def test_other_patients_and_the_dead_are_kept_apart() -> None:
    found = mimic_labels.readmission(index_and(subject_id="2", admitted=at(2150, 1, 11), expired="1"))
    assert row(found)["label"] == "not_readmitted"
    assert row(found, "b")["exclude"] == "left out: died in hospital, cannot be readmitted"


def test_nobody_is_readmitted_to_an_admission_without_a_discharge() -> None:
    found = mimic_labels.readmission(stays({"hadm_id": "a", "admitted": at(2150, 1, 1)}))
    assert row(found)["exclude"] == "no time of discharge"


DIAGNOSES = pl.DataFrame(
    [
        ("a", "1", "9", "4280"), ("a", "2", "9", "25000"), ("a", "3", "9", "4280"),  # a code twice counts once
        ("b", "2", "9", "4280"), ("b", "1", "10", "I509"), ("c", "1", "10", "E119"), ("d", "1", "9", "00000"),
    ],
    schema=["hadm_id", "seq_num", "version", "code"], orient="row",
)  # fmt: skip
FOUR = stays(*({"hadm_id": name, "discharged": at(2150, 1, 5)} for name in "abcdx"))


def test_codes_are_the_most_frequent_by_admission_and_ties_go_by_code() -> None:
    found = mimic_labels.icd_codes(FOUR, DIAGNOSES, 3)
    # icd9_4280: 2 admissions; all others 1, of which icd10_E119 and icd10_I509 come first by name
    assert found["labels"].to_list() == [["icd9_4280"], ["icd10_I509", "icd9_4280"], ["icd10_E119"], [], []]
    assert found["exclude"].to_list() == [None, None, None, None, "no coded diagnosis"]
    assert found["known_at"].to_list() == [at(2150, 1, 5)] * 5
    assert found.schema["labels"] == pl.List(pl.String)


def test_chapters_are_the_same_for_both_versions() -> None:
    found = mimic_labels.icd_chapters(FOUR, DIAGNOSES)
    assert found["labels"].to_list() == [["circulatory", "endocrine"], ["circulatory"], ["endocrine"], [], []]


def test_primary_group_is_the_first_diagnosis() -> None:
    found = mimic_labels.primary_group(FOUR, DIAGNOSES)
    assert found["label"].to_list() == ["circulatory", "circulatory", "endocrine", None, None]
    assert found["exclude"].null_count() == 3


def test_every_category_of_both_versions_is_in_at_most_one_chapter() -> None:
    nine = sorted(ends for _, ends, _ in icd.CHAPTERS if ends is not None)
    ten = sorted(ends for _, _, ends in icd.CHAPTERS)
    for ranges in (nine, ten):
        assert all(low <= high for low, high in ranges)
        assert all(before[1] < after[0] for before, after in pairwise(ranges))
    assert len(icd.CHAPTERS) == len({name for name, *_ in icd.CHAPTERS}) == 22
    numbers = [f"{number:03}" for number in range(1, 1000)]
    frame = pl.DataFrame({"code": numbers, "version": ["9"] * 999})
    assert frame.select(icd.chapter(pl.col("code"), pl.col("version"))).to_series().null_count() == 0
