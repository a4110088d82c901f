"""stages/collect.py with real files: what it writes, with which rights, and what stops it."""

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dxtune import records, shards
from dxtune.errors import DataError
from dxtune.params import Params, load_params
from dxtune.paths import Paths
from dxtune.stages import collect

ROOT = Path(__file__).parents[2]
GOOD = [{"text": f"SECRET NOTE {row}", "label": ("flu", "cold")[row % 2], "mrn": f"p{row // 2}"} for row in range(40)]


def params(path: Path | str, **changes: Any) -> Params:
    base = load_params(ROOT / "params.yaml").model_dump()
    base["collect"] |= {"source": "table", "path": str(path), "subgroup_columns": (), **changes}
    return Params.model_validate(base)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def metrics(root: Path) -> Any:
    return json.loads((root / "metrics/collect.json").read_text(encoding="utf-8"))


def test_table_becomes_a_private_corpus_and_a_metrics_file(tmp_path: Path) -> None:
    source = write(tmp_path / "notes.jsonl", [*GOOD, {"text": "", "label": "flu", "mrn": "p1"}])
    collect.run(params(source, patient_column="mrn", max_quarantined_share=0.03), Paths(tmp_path))
    raw = Paths(tmp_path).raw
    notes = records.check(shards.read_corpus(raw), dict.fromkeys(("note_id", "patient_id", "text"), pl.String), "test")
    assert notes.columns == list(records.RAW)
    assert shards.read_corpus(raw / "quarantine").rows() == [("notes.jsonl", 41, "notes-41", "missing text")]
    assert (
        metrics(tmp_path).items()
        >= {
            "rows": 41,
            "records": 40,
            "quarantined": 1,
            "quarantined_missing_text": 1,
            "patients": 20,
            "labels": 2,
            "files": 1,
            "formats": ".jsonl",
        }.items()
    )
    assert stat.S_IMODE(raw.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in raw.rglob("*") if path.is_file()} == {0o600}
    assert stat.S_IMODE((raw / "quarantine").stat().st_mode) == 0o700
    assert stat.S_IMODE(raw.parent.stat().st_mode) & 0o055
    assert stat.S_IMODE((tmp_path / "metrics/collect.json").stat().st_mode) & 0o044, "only PHI is private"


def test_the_years_of_the_notes_are_told_and_no_more_of_a_date(tmp_path: Path) -> None:
    dates = ["2019-03-04", "2011-12-31", None, "2020-01-01"]
    source = write(tmp_path / "notes.jsonl", [{**row, "day": dates[at % 4]} for at, row in enumerate(GOOD)])
    collect.run(params(source, date_column="day"), Paths(tmp_path))
    found = metrics(tmp_path)
    assert (found["first_year"], found["last_year"]) == (2011, 2020)
    assert "-03-" not in json.dumps(found)


def test_same_input_gives_the_same_bytes_wherever_it_is(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        source = write(tmp_path / name / "notes.jsonl", GOOD)
        collect.run(params(source), Paths(tmp_path / name))
        files = [path for folder in ("data", "metrics") for path in sorted((tmp_path / name / folder).rglob("*.*"))]
        written.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})
    assert written[0] == written[1]
    assert len(written[0]) == 6
    assert not any(str(tmp_path).encode() in content for content in written[0].values())


def test_too_many_unusable_rows_are_counted_by_reason_and_nothing_is_written(tmp_path: Path) -> None:
    source = write(tmp_path / "notes.jsonl", [*GOOD, {"text": "", "label": "flu"}, {"text": "SECRET"}, {"text": None}])
    with pytest.raises(DataError) as caught:
        collect.run(params(source, max_quarantined_share=0.05), Paths(tmp_path))
    assert "at most 5.0% unusable rows, found 3 of 43 (missing label: 1, missing text: 2)" in str(caught.value)
    assert "the first is row 41 of notes.jsonl, missing text;" in str(caught.value) and "SECRET" not in str(caught.value)
    assert "collect.max_quarantined_share" in str(caught.value)
    with pytest.raises(DataError, match="found no manifest"):
        shards.read_corpus(Paths(tmp_path).raw)


def test_one_label_only_is_an_error(tmp_path: Path) -> None:
    source = write(tmp_path / "notes.jsonl", [{**row, "label": "flu"} for row in GOOD])
    with pytest.raises(DataError, match=r"column 'label': expected 2 labels or more, found 1: set collect\.label_column"):
        collect.run(params(source), Paths(tmp_path))


def test_a_column_that_is_no_label_is_not_quoted(tmp_path: Path) -> None:
    source = write(tmp_path / "notes.jsonl", [{**row, "label": f"SECRET {at}"} for at, row in enumerate(GOOD)])
    with pytest.raises(DataError, match="found 40 different values in 40 records") as caught:
        collect.run(params(source), Paths(tmp_path))
    assert "SECRET" not in str(caught.value)


