"""sources/table.py against real files: good ones in each format, and one for each way that a file can be wrong."""

import csv
import hashlib
import json
import pickle
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxtune import records
from dxtune.errors import DataError
from dxtune.params import Collect, load_params
from dxtune.sources import json_list, table, table_cells
from dxtune.sources.pieces import Batch

ROOT = Path(__file__).parents[2]
SECRET = "SECRET NOTE"  # stands in every note: no message may hold it
ROWS = [
    {"id": "n1", "patient": "p1", "text": f"{SECRET} one", "dx": "flu", "sex": "f", "part": "train"},
    {"id": "n2", "patient": "p1", "text": f'{SECRET} "two",\nsecond line', "dx": "cold", "sex": "f", "part": "val"},
    {"id": "n3", "patient": "p2", "text": f"{SECRET} thrée", "dx": "flu", "sex": "m", "part": "TEST"},
]


def settings(path: Path | str, **changes: Any) -> Collect:
    base = load_params(ROOT / "params.yaml").collect.model_dump()
    base |= {"source": "table", "path": str(path), "label_column": "dx", "subgroup_columns": ()}
    return Collect.model_validate(base | changes)


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_rows(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    if path.suffix == ".csv":
        return write(path, pl.DataFrame(rows).write_csv())
    if path.suffix in (".jsonl", ".ndjson"):
        return write(path, "".join(json.dumps(row) + "\n" for row in rows))
    if path.suffix == ".json":
        return write(path, json.dumps(rows))
    pl.DataFrame(rows).write_parquet(path)
    return path


def collect(settings: Collect, task: str = "classification") -> Batch:
    """All pieces of a source, one after another; each has as many rows as it says."""
    batches = []
    for piece in table.pieces(settings, task):
        batch = piece.read()
        assert batch.records.height + batch.quarantine.height == piece.rows
        batches.append(batch)
    records, quarantine = (pl.concat(frames) for frames in zip(*batches, strict=True))
    return Batch(records, quarantine)


def failure(path: Path | str, **changes: Any) -> str:
    """The message of the DataError, once it is known to quote no note."""
    with pytest.raises(DataError) as caught:
        collect(settings(path, **changes))
    assert "SECRET" not in str(caught.value)
    return str(caught.value)


def reasons(path: Path, **changes: Any) -> list[tuple[int, str]]:
    _, quarantine = collect(settings(path, **changes))
    assert not quarantine["reason"].str.contains("SECRET").any()
    return quarantine.select("row", "reason").rows()


# ---- good input ----


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "ndjson", "json", "parquet", "CSV"])
def test_formats_give_the_same_records(tmp_path: Path, suffix: str) -> None:
    path = write_rows(tmp_path / f"notes.{suffix.lower()}").rename(tmp_path / f"notes.{suffix}")
    columns = {"note_id_column": "id", "patient_column": "patient", "split_column": "part", "subgroup_columns": ("sex",)}
    kept, quarantine = collect(settings(path, **columns))
    assert kept.rows() == [
        ("n1", "p1", None, ROWS[0]["text"], "flu", "train", "f"),
        ("n2", "p1", None, ROWS[1]["text"], "cold", "validation", "f"),
        ("n3", "p2", None, ROWS[2]["text"], "flu", "test", "m"),
    ]
    assert dict(kept.schema) == {**records.RAW, "sex": pl.String}
    assert dict(quarantine.schema) == records.QUARANTINE
    assert quarantine.is_empty()


def test_ids_are_derived_from_file_and_row(tmp_path: Path) -> None:
    kept, _ = collect(settings(write_rows(tmp_path / "notes.csv")))
    assert kept["note_id"].to_list() == ["notes-1", "notes-2", "notes-3"]
    assert kept["patient_id"].to_list() == kept["note_id"].to_list()
    assert kept["split"].null_count() == 3


