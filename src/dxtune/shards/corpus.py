"""A corpus on disk: a folder of zstd parquet shards with a manifest written last.

`part-00000.parquet`, ... hold a fixed number of rows in input order, so that appending leaves old shards as they were.
Where `manifest.json` is absent the corpus is not finished, and reading it is an error.
"""

import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import fsspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from dxtune.errors import DataError
from dxtune.files import write_bytes, write_json
from dxtune.records import Schema, check

ROWS_PER_SHARD = 4_000
"""About 10 MB of notes of 2,400 characters: enough that starting a task costs nothing beside it, little enough that a worker
holds a few hundred MB, and that the last shard, which an appended row makes again, is a small part of a corpus."""
MANIFEST = "manifest.json"


def to_parquet(frame: pl.DataFrame) -> bytes:
    """A table as a parquet file: the same frame gives the same bytes."""
    buffer = io.BytesIO()
    pq.write_table(frame.to_arrow(), buffer, compression="zstd", store_schema=False)
    return buffer.getvalue()


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Writes one table aside and renames it: the same frame gives the same bytes."""
    write_bytes(to_parquet(frame), path)


def shard_name(number: int) -> str:
    """The file name of a shard.

    >>> shard_name(7)
    'part-00007.parquet'
    """
    return f"part-{number:05d}.parquet"


def write_manifest(rows: Mapping[str, int], folder: Path) -> None:
    """Says that a corpus is finished. rows: of each shard, by name."""
    write_json({"rows": sum(rows.values()), "shards": dict(rows)}, folder / MANIFEST)


def write_corpus(frame: pl.DataFrame, folder: Path, rows_per_shard: int = ROWS_PER_SHARD) -> None:
    """Writes a frame as a corpus: shards first, the manifest last. What stood in `folder` before is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows = {}
    for number, start in enumerate(range(0, max(frame.height, 1), rows_per_shard)):
        part = frame.slice(start, rows_per_shard)
        write_parquet(part, folder / shard_name(number))
        rows[shard_name(number)] = part.height
    write_manifest(rows, folder)


def assemble(files: Mapping[str, Path], rows: Mapping[str, int], folder: Path) -> None:
    """Makes a corpus of shards that stand elsewhere on this disk: hard links, or copies where there can be none.

    files, rows: where each shard is, and how many rows it has, by name. It is built aside, so that `folder` holds the old
    corpus or the new one.
    """
    aside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for name, file in files.items():
        try:
            os.link(file, aside / name)
        except OSError:  # another disk, or one without hard links
            shutil.copyfile(file, aside / name)
    write_manifest(rows, aside)
    shutil.rmtree(folder, ignore_errors=True)
    aside.replace(folder)


def join(folder: Path | str, name: str) -> str:
    """The path or URL of a file in a folder that is a path or a URL.

    >>> join("s3://bucket/raw/", "part-00000.parquet"), join(Path("data/raw"), "manifest.json")
    ('s3://bucket/raw/part-00000.parquet', 'data/raw/manifest.json')
    """
    return f"{str(folder).rstrip('/')}/{name}"


def read_bytes(path: str) -> bytes:
    """The content of a local file, or of one behind an fsspec URL such as s3://bucket/file."""
    if "://" not in path:
        return Path(path).read_bytes()
    with fsspec.open(path, "rb") as file:
        data: bytes = file.read()
    return data


def shards_of(folder: Path | str) -> dict[str, int]:
    """The rows of each shard of a corpus, by file name, in order. Raises DataError where it is absent or unfinished."""
    try:
        shards = json.loads(read_bytes(join(folder, MANIFEST)))["shards"]
        return dict(sorted((name, int(rows)) for name, rows in shards.items()))
    except FileNotFoundError:
        raise DataError(
            f"expected a finished corpus in {folder}, found no manifest.json there: run dvc repro (or dvc pull) first"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(
            f"{join(folder, MANIFEST)}: expected the rows of each shard as JSON, found something else: run dvc repro again"
        ) from None


def count_rows(folder: Path | str) -> int:
    """How many rows a corpus has, as its manifest says."""
    return sum(shards_of(folder).values())


def read_shard(folder: Path | str, name: str, rows: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """One shard, or some columns of it. Raises DataError where it is absent, or has not the rows that its manifest says."""
    path = join(folder, name)
    try:
        source = path if "://" not in path else io.BytesIO(read_bytes(path))
        table = pq.ParquetFile(source).read(columns=list(columns) if columns is not None else None)
    except FileNotFoundError:
        raise DataError(f"{path} is in the manifest but not in the folder: run dvc repro (or dvc pull) again") from None
    except (pa.ArrowException, OSError):  # its text could quote what stands there
        raise DataError(f"{path}: expected a whole parquet file, found another or a part of one: run dvc repro again") from None
    if table.num_rows != rows:
        raise DataError(f"{path}: the manifest says {rows} rows, found {table.num_rows}: run dvc repro again")
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def iter_shards(folder: Path | str, columns: Sequence[str] | None = None) -> Iterator[tuple[str, pl.DataFrame]]:
    """The name and the rows of each shard, one after another: memory for one."""
    for name, rows in shards_of(folder).items():
        yield name, read_shard(folder, name, rows, columns)


def read_columns(folder: Path | str, columns: Sequence[str]) -> pl.DataFrame:
    """Some columns of a whole corpus, in order: for narrow ones, such as ids and labels; a text does not fit in memory."""
    return pl.concat([frame for _, frame in iter_shards(folder, columns)])


def read_corpus(folder: Path | str, schema: Schema | None = None) -> pl.DataFrame:
    """All rows of a corpus in order. Raises DataError where it is absent, unfinished, or not as manifest and `schema` say."""
    return pl.concat([check(frame, schema or {}, join(folder, name)) for name, frame in iter_shards(folder)])