def test_synthetic_source_fills_the_same_contract(tmp_path: Path) -> None:
    pytest.importorskip("dxtune.sources.synthetic")
    base = load_params(ROOT / "params.yaml")
    collect.run(
        base.model_copy(update={"collect": base.collect.model_copy(update={"path": str(ROOT / base.collect.path)})}),
        Paths(tmp_path),
    )
    notes = shards.read_corpus(Paths(tmp_path).raw)
    found = metrics(tmp_path)
    assert found["rows"] == base.collect.notes == found["records"] + found["quarantined"]
    assert found["records"] == notes.height
    assert 0 < found["bayes_accuracy"] < 1


# ---- piece by piece ----


def many(path: Path, rows: int, changed: int | None = None) -> Path:
    """Three pieces' worth of short notes, and no more work than needed."""
    lines = [
        f'{{"text": "SECRET NOTE {row}{" edited" if row == changed else ""}", "label": "{("flu", "cold")[row % 2]}"}}'
        for row in range(rows)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def times(root: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (root / "data/raw").glob("part-*.parquet")}


def changed(before: dict[str, int], after: dict[str, int]) -> list[str]:
    return sorted(name for name in after if before.get(name) != after[name])


def test_only_pieces_that_changed_are_read_again(tmp_path: Path) -> None:
    per = shards.ROWS_PER_SHARD
    source = many(tmp_path / "notes.jsonl", 2 * per + 100)
    names = [f"part-0000{number}.parquet" for number in range(4)]
    collect.run(params(source), Paths(tmp_path))
    first = times(tmp_path)
    assert sorted(first) == names[:3]
    collect.run(params(source, max_quarantined_share=0.5), Paths(tmp_path))
    assert changed(first, times(tmp_path)) == []

    many(source, 3 * per + 100)
    collect.run(params(source), Paths(tmp_path))
    assert changed(first, times(tmp_path)) == names[2:], "the last piece, which was not full, and a new one"

    before = times(tmp_path)
    many(source, 3 * per + 100, changed=5)
    collect.run(params(source), Paths(tmp_path))
    assert changed(before, times(tmp_path)) == names[:1]

    before = times(tmp_path)
    file = tmp_path / "data/raw" / names[1]
    good = file.read_bytes()
    file.write_bytes((tmp_path / "data/raw" / names[0]).read_bytes())
    collect.run(params(source), Paths(tmp_path))
    assert changed(before, times(tmp_path)) == names[1:2] and file.read_bytes() == good, "an edited shard is made again"

    before = times(tmp_path)
    collect.run(params(source, patient_column="label"), Paths(tmp_path))
    assert changed(before, times(tmp_path)) == names, "other settings, other records"

    many(source, 200)
    collect.run(params(source), Paths(tmp_path))
    assert sorted(times(tmp_path)) == names[:1], "what is stale is gone"
    assert sorted(path.name for path in (tmp_path / "data/raw/quarantine").iterdir()) == ["manifest.json", names[0]]


def test_workers_change_no_byte(tmp_path: Path) -> None:
    source = many(tmp_path / "notes.jsonl", 2 * shards.ROWS_PER_SHARD + 100)
    written = []
    for workers in (1, 2):
        root = tmp_path / str(workers)
        base = params(source)
        chosen = base.model_copy(update={"data": base.data.model_copy(update={"workers": workers})})
        collect.run(chosen, Paths(root))
        shutil.rmtree(root / ".cache")  # what it remembers of files goes by inode and time
        written.append({str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()})
    assert written[0] == written[1]
    assert len(written[0]) == 3 + 3 + 4


@pytest.mark.parametrize("apart", [1, shards.ROWS_PER_SHARD])
def test_an_id_that_comes_again_is_named_with_both_places(tmp_path: Path, apart: int) -> None:
    rows = [{"text": f"SECRET NOTE {row}", "label": ("flu", "cold")[row % 2], "id": f"n{row}"} for row in range(apart + 50)]
    rows[apart + 20]["id"] = "n20"
    source = write(tmp_path / "notes.jsonl", rows)
    with pytest.raises(DataError, match=r"column 'id': expected an id of its own for each note, found 'n20' again") as caught:
        collect.run(params(source, note_id_column="id"), Paths(tmp_path))
    places = {1: "record 22 of raw/part-00000", shards.ROWS_PER_SHARD: "record 21 of raw/part-00001"}
    assert f"{places[apart]}.parquet (first in record 21 of raw/part-00000.parquet)" in str(caught.value)
    assert not (tmp_path / "data/raw/manifest.json").exists()