def test_folder_is_read_in_order_of_names_and_skips_what_is_no_table(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.csv", "deep/a.parquet", ".hidden.csv"):
        (tmp_path / "deep").mkdir(exist_ok=True)
        write_rows(tmp_path / name)
    write(tmp_path / "README.md", "no table")
    kept, _ = collect(settings(tmp_path))
    assert kept["note_id"].to_list()[::3] == ["a-1", "b-1"]
    assert table.facts(settings(tmp_path))["files"] == 2
    kept, _ = collect(settings(tmp_path, files="**/*"))
    assert kept["note_id"].to_list()[::3] == ["a.csv-1", "b-1", "deep/a.parquet-1"], "two files with one stem"


def test_path_may_be_a_glob(tmp_path: Path) -> None:
    write_rows(tmp_path / "one.csv")
    write_rows(tmp_path / "two.csv")
    kept, _ = collect(settings(tmp_path / "t*.csv"))
    assert kept["note_id"][0] == "two-1"
    write_rows(tmp_path / "a[1].csv")
    assert collect(settings(tmp_path / "a[1].csv")).records["note_id"][0] == "a[1]-1", "a file is meant before a glob"


def test_splits_name_files_or_globs(tmp_path: Path) -> None:
    for name in ("t1", "t2", "v", "x"):
        write_rows(tmp_path / f"{name}.jsonl")
    kept, _ = collect(settings(tmp_path, splits={"test": "x.jsonl", "train": "t*.jsonl", "validation": "v.jsonl"}))
    assert kept["split"].to_list() == ["train"] * 6 + ["validation"] * 3 + ["test"] * 3


def test_byte_order_mark_and_blank_lines_are_no_data(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "\ufefftext,dx\r\n\r\nfever,flu\r\n\r\ncough,cold\r\n")
    assert collect(settings(path)).records["note_id"].to_list() == ["a-1", "a-2"]
    path = write(tmp_path / "a.jsonl", '\ufeff{"text": "fever", "dx": "flu"}\n\n{"text": "a\u2028b", "dx": 2.0}\n')
    kept, _ = collect(settings(path))
    assert kept["note_id"].to_list() == ["a-1", "a-3"], "the row of json lines is the line"
    assert kept["label"].to_list() == ["flu", "2"]


def test_no_absolute_path_in_what_comes_back(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write_rows(tmp_path / "deep/a.jsonl", [*ROWS, {"id": "n4", "text": "", "dx": "flu"}])
    chosen = settings(tmp_path, files="**/*.jsonl")
    kept, quarantine = collect(chosen)
    assert quarantine.rows() == [("deep/a.jsonl", 4, "a-4", "missing text")]
    assert str(tmp_path) not in f"{kept.rows()} {quarantine.rows()} {table.facts(chosen)}"


@pytest.mark.parametrize("suffix", ["csv.gz", "jsonl.gz", "json.gz", "csv.zst", "ndjson.zst", "json.zst", "CSV.GZ"])
def test_packed_files_give_the_same_records_and_ids(tmp_path: Path, suffix: str) -> None:
    plain = write_rows(tmp_path / f"notes.{suffix.lower().partition('.')[0]}")
    expected = collect(settings(plain)).records
    data, codec = plain.read_bytes(), suffix.lower().rpartition(".")[2]
    with pa.CompressedOutputStream(str(tmp_path / f"notes.{suffix}"), {"gz": "gzip", "zst": "zstd"}[codec]) as stream:
        stream.write(data)
    assert collect(settings(tmp_path / f"notes.{suffix}")).records.equals(expected)


def test_one_folder_may_hold_all_formats(tmp_path: Path) -> None:
    for suffix in ("csv", "jsonl", "json", "parquet"):
        write_rows(tmp_path / f"{suffix}.{suffix}")
    kept, _ = collect(settings(tmp_path))
    assert kept["text"].to_list() == [row["text"] for row in ROWS] * 4
    assert kept["note_id"].to_list()[::3] == ["csv-1", "json-1", "jsonl-1", "parquet-1"]


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "json", "parquet"])
def test_pieces_of_any_size_give_the_same_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, size: int
) -> None:
    rows = [{**ROWS[number % 3], "id": f"n{number}"} for number in range(13)]
    path = write_rows(tmp_path / f"a.{suffix}", rows)
    expected = collect(settings(path, note_id_column="id")).records
    monkeypatch.setattr(table, "ROWS_PER_SHARD", size)
    found = list(table.pieces(settings(path, note_id_column="id"), "classification"))
    assert [piece.rows for piece in found] == [size] * (13 // size) + [13 % size] * (13 % size > 0)
    assert pl.concat([piece.read().records for piece in found]).equals(expected)
    copy = pickle.loads(pickle.dumps(found[0]))
    assert copy.read().records.equals(found[0].read().records)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_keys_hold_for_as_long_as_the_rows_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr(table, "ROWS_PER_SHARD", 4)
    rows = [{**ROWS[number % 3], "id": f"n{number}"} for number in range(10)]

    def keys(rows: list[dict[str, Any]], name: str = "a", **changes: Any) -> list[str]:
        path = write_rows(tmp_path / f"{name}.{suffix}", rows)
        return [piece.key for piece in table.pieces(settings(path, **changes), "classification")]

    before = keys(rows)
    assert len(set(before)) == 3, "equal rows in another place make another key"
    assert keys([*rows, *rows])[:2] == before[:2], "rows that are added leave full pieces alone"
    assert keys([*rows[:5], {**rows[5], "dx": "other"}, *rows[6:]])[::2] == before[::2]
    assert keys([*rows[:5], {**rows[5], "dx": "other"}, *rows[6:]])[1] != before[1]
    assert not set(keys(rows, "b")) & set(before), "derived ids hold the file's name"


def test_python_and_arrow_read_a_csv_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f'{number} é 🙂 {"x" * number}\n\r\n"quoted", and\ttabs' for number in range(300)]
    path = tmp_path / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["dx", "text", "more"], *([" flu ", text, ""] for text in texts)])
    fast = collect(settings(path))
    monkeypatch.setattr(table_cells, "SMALL_BYTES", 1 << 30)
    assert collect(settings(path)).records.equals(fast.records)
    assert fast.records["text"].to_list() == texts
    monkeypatch.setattr(table_cells, "SMALL_BYTES", 0)
    with path.open("a", newline="", encoding="utf-8") as stream:
        stream.write("one field too few,x\n")
    assert collect(settings(path)).records.equals(fast.records), "a ragged row among 300 good ones costs no other"


