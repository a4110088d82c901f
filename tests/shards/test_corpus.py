"""shards.py: a corpus comes back as it was written, or not at all."""

from pathlib import Path

import polars as pl
import pytest

from dxtune.errors import DataError
from dxtune.shards import read_corpus, write_corpus, write_json


def frame(rows: int) -> pl.DataFrame:
    return pl.DataFrame({"note_id": [f"n{i}" for i in range(rows)], "ids": [[i, i + 1] for i in range(rows)]})


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9])
def test_round_trip_and_same_bytes(tmp_path: Path, rows: int) -> None:
    written = frame(rows).cast({"ids": pl.List(pl.Int64)})
    for name in ("a", "b"):
        write_corpus(written, tmp_path / name, rows_per_shard=4)
    assert read_corpus(tmp_path / "a").equals(written)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(names) == max(1, -(-rows // 4)) + 1
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)


def test_appending_leaves_full_shards_as_they_were(tmp_path: Path) -> None:
    write_corpus(frame(8), tmp_path / "a", rows_per_shard=4)
    write_corpus(frame(10), tmp_path / "b", rows_per_shard=4)
    for name in ("part-00000.parquet", "part-00001.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_corpus_without_its_manifest_or_a_shard_is_refused(tmp_path: Path) -> None:
    write_corpus(frame(8), tmp_path / "a", rows_per_shard=4)
    (tmp_path / "a/part-00001.parquet").unlink()
    with pytest.raises(DataError, match="part-00001"):
        read_corpus(tmp_path / "a")
    write_corpus(frame(8), tmp_path / "a", rows_per_shard=4)
    (tmp_path / "a/part-00001.parquet").write_bytes((tmp_path / "a/part-00000.parquet").read_bytes())
    assert read_corpus(tmp_path / "a").height == 8
    (tmp_path / "a/manifest.json").write_text('{"shards": {"part-00000.parquet": 3}}')
    with pytest.raises(DataError, match="says 3 rows, found 4"):
        read_corpus(tmp_path / "a")
    (tmp_path / "a/manifest.json").unlink()
    with pytest.raises(DataError, match=r"manifest\.json"):
        read_corpus(tmp_path / "a")


def test_json_has_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json({"x": float("nan")}, tmp_path / "x.json")
    assert not (tmp_path / "x.json").exists()
