"""Source mimic4: discharge summaries and radiology reports of MIMIC-IV-Note, joined with hosp/."""

import pickle
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dxtune import records
from dxtune.deid import Deidentifier
from dxtune.errors import DataError
from dxtune.params import Collect, load_params
from dxtune.sources import mimic4
from tests.conftest import ROOT
from tests.sources.mimic_files import mimic4 as folder_of
from tests.sources.mimic_files import note4, stay4


def settings(path: Path, **changes: Any) -> Collect:
    """Of the project's own params.yaml, for mortality from radiology reports."""
    chosen = {"source": "mimic4", "path": str(path), "subgroup_columns": (), "note_categories": ("RR", "AR")}
    return load_params(ROOT / "params.yaml").collect.model_copy(update={**chosen, **changes})


def read(path: Path, task: str = "classification", **changes: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Records and quarantine of all pieces, each through pickle, as a worker gets it."""
    pieces = list(mimic4.pieces(settings(path, **changes), task))
    batches = [pickle.loads(pickle.dumps(piece.read))() for piece in pieces]
    assert [piece.rows for piece in pieces] == [batch.records.height + batch.quarantine.height for batch in batches]
    notes, quarantine = (pl.concat(frames) for frames in zip(*batches, strict=True))
    records.check(notes, records.columns(task), "test")
    records.check(quarantine, records.QUARANTINE, "test", records.QUARANTINE_FILLED)
    return notes, quarantine


@pytest.mark.parametrize("flat", [False, True])
def test_radiology_reports_get_the_label_of_their_admission(tmp_path: Path, flat: bool) -> None:
    notes, quarantine = read(folder_of(tmp_path, flat=flat))
    assert notes.drop("text").rows() == [
        ("1-RR-1", "1", "2150-01-02", "survived", None),
        ("2-AR-2", "2", "2190-03-02", "died", None),
    ]
    assert quarantine.height == 0
    assert notes["text"][0] == ' \nName:  ___   Unit No:  ___\n"RR" 1\n', "the marks ___ stay"


def test_only_the_tables_of_chosen_types_are_read(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (folder / "note/discharge.csv.gz").unlink()
    assert read(folder)[0].height == 2
    assert read(folder, note_categories=(), allow_outcome_notes=True)[0].height == 2, (
        "all types: those of the tables that are there"
    )
    with pytest.raises(DataError, match=r"discharge\.csv or discharge\.csv\.gz there \(notes of the categories DS, AD\)"):
        read(folder, note_categories=("RR", "DS"), allow_outcome_notes=True)
    (folder / "note/radiology.csv.gz").unlink()
    with pytest.raises(DataError, match="discharge"):
        read(folder, note_categories=(), allow_outcome_notes=True)


def test_types_that_were_not_chosen_are_left_out(tmp_path: Path) -> None:
    notes, quarantine = read(folder_of(tmp_path), note_categories=("rr",))
    assert notes["note_id"].to_list() == ["1-RR-1"]
    assert quarantine.rows() == [("radiology.csv.gz", 2, "2-AR-2", "left out: category AR")]


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        (note4(1, "", "RR", 9, "2150-01-02 10:00"), "missing HADM_ID"),  # an outpatient
        (note4(1, 11, "RR", 9, "2150-01-05 12:01"), "written after the outcome"),
        (note4(1, 11, "RR", 9, "2150-01-05 10:00", "2150-01-05 13:00"), "written after the outcome"),
        (note4(1, 11, "XX", 9, "2150-01-02 10:00"), "unknown category"),
        (note4(1, 11, "RR", 9, "2150-01-02 10:00", text=""), "missing text"),
        (note4(2, 11, "RR", 9, "2150-01-02 10:00"), "SUBJECT_ID is not that of the admission"),
    ],
)
def test_each_kind_of_bad_row_has_its_reason(tmp_path: Path, note: dict[str, Any], reason: str) -> None:
    notes, quarantine = read(folder_of(tmp_path, radiology=[note]))
    assert notes.height == 0
    assert quarantine.select("row", "reason").rows() == [(1, reason)]


def test_readmission_from_discharge_summaries(tmp_path: Path) -> None:
    stays = [
        stay4(1, 11, "2150-01-01 10:00", "2150-01-05 12:00"),
        stay4(1, 12, "2150-01-10 10:00", "2150-01-12 12:00"),
        stay4(1, 13, "2150-01-20 10:00", "2150-01-21 12:00", admission_type="SURGICAL SAME DAY ADMISSION"),
    ]
    summaries = [
        note4(1, 11, "DS", 1, "2150-01-05 00:00", "2150-01-06 15:00"),
        note4(1, 12, "DS", 2, "2150-01-12 00:00"),
        note4(1, 11, "AD", 3, "2150-01-10 00:00"),  # midnight alone: it may have been after the readmission at 10:00
    ]
    folder = folder_of(tmp_path, admissions=stays, discharge=summaries)
    notes, quarantine = read(folder, mimic_label="readmission_30d", note_categories=("DS", "AD"))
    assert notes.select("note_id", "label").rows() == [("1-DS-1", "readmitted"), ("1-DS-2", "not_readmitted")]
    assert quarantine["reason"].to_list() == ["written after the outcome"]


def test_codes_of_both_versions_are_told_apart_and_chapters_are_the_same(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    codes, _ = read(folder, "multilabel", mimic_label="icd_codes", mimic_top_k=50)
    assert codes["labels"].to_list() == [["icd9_4280"], ["icd10_H6690", "icd10_I509"]]
    chapters, _ = read(folder, "multilabel", mimic_label="icd_chapters")
    assert chapters["labels"].to_list() == [["circulatory"], ["circulatory", "ear"]]
    group, _ = read(folder, mimic_label="primary_group")
    assert group["label"].to_list() == ["circulatory", "circulatory"]


def test_subgroups(tmp_path: Path) -> None:
    chosen = ("sex", "age_band", "ethnicity", "insurance", "language", "admission_type", "note_category", "after_outcome")
    patient = {
        "subject_id": 2,
        "gender": "M",
        "anchor_age": 91,
        "anchor_year": 2180,
    }  # over 89 then, so over 89 ten years later
    other = {"subject_id": 1, "gender": "F", "anchor_age": 60, "anchor_year": 2145}
    notes, _ = read(folder_of(tmp_path, patients=[patient, other]), subgroup_columns=chosen)
    assert notes.select(chosen).rows() == [
        ("F", "65-79", "White", "Medicare", "English", "EW EMER.", "RR", "no"),
        ("M", "90+", "White", "Medicare", "English", "EW EMER.", "AR", "no"),
    ]


def test_facts(tmp_path: Path) -> None:
    found = mimic4.facts(settings(folder_of(tmp_path), note_categories=("DS", "RR"), allow_outcome_notes=True))
    assert found["licence"] == "PhysioNet Credentialed Health Data License 1.5.0"
    assert {"sha256_admissions", "sha256_discharge", "sha256_radiology"} < found.keys()
    assert (found["notes_ds"], found["notes_rr"], found["notes_ar"]) == (2, 1, 1)
    assert found["notes_after_outcome"] == 2, "both summaries; the one of the dead is dated to the day of the death"
    assert (found["first_year"], found["last_year"]) == (2150, 2190)


def test_the_pipelines_deidentification_keeps_the_marks(tmp_path: Path) -> None:
    texts = read(folder_of(tmp_path))[0]["text"].to_list()
    assert all(text.count("___") == 2 for text in Deidentifier(b"sixteen bytes or more").deidentify(texts))