def test_nested_fields_are_named_by_their_path(tmp_path: Path) -> None:
    rows = [
        {"note": {"body": {"text": "fever"}, "codes": [{"dx": "flu"}]}, "a.b": "x"},
        {"note": {"body": {"text": "cough"}, "codes": []}, "a.b": "y"},
        {"note": None, "a.b": "z"},
    ]
    columns = {"text_column": "note.body.text", "label_column": "note.codes.0.dx", "subgroup_columns": ("a.b",)}
    kept, quarantine = collect(settings(write_rows(tmp_path / "a.jsonl", rows), **columns))
    assert kept.select("text", "label", "a.b").rows() == [("fever", "flu", "x")]
    assert quarantine["reason"].to_list() == ["missing label", "missing text"]
    message = failure(tmp_path / "a.jsonl", **{**columns, "text_column": "note.body.txt"})
    assert "did you mean 'note.body.text'" in message
    rows = [{"note": {"text": "fever", "dx": "flu"}, "a.b": 1}]
    columns = {"text_column": "note.text", "label_column": "note.dx", "subgroup_columns": ("a.b",)}
    kept, _ = collect(settings(write_rows(tmp_path / "a.parquet", rows), **columns))
    assert kept.select("text", "label", "a.b").rows() == [("fever", "flu", "1")]


def test_a_key_that_only_late_rows_have_is_no_missing_column(tmp_path: Path) -> None:
    rows = [{"text": f"fever {number}", "dx": "flu"} for number in range(1500)]
    kept, _ = collect(settings(write_rows(tmp_path / "a.jsonl", [*rows, {**rows[0], "sex": "f"}]), subgroup_columns=("sex",)))
    assert kept["sex"].to_list() == [None] * 1500 + ["f"]
    assert "expected the column 'sex'" in failure(write_rows(tmp_path / "a.jsonl", rows), subgroup_columns=("sex",))


