"""A corpus on disk: a folder of zstd parquet shards with a manifest written last.

`part-00000.parquet`, ... hold a fixed number of rows in input order, so that appending leaves old shards as they were.
Where `manifest.json` is absent the corpus is not finished, and reading it is an error.
"""

import json
import shutil
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from dxtune.errors import DataError

ROWS_PER_SHARD = 10_000


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Writes one table aside and renames it: the same frame gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    pq.write_table(frame.to_arrow(), aside, compression="zstd", store_schema=False)
    aside.replace(path)


def write_text(text: str, path: Path) -> None:
    """Writes one text file aside and renames it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def write_json(value: object, path: Path) -> None:
    """Writes sorted, indented JSON aside and renames it; NaN and infinity raise ValueError."""
    write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n", path)


def write_corpus(frame: pl.DataFrame, folder: Path, rows_per_shard: int = ROWS_PER_SHARD) -> None:
    """Writes a frame as a corpus: shards first, the manifest last. What stood in `folder` before is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shards = {}
    for number, start in enumerate(range(0, max(frame.height, 1), rows_per_shard)):
        name = f"part-{number:05d}.parquet"
        part = frame.slice(start, rows_per_shard)
        write_parquet(part, folder / name)
        shards[name] = part.height
    write_json({"rows": frame.height, "shards": shards}, folder / "manifest.json")


def read_corpus(folder: Path) -> pl.DataFrame:
    """All rows of a corpus in order. Raises DataError where it is absent, unfinished or not what its manifest says."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise DataError(
            f"expected a finished corpus in {folder}, found no manifest.json there: run dvc repro (or dvc pull) first"
        )
    shards = json.loads(manifest.read_text(encoding="utf-8"))["shards"]
    frames = []
    for name, rows in sorted(shards.items()):
        if not (folder / name).is_file():
            raise DataError(f"{folder / name} is in the manifest but not in the folder: run dvc repro (or dvc pull) again")
        frame = pl.from_arrow(pq.read_table(folder / name))
        assert isinstance(frame, pl.DataFrame)
        if frame.height != rows:
            raise DataError(f"{folder / name}: the manifest says {rows} rows, found {frame.height}: run dvc repro again")
        frames.append(frame)
    return pl.concat(frames)
