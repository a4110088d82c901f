"""Source mimic3: NOTEEVENTS in pieces, joined with admissions; timing, quarantine, subgroups, the real layout, memory."""

import csv
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dxtune import records, shards
from dxtune.deid import Deidentifier
from dxtune.errors import DataError, ParamsError
from dxtune.params import Collect, Params, load_params
from dxtune.paths import Paths
from dxtune.sources import mimic3
from dxtune.stages import collect
from tests.conftest import ROOT
from tests.sources.mimic_files import MIMIC3, note3, stay3, write
from tests.sources.mimic_files import mimic3 as folder_of

DEMO = ROOT.parent / "shared/data/mimic_iii_demo"
CATEGORIES = ("Nursing", "Physician", "Radiology")


def settings(path: Path, **changes: Any) -> Collect:
    """Of the project's own params.yaml, for mortality from notes that do not state it."""
    chosen = {"source": "mimic3", "path": str(path), "subgroup_columns": (), "note_categories": CATEGORIES}
    return load_params(ROOT / "params.yaml").collect.model_copy(update={**chosen, **changes})


def read(path: Path, task: str = "classification", **changes: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Records and quarantine of all pieces, each through pickle, as a worker gets it."""
    pieces = list(mimic3.pieces(settings(path, **changes), task))
    batches = [pickle.loads(pickle.dumps(piece.read))() for piece in pieces]
    assert [piece.rows for piece in pieces] == [batch.records.height + batch.quarantine.height for batch in batches]
    notes, quarantine = (pl.concat(frames) for frames in zip(*batches, strict=True))
    records.check(notes, records.columns(task), "test")
    assert records.check(quarantine, records.QUARANTINE, "test", records.QUARANTINE_FILLED)["reason"].null_count() == 0
    return notes, quarantine


def reasons(quarantine: pl.DataFrame) -> dict[str, str]:
    return dict(quarantine.select("note_id", "reason").iter_rows())


def test_notes_get_the_label_of_their_admission(tmp_path: Path) -> None:
    notes, quarantine = read(folder_of(tmp_path))
    assert quarantine.height == 0
    assert notes.drop("text").rows() == [
        ("101", "1", "2150-01-02", "survived", None),
        ("102", "1", "2150-01-21", "died", None),
        ("103", "2", "2190-03-01", "survived", None),
    ]
    assert notes["text"][0] == 'Seen, "stable".\nHR 80,\nplan: [DATE-2150] Dr. [NAME]\n'


def test_gzip_and_names_in_small_letters_give_the_same(tmp_path: Path) -> None:
    plain, packed = folder_of(tmp_path / "plain"), folder_of(tmp_path / "packed", gz=True)
    for path in sorted(packed.iterdir()):
        path.rename(path.with_name(path.name.lower()))
    assert read(plain)[0].equals(read(packed)[0])


def test_the_pipelines_deidentification_leaves_the_placeholders(tmp_path: Path) -> None:
    texts = read(folder_of(tmp_path))[0]["text"].to_list()
    assert Deidentifier(b"sixteen bytes or more").deidentify(texts) == texts


def test_each_kind_of_bad_row_has_its_reason(tmp_path: Path) -> None:
    day = "2150-01-02 09:00"
    notes = [
        note3(1, 1, 11, day),
        note3(2, 1, 11, day, ISERROR=1),
        note3(3, 1, "", day),
        note3(4, 1, 99, day),
        note3(5, 2, 11, day),
        note3(6, 1, 11, day, TEXT=" \n"),
        note3(1, 1, 11, day),
        note3(8, 1, 11, day, "Echo"),
        note3(9, 1, 11, day, "SECRET"),
        note3(10, 1, 11, day, TEXT="a\0b"),
        note3(11, 1, 11, "2/1/50"),
        note3(12, 1, 13, day),
        note3(13, "", 11, day),
        note3("", 1, 11, day),
    ]
    folder = folder_of(tmp_path, NOTEEVENTS=notes, ADMISSIONS=[
        stay3(1, 11, "2150-01-01 10:00", "2150-01-05 12:00"),
        stay3(1, 13, "2150-01-01 10:00", "2150-01-05 12:00", HOSPITAL_EXPIRE_FLAG=""),
    ])  # fmt: skip
    found, quarantine = read(folder)
    assert found["note_id"].to_list() == ["1"]
    assert quarantine.select("row", "note_id", "reason").rows() == [
        (2, "2", "marked as an error (ISERROR)"),
        (3, "3", "missing HADM_ID"),
        (4, "4", "HADM_ID is not in ADMISSIONS"),
        (5, "5", "SUBJECT_ID is not that of the admission"),
        (6, "6", "missing text"),
        (7, "1", "note id again"),
        (8, "8", "left out: category Echo"),
        (9, "9", "unknown category"),
        (10, "10", "NUL byte"),
        (11, "11", "not known whether written before the outcome"),
        (12, "12", "HOSPITAL_EXPIRE_FLAG is not 0 or 1"),
        (13, "13", "missing SUBJECT_ID"),
        (14, None, "missing note id"),
    ]


def test_rows_that_are_torn_or_not_utf8_cost_no_other_row(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    path = folder / "NOTEEVENTS.csv"
    lines = path.read_bytes()
    path.write_bytes(
        lines + b"104,1\n" + b'105,1,11,2150-01-02,,,Nursing,,,,"caf\xe9"\n' + b"106,1,11,2150-01-02,,,Nursing,,,,fine\n"
    )
    found, quarantine = read(folder)
    assert found["note_id"].to_list() == ["101", "102", "103", "106"]
    assert quarantine.select("row", "reason").rows() == [(4, "wrong number of fields"), (5, "not UTF-8")]


@pytest.mark.parametrize(
    ("chart", "store", "reason"),
    [
        ("2150-01-24 08:00", "", None),  # at the time of death
        ("2150-01-24 08:01", "", "written after the outcome"),
        ("2150-01-24 07:00", "2150-01-24 09:00", "written after the outcome"),  # saved after the death
        ("2150-01-23", "", None),  # a day without a time counts to its end
        ("2150-01-24", "", "written after the outcome"),
    ],
)
def test_notes_after_the_death_are_quarantined_unless_allowed(
    tmp_path: Path, chart: str, store: str, reason: str | None
) -> None:
    more = {"STORETIME": f"{store}:00"} if store else {}
    folder = folder_of(tmp_path, NOTEEVENTS=[note3(1, 1, 12, chart, **more), note3(2, 1, 11, "2150-01-02")])
    assert reasons(read(folder)[1]).get("1") == reason
    allowed, quarantine = read(folder, allow_outcome_notes=True, subgroup_columns=("after_outcome",))
    assert quarantine.height == 0
    assert allowed["after_outcome"].to_list() == ["no" if reason is None else "yes", "no"]
    assert mimic3.facts(settings(folder))["notes_after_outcome"] == (0 if reason is None else 1)


def test_readmission_may_read_the_discharge_summary_but_nothing_from_the_next_stay(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, NOTEEVENTS=[
        note3(1, 1, 11, "2150-01-07", "Discharge summary"),
        note3(2, 1, 11, "2150-01-20", "Discharge summary", DESCRIPTION="Addendum"),
        note3(3, 1, 12, "2150-01-24", "Discharge summary"),
        note3(4, 2, 21, "2190-03-05", "Discharge summary"),
    ])  # fmt: skip
    notes, quarantine = read(folder, mimic_label="readmission_30d", note_categories=("discharge SUMMARY",))
    assert dict(notes.select("note_id", "label").iter_rows()) == {"1": "readmitted", "4": "not_readmitted"}
    assert reasons(quarantine) == {
        "2": "written after the outcome",
        "3": "left out: died in hospital, cannot be readmitted",
    }


def test_label_sets_of_diagnoses(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    codes, _ = read(folder, "multilabel", mimic_label="icd_codes", mimic_top_k=2)
    assert codes["labels"].to_list() == [["icd9_4280"], ["icd9_4280", "icd9_5849"], ["icd9_5849"]]
    chapters, _ = read(folder, "multilabel", mimic_label="icd_chapters")
    assert chapters["labels"].to_list()[0] == ["circulatory", "endocrine", "factors"]
    group, _ = read(folder, mimic_label="primary_group")
    assert group["label"].to_list() == ["circulatory", "circulatory", "infectious"]


def test_subgroups(tmp_path: Path) -> None:
    chosen = ("sex", "age_band", "ethnicity", "insurance", "language", "admission_type", "note_category")
    notes, _ = read(folder_of(tmp_path), subgroup_columns=chosen)
    assert notes.select(chosen).rows() == [
        ("F", "18-39", "White", "Medicare", "English", "EMERGENCY", "Nursing"),  # the day before her 40th birthday
        ("F", "40-64", "White", "Medicare", "English", "EMERGENCY", "Physician"),
        ("M", "90+", "Black", "Medicare", "Other", "EMERGENCY", "Radiology"),  # born 300 years before
    ]
    with pytest.raises(DataError, match=r"MIMIC has sex, age_band, .* found site: choose"):
        read(tmp_path, subgroup_columns=("sex", "site"))


def test_facts_say_files_counts_and_prevalence(tmp_path: Path) -> None:
    many = [stay3(at, at, "2150-01-01 10:00", "2150-01-05 12:00", HOSPITAL_EXPIRE_FLAG=int(at < 20)) for at in range(10, 50)]
    few = stay3(50, 50, "2177-01-01 10:00", "2177-01-05 12:00", HOSPITAL_EXPIRE_FLAG=0)
    diagnoses = [{"HADM_ID": at, "SEQ_NUM": 1, "ICD9_CODE": "4280" if at < 41 else "0389"} for at in range(10, 50)]
    folder = folder_of(
        tmp_path, ADMISSIONS=[*many, few], DIAGNOSES_ICD=diagnoses,
        D_ICD_DIAGNOSES=[{"ICD9_CODE": "4280", "LONG_TITLE": "Congestive heart failure, unspecified"}],
        NOTEEVENTS=[note3(at, 10, 10, "2150-01-02", category) for at, category in enumerate(("Nursing", "Echo", "SECRET"))],
    )  # fmt: skip
    found = mimic3.facts(settings(folder))
    assert {key: found[key] for key in found if not key.startswith("sha256")} == {
        "files": 2, "licence": "PhysioNet Credentialed Health Data License 1.5.0", "years_shifted": "yes", "first_year": 2150,
        "last_year": 2177, "notes_nursing": 1, "notes_echo": 1, "notes_unknown": 1, "notes_after_outcome": 0,
        "admissions": 41, "prevalence_died": round(10 / 41, 6), "prevalence_survived": round(31 / 41, 6),
    }  # fmt: skip
    assert len(str(found["sha256_noteevents"])) == 64
    coded = mimic3.facts(settings(folder, mimic_label="icd_codes"))
    assert coded["prevalence_icd9_4280"] == round(31 / 40, 6)
    assert coded["title_icd9_4280"] == "Congestive heart failure, unspecified"
    assert "prevalence_icd9_0389" not in coded, "fewer than ten admissions"
    assert str(tmp_path) not in json.dumps(coded)


# ---- settings ----


def params(task: str = "classification", **changes: Any) -> Params:
    values = load_params(ROOT / "params.yaml").model_dump()
    values["task"] = task
    values["collect"] |= {"source": "mimic3", "subgroup_columns": [], "note_categories": CATEGORIES, **changes}
    return Params.model_validate(values)


@pytest.mark.parametrize("label", ["mortality", "primary_group", "icd_codes", "icd_chapters"])
@pytest.mark.parametrize("categories", [[], ["Discharge summary"], ["Nursing", " discharge summary"], ["DS"], ["RR", "ad"]])
def test_a_summary_that_states_the_label_is_refused_unless_allowed(label: str, categories: list[str]) -> None:
    task = "multilabel" if label.startswith("icd") else "classification"
    with pytest.raises(ValueError, match=r"includes discharge summaries, .* collect\.allow_outcome_notes: true"):
        params(task, mimic_label=label, note_categories=categories)
    assert params(task, mimic_label=label, note_categories=categories, allow_outcome_notes=True)
    assert params(task, mimic_label=label, note_categories=["Radiology"])
    assert params(mimic_label="readmission_30d", note_categories=categories)


@pytest.mark.parametrize(
    ("task", "changes", "says"),
    [
        ("multilabel", {"mimic_label": "mortality"}, "mortality needs task: classification, found task: multilabel"),
        ("classification", {"mimic_label": "icd_codes"}, "icd_codes needs task: multilabel"),
        ("classification", {"identifier_columns": ["mrn"]}, "collect.identifier_columns: MIMIC has none"),
        ("classification", {"mimic_label": "sepsis"}, "mimic_label"),
    ],
)
def test_settings_that_do_not_fit_are_refused(task: str, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        params(task, **changes)


def test_the_refusal_reads_as_one_line_of_params_yaml(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("source: synthetic ", "source: mimic3 ")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError) as caught:
        load_params(tmp_path / "params.yaml")
    assert (
        str(caught.value).removeprefix(f"{tmp_path}/").startswith("params.yaml: collect.note_categories: [], which means all, ")
    )


# ---- files that are wrong ----


def test_unknown_category_names_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected some of Nursing/other, .*, found Nurse"):
        read(folder_of(tmp_path), note_categories=("Nurse",))


@pytest.mark.parametrize("table", ["ADMISSIONS", "NOTEEVENTS", "PATIENTS", "DIAGNOSES_ICD"])
def test_a_missing_table_is_named(tmp_path: Path, table: str) -> None:
    folder = folder_of(tmp_path)
    (folder / f"{table}.csv").unlink()
    with pytest.raises(DataError, match=rf"expected {table.lower()}\.csv or {table.lower()}\.csv\.gz there"):
        read(folder, mimic_label="primary_group", subgroup_columns=("sex",))


def test_a_missing_folder_and_a_table_twice(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected the folder with MIMIC's files, found none"):
        read(tmp_path / "none")
    folder = folder_of(tmp_path)
    shutil.copy(folder / "ADMISSIONS.csv", folder / "admissions.CSV.gz")
    with pytest.raises(DataError, match=r"one file of the table admissions, found ADMISSIONS\.csv, admissions\.CSV\.gz"):
        read(folder)


@pytest.mark.parametrize("table", ["ADMISSIONS", "NOTEEVENTS"])
def test_a_missing_column_is_named_and_data_is_not(tmp_path: Path, table: str) -> None:
    folder = folder_of(tmp_path)
    path = folder / f"{table}.csv"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("HADM_ID", "STAY", 1), encoding="utf-8")
    with pytest.raises(DataError, match=rf"{table}\.csv: expected the column HADM_ID"):
        read(folder)
    if table == "NOTEEVENTS":
        path.write_text(text.split("\n", 1)[1], encoding="utf-8")
        with pytest.raises(DataError, match="found no header") as caught:
            read(folder)
        assert "stable" not in str(caught.value)


def test_times_from_a_spreadsheet_are_refused(tmp_path: Path) -> None:
    stay = stay3(1, 11, "2150-01-01 10:00", "2150-01-05 12:00") | {"DISCHTIME": "1/5/50 12:00"}
    with pytest.raises(DataError, match=r"ADMISSIONS\.csv, row 1, column DISCHTIME: .* as a spreadsheet writes it") as caught:
        read(folder_of(tmp_path, ADMISSIONS=[stay]))
    assert "1/5/50" not in str(caught.value)


def test_an_admission_twice_is_an_error(tmp_path: Path) -> None:
    stay = stay3(1, 11, "2150-01-01 10:00", "2150-01-05 12:00")
    with pytest.raises(DataError, match="row 2, column HADM_ID: expected an id of its own"):
        read(folder_of(tmp_path, ADMISSIONS=[stay, stay]))


def test_no_notes_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"NOTEEVENTS\.csv: expected notes under the header, found none"):
        read(folder_of(tmp_path, NOTEEVENTS=[]))


def test_a_cut_gzip_is_an_error(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, gz=True)
    for name in ("NOTEEVENTS.csv.gz", "ADMISSIONS.csv.gz"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DataError, match=name):
            read(folder)


# ---- pieces ----


def many_notes(rows: int) -> list[dict[str, Any]]:
    return [note3(at, 1, 11, "2150-01-02 09:00") for at in range(1, rows + 1)]


def test_appended_rows_leave_old_pieces_and_other_tables_change_all(tmp_path: Path) -> None:
    rows = shards.ROWS_PER_SHARD + 5
    folder = folder_of(tmp_path, NOTEEVENTS=many_notes(rows))
    before = list(mimic3.pieces(settings(folder), "classification"))
    assert [piece.rows for piece in before] == [shards.ROWS_PER_SHARD, 5]
    batch = before[1].read()
    assert batch.records["note_id"].to_list() == [str(at) for at in range(rows - 4, rows + 1)]
    write(folder / "NOTEEVENTS.csv", MIMIC3["NOTEEVENTS"], many_notes(rows + 1))
    after = list(mimic3.pieces(settings(folder), "classification"))
    assert [one.key == other.key for one, other in zip(before, after, strict=True)] == [True, False]
    stay = stay3(1, 11, "2150-01-01 10:00", "2150-01-05 12:00", HOSPITAL_EXPIRE_FLAG=1)
    write(folder / "ADMISSIONS.csv", MIMIC3["ADMISSIONS"], [stay])
    changed = list(mimic3.pieces(settings(folder), "classification"))
    assert changed[0].key != after[0].key
    assert changed[0].read().records["label"].unique().to_list() == ["died"], "the tables are read again"


def test_the_stage_counts_what_was_left_out_by_choice(tmp_path: Path) -> None:
    stays = [stay3(at, at, "2150-01-01 10:00", "2150-01-05 12:00", HOSPITAL_EXPIRE_FLAG=at % 2) for at in range(1, 21)]
    notes = [note3(at, at, at, "2150-01-02 09:00") for at in range(1, 21)]
    notes += [note3(100 + at, at, at, "2150-01-02 09:00", "Echo") for at in range(1, 21)]
    notes += [note3(200, 1, 1, "2150-01-06")]
    folder = folder_of(tmp_path / "source", ADMISSIONS=stays, NOTEEVENTS=notes)
    collect.run(params(path=str(folder), max_quarantined_share=0.03), Paths(tmp_path))
    found = json.loads((tmp_path / "metrics/collect.json").read_text(encoding="utf-8"))
    expected = {"rows": 41, "records": 20, "quarantined": 1, "left_out": 20, "left_out_category_echo": 20, "labels": 2}
    assert {key: found[key] for key in expected} == expected
    assert found["quarantined_written_after_the_outcome"] == found["notes_after_outcome"] == 1
    assert shards.read_corpus(tmp_path / "data/raw").height == 20


MEASURE = """
import resource, sys
from pathlib import Path
from tests.sources.test_mimic3 import settings
from dxtune.sources import mimic3

chosen = settings(Path(sys.argv[1]))
next(mimic3.pieces(settings(Path(sys.argv[2])), "classification")).read()  # what imports and one small file need
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = sum(piece.read().records.height for piece in mimic3.pieces(chosen, "classification"))
mimic3.facts(chosen)
print(rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def test_memory_is_bounded_by_a_piece_and_not_by_the_file(tmp_path: Path) -> None:
    small, big = folder_of(tmp_path / "small"), folder_of(tmp_path / "big")
    text = "Afebrile overnight,\ntolerating diet. " * 12  # rows of 0.5 kB: a piece has 5 MB
    with (big / "NOTEEVENTS.csv").open("w", encoding="utf-8") as stream:
        stream.write(MIMIC3["NOTEEVENTS"] + "\n")
        rows = 240_000
        stream.writelines(f'{at},1,11,2150-01-02,,,Nursing,Report,,,"{text}"\n' for at in range(rows))
    size = (big / "NOTEEVENTS.csv").stat().st_size
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(big), str(small)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    read_rows, grown = map(int, done.stdout.split())
    assert read_rows == rows
    assert size > 110e6
    assert grown < 0.7 * size, f"{grown / 1e6:.0f} MB for a file of {size / 1e6:.0f} MB"


# ---- the real layout ----


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """MIMIC-III's open demo, its header-only NOTEEVENTS filled with generated notes, and its times as PhysioNet has them: the
    copy at hand went through a spreadsheet, which wrote years with two digits."""
    if not DEMO.is_dir():
        pytest.skip("shared/data/mimic_iii_demo is not on this machine")
    folder = tmp_path / "demo"
    folder.mkdir()
    for path in DEMO.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as stream:
            header, *rows = list(csv.reader(stream))
        with (folder / path.name).open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([header, *([official_time(value) for value in row] for row in rows)])
    with (folder / "ADMISSIONS.csv").open(encoding="utf-8", newline="") as stream:
        stays = list(csv.DictReader(stream))
    with (folder / "NOTEEVENTS.csv").open("a", encoding="utf-8", newline="") as stream:
        header = DEMO.joinpath("NOTEEVENTS.csv").read_text(encoding="utf-8").strip().split(",")
        writer = csv.DictWriter(stream, header)
        for at, stay in enumerate(stays):
            ids = {name: int(stay[name]) for name in ("SUBJECT_ID", "HADM_ID")}
            time = stay["ADMITTIME"][:16]
            row = note3(at, ids["SUBJECT_ID"], ids["HADM_ID"], time, CATEGORIES[at % 3])
            writer.writerow(row)
    return folder


def official_time(value: str) -> str:
    """5/1/64 21:09 as 2164-05-01 21:09:00; anything else as it is."""
    day, _, hour = value.partition(" ")
    parts = day.split("/")
    if len(parts) != 3 or not hour or not all(part.isdecimal() for part in parts):
        return value
    month, number, year = map(int, parts)
    return f"21{year:02}-{month:02}-{number:02} {hour.rjust(5, '0')}:00"


def test_the_real_headers_are_those_of_these_tests() -> None:
    if not DEMO.is_dir():
        pytest.skip("shared/data/mimic_iii_demo is not on this machine")
    for table, header in MIMIC3.items():
        with (DEMO / f"{table}.csv").open(encoding="utf-8") as stream:
            assert stream.readline().strip() == header


def test_the_demo_is_read_with_its_real_admissions(demo: Path) -> None:
    chosen = ("sex", "ethnicity", "insurance", "admission_type")
    notes, quarantine = read(demo, subgroup_columns=chosen)
    assert (notes.height, quarantine.height, notes["patient_id"].n_unique()) == (129, 0, 100)
    assert notes["label"].value_counts().sort("label").rows() == [("died", 40), ("survived", 89)]
    assert notes.select(pl.col(chosen).null_count()).row(0)[0] == 0
    codes, _ = read(demo, "multilabel", mimic_label="icd_codes", mimic_top_k=50)
    assert codes["labels"].list.len().sum() > 129
    assert codes["labels"].explode().n_unique() == 50
    chapters, _ = read(demo, "multilabel", mimic_label="icd_chapters")
    assert chapters["labels"].list.len().min() >= 1, "every admission of the demo has a code, and every code a chapter"


def test_the_demo_as_a_spreadsheet_wrote_it_is_refused() -> None:
    if not DEMO.is_dir():
        pytest.skip("shared/data/mimic_iii_demo is not on this machine")
    with pytest.raises(DataError, match=r"ADMISSIONS\.csv, row 1, column ADMITTIME: expected a time such as 2150"):
        read(DEMO)