def test_large_whole_numbers_keep_their_digits(tmp_path: Path) -> None:
    number = 123_456_789_012_345_678_901_234_567
    path = write_rows(tmp_path / "a.jsonl", [{**ROWS[0], "id": number}, {**ROWS[1], "id": 2.0**53}])
    assert collect(settings(path, note_id_column="id")).records["note_id"].to_list() == [str(number), str(2**53)]


def test_dates_begin_with_the_year_and_lose_their_time(tmp_path: Path) -> None:
    dates = ["2019-03-01", "2019-03-01T10:00:00Z", "2019", None, "01/03/2019"]
    path = write_rows(tmp_path / "a.jsonl", [{**ROWS[0], "on": date} for date in dates])
    kept, quarantine = collect(settings(path, date_column="on"))
    assert kept["note_date"].to_list() == ["2019-03-01", "2019-03-01", "2019", None]
    assert quarantine.select("row", "reason").rows() == [(5, "date is not as in 2019-03-01")]
    path = write_rows(tmp_path / "a.parquet", [{**ROWS[0], "on": datetime(2019, 3, 1, 10, 0)}])
    assert collect(settings(path, date_column="on")).records["note_date"].to_list() == ["2019-03-01"]


def test_facts_name_formats_and_hashes_and_no_file(tmp_path: Path) -> None:
    write_rows(tmp_path / "smith_john.csv")
    found = table.facts(settings(tmp_path / "smith_john.csv"))
    data = (tmp_path / "smith_john.csv").read_bytes()
    assert found == {
        "files": 1,
        "formats": ".csv",
        "bytes": len(data),
        "licence": "unknown",
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    for number in range(table.FEW_FILES - 1):
        write_rows(tmp_path / f"b{number}.jsonl")
    found = table.facts(settings(tmp_path))
    assert (found["formats"], found["sha256_10"]) == (".csv, .jsonl", hashlib.sha256(data).hexdigest())
    write_rows(tmp_path / "z.csv")
    assert "sha256_1" not in table.facts(settings(tmp_path))
    assert "smith" not in str(found)


# ---- tasks ----


def task_records(path: Path, rows: list[dict[str, Any]], task: str, **changes: Any) -> tuple[pl.DataFrame, list[str]]:
    chosen = settings(write_rows(path, rows), **changes)
    kept, quarantine = collect(chosen, task)
    assert list(kept.columns)[: len(records.columns(task))] == list(records.columns(task))
    assert {name: kept.schema[name] for name in records.columns(task)} == dict(records.columns(task))
    assert not quarantine["reason"].str.contains("SECRET").any()
    return kept, quarantine["reason"].to_list()


def test_labels_may_be_lists(tmp_path: Path) -> None:
    values = [["flu", "cold", "flu"], [], [3, True], '["b", "a"]', None, "flu", {"a": SECRET}, [["x"]], [SECRET * 20], [None]]
    kept, reasons = task_records(tmp_path / "a.jsonl", [{"text": "fever", "dx": value} for value in values], "multilabel")
    assert kept["labels"].to_list() == [["cold", "flu"], [], ["3", "true"], ["a", "b"]]
    assert reasons == [
        "missing labels",
        "labels are not a list",
        "labels are not a list",
        "label is not a single value",
        "label is not a class name",
        "label is not a class name",
    ]
    kept, _ = task_records(tmp_path / "a.parquet", [{"text": "fever", "dx": ["b", "a"]}], "multilabel")
    assert kept["labels"].to_list() == [["a", "b"]]


def test_labels_may_be_separated(tmp_path: Path) -> None:
    rows = [{"text": f"fever {value}", "dx": value} for value in ("flu; cold;", "", "flu")]
    for suffix in ("csv", "jsonl"):
        kept, reasons = task_records(tmp_path / f"a.{suffix}", rows, "multilabel", label_separator=";")
        assert (kept["labels"].to_list(), reasons) == ([["cold", "flu"], [], ["flu"]], [])


def test_prompt_and_response(tmp_path: Path) -> None:
    rows = [
        {"prompt": "What is it?", "dx": " Flu.\n"},
        {"prompt": "", "dx": "x"},
        {"prompt": "x", "dx": ""},
        {"prompt": "x", "dx": 7},
    ]
    kept, reasons = task_records(tmp_path / "a.jsonl", rows, "generation", text_column="prompt")
    assert kept.select("text", "response").rows() == [("What is it?", " Flu.\n")]
    assert reasons == ["missing text", "missing response", "response is not a string"]


def test_question_context_and_answer(tmp_path: Path) -> None:
    text = "é🙂 fever and fever"
    rows = [
        {"text": text, "q": "What?", "answers": {"text": ["fever"], "start": [13]}},
        {"text": text, "q": "What?", "answers": {"text": [], "start": []}},
        {"text": text, "q": "What?", "answers": {"text": "yes", "start": None}},
        {"text": text, "q": "What?", "answers": {"text": ["fever"], "start": [2]}},
        {"text": text, "q": "What?", "answers": {"text": ["fever"], "start": ["x"]}},
        {"text": text, "q": " ", "answers": {"text": ["fever"], "start": [3]}},
    ]
    columns = {"label_column": "answers.text", "question_column": "q"}
    given = {**columns, "answer_start_column": "answers.start"}
    kept, reasons = task_records(tmp_path / "a.jsonl", rows, "question-answering", **given)
    assert kept.select("question", "answer", "answer_start").rows() == [
        ("What?", "fever", 13),
        ("What?", "", None),
        ("What?", "yes", None),
    ]
    assert reasons == ["answer does not stand at its start", "answer start is not a whole number", "missing question"]
    kept, _ = task_records(tmp_path / "a.jsonl", rows, "question-answering", **columns)
    assert kept["answer_start"].to_list() == [3, None, None, 3, 3]
    with pytest.raises(DataError, match=r"collect\.question_column"):
        collect(settings(tmp_path / "a.jsonl"), "question-answering")


def test_a_classification_may_have_a_question(tmp_path: Path) -> None:
    kept, _ = task_records(
        tmp_path / "a.csv",
        [{"text": "x", "q": "Why?", "dx": "yes", "sex": "f"}],
        "classification",
        question_column="q",
        subgroup_columns=("sex",),
    )
    assert kept.columns == [*records.RAW, "question", "sex"]
    assert kept["question"].to_list() == ["Why?"]


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1).filter(str.strip)


