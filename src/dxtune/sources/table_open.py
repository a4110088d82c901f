"""The rows of a file of any format, not parsed yet, once the file is known to have the wanted columns."""

import difflib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from dxtune.errors import DataError
from dxtune.sources.json_list import list_items
from dxtune.sources.pieces import Chunk, Place, Rows
from dxtune.sources.row_ends import csv_rows, line_rows, without_first
from dxtune.sources.streams import blocks, without_bom
from dxtune.sources.table_cells import ABSENT, csv_fields, kind_of, look_up, parse, wrong_encoding
from dxtune.sources.table_files import File

MAX_NAME_CHARACTERS = 64  # a longer "column name" is data: the file has no header, and must not be quoted
MAX_NAMES = 60  # in a message
LOOK_AT = 1000  # rows of json whose keys are known before the first piece
PARQUET_ROWS = 1024

Opened = tuple[File, Place, Iterator[Chunk]]


class ParquetRows(NamedTuple):
    """Rows of a parquet file; their bytes are an Arrow stream."""

    batch: pa.RecordBatch
    regular: bool = True

    @property
    def height(self) -> int:
        return int(self.batch.num_rows)

    def fitting(self, first: int, size: int) -> int:
        """About how many rows have up to `size` bytes together."""
        return int(size * self.height // max(self.batch.nbytes, 1))

    def take(self, first: int, count: int) -> bytes:
        """The bytes of `count` rows."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.batch.schema) as stream:
            stream.write_batch(self.batch.slice(first, count))
        return bytes(sink.getvalue())


def open_file(file: File, columns: dict[str, str]) -> Opened:
    """The file (with its header), where its first row stands, and its rows. `columns`: the setting that names each.

    Raises DataError where the file is empty, lacks a column or has it twice, or is something else than it says.
    """
    if file.path.stat().st_size == 0:
        raise _empty(file)
    if file.format == ".parquet":
        return _open_parquet(file, columns)
    if file.format == ".csv":
        return _open_csv(file, columns)
    if file.format == ".json":
        return _open_lines(file, columns, partial(list_items, file))
    return _open_lines(file, columns, lambda: line_rows(without_bom(blocks(file.path, file.name))[1], file.name))


def _open_csv(file: File, columns: dict[str, str]) -> Opened:
    mark, stream = without_bom(blocks(file.path, file.name))
    head, rows = without_first(csv_rows(stream, file.name))
    try:
        header = next(csv_fields(head.decode("utf-8"), file.name, Place()), None)
    except UnicodeDecodeError:
        raise wrong_encoding(file, head, Place(rows=-1, offset=mark)) from None
    if header is None:
        raise _empty(file)
    check_columns(file, header, [name for name in columns if name not in header], columns)
    if twice := [column for column in columns if header.count(column) > 1]:
        raise _twice(file, twice[0], header.count(twice[0]))
    start = Place(offset=mark).behind(head, 0)
    return file._replace(header=tuple(header)), start, _not_empty(file, rows)


def _open_lines(file: File, columns: dict[str, str], lines: Callable[[], Iterator[Rows]]) -> Opened:
    """Keys may be absent from a row, so a column is missing only where no row has it."""
    absent, names, objects = set(columns), dict[str, None](), False
    first: tuple[int, Any] | None = None
    try:
        for number, line in enumerate(_lines(lines())):
            if number >= LOOK_AT and objects and not absent:
                break
            value = parse(line)
            first = first or (number + 1, value)
            if isinstance(value, dict):
                objects = True
                absent -= {name for name in absent if look_up(value, name) is not ABSENT}
                if len(names) < MAX_NAMES:
                    names |= dict.fromkeys(_paths(value))
    except UnicodeDecodeError:
        raise _undecodable(file, lines()) from None
    if first is None:
        raise _no_rows(file) if file.format == ".json" else _empty(file)
    if not objects:
        raise DataError(
            f"{file.name}, row {first[0]}: expected a json object, found {kind_of(first[1])}, as in all rows: export it again"
        )
    check_columns(file, list(names), [name for name in columns if name in absent], columns)
    return file, Place(offset=0), lines()


def _lines(chunks: Iterator[Rows]) -> Iterator[bytes]:
    for chunk in chunks:
        for at in range(chunk.height):
            yield chunk.take(at, 1).lstrip(b"\n")


def _undecodable(file: File, chunks: Iterator[Rows]) -> DataError:
    place = Place()
    for chunk in chunks:
        try:
            chunk.data.decode("utf-8")
        except UnicodeDecodeError:
            return wrong_encoding(file, chunk.data, place)
        place = place.behind(chunk.data, chunk.height)
    raise AssertionError("a line that cannot be decoded was there before")


def _paths(value: dict[str, Any], before: str = "", depth: int = 3) -> Iterator[str]:
    """The keys of an object, and those of the objects in it with the path to them.

    >>> list(_paths({"id": 1, "note": {"body": {"text": "..."}}}))
    ['id', 'note', 'note.body', 'note.body.text']
    """
    for key, inner in value.items():
        yield before + key
        if isinstance(inner, dict) and depth > 1:
            yield from _paths(inner, f"{before}{key}.", depth - 1)


def _open_parquet(file: File, columns: dict[str, str]) -> Opened:
    try:
        source = pq.ParquetFile(file.path, page_checksum_verification=True)
        schema = source.schema_arrow
        rows = source.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError, OverflowError):
        raise _no_parquet(file) from None
    names = list(schema.names)
    nested = [path for field in schema for path in _fields(field)]
    check_columns(file, nested, [name for name in columns if name not in nested], columns)
    tops = list(dict.fromkeys(name if name in names else name.partition(".")[0] for name in columns))
    if twice := [name for name in tops if names.count(name) > 1]:
        raise _twice(file, twice[0], names.count(twice[0]))
    if rows == 0:
        raise _no_rows(file)

    def batches() -> Iterator[Chunk]:
        found = 0
        try:
            for batch in source.iter_batches(PARQUET_ROWS, columns=tops, use_threads=False):
                batch.validate(full=True)
                found += batch.num_rows
                yield ParquetRows(batch.replace_schema_metadata(None))
        except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError):
            raise _no_parquet(file) from None
        if found != rows:
            raise _no_parquet(file)

    return file, Place(), batches()


def _fields(field: pa.Field, before: str = "") -> Iterator[str]:
    yield before + field.name
    if pa.types.is_struct(field.type):
        for inner in field.type:
            yield from _fields(inner, f"{before}{field.name}.")


def _not_empty(file: File, chunks: Iterator[Rows]) -> Iterator[Chunk]:
    empty = True
    for chunk in chunks:
        empty = False
        yield chunk
    if empty:
        raise _no_rows(file)


def check_columns(file: File, found: list[str], absent: list[str], columns: dict[str, str]) -> None:
    """Raises DataError for the first absent column: what was found, and which name may be meant.

    The first row of a csv where no wanted name stands may be a note, and is not quoted.
    """
    if not absent:
        return
    column, key = absent[0], columns[absent[0]]
    if not all(len(name) <= MAX_NAME_CHARACTERS and name.isprintable() and not _is_number(name) for name in found):
        raise DataError(
            f"{file.name}: expected the column {column!r} ({key}), found no header of column names: add one as row one"
        )
    folded = {name.casefold(): name for name in found}
    close = difflib.get_close_matches(column.casefold(), folded, n=1)
    separated = len(found) == 1 and any(mark in found[0] for mark in ";\t|")
    other = "the fields are not separated by commas: save the file as comma-separated. " if separated else ""
    if file.format == ".csv" and not any(name.casefold() in folded for name in columns):
        raise DataError(
            f"{file.name}: expected the column {column!r}, found a first row of {len(found)} fields without it and the other "
            f"columns: {other}Set {key} in params.yaml, or add a header as row one"
        )
    hint = other or (f"did you mean {folded[close[0]]!r}? " if close else "")
    listed = ", ".join(found[:MAX_NAMES]) + (f" and {len(found) - MAX_NAMES} more" if len(found) > MAX_NAMES else "")
    raise DataError(f"{file.name}: expected the column {column!r}, found {listed}: {hint}Set {key} in params.yaml")


def _is_number(name: str) -> bool:
    return name.translate(str.maketrans("", "", " .,:/-+")).isdecimal()


def _empty(file: File) -> DataError:
    return DataError(f"{file.name}: expected at least one row, found an empty file: replace it or take it out of collect.files")


def _no_rows(file: File) -> DataError:
    return DataError(
        f"{file.name}: expected at least one row, found none under the header: replace it or take it out of collect.files"
    )


def _twice(file: File, column: str, times: int) -> DataError:
    return DataError(f"{file.name}: expected the column {column!r} once, found it {times} times: rename one")


def _no_parquet(file: File) -> DataError:
    return DataError(f"{file.name}: expected a parquet file, found another or a cut one: copy or export it again")
