"""Records from tables that you have: csv, json lines, json and parquet files, one row a note.

    collect: {source: table, path: data/notes, text_column: note.body.text, label_column: diagnosis}

A row that cannot be used goes to the quarantine with a reason; a file that cannot be used is a DataError. Rows count from
1, and the header of a csv is not one of them; in json lines the row is the line. A message names file, row and column and
never says what stands there: everything that is read here is PHI.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import partial

from dxtune.params import Collect
from dxtune.shards import ROWS_PER_SHARD
from dxtune.sources import table_cells, table_rows
from dxtune.sources.pieces import Batch, Piece, Segment, pack
from dxtune.sources.streams import kind
from dxtune.sources.table_files import File, find
from dxtune.sources.table_open import Opened, open_file

FEW_FILES = 10  # so many have their own hash among the facts


def pieces(settings: Collect, task: str) -> Iterator[Piece]:
    """The rows of all files, in order of the files' names, ROWS_PER_SHARD rows a piece.

    Raises DataError where a file or a column is not what the settings say: at once, or when its turn comes.
    """
    columns = table_rows.columns(settings, task)
    files = find(settings)
    return cut((open_file(file, columns) for file in files), settings, task)


def cut(files: Iterable[Opened], settings: Collect, task: str) -> Iterator[Piece]:
    """The pieces of opened files, which `read` can read."""
    for segments in pack(files, ROWS_PER_SHARD):
        rows = sum(segment.rows for segment in segments)
        yield Piece(key(segments), rows, partial(read, segments, settings, task))


def read(segments: list[Segment[File]], settings: Collect, task: str) -> Batch:
    """The records and the quarantine of a piece. Raises DataError, naming file and row, where a file is broken."""
    wanted = list(table_rows.columns(settings, task))
    return table_rows.batch([table_cells.read(segment, wanted) for segment in segments], settings, task)


def facts(settings: Collect) -> dict[str, float | int | str]:
    """What the data card says of the source: files, their formats, bytes and hashes, in the order of the files' names.

    No file is named: a name may be a patient's.
    """
    return describe(find(settings))


def describe(files: list[File]) -> dict[str, float | int | str]:
    """Number, formats, bytes and hashes of files."""
    hashes = [_sha256(file) for file in files]
    found: dict[str, float | int | str] = {
        "files": len(files),
        "formats": ", ".join(sorted({"".join(kind(file.path)) for file in files})),
        "bytes": sum(file.path.stat().st_size for file in files),
        "licence": "unknown",
    }
    if len(files) == 1:
        return {**found, "sha256": hashes[0]}
    if len(files) <= FEW_FILES:
        return {**found, **{f"sha256_{number}": value for number, value in enumerate(hashes, 1)}}
    return {**found, "sha256": hashlib.sha256("\n".join(hashes).encode()).hexdigest()}


def _sha256(file: File) -> str:
    with file.path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def key(segments: list[Segment[File]]) -> str:
    """A hash of the bytes, and of what the records take from the file's name and from where in it they stand."""
    digest = hashlib.sha256()
    for segment in segments:
        file, start = segment.file, segment.start
        about = [file.name, file.format, file.split, file.prefix, file.header, start.rows, start.lines, len(segment.data)]
        digest.update(json.dumps(about).encode())
        digest.update(segment.data)
    return digest.hexdigest()