@given(texts=st.lists(TEXTS, min_size=1, max_size=8))
def test_csv_rows_survive_whatever_stands_in_them(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    pl.DataFrame({"text": texts, "dx": ["flu"] * len(texts)}).write_csv(path, quote_style="always")
    kept, quarantine = collect(settings(path))
    assert kept["text"].to_list() == texts
    assert kept["note_id"].to_list() == [f"a-{row}" for row in range(1, len(texts) + 1)]
    assert quarantine.is_empty()


# ---- rows that cannot be used ----

BAD_VALUES: dict[str, tuple[dict[str, Any], str]] = {
    "no text": ({"text": None}, "missing text"),
    "blank text": ({"text": " \n "}, "missing text"),
    "text is a number": ({"text": 7}, "text is not a string"),
    "text is a list": ({"text": [SECRET]}, "text is not a string"),
    "no label": ({"dx": None}, "missing label"),
    "blank label": ({"dx": "  "}, "missing label"),
    "label is not a number": ({"dx": float("nan")}, "missing label"),
    "label is a list": ({"dx": ["flu"]}, "label is not a single value"),
    "label is a text": ({"dx": SECRET * 20}, "label is not a class name"),
    "label of two lines": ({"dx": f"a\n{SECRET}"}, "label is not a class name"),
    "no patient": ({"patient": None}, "missing patient id"),
    "no note id": ({"id": ""}, "missing note id"),
    "no split": ({"part": None}, "missing split"),
    "text is endless": ({"text": SECRET * 2_000_000}, "text is longer than 10 MB"),
    "NUL in the text": ({"text": f"{SECRET}\x00"}, "NUL byte"),
    "NUL in an id": ({"patient": "p\x00"}, "NUL byte"),
    "half a surrogate pair": ({"text": "\ud800"}, "half a surrogate pair"),
    "subgroup is a list": ({"sex": ["f"]}, "sex is not a single value"),
}


@pytest.mark.parametrize("case", BAD_VALUES)
def test_bad_value_is_quarantined(tmp_path: Path, case: str) -> None:
    change, reason = BAD_VALUES[case]
    path = write_rows(tmp_path / "notes.jsonl", [ROWS[0], {**ROWS[1], **change}, ROWS[2]])
    columns = {"note_id_column": "id", "patient_column": "patient", "split_column": "part", "subgroup_columns": ("sex",)}
    assert reasons(path, **columns) == [(2, reason)]


def test_ragged_csv_row_is_quarantined(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", f'text,dx\n"{SECRET}\nmore",flu\n{SECRET},flu,extra\n{SECRET}\nfine,cold\n,flu\n"nul\x00",flu\n'
    )
    assert reasons(path) == [(2, "wrong number of fields"), (3, "wrong number of fields"), (5, "missing text"), (6, "NUL byte")]


def test_broken_json_line_among_good_ones_is_quarantined(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl", f'{{"text": "fever", "dx": "flu"}}\n{{"text": "{SECRET}\n["{SECRET}"]\n{"[" * 100_000}\n'
    )
    assert reasons(path) == [(2, "broken json"), (3, "not a json object"), (4, "broken json")]


def test_parquet_numbers_and_booleans_become_labels(tmp_path: Path) -> None:
    rows = [{"text": "fever", "dx": True, "year": 2.0, "n": 1.5}, {"text": "cough", "dx": False, "year": None, "n": None}]
    kept, _ = collect(settings(write_rows(tmp_path / "a.parquet", rows), subgroup_columns=("year", "n")))
    assert kept.select("label", "year", "n").rows() == [("true", "2", "1.5"), ("false", None, None)]


# ---- files that cannot be used ----


def test_missing_path(tmp_path: Path) -> None:
    assert "expected a file or a folder, found none" in failure(tmp_path / "nowhere")
    assert "collect.splits" in failure(write_rows(tmp_path / "a.csv"), splits={"train": "a", "validation": "b", "test": "c"})


def test_no_matching_file(tmp_path: Path) -> None:
    write_rows(tmp_path / "training.csv")
    write(tmp_path / "notes.txt", SECRET)
    assert "did you mean 'training.csv'" in failure(tmp_path, files="trainin.csv")
    assert "1 with other endings" in failure(tmp_path, files="*.txt*")
    assert "collect.splits.validation" in failure(
        tmp_path, splits={"train": "training.csv", "validation": "v.csv", "test": "t.csv"}
    )
    assert "no match" in failure(tmp_path / "*.parquet")


@pytest.mark.parametrize("pattern", ["../a.csv", "/etc/*", ""])
def test_files_outside_the_folder_are_refused(tmp_path: Path, pattern: str) -> None:
    assert "inside collect.path" in failure(tmp_path, files=pattern)


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").symlink_to(write_rows(tmp_path / "a.csv"))
    assert "found a link to another place" in failure(tmp_path / "in")
    assert collect(settings(tmp_path / "in/a.csv")).records.height == 3, "a file that is named itself may be a link"
    (tmp_path / "link").symlink_to(tmp_path / "in")
    write_rows(tmp_path / "in/b.csv")
    assert collect(settings(tmp_path / "link", files="b.csv")).records.height == 3


def test_a_json_list_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_list, "MAX_JSON_BYTES", 100)
    assert "export json lines" in failure(write_rows(tmp_path / "a.json"))


def test_unknown_suffix(tmp_path: Path) -> None:
    assert failure(write(tmp_path / "a.xlsx", SECRET)).startswith("a.xlsx: expected one of .csv, .jsonl")


@pytest.mark.parametrize("name", ["a.parquet.gz", "a.gz", "a.csv.bz2"])
def test_packed_files_that_cannot_be_read_in_parts(tmp_path: Path, name: str) -> None:
    assert failure(write(tmp_path / name, SECRET)).endswith("convert or unpack it")


def test_file_of_two_splits(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.csv")
    write_rows(tmp_path / "b.csv")
    message = failure(tmp_path, splits={"train": "*.csv", "validation": "b.csv", "test": "a.csv"})
    assert message.startswith("b.csv: expected in one split, found in train and validation")


def test_missing_column_names_those_found_and_the_closest(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", f"Text,dx\n{SECRET},flu\n")
    message = failure(path)
    assert message == (
        "a.csv: expected the column 'text', found Text, dx: did you mean 'Text'? Set collect.text_column in params.yaml"
    )
    assert "collect.patient_column" in failure(path, text_column="Text", patient_column="mrn")
    assert "collect.subgroup_columns" in failure(path, text_column="Text", subgroup_columns=("sex",))


def test_missing_column_in_semicolon_separated_file(tmp_path: Path) -> None:
    assert "not separated by commas" in failure(write(tmp_path / "a.csv", f"text;dx\n{SECRET};flu\n"))


@pytest.mark.parametrize("first", [f"{SECRET} {'and so on ' * 10},flu", "12 345,SECRET", '"SECRET\nNOTE",flu'])
def test_file_without_header_is_not_quoted(tmp_path: Path, first: str) -> None:
    assert "no header of column names" in failure(write(tmp_path / "a.csv", f"{first}\n{SECRET},cold\n"))


def test_column_twice(tmp_path: Path) -> None:
    assert "'text' once, found it 2 times" in failure(write(tmp_path / "a.csv", f"text,text,dx\n{SECRET},x,flu\n"))


def test_subgroup_that_would_overwrite_a_column(tmp_path: Path) -> None:
    assert "['label'] would overwrite" in failure(tmp_path, subgroup_columns=("label",))


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.parquet"])
def test_empty_file(tmp_path: Path, name: str) -> None:
    assert "a." in failure(write(tmp_path / name, ""))
    assert "found an empty file" in failure(tmp_path / name)


def test_file_without_rows(tmp_path: Path) -> None:
    assert "found none under the header" in failure(write(tmp_path / "a.csv", "text,dx\n"))
    assert "a.json" in failure(write(tmp_path / "a.json", "[]"))


def test_wrong_encoding(tmp_path: Path) -> None:
    head = f'text,dx\n"{SECRET}\n\nmore",flu\n'.encode()
    message = failure(write(tmp_path / "a.csv", head + b"caf\xe9,flu\nx,cold\n"))
    assert message.startswith(f"a.csv, row 2: expected UTF-8, found a byte that is not at offset {len(head) + 3}: ")
    assert "iconv -f WINDOWS-1252 -t UTF-8 a.csv > utf8.csv" in message
    message = failure(write(tmp_path / "a.jsonl", b'{"text": "x", "dx": "flu"}\n{"text": "\xe9"}\n'))
    assert message.startswith("a.jsonl, row 2: expected UTF-8")
    assert "offset 37" in message
    assert "iconv -f UTF-16" in failure(write(tmp_path / "b.csv", f"text,dx\n{SECRET},flu\n".encode("utf-16")))
    assert "expected UTF-8" in failure(write(tmp_path / "c.json", b'[{"text": "\xe9"}]'))


def test_broken_quotes(tmp_path: Path) -> None:
    message = failure(write(tmp_path / "a.csv", f'text,dx\nfine,flu\n"{SECRET}" said,flu\n'))
    assert message.startswith("a.csv, row 2 (line 3): expected fields quoted as in RFC 4180")
    assert "row 1 " in failure(write(tmp_path / "b.csv", f'text,dx\n"{SECRET},flu\nx,cold\n'))


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet"])
def test_file_is_something_else(tmp_path: Path, name: str) -> None:
    assert failure(write(tmp_path / name, f"{SECRET}\n{SECRET}\n")).startswith(name)


def test_json_that_is_no_list(tmp_path: Path) -> None:
    assert "expected a json list of objects, found a json dict" in failure(
        write(tmp_path / "a.json", '{"text": "x", "dx": "flu"}')
    )
    assert "broken json" in failure(write(tmp_path / "b.json", '{"text": "x"}\n{"text": "y"}\n'))


def test_unknown_split(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.csv", [ROWS[0], {**ROWS[1], "part": SECRET}])
    assert failure(path, split_column="part").startswith(
        "a.csv, row 2, column 'part': expected one of train, validation, test, val"
    )
